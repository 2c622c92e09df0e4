"""Fewer slices, evenly chosen."""

from __future__ import annotations

import torch
from torch import Tensor


def evenly(condition: Tensor, most: int) -> Tensor:
    """Places of at most ``most`` slices, spread evenly over the conditions and within each, int64, ascending.

    They are evenly spread in the order of the conditions. In the order of the rows, slices of volumes would lose whole
    bins.

    Args:
        condition: Condition of each slice, ``(n,)``.
        most: Largest number of places.

    >>> evenly(torch.tensor([0, 1, 0, 1, 0, 1]), 3).tolist()
    [0, 3, 4]
    """
    order = torch.argsort(condition, stable=True)
    return order[spread_places(len(order), most)].sort().values


def spread_places(count: int, most: int) -> Tensor:
    """``most`` of so many places, evenly spread from the first on, int64, ascending; all of them if they are fewer.

    Args:
        count: Number of places.
        most: Largest number of places that is chosen, at least 1.

    >>> spread_places(7, 3).tolist(), spread_places(3, 3).tolist(), len(spread_places(1001, 1000))
    ([0, 2, 4], [0, 1, 2], 1000)
    """
    return torch.arange(count) if count <= most else torch.arange(most) * count // most
