"""Position: the network reads it off, and what is made of its reading."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm.binning import ZBinning
from jsddpm_eval.evaluation import evaluate_in_detail
from jsddpm_eval.features.crossfit import Fold
from jsddpm_eval.metrics.position import middles, position_confusion, train_z_regressor
from jsddpm_eval.slice_table import SliceTable
from synthetic import BINNING
from worlds import BINNING as TWO_BINS


@pytest.fixture(scope="module")
def real(store):
    """One table for all tests, so that its networks are trained once."""
    return SliceTable.from_store(store, BINNING)


def asked(table, z_bin):
    """The same slices, asked for other bins."""
    return SliceTable.from_arrays(
        table.images, z_bin=z_bin, pathology=table.pathology, binning=BINNING, spacing=table.spacing
    )


def test_the_regressor_reads_position_and_shuffling_is_chance(real):
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
        assert scores[f"z_error_{name}"].value == pytest.approx(error.mean() * scale, abs=1e-5)
        assert scores[f"z_error_{name}"].baseline == pytest.approx(scores["z_error_bins"].baseline * 6 * scale)
    assert scores["z_offset_bins"].value == pytest.approx((predicted - middle[test.z_bin]).mean() / 6, abs=1e-5)
    every = np.abs(predicted[:, None] - middle[test.z_bin][None]).mean() / 6
    assert scores["z_error_chance_bins"].value == pytest.approx(every, abs=1e-5)
    confusion = np.zeros((5, 5), int)
    for k, z in zip(test.z_bin.tolist(), predicted, strict=True):
        confusion[k, np.abs(z - middle).argmin()] += 1
    assert np.array_equal(right.results.confusion, confusion)


def test_slices_of_the_next_bin_are_offset_by_one_bin_and_real_ones_by_none(real):
    test = real.where(real.in_split & (real.z_bin < 4))
    for step in (0, 1):
        results = evaluate_in_detail(real, asked(test, test.z_bin + step), ["position"], []).results
        score = results.pooled["z_offset_bins"]
        assert score.value - score.baseline == pytest.approx(-step, abs=0.25)
        low, high = score.baseline_interval
        assert (low <= score.value <= high) == (step == 0)


def test_bins_in_reverse_pull_to_the_middle(real):
    test = real.where(real.in_split)
    score = evaluate_in_detail(real, asked(test, 4 - test.z_bin), ["position"], []).results.pooled["z_pull_bins"]
    expected = np.abs(2 * (test.z_bin.numpy() - 2.0)).mean()  # bin k shows bin 4 - k: 2 |k - 2| bins inwards
    assert score.value - score.baseline == pytest.approx(expected, abs=0.5)


@pytest.mark.usefixtures("brief_networks")
def test_the_regressor_is_repeatable_kept_and_leaves_the_global_generator(real, tmp_path):
    table = real.where(slice(40))
    fold = Fold(0, table, table.images)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    a, b, kept = (train_z_regressor(fold, (0, 39), seed=1, folder=f) for f in (None, tmp_path, tmp_path))
    assert torch.equal(torch.get_rng_state(), before)
    read = [network(table.images).detach() for network in (a, b, kept)]
    assert torch.equal(read[0], read[1])
    assert torch.equal(read[0], read[2])
    assert len(list(tmp_path.iterdir())) == 1


def test_middles_are_the_mean_positions_of_the_bins():
    assert middles(BINNING).tolist() == [7.5, 13.5, 19.5, 25.5, 31.5]
    sparse = ZBinning((0, 3), 6, n_slices=4, allow_empty_bins=True)
    assert [float(m) for k, m in enumerate(middles(sparse)) if sparse.slices(k)] == [0, 1, 2, 3]


def test_confusion_counts_where_samples_landed():
    read = torch.tensor([2.0, 2.1, 7.0])
    assert position_confusion(read, torch.tensor([0, 1, 1]), TWO_BINS) == [[1, 0], [1, 1]]
