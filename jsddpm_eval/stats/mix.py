"""Mixes of conditions: weights that give real slices that of the generated ones, and conditions with enough units."""

from __future__ import annotations

import torch
from torch import Tensor


def mix_weights(real: Tensor, generated: Tensor) -> Tensor:
    """Weight of a real slice of each condition: generated slices of the condition for each real one, float64 ``(K,)``.

    It is 0 for a condition that a side lacks.

    Args:
        real: Condition of each real slice, int64 ``(n,)``, from 0.
        generated: Condition of each generated slice, int64 ``(m,)``, from 0.

    >>> real, generated = torch.tensor([0, 0, 0, 1, 3]), torch.tensor([0, 1, 1, 2])
    >>> mix_weights(real, generated)[real].tolist()  # 1 and 2 as in the generated mix
    [0.3333333333333333, 0.3333333333333333, 0.3333333333333333, 2.0, 0.0]
    """
    size = 1 + max(int(conditions.max()) if len(conditions) else -1 for conditions in (real, generated))
    of_real, of_generated = (conditions.bincount(minlength=size).double() for conditions in (real, generated))
    return torch.where(of_real > 0, of_generated / of_real.clamp(min=1), 0.0)


def conditions_of_units(condition: Tensor, unit: Tensor, least: int = 2) -> Tensor:
    """Conditions with slices of several units (patients, volumes), int64, ascending.

    Args:
        condition: Condition of each slice, int64 ``(n,)``.
        unit: Unit of each slice, int64 ``(n,)``.
        least: Units that a condition needs.

    >>> conditions_of_units(torch.tensor([0, 0, 4, 4]), torch.tensor([7, 7, 7, 8])).tolist()
    [4]
    """
    of_units = torch.stack([condition, unit]).unique(dim=1)[0]
    conditions, units = of_units.unique(return_counts=True)
    enough: Tensor = conditions[units >= least]
    return enough
