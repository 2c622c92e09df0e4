"""Position: the network reads it off, and what is made of its reading."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm.binning import ZBinning
from jsddpm_eval.evaluation import evaluate_in_detail
from jsddpm_eval.features.training import TrainingSlices
from jsddpm_eval.metrics.position import middles, position_confusion, predict_z, train_z_regressor
from jsddpm_eval.slice_table import SliceTable
from worlds import BINNING as TWO_BINS

BINNING = ZBinning((5, 34), 5, n_slices=40)


def asked(table, z_bin):
    """The same slices, asked for other bins."""
    return SliceTable.from_arrays(table.images, z_bin=z_bin, pathology=table.pathology, binning=BINNING)


def test_the_regressor_reads_position_and_shuffling_is_chance(store):
    real = SliceTable.from_store(store, BINNING)
    test = real.where(real.in_split)
    shuffled = test.z_bin[torch.randperm(len(test), generator=torch.Generator().manual_seed(0))]
    right, chance = (evaluate_in_detail(real, asked(test, z), ["position"], []) for z in (test.z_bin, shuffled))
    scores, by_chance = right.results.pooled, chance.results.pooled["z_error_bins"].value
    assert scores["z_error_bins"].value < 0.7
    assert by_chance == pytest.approx(scores["z_error_chance_bins"].value, rel=0.35)
    assert by_chance > 2 * scores["z_error_bins"].value
    predicted = right.per_slice["z_predicted"].numpy()
    middle = np.array([7.5, 13.5, 19.5, 25.5, 31.5])
    error = np.abs(predicted - middle[test.z_bin])
    for name, scale in (("bins", 1 / 6), ("slices", 1), ("mm", 1.5)):
        score = scores[f"z_error_{name}"]
        assert score.value == pytest.approx(error.mean() * scale, abs=1e-5)
        assert score.baseline == pytest.approx(np.abs(predicted - test.z_index.numpy()).mean() * scale, abs=1e-5)
    every = np.abs(predicted[:, None] - middle[test.z_bin][None]).mean() / 6
    assert scores["z_error_chance_bins"].value == pytest.approx(every, abs=1e-5)
    confusion = np.zeros((5, 5), int)
    for k, z in zip(test.z_bin.tolist(), predicted, strict=True):
        confusion[k, np.abs(z - middle).argmin()] += 1
    assert np.array_equal(right.results.confusion, confusion)


def test_the_regressor_is_repeatable_kept_and_leaves_the_global_generator(store, tmp_path):
    z = torch.arange(40)
    slices = TrainingSlices(torch.from_numpy(store.images(np.arange(40))), z, torch.zeros_like(z))
    torch.manual_seed(3)
    before = torch.get_rng_state()
    a, b, kept = (train_z_regressor(slices, (0, 39), seed=1, folder=f) for f in (None, tmp_path, tmp_path))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(predict_z(a, slices.images), predict_z(b, slices.images))
    assert torch.equal(predict_z(a, slices.images), predict_z(kept, slices.images))
    assert len(list(tmp_path.iterdir())) == 1


def test_middles_are_the_mean_positions_of_the_bins():
    assert middles(BINNING).tolist() == [7.5, 13.5, 19.5, 25.5, 31.5]
    sparse = ZBinning((0, 3), 6, n_slices=4, allow_empty_bins=True)
    assert [float(m) for k, m in enumerate(middles(sparse)) if sparse.slices(k)] == [0, 1, 2, 3]


def test_confusion_counts_where_samples_landed():
    read = torch.tensor([2.0, 2.1, 7.0])
    assert position_confusion(read, torch.tensor([0, 1, 1]), TWO_BINS) == [[1, 0], [1, 1]]
