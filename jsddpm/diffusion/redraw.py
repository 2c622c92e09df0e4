"""Rejection sampling: a sample whose mask contradicts its pathology is drawn again.

If attempts suffice, samples follow the network's distribution, restricted to masks that are empty for control and
present for lesion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from jsddpm.binning import LESION
from jsddpm.diffusion.pictures import to_image_and_mask
from jsddpm.diffusion.sampling import SampleId


def redrawn(
    ids: Sequence[SampleId], x: Tensor, most: int, sample: Callable[[list[SampleId]], Tensor]
) -> tuple[list[SampleId], Tensor]:
    """Draw samples whose masks contradict their pathology again, up to ``most`` times each.

    Every attempt has noise of its own, which depends neither on the batch nor on what else is drawn again.

    Args:
        ids: The samples.
        x: Their first attempt, ``(len(ids), 2, H, W)`` in [-1, 1], image then mask; it is not changed.
        most: Largest number of further attempts, from 0.
        sample: Draws samples, as :meth:`~jsddpm.diffusion.pipeline.JointPipeline.sample` does.

    Returns:
        The samples, each with the number of its last attempt, and its pairs.
    """
    last, x = list(ids), x.clone() if most else x
    lesion = np.array([i.condition.pathology == LESION for i in ids], bool)
    for attempt in range(1, most + 1):
        wrong = np.flatnonzero(to_image_and_mask(x)[1].any((1, 2)) != lesion).tolist()
        if not wrong:
            break
        again = [replace(ids[k], attempt=attempt) for k in wrong]
        x[wrong] = sample(again)
        for k, one in zip(wrong, again, strict=True):
            last[k] = one
    return last, x
