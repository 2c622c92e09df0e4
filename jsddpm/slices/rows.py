"""Rows that are chosen by number or by a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jsddpm.errors import usage_error

Rows = ArrayLike | Sequence[int]
"""Whole numbers, negative ones from the end, or a boolean for every row; array, tensor or sequence."""


def row_numbers(rows: Any, count: int) -> NDArray[np.intp]:
    """The numbers of chosen rows, ``(n,)``.

    Args:
        rows: See :data:`Rows`.
        count: Number of all rows.

    Raises:
        JsddpmError: ``SLICES`` (status 2) for anything else, such as floats or a mask of another length.

    >>> row_numbers([False, True, True], 3), row_numbers([2, 0, 2], 3)
    (array([1, 2]), array([2, 0, 2]))
    """
    array = np.asarray(rows)
    if array.dtype.kind == "b" and array.shape == (count,):
        return np.flatnonzero(array)
    whole = array.dtype.kind in "iu" or (array.dtype.kind == "f" and not array.size)  # NumPy's type of an empty list
    if array.ndim != 1 or not whole:
        what = f"{array.dtype} of shape {array.shape} does not choose from {count} slices"
        raise usage_error("SLICES", what, fix="give whole numbers, or True or False for each slice")
    return array.astype(np.intp, copy=False)
