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
    return order[:: max(1, -(-len(order) // most))].sort().values
