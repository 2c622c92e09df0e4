"""Kernel distance between feature sets: unbiased, on all samples, for unequal counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_TILE = 1024
_ENTRIES = 1 << 21  # of a kernel matrix held at a time: they stay in the cache


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """``(x.y / d + 1)^3``, the kernel of KID, float64 ``(n, m)``."""
    product = x.double() @ y.double().T
    return product.div_(x.shape[1]).add_(1).pow_(3)  # in place: these matrices are large


def kernel_distance(x: Tensor, y: Tensor, groups: Tensor | None = None) -> float:
    """Unbiased squared MMD with the cubic kernel (KID, Binkowski et al. 2018, 1801.01401), on all samples.

    ::

        mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean k(x_i, y_j)

    With groups, pairs of one group are left out of the first mean, like ``i = j``: two slices of one patient resemble
    each other, and with their pairs the estimate would be biased upwards.

    Args:
        x: Features ``(n, d)``, n at least 2.
        y: Features ``(m, d)``, m at least 2.
        groups: Group (patient) of each row of ``x``, int64 ``(n,)``, at least two different ones.

    Returns:
        The distance; negative values are possible and mean "no difference seen".

    Raises:
        ValueError: With fewer than two samples or groups, features of unequal lengths, or a value that is not finite.

    >>> kernel_distance(torch.tensor([[1.0], [-1.0]]), torch.tensor([[1.0], [-1.0]]))
    -8.0
    """
    if len(x) < 2 or len(y) < 2:
        raise ValueError(f"{len(x)} and {len(y)} samples are too few")
    if x.shape[1:] != y.shape[1:] or x.ndim != 2:
        raise ValueError(f"features of shape {tuple(x.shape)} and {tuple(y.shape)} are not (n, d) and (m, d)")
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("features must be finite")
    if groups is None:
        within = _mean_of_pairs(x)
    elif len(groups.unique()) < 2:
        raise ValueError("samples of one group have no independent pairs")
    else:
        within = polynomial_kernel(x, x)[groups[:, None] != groups[None]].mean()
    return float(within + _mean_of_pairs(y) - 2 * polynomial_kernel(x, y).mean())


def _mean_of_pairs(x: Tensor) -> Tensor:
    kernel = polynomial_kernel(x, x)
    return (kernel.sum() - kernel.trace()) / (len(x) * (len(x) - 1))


@dataclass(frozen=True)
class KernelTable:
    """Kernel sums between units (patients, samples), from which the distance of any resample of units is a sum.

    Attributes:
        sums: ``(U, U)``, weighted kernel sums; on the diagonal only pairs that count.
        pairs: ``(U, U)``, the weights those sums carry; on the diagonal only pairs that count.
    """

    sums: Tensor
    pairs: Tensor

    @classmethod
    def build(cls, x: Tensor, unit: Tensor, dependent: Tensor, weights: Tensor | None = None) -> KernelTable:
        """Sum the cubic kernel over all pairs of units, in tiles: memory grows with the units, not the samples.

        Args:
            x: Features ``(n, d)``.
            unit: Unit of each row, int64 ``(n,)``, below U.
            dependent: Per unit, boolean ``(U,)``: whether its samples depend on each other (a patient's slices), so
                that no pair inside it counts; otherwise only ``i = j`` does not.
            weights: Weight of each row; 1 when None.
        """
        w = torch.ones(len(x), dtype=torch.float64) if weights is None else weights.double()
        order = unit.argsort(stable=True)  # units become runs of columns, summed run by run
        present, counts = unit[order].unique_consecutive(return_counts=True)
        starts = (counts.cumsum(0) - counts).numpy()
        sums = torch.zeros((len(dependent),) * 2, dtype=torch.float64)
        ordered, weight = x[order], w[order]
        for rows in torch.arange(len(x)).split(min(_TILE, max(1, _ENTRIES // max(1, len(x))))):
            tile = polynomial_kernel(x[rows], ordered).mul_(weight)
            runs = torch.from_numpy(np.add.reduceat(tile.numpy(), starts, axis=1)).mul_(w[rows, None])
            part = torch.zeros((len(dependent), len(present)), dtype=torch.float64).index_add_(0, unit[rows], runs)
            sums[:, present] += part
        mass = torch.zeros(len(dependent), dtype=torch.float64).index_add_(0, unit, w)
        pairs = mass[:, None] * mass[None]
        itself = (x.double().square().sum(1) / x.shape[1] + 1) ** 3
        own_sum = torch.zeros_like(mass).index_add_(0, unit, w.square() * itself)
        own_pairs = torch.zeros_like(mass).index_add_(0, unit, w.square())
        sums.diagonal().sub_(own_sum)[dependent] = 0
        pairs.diagonal().sub_(own_pairs)[dependent] = 0
        return cls(sums, pairs)

    def distance(self, left: Tensor, right: Tensor) -> Tensor:
        """Kernel distance of resamples.

        Args:
            left: Units of one side, boolean ``(R, U)``.
            right: Units of the other side; no unit is on both.

        Returns:
            float64 ``(R,)``; NaN where a side has no pair that counts.
        """
        a, b = left.double(), right.double()

        def mean(one: Tensor, other: Tensor) -> Tensor:
            return ((one @ self.sums) * other).sum(1) / ((one @ self.pairs) * other).sum(1)

        return mean(a, a) + mean(b, b) - 2 * mean(a, b)
