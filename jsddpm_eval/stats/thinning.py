"""Fewer slices, evenly chosen."""

from __future__ import annotations

import torch
from torch import Tensor


def evenly(condition: Tensor, most: int) -> Tensor:
    """Places of at most ``most`` slices, spread evenly over the conditions and within each, int64, ascending.

    Every k-th slice in the order of the conditions is taken. In the order of the rows, slices of volumes would lose
    whole bins.

    Args:
        condition: Condition of each slice, ``(n,)``.
        most: Largest number of places.

    >>> evenly(torch.tensor([0, 1, 0, 1, 0, 1]), 3).tolist()
    [0, 3, 4]
    """
    order = torch.argsort(condition, stable=True)
    return order[every_kth(len(order), most)].sort().values


def every_kth(count: int, most: int) -> slice:
    """Every k-th of so many, for the smallest k that leaves at most ``most``.

    >>> list(range(7)[every_kth(7, 3)]), list(range(3)[every_kth(3, 3)])
    ([0, 3, 6], [0, 1, 2])
    """
    return slice(None, None, max(1, -(-count // most)))
