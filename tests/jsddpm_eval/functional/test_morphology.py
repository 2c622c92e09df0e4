"""Shapes in closed form, distances against references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import rbf_kernel

from jsddpm_eval.functional.morphology import SHAPE, lesion_shapes, log_roughness, rbf_of_labels, wasserstein_of_labels


def blocks(*boxes, size=(24, 30)):
    mask = torch.zeros((1, *size), dtype=torch.bool)
    for top, left, height, width in boxes:
        mask[0, top : top + height, left : left + width] = True
    return mask


def shape_of(mask, spacing=(2.0, 1.5)):
    return dict(zip(SHAPE, lesion_shapes(mask, spacing)[0].tolist(), strict=True))


def test_shapes_of_rectangles():
    found = shape_of(blocks((4, 6, 3, 8)))
    assert found["area"] == pytest.approx(3 * 8 * 2 * 1.5)
    assert (found["count"], found["solidity"]) == (1, pytest.approx(1))
    a, b = ((3 * 2) ** 2, (8 * 1.5) ** 2)
    assert found["eccentricity"] == pytest.approx(np.sqrt(1 - a / b), abs=0.05)  # of the pixels' second moments
    assert (found["row"], found["column"]) == pytest.approx(((5 - 11.5) * 2, (9.5 - 14.5) * 1.5))
    two = shape_of(blocks((4, 6, 3, 8), (15, 20, 2, 2)))
    assert (two["count"], two["area"]) == (2, pytest.approx(28 * 3))
    with pytest.raises(ValueError, match="no shape"):
        lesion_shapes(blocks(), (1.0, 1.0))


def test_distances_of_shapes_agree_with_references():
    rng = np.random.default_rng(0)
    x, y = (torch.from_numpy(rng.standard_normal((n, 3))) for n in (11, 7))
    both = torch.cat([x, y])
    labels = torch.stack([torch.arange(18) < 11, torch.from_numpy(rng.permutation(18) < 11)])
    weights = torch.from_numpy(0.2 + rng.random(18))
    found = wasserstein_of_labels(both, labels, weights, 1).tolist()
    column = both[:, 1].numpy()
    for value, a in zip(found, labels.numpy(), strict=True):
        assert value == pytest.approx(stats.wasserstein_distance(column[a], column[~a], weights[a]))
    moved = wasserstein_of_labels(torch.cat([x, x + 2.5]), torch.arange(22)[None] < 11, torch.ones(22), 0)
    assert float(moved) == pytest.approx(2.5)
    width = float(
        torch.tensor(cdist(both, both, "sqeuclidean")[np.triu_indices(18, 1)]).median()
    )  # torch's lower median
    k = rbf_kernel(both, gamma=1 / width)
    xx, yy = (m[~np.eye(len(m), dtype=bool)].mean() for m in (k[:11, :11], k[11:, 11:]))
    plain = rbf_of_labels(both, labels, torch.ones(18))
    assert float(plain[0]) == pytest.approx(xx + yy - 2 * k[:11, 11:].mean(), abs=1e-12)
    whole = np.where(np.arange(18) % 3 == 0, 2, 1)  # a sample of weight 2 is two samples, not a pair
    a = np.repeat(np.arange(11), whole[:11])
    pairs = k[a][:, a]
    expected = pairs.sum() - (whole[:11] ** 2).sum()
    expected = expected / (len(a) ** 2 - (whole[:11] ** 2).sum()) + yy - 2 * k[a][:, 11:].mean()
    assert float(rbf_of_labels(both, labels[:1], torch.from_numpy(whole))) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("distance", [0.01, 1.0, 300.0])
def test_the_kernel_distance_of_mostly_equal_samples_does_not_depend_on_their_units(distance):
    """Two equal samples apart from five equal ones: most pairs have distance 0, and the others have one distance."""
    x = torch.tensor([[distance]] * 2 + [[0.0]] * 5)
    value = float(rbf_of_labels(x, torch.arange(7)[None] < 3, torch.ones(7)))
    q = np.exp(-1)  # pairs: of the first side q twice and 1, of the second side 1, between them q twice and 1
    assert value == pytest.approx((2 * q + 1) / 3 + 1 - 2 * (2 * q + 1) / 3)


def test_roughness_is_that_of_discs_squares_and_teeth():
    yy, xx = np.mgrid[:61, :61] - 30
    disc = yy**2 + xx**2 <= 25**2
    comb = np.zeros((61, 61), bool)
    comb[10:40, 10:50:2], comb[40, 10:50] = True, True  # 20 teeth of 1 x 30 pixels on a bar of 40
    among = disc.copy()
    among[0, 0] = True  # the largest part counts
    found = log_roughness(np.stack([disc, among, comb, np.zeros_like(disc)]))
    assert found[0] == pytest.approx(0, abs=0.05)
    assert found[1] == found[0]
    borders = 20 * (2 * 30 + 1) + 40 + 2 + 20  # of the teeth; of the bar: below, at its ends, between teeth
    assert found[2] == pytest.approx(np.log((np.pi / 4 * borders) ** 2 / (4 * np.pi * 640)))
    assert np.isnan(found[3])
