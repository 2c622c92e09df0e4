"""Best match within a bin: how close each generated slice comes to some real one, exactly and fast.

``|a - b|^2 = |a|^2 + |b|^2 - 2 a.b`` turns all pairs into one matrix product, but loses every digit of near-copies. The
product only shortlists here: with a bound on its rounding (Higham, *Accuracy and Stability of Numerical Algorithms*,
2002, section 3.1: a sum of n products is off by at most ``n u / (1 - n u) |a| |b|``) a pair is dropped when it cannot
be the nearest, and the pairs that are left are finished in float64 from the difference itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

_BLOCK = 1024  # pixels of one partial product: fewer summands, smaller bound
_TILE = 1024  # generated slices at a time
_MANY = 8  # candidates per slice above which a float64 product thins the shortlist first
_CHUNK = 16  # pairs finished at a time: they stay in the cache
_ACCURATE = 1e-10  # relative error of a mean squared error: 4e-10 dB
_EXACT_IN_FLOAT32 = (torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.int8, torch.int16, torch.bool)


def pairwise_mse(generated: Tensor, reference: Tensor) -> Tensor:
    """Mean squared error of every generated against every reference slice, float64 ``(N, M)``.

    Near-copies, for which the expansion is not good to 1e-10 of the error, are computed from the difference.

    Args:
        generated: ``(N, ...)`` images.
        reference: ``(M, ...)`` images of the same size.

    Raises:
        ValueError: When sizes differ or a value is not finite.
    """
    a, b = _flat(generated, reference)
    out = torch.empty((len(a), len(b)), dtype=torch.float64)
    for start in range(0, len(a), _TILE):
        rows = a[start : start + _TILE]
        squared, bound = _squared_distances(rows, b, torch.float64)
        close = (bound > _ACCURATE * squared).nonzero()
        squared[close[:, 0], close[:, 1]] = _finished(rows, b, close)
        out[start : start + _TILE] = squared
    return out / a.shape[1]


def best_match(generated: Tensor, reference: Tensor, *, data_range: float) -> tuple[Tensor, Tensor]:
    """PSNR of each generated slice against the reference slice nearest to it, and which one that is.

    Equal to the float64 brute force over all pairs; near-copies keep their digits.

    Args:
        generated: ``(N, ...)``.
        reference: ``(M, ...)``, M at least 1.
        data_range: 1 for [0, 1].

    Returns:
        PSNR in dB, float64 ``(N,)``, ``inf`` for an exact copy; index of the match (the first of equals), int64
        ``(N,)``.

    Raises:
        ValueError: When there is no reference, sizes differ, or a value is not finite.

    >>> best_match(torch.tensor([[0.1]]), torch.tensor([[0.5], [0.0]]), data_range=1.0)
    (tensor([20.0000], dtype=torch.float64), tensor([1]))
    """
    if len(reference) == 0:
        raise ValueError("there is no reference slice")
    a, b = _flat(generated, reference)
    parts = [_nearest(rows, b) for rows in a.split(_TILE)]
    squared, index = (torch.cat(p) for p in zip(*parts, strict=True))
    return psnr_of(squared / a.shape[1], data_range=data_range), index


def psnr_of(mse: Tensor, *, data_range: float) -> Tensor:
    """Peak signal-to-noise ratio in dB of mean squared errors; ``inf`` for 0."""
    return 10 * torch.log10(data_range**2 / mse)


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
    a, b = (x.reshape(len(x), x[:1].numel()) if len(x) else x.flatten(1) for x in (generated, reference))
    if len(a) and len(b) and a.shape[1] != b.shape[1]:
        raise ValueError(f"slices of {a.shape[1]} and {b.shape[1]} pixels cannot be compared")
    return a, b


def _nearest(rows: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance to the nearest reference, float64, and its index."""
    exact = rows.dtype in _EXACT_IN_FLOAT32 and reference.dtype in _EXACT_IN_FLOAT32
    near = _candidates(rows, reference, torch.float32 if exact else torch.float64)
    if exact and int(near.sum()) > _MANY * len(rows):
        columns = near.any(dim=0).nonzero()[:, 0]
        near[:, columns] &= _candidates(rows, reference[columns], torch.float64)
    pairs = near.nonzero()
    squared = torch.full(near.shape, torch.inf, dtype=torch.float64)
    squared[pairs[:, 0], pairs[:, 1]] = _finished(rows, reference, pairs)
    index = squared.argmin(dim=1)
    return squared.gather(1, index[:, None])[:, 0], index


def _candidates(rows: Tensor, reference: Tensor, dtype: torch.dtype) -> Tensor:
    """Pairs that may be the nearest of their row, given what rounding can have done."""
    squared, bound = _squared_distances(rows, reference, dtype)
    limit = (squared + bound).min(dim=1).values
    return squared - bound <= limit[:, None]


def _squared_distances(a: Tensor, b: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Squared distances by expansion in ``dtype``, and a bound on their error, both float64."""
    unit = torch.finfo(dtype).eps / 2
    summands = min(_BLOCK, a.shape[1]) + -(-a.shape[1] // _BLOCK) + 4
    product = torch.zeros((len(a), len(b)), dtype=dtype)
    norms = [torch.zeros(len(x), dtype=torch.float64) for x in (a, b)]
    with _full_precision():
        for left, right in zip(a.split(_BLOCK, 1), b.split(_BLOCK, 1), strict=True):
            left, right = left.to(dtype), right.to(dtype)
            product += left @ right.T
            for norm, part in zip(norms, (left, right), strict=True):
                norm += torch.linalg.vector_norm(part, dim=1).double().square()
    if not all(bool(n.isfinite().all()) for n in norms):
        raise ValueError("slices must be finite")
    sums = norms[0][:, None] + norms[1][None]
    bound = 2 * summands * unit / (1 - summands * unit) * sums  # 2 |a| |b| <= |a|^2 + |b|^2
    return (sums - 2 * product.double()).clamp_(min=0), bound


def _finished(a: Tensor, b: Tensor, pairs: Tensor) -> Tensor:
    """Squared distance of each pair from the difference itself, float64."""
    if len(pairs) == 0:
        return torch.empty(0, dtype=torch.float64)
    parts = []
    for i, j in zip(pairs[:, 0].split(_CHUNK), pairs[:, 1].split(_CHUNK), strict=True):
        difference = a.index_select(0, i).double().sub_(b.index_select(0, j))
        parts.append(difference.square_().sum(1))
    return torch.cat(parts)


@contextmanager
def _full_precision() -> Iterator[None]:
    """Float32 products in float32, whatever reduced precision the process allows: the bound assumes it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
