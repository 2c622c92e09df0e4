"""Example slices: of different patients, the pairs nearest first, read back as written."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

import metric_tester as tester
from jsddpm.errors import JsddpmError
from jsddpm_eval.evaluation import evaluate_in_detail
from jsddpm_eval.folder import nearest_pairs
from jsddpm_eval.results.panels import Panels
from jsddpm_eval.slice_table import SliceTable


@pytest.fixture
def panels():
    real, arrays = tester.real_table(), tester.generated_arrays(2)
    arrays["images"][5] = real.where(~real.held_out).images[6]  # token 2: bin 0, lesion
    detail = evaluate_in_detail(real, tester.table(arrays), ["copies"], [])
    return Panels.collect(real, tester.table(arrays), *nearest_pairs(detail)), real, arrays


def test_every_condition_has_its_examples_in_token_order(panels):
    found, real, arrays = panels
    assert found.real_count.tolist() == found.generated_count.tolist() == [2, 2, 2, 2]
    for token in range(4):
        here = torch.nonzero(real.token(2) == token)[:2, 0]
        assert np.array_equal(found.real_image[token], np.rint(real.images[here].numpy() * 255))
        assert np.array_equal(found.real_mask[token], real.masks[here].numpy())
        assert found.real_name[token].tolist() == [real.name(int(i)) for i in here]
        made = arrays["images"][2 * token : 2 * token + 2]
        assert np.array_equal(found.generated_image[token], np.rint(made.numpy() * 255))


def test_the_nearest_pair_comes_first(panels):
    found, _, arrays = panels
    assert found.copies_nearness[0] == np.inf
    assert (np.diff(found.copies_nearness[1:]) <= 0).all()
    assert np.array_equal(found.copies[0, 0], found.copies[1, 0])
    assert np.array_equal(found.copies[0, 0], np.rint(arrays["images"][5].numpy() * 255))
    assert found.copies_name[0, 0] == "generated slice 5"


def test_panels_come_back_and_a_damaged_file_is_named(panels, tmp_path):
    panels[0].write(tmp_path / "panels.npz")
    again = Panels.read(tmp_path / "panels.npz")
    for f in fields(Panels):
        assert np.array_equal(getattr(again, f.name), getattr(panels[0], f.name)), f.name
    (tmp_path / "panels.npz").write_bytes((tmp_path / "panels.npz").read_bytes()[:200])
    with pytest.raises(JsddpmError, match="PANELS") as caught:
        Panels.read(tmp_path / "panels.npz")
    assert caught.value.status == 4


def test_slices_without_images_leave_empty_panels():
    arrays = tester.real_arrays()
    labels = {name: arrays[name] for name in ("z_bin", "pathology")}
    real = SliceTable.from_arrays(None, patient=arrays["patient"], **labels)
    made = SliceTable.from_arrays(None, **labels)
    found = Panels.collect(real, made, torch.empty((2, 0), dtype=torch.int64), torch.empty(0))
    assert found.real_image.shape == (4, 2, 1, 1)
    assert found.copies.shape[1] == 0
