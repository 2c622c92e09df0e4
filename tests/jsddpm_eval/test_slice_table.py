"""Slice tables: what they take and refuse, that pixels are read cell by cell, that columns are computed once."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from jsddpm.errors import JsddpmError
from jsddpm.sections import BinningConfig
from jsddpm.slices.store import SliceStore
from jsddpm_eval import slice_table
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.slice_table import SliceTable
from metric_tester import MEANS
from synthetic import BINNING

pytestmark = pytest.mark.usefixtures("brief_networks")

IMAGES = np.random.default_rng(0).random((4, 6, 5)).astype(np.float32)
MASKS = IMAGES > 0.5
LABELS = {"z_bin": [0, 1, 1, 0], "pathology": [0, 1, 1, 0]}


def made(**changed):
    return SliceTable.from_arrays(**({"images": IMAGES, "masks": MASKS, "patient": list("baab")} | LABELS | changed))


KINDS = {
    "lists": lambda x: x.tolist(),
    "float64": lambda x: x.astype(np.float64) if x.dtype.kind in "fb" else x,
    "tensors": torch.from_numpy,
    "a channel axis": lambda x: x[:, None] if x.ndim == 3 else x,
    "a tensor with a gradient": lambda x: torch.from_numpy(x).requires_grad_(x.dtype.kind == "f"),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_lists_arrays_and_tensors_make_the_same_table(kind):
    labels = {name: kind(np.array(values)) for name, values in LABELS.items()}
    held = kind(np.array([True, False, False, True])) if kind is not KINDS["float64"] else [1, 0, 0, 1]
    table = made(images=kind(IMAGES), masks=kind(MASKS), held_out=held, **labels)
    assert torch.equal(table.images, torch.from_numpy(IMAGES))
    assert torch.equal(table.masks, torch.from_numpy(MASKS))
    assert table.images.dtype == torch.float32
    assert (table.z_bin.tolist(), table.pathology.tolist()) == ([0, 1, 1, 0], [0, 1, 1, 0])
    assert table.held_out.tolist() == table.in_split.tolist() == [True, False, False, True]
    assert (len(table), table.size, table.kind) == (4, (6, 5), "real")


MIXED = np.array(["x", 3, 3, "x"], object)


@pytest.mark.parametrize(
    "patient", [list("baab"), np.array(list("baab")), [7, 3, 3, 7], torch.tensor([7, 3, 3, 7]), MIXED]
)
def test_patients_are_numbered_in_name_order(patient):
    table = made(patient=patient)
    assert table.patient.tolist() == [1, 0, 0, 1]
    assert table.patient_names.tolist() == [str(p) for p in np.asarray(patient)]
    assert table.n_patients == 2
    assert made(patient=None).kind == "generated"
    assert made(patient=None).patient.tolist() == [-1] * 4
    assert made(patient=None).n_patients == 0


@pytest.mark.parametrize(
    "group",
    [
        ["v", None, "w", "v"], ["v", "", "w", "v"], np.array(["v", None, "w", "v"], object), [1.0, np.nan, 2.0, 1.0],
        [5, -1, 3, 5], torch.tensor([5, -1, 3, 5]), ["v", np.nan, "w", "v"], ["v", -1, "w", "v"],
        np.array(["v", np.int64(-1), "w", "v"], object), pd.Series(["v", pd.NA, "w", "v"], dtype="string"),
        pd.Series([5, pd.NA, 3, 5], dtype="Int64"), pd.Categorical(["v", None, "w", "v"]),
    ],
)  # fmt: skip
def test_slices_of_one_volume_are_one_unit_and_a_slice_of_none_is_its_own(group):
    table = made(patient=None, group=group)
    same = table.unit[:, None] == table.unit[None]
    assert same.tolist() == [[i == j or {i, j} == {0, 3} for j in range(4)] for i in range(4)]
    assert table.n_units == 3
    part = table.where([3, 1, 0])
    assert torch.equal(part.unit, table.unit[[3, 1, 0]])
    assert part.n_units == 2


@pytest.mark.parametrize("nothing", [np.nan, -1, None, pd.NA])
def test_two_slices_of_no_volume_are_two_units(nothing):
    table = made(patient=None, group=["a", nothing, nothing, "b"])
    assert len(table.unit.unique()) == table.n_units == 4


def test_bfloat16_is_converted():
    images = torch.from_numpy(IMAGES).bfloat16()
    assert torch.equal(made(images=images).images, images.float())


@pytest.mark.parametrize("spacing", [(1, 2, 3), [1.0, 2.0, 3.0], np.array([1, 2, 3], np.float32), (np.int64(1), 2, 3)])
def test_a_spacing_is_the_same_in_every_form(spacing):
    table = made(spacing=spacing)
    assert table.spacing == (1.0, 2.0, 3.0)
    assert [type(v) for v in table.spacing] == [float] * 3
    assert table.origin == made(spacing=(1.0, 2.0, 3.0)).origin


def test_without_volumes_a_generated_slice_is_its_own_unit_and_a_real_one_its_patients():
    assert made(patient=None).n_units == 4
    assert torch.equal(made().unit, made().patient)
    assert made().n_units == 2


def test_volumes_enter_the_hash_of_the_labels():
    hashes = {made(patient=None, group=g)._whole.hash_labels() for g in (None, [0, 0, 1, 1], [0, 1, 1, 0])}
    assert len(hashes) == 3


NAN = np.where(np.arange(4)[:, None, None] == 2, np.nan, IMAGES)
REFUSED = {
    "another number of images": ({"images": IMAGES[:3], "masks": None}, "images: 3 for 4"),
    "flat images": ({"images": IMAGES.reshape(4, -1)}, "shape"),
    "three channels": ({"images": np.repeat(IMAGES[:, None], 3, 1)}, r"in \[0, 1\] of one channel$"),
    "channels last": ({"images": IMAGES[..., None]}, r"in \[0, 1\] of one channel$"),
    "bytes": ({"images": (255 * IMAGES).astype(np.uint8)}, "divide 8-bit images by 255"),
    "whole numbers": ({"images": MASKS.astype(np.int64)}, "give floats"),
    "above 1": ({"images": 2 * IMAGES}, r"scale them to \[0, 1\]"),
    "below 0": ({"images": IMAGES - 0.5}, r"scale them to \[0, 1\]"),
    "NaN": ({"images": NAN}, r"images: \d+ values are nan or inf"),
    "infinity": ({"images": np.where(np.isnan(NAN), np.inf, NAN)}, "inf"),
    "ragged lists": ({"images": [[[0.0]], [[0.0, 1.0]]]}, "not an array"),
    "masks of another shape": ({"masks": MASKS[:, :5]}, "equal shapes"),
    "masks of labels": ({"masks": np.where(MASKS, [[[1]], [[2]], [[1]], [[2]]], 0)}, "values 0, 1, 2; .*masks > 0"),
    "masks of -1 and 1": ({"masks": np.where(MASKS, 1.0, -1.0)}, "values -1, 1"),
    "masks of probabilities": ({"masks": 0.5 * MASKS}, "values from 0 to 0.5"),
    "masks with NaN": ({"masks": NAN}, "masks: .* nan or inf"),
    "a bin too few": ({"z_bin": [0, 1, 1]}, "z_bin: 3 for 4"),
    "a negative bin": ({"z_bin": [0, -1, 1, 0]}, "-1 to 1"),
    "a bin outside the binning": ({"z_bin": [0, 1, 5, 0], "binning": BINNING}, "0 to 4"),
    "bins that are no whole numbers": ({"z_bin": [0.0, 0.5, 1.0, 0.0]}, "whole number"),
    "no bins": ({"z_bin": None}, "give z_bin, or z_index and binning"),
    "positions without a binning": ({"z_bin": None, "z_index": [5, 6, 7, 8]}, "give z_bin, or z_index and binning"),
    "positions beside bins without a binning": (
        {"z_index": [20, 21, 22, 23]},
        "give binning, which says how they belong",
    ),
    "a position outside the binning": ({"z_bin": None, "z_index": [5, 6, 7, 80], "binning": BINNING}, "80"),
    "a position outside the bins": ({"z_index": [500] * 4, "binning": BINNING}, "500"),
    "a position in another bin": (
        {"z_index": [5, 11, 17, 5], "binning": BINNING},
        "1 of 4 positions are in another bin",
    ),
    "a position too few": ({"z_index": [5, 6, 7], "binning": BINNING}, "z_index: 3 for 4"),
    "a third pathology": ({"pathology": [0, 1, 2, 0]}, "0 for control, 1 for lesion"),
    "an unknown pathology": ({"pathology": ["lesion"] * 3 + ["ill"]}, "pathology 'ill' is unknown.*1 or lesion"),
    "a patient too few": ({"patient": list("aab")}, "one patient for each"),
    "a patient without a name": ({"patient": ["a", None, "b", "b"]}, "patient"),
    "a patient with an empty name": ({"patient": ["a", "", "b", "b"]}, "1 of 4 missing"),
    "a patient NaN among names": ({"patient": ["a", np.nan, "b", "b"]}, "1 of 4 missing"),
    "a patient NA": ({"patient": pd.Series(["a", pd.NA, "b", "b"], dtype="string")}, "1 of 4 missing"),
    "a held-out flag NA": (
        {"held_out": pd.Series([True, False, pd.NA, True], dtype="boolean")},
        "held_out: 1 of 4 miss",
    ),
    "a patient that is not a number": ({"patient": [1.0, np.nan, 2.0, 2.0]}, "1 of 4 missing"),
    "volumes of real slices": ({"group": [0, 0, 1, 1]}, "group: given for real slices"),
    "a volume too few": ({"patient": None, "group": [0, 0, 1]}, "one volume, or None, for each"),
    "volumes in a column": ({"patient": None, "group": [[0]] * 4}, "one volume, or None, for each"),
    "one held-out flag for all": ({"held_out": [True]}, "held_out: 1 for 4"),
    "held-out flags in a column": ({"held_out": [[True]] * 4}, "held_out"),
    "held-out flags by name": ({"held_out": ["train"] * 4}, "held_out"),
    "held-out flags of 2": ({"held_out": [0, 1, 2, 0]}, "held_out"),
    "held-out flags without patients": ({"patient": None, "held_out": [True] * 4}, "give the patient of each"),
    "a patient on both sides": (
        {"patient": list("aabb"), "held_out": [True, False, True, True]},
        r"patient a is held out in some slices only \(1 of 2 pat",
    ),
    "a spacing of nothing": ({"spacing": (1, 0, 1)}, "three positive distances"),
    "a single spacing": ({"spacing": 1.0}, "three positive distances"),
    "no spacing": ({"spacing": None}, "three positive distances"),
    "a spacing in words": ({"spacing": ("1", "1", "1")}, "three positive distances"),
    "a spacing of two": ({"spacing": (1, 1)}, "three positive distances"),
    "a name too few": ({"names": ["a"]}, "names: 1 for 4"),
    "a name for all": ({"names": "wxyz"}, "names: a str"),
    "names that are a number": ({"names": 4}, "names: a int"),
    "columns in a list": ({"columns": [1]}, "columns: a list"),
    "a column that is a list": ({"columns": {"x": [1, 2, 3, 4]}}, "columns: 'x' is a list"),
    "a column without a name": ({"columns": {1: torch.zeros(4)}}, "columns: 1 is a Tensor"),
    "slices of one pixel": ({"images": np.zeros((4, 1, 1)), "masks": None}, "slices of 1x1 pixels"),
    "masks of one row": ({"images": None, "masks": np.zeros((4, 1, 9), bool)}, "masks: slices of 1x9 pixels"),
    "slices without a pixel": ({"images": np.zeros((4, 0, 9)), "masks": None}, "slices of 0x9 pixels"),
    "a column too short": ({"columns": {"x": torch.zeros(3, 2)}}, "x: 3 for 4"),
}


@pytest.mark.parametrize(("changed", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_by_name_with_a_cure(changed, message):
    with pytest.raises(JsddpmError, match=message) as caught:
        made(**changed)
    assert caught.value.status == 2
    assert caught.value.fix
    assert caught.value.code in ("SLICES", "Z_OUTSIDE")


@pytest.mark.parametrize(
    "words", [["control", "lesion", "Lesion", "0"], np.array(["control", "lesion", "1", "control"]),
              pd.Series(["control", "LESION", "lesion", "control"])], ids=["list", "array", "series"],
)  # fmt: skip
def test_pathologies_may_be_words(words):
    assert made(pathology=words).pathology.tolist() == [0, 1, 1, 0]


def test_positions_become_bins_and_bins_become_positions():
    at = made(z_bin=None, z_index=[5, 10, 11, 34], binning=BINNING)
    assert at.z_bin.tolist() == [0, 0, 1, 4]
    assert at.z_index.tolist() == [5, 10, 11, 34]
    of = made(z_bin=[0, 0, 1, 4], binning=BINNING)
    assert [BINNING.index(z) for z in of.z_index.tolist()] == [0, 0, 1, 4]
    assert made().z_index.tolist() == [0, 1, 1, 0]  # each bin one slice thick


def test_selections_keep_their_place_and_their_names():
    table = made(names=["w", "x", "y", "z"])
    part = table.where(torch.tensor([False, True, False, True])).where(slice(1, 2))
    assert (part.row.tolist(), part.name(0), part.patient_names.tolist()) == ([3], "z", ["b"])
    assert torch.equal(part.images, torch.from_numpy(IMAGES[3:]))
    assert made().where([2, 0]).name(0) == "real slice 2"
    assert table.spread(2).row.tolist() == [0, 1]  # one of each condition
    assert table.token(2).tolist() == [0, 3, 3, 0]
    assert repr(part) == "SliceTable(1 real slices of 1 patients, 6x5)"


def test_a_table_without_pixels_says_so_when_asked_for_them():
    table = made(images=None, masks=None, columns={"x": torch.arange(4.0)})
    assert (table.has_pixels, table.has_masks, table.size) == (False, False, (0, 0))
    for name, of in (("images", table), ("masks", made(masks=None))):
        with pytest.raises(JsddpmError, match=f"give the {name} of the slices"):
            getattr(of, name)


def test_given_columns_are_found_by_key_and_settings():
    given = made(columns={"x": torch.arange(4.0), "y fine": torch.arange(4.0) + 1})
    values = [given.column(*place, settings=s).tolist() for *place, s in (("x", sum, ""), ("y", sum, "fine"))]
    assert values == [[0, 1, 2, 3], [1, 2, 3, 4]]


def test_columns_are_computed_once_for_the_whole_table_in_batches(monkeypatch):
    monkeypatch.setattr(slice_table, "BATCH", 3)
    table, calls = made(), []

    def brightness(batch):
        calls.append(len(batch))
        return batch.images.mean((1, 2)).double()

    assert calls == []
    part = table.where([3, 1])
    assert part.column("mean", brightness).tolist() == pytest.approx(IMAGES.mean((1, 2))[[3, 1]].tolist())
    assert calls == [3, 1]
    assert torch.equal(table.column("mean", brightness)[[3, 1]], part.column("mean", brightness))
    assert calls == [3, 1]
    table.column("mean", brightness, settings="other")
    assert calls == [3, 1, 3, 1]
    assert made().where(slice(0)).mapped(brightness).shape == (0,)


def pickled(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled], ids=["copy", "pickle"])
def test_a_table_can_be_sent_to_another_process(copied, tmp_path):
    """With what it shows, and without what was computed; a DataLoader's workers get it in this way."""
    part = made(names=["w", "x", "y", "z"]).where([3, 1])
    part.memo.keep_in(tmp_path)
    part.column("mean", lambda batch: batch.images.mean((1, 2)).double())
    part.memo.once(("function",), lambda: lambda: 1)
    sent = copied(part)
    assert (sent.name(0), sent.patient_names.tolist(), sent.origin) == ("z", part.patient_names.tolist(), part.origin)
    assert torch.equal(sent.images, part.images)
    assert (
        sent.column("mean", lambda batch: batch.masks.sum((1, 2)).double()).tolist() == part.masks.sum((1, 2)).tolist()
    )


