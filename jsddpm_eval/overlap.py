"""Whether what is shown as generated is the real data: such an evaluation would praise it, or accuse it of copying."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from jsddpm.errors import JsddpmError
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.whole_table import BATCH

MOST = 0.5
"""Share of generated slices that may be real ones; networks do not reproduce held-out slices at all."""


def refuse_real_slices(real: SliceTable, generated: SliceTable) -> None:
    """Refuse generated slices of which most are real ones, held-out patients' among them.

    Slices are compared in 256 grey levels, so that a detour over PNG files hides nothing; blank ones do not count.
    Copies of training slices alone are no reason: a network may make them, and an evaluation is to show it.

    Args:
        real: The reference.
        generated: What is compared with it.

    Raises:
        JsddpmError: ``STORES`` (status 3).
    """
    there = digests(real)
    held_out = {digest for digest, held in zip(there, real.held_out.tolist(), strict=True) if held}
    shown = [digest for digest in digests(generated) if digest]
    copies, unseen = (sum(digest in known for digest in shown) for known in (set(there), held_out))
    if unseen and copies > MOST * len(shown):
        what = f"{copies} of {len(shown)} generated slices equal real ones, {unseen} of them those of held-out patients"
        raise JsddpmError("STORES", what, fix="give slices that a generator drew")


def slice_digests(images: NDArray[np.float32]) -> list[str]:
    """A digest of each slice ``(N, H, W)`` in 256 grey levels, empty for a blank one.

    >>> slice_digests(np.zeros((1, 4, 4), np.float32))
    ['']
    """
    grey = (np.rint(image * 255).astype(np.uint8) for image in images)
    return [hashlib.sha256(level.tobytes()).hexdigest() if level.min() < level.max() else "" for level in grey]


def digests(table: SliceTable) -> list[str]:
    """:func:`slice_digests` of a table, read batch by batch."""
    found = []
    for first in range(0, len(table), BATCH):
        found += slice_digests(table.where(slice(first, first + BATCH)).images.numpy())
    return found
