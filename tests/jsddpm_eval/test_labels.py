"""Facts of slices as users have them: after a merge of tables, as booleans, as one row; ambiguous ones are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from jsddpm.errors import JsddpmError
from jsddpm_eval.slice_table import SliceTable


def made(**changed):
    facts = {"z_bin": [0, 1, 1, 0], "pathology": [0, 1, 1, 0], "patient": [1, 2, 3, 4], **changed}
    return SliceTable.from_arrays(None, **facts)


def test_floats_of_a_merge_and_booleans_mean_the_same_numbers():
    left = pd.DataFrame({"name": list("abcd"), "patient": [1, 2, 3, 4]})
    right = pd.DataFrame(
        {"name": list("abcde"), "z_bin": [0, 1, 1, 0, np.nan], "lesion": [False, True, True, False, True]}
    )
    merged = left.merge(right)
    assert merged.z_bin.dtype == float
    for pathology in (merged.lesion, merged.lesion.astype(float), torch.tensor([False, True, True, False])):
        table = made(z_bin=merged.z_bin, pathology=pathology)
        assert (table.z_bin.tolist(), table.pathology.tolist()) == ([0, 1, 1, 0], [0, 1, 1, 0])


@pytest.mark.parametrize("odd", [np.nan, np.inf, 0.5, 1e300])
@pytest.mark.parametrize("name", ["z_bin", "pathology"])
def test_floats_that_are_no_whole_numbers_are_refused(name, odd):
    with pytest.raises(JsddpmError, match=f"{name}: 1 of 4 are no whole numbers"):
        made(**{name: [0.0, 1.0, odd, 0.0]})


@pytest.mark.parametrize("given", [{"patient": [1, "1", "b", 3]}, {"patient": None, "group": [1, "1", None, -1]}])
def test_a_number_and_a_name_that_are_written_alike_are_refused(given):
    with pytest.raises(JsddpmError, match="1 is a number and a name"):
        made(**given)


@pytest.mark.parametrize("names", [("7", "007"), ("a", "A"), ("sub 1", "sub1"), ("b", "b ")])
def test_two_spellings_of_one_patient_are_refused_as_by_the_commands(names):
    with pytest.raises(JsddpmError, match=r"PATIENT_NAME.*appear to name one patient") as caught:
        made(patient=[*names, "c", "d"])
    assert caught.value.status == 3
    assert made(patient=["7", "8", "sub-7", "sub-8"]).n_units == 4


@pytest.mark.parametrize("binning", [{"n_bins": 2}, (0, 9)])
def test_bins_of_another_type_are_refused(binning):
    with pytest.raises(JsddpmError, match=r"BINNING.*is no ZBinning"):
        made(binning=binning)


def test_slices_without_a_volume_do_not_clash_with_names():
    assert made(patient=None, group=[-1, "-1", "a", "a"]).n_units == 3


@pytest.mark.parametrize(
    ("keep", "rows"),
    [
        (2, [2]), (-1, [3]), (np.int32(1), [1]), ([3, 0], [3, 0]), ((1, 1), [1, 1]), ([], []), (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        (np.array([True, False, False, True]), [0, 3]), (pd.Series([False, True, False, False]), [1]),
        (torch.tensor([2, 1]), [2, 1]), (torch.tensor([2, 1], dtype=torch.uint8), [2, 1]),
    ],
)  # fmt: skip
def test_rows_are_selected_as_numpy_selects_them(keep, rows):
    assert made().where(keep).row.tolist() == rows == np.atleast_1d(np.arange(4)[_indexed(keep)]).tolist()


def _indexed(keep):
    if isinstance(keep, torch.Tensor):
        return keep.numpy()
    return np.array(keep, int) if isinstance(keep, (list, tuple)) else keep


@pytest.mark.parametrize("keep", [4, -5, [0, 4], [True, False], True, [0.0, 1.0], [[0, 1]], "a", None])
def test_rows_that_do_not_exist_are_refused(keep):
    with pytest.raises(JsddpmError, match="where: ") as error:
        made().where(keep)
    assert error.value.code == "SLICES"
