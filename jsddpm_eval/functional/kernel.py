"""Kernel distance between feature sets: unbiased, on all samples, for unequal counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

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


def resampled_distances(
    x: Tensor, unit: Tensor, condition: Tensor, shares: Tensor, dependent: Tensor, sides: Sequence[Tensor]
) -> Tensor:
    """Kernel distances of resamples of units (patients, samples, volumes), from means by pair of conditions.

    ::

        sum_cd s_c s_d (mean k(x_c, x_d) + mean k(y_c, y_d) - 2 mean k(x_c, y_d))

    where s are the shares of the conditions c and d. Pairs of one patient, and ``i = j``, are in no mean. A condition
    of few patients loses more of its own pairs by this than of its pairs with others; one mean over all pairs that are
    left would compare different mixes of conditions, and be biased. With one condition it is :func:`kernel_distance`.

    Memory grows with the cells (unit and condition of a sample) times the resamples, and times the cells of one
    condition, not with pairs of samples or of cells.

    Args:
        x: Features ``(n, d)``.
        unit: Unit of each row, int64 ``(n,)``, below U.
        condition: Condition of each row, int64 ``(n,)``, below C.
        shares: Share of each condition, ``(C,)``, of any sum.
        dependent: Per unit, boolean ``(U,)``: whether its samples depend on each other (a patient's slices), so that no
            pair inside it counts; otherwise only ``i = j`` does not.
        sides: Units of two or more sides in each resample, boolean ``(R, U)``; no unit is on two of them.

    Returns:
        Distances of the other sides from the last one, float64 ``(len(sides) - 1, R)``. A resample has the conditions
        of which every side has two units (two samples where these are independent), at their shares of these
        conditions; NaN where there is none.
    """
    present, condition = condition.unique(return_inverse=True)
    cells, cell, counts = (condition * len(dependent) + unit).unique(return_inverse=True, return_counts=True)
    of_unit, of_condition = cells % len(dependent), cells // len(dependent)
    runs = np.searchsorted(of_condition.numpy(), np.arange(len(present) + 1))  # the cells of each condition
    rows = torch.zeros((len(dependent), len(present)), dtype=torch.float64)
    rows[of_unit, of_condition] = counts.double()
    masks = torch.stack([*sides]).double()
    independent = torch.where(dependent[:, None], rows.clamp(max=1), rows)
    weight = shares[present].double() * (masks @ independent >= 2).all(0)
    weight = weight / weight.sum(1, keepdim=True)
    sizes, chosen = masks @ rows, masks[:, :, of_unit]
    order = cell.argsort(stable=True)
    x, cell = x[order], cell[order]
    distances = torch.zeros((len(masks) - 1, len(weight)), dtype=torch.float64)
    for c in range(len(present)):
        here = slice(runs[c], runs[c + 1])
        sums = _cell_sums(x, cell, here)
        sums.masked_fill_(dependent[of_unit] & (of_unit[here, None] == of_unit), 0)
        left_out = torch.where(dependent[:, None], rows[:, [c]] * rows, 0)
        left_out[:, c] += torch.where(dependent, 0, rows[:, c])
        to, pairs = chosen[:, :, here] @ sums, sizes[:, :, [c]] * sizes
        own = _run_sums(to * chosen, runs[:-1]) / (pairs - masks @ left_out).clamp(min=1)
        other = _run_sums(to[:-1] * chosen[-1], runs[:-1]) / (sizes[:-1, :, [c]] * sizes[-1]).clamp(min=1)
        distances += weight[:, c] * ((own[:-1] + own[-1] - 2 * other) * weight).sum(2)
    return distances


def _cell_sums(x: Tensor, cell: Tensor, here: slice) -> Tensor:
    """Kernel sums between some cells and all, without ``i = j``; rows stand in the order of their cells."""
    starts = np.searchsorted(cell.numpy(), np.arange(int(cell[-1]) + 1))
    sums = torch.zeros((here.stop - here.start, len(starts)), dtype=torch.float64)
    for rows in torch.nonzero((cell >= here.start) & (cell < here.stop))[:, 0].split(max(1, _ENTRIES // len(x))):
        kernel = polynomial_kernel(x[rows], x)
        kernel[torch.arange(len(rows)), rows] = 0
        sums.index_add_(0, cell[rows] - here.start, _run_sums(kernel, starts))
    return sums


def _run_sums(values: Tensor, starts: np.ndarray) -> Tensor:
    """Sums of runs along the last axis, each up to the start of the next."""
    return torch.from_numpy(np.add.reduceat(values.numpy(), starts, axis=-1))
