"""Kernel distance between feature sets: unbiased, on all samples, for unequal counts."""

from __future__ import annotations

from torch import Tensor


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """``(x.y / d + 1)^3``, the kernel of KID, float64 ``(n, m)``."""
    return (x.double() @ y.double().T / x.shape[1] + 1) ** 3


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Unbiased squared MMD with the cubic kernel (KID, Binkowski et al. 2018, 1801.01401), on all samples.

    ::

        sum_{i != j} k(x_i, x_j) / n(n-1) + sum_{i != j} k(y_i, y_j) / m(m-1) - 2 mean k(x_i, y_j)

    Args:
        x: Features ``(n, d)``, n at least 2.
        y: Features ``(m, d)``, m at least 2.

    Returns:
        The distance; negative values are possible and mean "no difference seen".

    >>> import torch
    >>> kernel_distance(torch.tensor([[1.0], [-1.0]]), torch.tensor([[1.0], [-1.0]]))
    -8.0
    """
    if len(x) < 2 or len(y) < 2:
        raise ValueError(f"{len(x)} and {len(y)} samples are too few")
    within = [
        (k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (polynomial_kernel(x, x), polynomial_kernel(y, y))
    ]
    return float(within[0] + within[1] - 2 * polynomial_kernel(x, y).mean())
