"""Appearance of slices as columns of their table, computed once for all metrics."""

from __future__ import annotations

import torch
from torch import Tensor

from jsddpm_eval.functional.appearance import detail, intensity, outline, texture
from jsddpm_eval.slice_table import SliceTable

PARTS = {"detail": detail, "texture": texture, "intensity": intensity, "outline": outline}
"""Functions of :mod:`jsddpm_eval.functional.appearance` by the name of their columns."""

VERSION = "3"
"""Of the definitions, because folders keep columns and what is computed from them."""


def appearance(table: SliceTable, *parts: str) -> Tensor:
    """Columns of some parts, concatenated, float64 ``(N, d)``.

    Args:
        table: The slices.
        parts: Names of :data:`PARTS`; all of them when none is given.
    """
    columns = [
        table.column(part, lambda batch, of=PARTS[part]: torch.from_numpy(of(batch.images.numpy())), settings=VERSION)  # type: ignore[misc]
        for part in parts or PARTS
    ]
    return torch.cat(columns, 1)