# Stores


class Counting(SliceStore):
    """A store that notes how many rows are read at a time."""

    def images(self, rows=None):
        self.read = [*getattr(self, "read", []), len(rows)]
        return super().images(rows)

    def masks(self, rows=None):
        self.read = [*getattr(self, "read", []), len(rows)]
        return super().masks(rows)


def asked(store, count=2):
    """Mirrored held-out slices, as if generated."""
    real = SliceTable.from_store(store, BINNING)
    rows = [torch.nonzero((real.token(5) == t) & real.held_out)[:count, 0] for t in range(10)]
    part = real.where(torch.cat(rows))
    return SliceTable.from_arrays(
        part.images.flip(-1), part.masks.flip(-1), z_bin=part.z_bin, pathology=part.pathology, binning=BINNING,
        spacing=store.spacing,
    )  # fmt: skip


def tables_of(store):
    """The table of a store, the table of its arrays, and the rows of the store's index in them."""
    table, index = SliceTable.from_store(store, BINNING, split="test"), store.index
    rows = np.nonzero((index["z_index"] >= 5) & (index["z_index"] <= 34))[0]
    same = SliceTable.from_arrays(
        store.images(rows), store.masks(rows), z_index=index["z_index"][rows].astype(np.int64),
        pathology=index["pathology"][rows].astype(np.int64), patient=store.patients[rows],
        held_out=index["split"][rows] != 0, binning=BINNING, spacing=store.spacing,
    )  # fmt: skip
    return table, same, rows


