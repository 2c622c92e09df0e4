"""Lesions that a segmentation found, missed and invented: connected parts of two masks, matched one to one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

OVERLAP = 0.1
"""Intersection over union from which on a lesion counts as found."""


@dataclass(frozen=True)
class Matching:
    """Lesions of one volume.

    Attributes:
        sizes: Voxels of each true lesion.
        found: Whether a predicted lesion was matched to it.
        false: Predicted lesions that match none.
    """

    sizes: tuple[int, ...]
    found: tuple[bool, ...]
    false: int

    @property
    def f1(self) -> float | None:
        """Share ``2 TP / (2 TP + FP + FN)``; None without any lesion, true or predicted."""
        return f1(sum(self.found), len(self.found), self.false)


def f1(found: int, lesions: int, false: int) -> float | None:
    """F1 of lesions from their numbers; None where there is none, true or predicted.

    >>> f1(1, 2, 0)
    0.6666666666666666
    """
    total = lesions + found + false
    return 2 * found / total if total else None


def matched(truth: NDArray[np.bool_], predicted: NDArray[np.bool_], *, overlap: float = OVERLAP) -> Matching:
    """Match the connected parts of two masks, the best overlap first, each part once.

    Voxels are connected by faces, edges and corners.

    Args:
        truth: True lesions, boolean, of any dimension.
        predicted: Predicted ones, of the same shape.
        overlap: Intersection over union from which on two parts may be matched.

    >>> truth, predicted = np.zeros((2, 1, 8), bool)
    >>> truth[0, :3] = truth[0, 5] = predicted[0, 1:4] = predicted[0, 7] = True
    >>> matched(truth, predicted)
    Matching(sizes=(3, 1), found=(True, False), false=1)
    """
    connected = np.ones((3,) * truth.ndim)
    (ours, n_ours), (theirs, n_theirs) = (ndimage.label(mask, connected) for mask in (truth, predicted))
    sizes, others = np.bincount(ours.ravel())[1:], np.bincount(theirs.ravel())[1:]
    both = truth & predicted
    pairs, shared = np.unique(np.stack([ours[both], theirs[both]]), axis=1, return_counts=True)
    union = sizes[pairs[0] - 1] + others[pairs[1] - 1] - shared
    quotient = shared / union
    found, used = np.zeros(n_ours, bool), np.zeros(n_theirs, bool)
    for k in np.argsort(-quotient, kind="stable"):
        a, b = pairs[:, k] - 1
        if quotient[k] >= overlap and not found[a] and not used[b]:
            found[a] = used[b] = True
    return Matching(tuple(sizes.tolist()), tuple(found.tolist()), int(n_theirs - used.sum()))
