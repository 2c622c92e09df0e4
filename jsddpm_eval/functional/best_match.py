"""Best match within a bin: the exact distance of each generated slice to the nearest real one.

``|a - b|^2 = |a|^2 + |b|^2 - 2 a.b`` turns all pairs into one matrix product, but loses every digit of near-copies.
Slices are centred on the mean generated slice first, which changes no distance and leaves small norms. A bound on the
rounding of the product (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, section 3.1: a sum of n
products is off by at most ``n u / (1 - n u) |a| |b|``) shows for which pairs it is too inaccurate. Those are computed
in float64 from the difference itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from jsddpm_eval.functional.reconstruction import psnr_of

_BLOCK = 1024  # pixels of one partial product: fewer summands, smaller bound
_TILE = 1024  # generated slices at a time
_CHUNK = 16  # pairs finished at a time: they stay in the cache
_ACCURATE = 1e-10  # relative error of a mean squared error: 4e-10 dB


def pairwise_mse(generated: Tensor, reference: Tensor) -> Tensor:
    """Mean squared error of every generated against every reference slice, float64 ``(N, M)``.

    Near-copies, for which the relative error of the expansion exceeds 1e-10, are computed from the difference.

    Args:
        generated: ``(N, ...)`` images.
        reference: ``(M, ...)`` images of the same size.

    Returns:
        The errors, on the CPU.

    Raises:
        ValueError: When sizes differ or a value is not finite.
    """
    a, b = _flat(generated, reference)
    out = torch.empty((len(a), len(b)), dtype=torch.float64)
    for start in range(0, len(a), _TILE):
        rows = a[start : start + _TILE]
        squared, bound = _squared_distances(rows, b)
        close = (bound > _ACCURATE * squared).nonzero()
        squared[close[:, 0], close[:, 1]] = _finished(rows, b, close)
        out[start : start + _TILE] = squared
    return out / a.shape[1]


def best_match(generated: Tensor, reference: Tensor, *, data_range: float) -> tuple[Tensor, Tensor]:
    """PSNR of each generated slice against its nearest reference slice, and the index of that slice.

    Equal to the float64 brute force over all pairs; near-copies keep their digits.

    Args:
        generated: ``(N, ...)``.
        reference: ``(M, ...)``, M at least 1.
        data_range: 1 for [0, 1].

    Returns:
        PSNR in dB, float64 ``(N,)``, ``inf`` for an exact copy; index of the match (the first of equals), int64
        ``(N,)``; both on the CPU.

    Raises:
        ValueError: When there is no reference, sizes differ, or a value is not finite.

    >>> best_match(torch.tensor([[0.1]]), torch.tensor([[0.5], [0.0]]), data_range=1.0)
    (tensor([20.0000], dtype=torch.float64), tensor([1]))
    """
    if len(reference) == 0:
        raise ValueError("there is no reference slice")
    nearest = pairwise_mse(generated, reference).min(dim=1)
    return psnr_of(nearest.values, data_range=data_range), nearest.indices


def expected_best_match(values: Tensor, count: int) -> Tensor:
    """Expected maximum over ``count`` references drawn without replacement from all M, in closed form.

    A maximum grows with the number of references; at an equal count bins and reference sets compare::

        E[max of m] = sum_i s_(i) C(i - 1, m - 1) / C(M, m)        s_(1) <= ... <= s_(M)

    Args:
        values: ``(N, M)``, for instance PSNR against every reference.
        count: m, from 1 to M.

    Returns:
        float64 ``(N,)``.

    >>> expected_best_match(torch.tensor([[1.0, 2.0, 3.0]]), 2)
    tensor([2.6667], dtype=torch.float64)
    """
    total = values.shape[1]
    if not 1 <= count <= total:
        raise ValueError(f"count {count} is not between 1 and {total}")
    rank = torch.arange(count, total + 1, dtype=torch.float64)  # a value of lower rank is never the maximum
    log_weight = _log_choose(rank - 1, count - 1) - _log_choose(torch.tensor(float(total), dtype=torch.float64), count)
    return values.double().sort(dim=1).values[:, count - 1 :] @ log_weight.exp()


def _log_choose(n: Tensor, k: int) -> Tensor:
    return torch.lgamma(n + 1) - torch.lgamma(torch.tensor(k + 1.0, dtype=torch.float64)) - torch.lgamma(n - k + 1)


def _flat(generated: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    sizes = [tuple(x.shape[1:]) for x in (generated, reference)]
    if len(generated) and len(reference) and sizes[0] != sizes[1]:
        raise ValueError(f"slices of {sizes[0]} and {sizes[1]} pixels cannot be compared")
    a, b = (x.cpu().reshape(len(x), x[:1].numel()) if len(x) else x.cpu().flatten(1) for x in (generated, reference))
    return a, b


def _squared_distances(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances by expansion, and a bound on their error, both float64."""
    unit = torch.finfo(torch.float64).eps / 2
    summands = min(_BLOCK, a.shape[1]) + -(-a.shape[1] // _BLOCK) + 4
    product = torch.zeros((len(a), len(b)), dtype=torch.float64)
    norms = [torch.zeros(len(x), dtype=torch.float64) for x in (a, b)]
    for left, right in zip(a.split(_BLOCK, 1), b.split(_BLOCK, 1), strict=True):
        centre = left.double().mean(0) if len(left) else 0.0
        left, right = left.double() - centre, right.double() - centre
        product += left @ right.T
        for norm, part in zip(norms, (left, right), strict=True):
            norm += torch.linalg.vector_norm(part, dim=1).square()
    if not all(bool(n.isfinite().all()) for n in norms):
        raise ValueError("slices must be finite")
    sums = norms[0][:, None] + norms[1][None]
    bound = 2 * summands * unit / (1 - summands * unit) * sums  # 2 |a| |b| <= |a|^2 + |b|^2
    return (sums - 2 * product).clamp_(min=0), bound


def _finished(a: Tensor, b: Tensor, pairs: Tensor) -> Tensor:
    """Squared distance of each pair from the difference itself, float64."""
    squared = torch.empty(len(pairs), dtype=torch.float64)  # filled in place: many small results scatter the memory
    for start in range(0, len(pairs), _CHUNK):
        i, j = pairs[start : start + _CHUNK].T
        difference = a.index_select(0, i).double().sub_(b.index_select(0, j))
        squared[start : start + _CHUNK] = difference.square_().sum(1)
    return squared