def test_a_store_is_the_table_of_its_content(store):
    table, same, rows = tables_of(store)
    for name in ("z_index", "z_bin", "pathology", "patient", "held_out", "images", "masks"):
        assert torch.equal(getattr(table, name), getattr(same, name)), name
    assert table.patient_names.tolist() == same.patient_names.tolist()
    assert torch.equal(table.in_split, torch.from_numpy(store.index["split"][rows] == 2))


@pytest.mark.long
def test_the_scores_of_a_store_are_those_of_its_arrays(store):
    table, same, _ = tables_of(store)
    asking = [m for m in metrics() if m != "position"]  # which judges its network on one split
    both = [evaluate(real, asked(store), metrics=asking, features=[MEANS]) for real in (table, same)]
    assert both[0].generation == both[1].generation


@pytest.mark.long
def test_pixels_are_read_no_more_at_a_time_than_the_largest_bin_or_a_batch(store, monkeypatch):
    monkeypatch.setattr(slice_table, "BATCH", 16)
    counting = Counting(store.path)
    real = SliceTable.from_store(counting, BINNING)
    evaluate(real, asked(store), features=[MEANS])
    largest = int(real.z_bin.bincount().max())
    assert (len(real), largest) == (180, 36)
    assert 16 < max(counting.read) <= largest
    counting.read = []
    evaluate(real, asked(store), metrics=["kid", "obedience", "lesion_shape"], features=[MEANS])
    assert counting.read == []  # features and shapes are columns by now


