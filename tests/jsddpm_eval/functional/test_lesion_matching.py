"""Lesions are matched one to one, the best overlap first, as panoptica does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from jsddpm_eval.functional.lesion_matching import Matching, matched


def blobs(rng, threshold):
    """Connected parts of many sizes."""
    return ndimage.gaussian_filter(rng.standard_normal((8, 24, 20)), 1.5) > threshold


def test_no_lesion_on_either_side():
    empty, one = np.zeros((2, 4, 4), bool), np.eye(4, dtype=bool)[None].repeat(2, 0)
    assert matched(empty, empty) == Matching((), (), 0)
    assert matched(empty, empty).f1 is None
    assert matched(empty, one) == Matching((), (), 1)  # a diagonal is connected
    assert matched(one, empty) == Matching((8,), (False,), 0)
    assert (matched(one, one).f1, matched(empty, one).f1) == (1.0, 0.0)


def test_one_prediction_over_two_lesions_finds_one_of_them():
    truth = np.zeros((1, 12), bool)
    truth[0, :4] = truth[0, 6:12] = True
    assert matched(truth, np.ones_like(truth)) == Matching((4, 6), (False, True), 0)


def test_too_little_overlap_is_a_miss_and_an_invention():
    truth, predicted = np.zeros((2, 1, 30), bool)
    truth[0, :15] = predicted[0, 13:28] = True
    assert matched(truth, predicted) == Matching((15,), (False,), 1)
    assert matched(truth, predicted, overlap=0.05).found == (True,)


@pytest.mark.parametrize(
    ("seed", "overlap", "counts"),
    [(0, 0.1, (6, 8, 2)), (0, 0.5, (0, 14, 8)), (1, 0.1, (6, 10, 5)), (1, 0.5, (3, 13, 8)), (3, 0.1, (7, 9, 7)),
     (11, 0.1, (12, 3, 3)), (12, 0.1, (11, 5, 0)), (19, 0.5, (1, 17, 12))],
)  # fmt: skip
def test_counts_are_those_of_panoptica(seed, overlap, counts):
    """Found, false and missed lesions of panoptica 2.1.7: connected components, matched by a threshold of the IoU.

    It is not installed with these tests, because it holds back rich, pandas and NumPy.
    """
    rng = np.random.default_rng(seed)
    truth = blobs(rng, 0.15)
    ours = matched(truth, np.roll(truth, 1, 2) ^ blobs(rng, 0.25), overlap=overlap)
    assert (sum(ours.found), ours.false, len(ours.found) - sum(ours.found)) == counts
