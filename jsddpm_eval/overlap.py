"""Refuse real data in place of generated slices, because their evaluation would be meaningless."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.errors import JsddpmError
from jsddpm.wording import agreeing, counted
from jsddpm_eval.slice_table import SliceTable

MOST = 0.5
"""Largest allowed share of generated slices that equal real ones; networks do not reproduce held-out slices."""


def refuse_real_slices(real: SliceTable, generated: SliceTable) -> None:
    """Refuse generated slices if most of them equal real ones, including slices of held-out patients.

    Slices are compared in 256 grey levels, so that conversion to PNG files does not matter; blank ones do not count.
    Copies of training slices alone are not refused: a network may make them, and an evaluation has to show it.

    Args:
        real: The reference.
        generated: The slices to check.

    Raises:
        JsddpmError: ``STORES`` (status 3).
    """
    there = digests(real)
    held_out = {found for found, held in zip(there, real.held_out.tolist(), strict=True) if held}
    shown = list(filter(None, digests(generated)))
    copies, unseen = (sum(found in known for found in shown) for known in (set(there), held_out))
    if unseen and copies > MOST * len(shown):
        shares = f"{copies} of {counted(len(shown), 'generated slice')} {agreeing(copies, 'equals', 'equal')} real ones"
        what = f"{shares}, {unseen} of them those of held-out patients"
        raise JsddpmError("STORES", what, fix="give slices that a generator drew")


def slice_digests(images: NDArray[np.float32]) -> list[str]:
    """A digest of each slice ``(N, H, W)`` in 256 grey levels, empty for a blank one.

    >>> slice_digests(np.zeros((1, 4, 4), np.float32))
    ['']
    """
    grey = (np.rint(image * 255).astype(np.uint8) for image in images)
    return [hashlib.sha256(level.tobytes()).hexdigest() if level.min() < level.max() else "" for level in grey]


def digests(table: SliceTable) -> list[str]:
    """:func:`slice_digests` of a table, computed once for all its selections, batch by batch."""
    words = table.column("slice-digest", _words).numpy().astype(np.uint32)
    return [row.tobytes().hex() if row.any() else "" for row in words]


def _words(batch: SliceTable) -> Tensor:
    """The digest of each slice as eight words of 32 bits, float64 ``(n, 8)``, zero for a blank one."""
    content = (bytes.fromhex(found or 64 * "0") for found in slice_digests(batch.images.numpy()))
    return torch.from_numpy(np.frombuffer(b"".join(content), np.uint32).reshape(-1, 8).astype(np.float64))