def test_a_real_store_needs_bins_and_a_generated_one_brings_them(store, generated):
    with pytest.raises(JsddpmError, match="give a ZBinning") as caught:
        SliceTable.from_store(store)
    assert (caught.value.code, caught.value.status) == ("BINNING", 2)
    table = SliceTable.from_store(generated.path)
    assert (table.kind, table.binning, len(table)) == ("generated", generated.binning, len(generated.index))
    assert table.name(0) == generated.slice_name(0)


@pytest.mark.parametrize(("largest", "taken"), [(4095, True), (4096, False), (10**9, False)])
def test_without_a_binning_there_are_as_many_bins_as_in_a_configuration(largest, taken):
    """The memory of an evaluation grew with the largest bin."""
    assert BinningConfig(n_bins=4096).n_bins == 4096
    if taken:
        assert made(z_bin=[0, largest, 1, 0]).z_bin.tolist() == [0, largest, 1, 0]
    else:
        with pytest.raises(JsddpmError, match=rf"SLICES.*z_bin: 0 to {largest}; fix: give bins from 0 to 4095"):
            made(z_bin=[0, largest, 1, 0])


@pytest.mark.parametrize("name", ["images", "masks", "z_bin", "patient"])
def test_masked_values_are_refused(name):
    """What was masked was taken as it lies in memory."""
    values = {"images": IMAGES, "masks": MASKS, "z_bin": np.array([0, 1, 1, 0]), "patient": np.array(list("baab"))}
    hidden = np.zeros(values[name].shape, bool)
    assert len(made(**{name: np.ma.array(values[name], mask=hidden)})) == 4
    hidden.flat[2] = True
    with pytest.raises(JsddpmError, match=rf"SLICES.*{name}: 1 of {hidden.size} values are masked"):
        made(**{name: np.ma.array(values[name], mask=hidden)})


@pytest.mark.parametrize("value", [np.uint8(1), np.uint8(255), np.uint16(40000), 255.0, 3, torch.tensor(255)])
def test_masks_have_0_and_one_other_whole_number_as_the_files_of_an_import(value):
    masks = torch.from_numpy(MASKS) * value if isinstance(value, torch.Tensor) else MASKS * value
    assert torch.equal(made(masks=masks).masks, torch.from_numpy(MASKS))
    assert not made(masks=0 * masks).masks.any()


@pytest.mark.parametrize("kind", [lambda x: x, torch.from_numpy, list])
def test_arrays_in_place_of_tables_are_told_how_to_become_tables(kind):
    for pair in ((kind(IMAGES), kind(IMAGES)), (made(), kind(IMAGES)), (kind(IMAGES), made(patient=None))):
        with pytest.raises(JsddpmError, match=r"SLICES.*is neither a table .*SliceTable\.from_arrays") as caught:
            evaluate(*pair)
        assert caught.value.status == 2
