"""Best match within a bin: how close each generated slice comes to some real one, exactly."""

from __future__ import annotations

import torch
from torch import Tensor

_CANDIDATES = 4
_TILE = 512


def pairwise_mse(generated: Tensor, reference: Tensor) -> Tensor:
    """Mean squared error of every generated against every reference slice, float64 ``(N, M)``.

    Expanded as ``|a|^2 + |b|^2 - 2 a.b`` in float64, in tiles, so memory stays bounded; the expansion's rounding is
    about 1e-16 of ``|a|^2``, so errors of near-copies are finished by :func:`best_match` from the difference itself.

    Args:
        generated: ``(N, ...)`` images.
        reference: ``(M, ...)`` images of the same size.
    """
    a, b = generated.flatten(1), reference.flatten(1)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"slices of {a.shape[1]} and {b.shape[1]} pixels cannot be compared")
    out = torch.empty((len(a), len(b)), dtype=torch.float64)
    for j in range(0, len(b), _TILE):
        tile = b[j : j + _TILE].double()
        squared = tile.square().sum(1)
        for i in range(0, len(a), _TILE):
            rows = a[i : i + _TILE].double()
            expanded = rows.square().sum(1)[:, None] + squared[None] - 2 * rows @ tile.T
            out[i : i + _TILE, j : j + _TILE] = expanded.clamp_(min=0) / a.shape[1]
    return out


def best_match(generated: Tensor, reference: Tensor, *, data_range: float) -> tuple[Tensor, Tensor]:
    """PSNR of each generated slice against the reference slice nearest to it, and which one that is.

    Args:
        generated: ``(N, ...)``.
        reference: ``(M, ...)``, M at least 1.
        data_range: 1 for [0, 1].

    Returns:
        PSNR in dB, float64 ``(N,)``, ``inf`` for an exact copy; index of the match, int64 ``(N,)``.

    >>> best_match(torch.tensor([[0.1]]), torch.tensor([[0.5], [0.0]]), data_range=1.0)
    (tensor([20.0000], dtype=torch.float64), tensor([1]))
    """
    if len(reference) == 0:
        raise ValueError("there is no reference slice")
    mse = pairwise_mse(generated, reference)
    near = mse.topk(min(_CANDIDATES, len(reference)), dim=1, largest=False, sorted=True).indices
    difference = generated.double()[:, None].flatten(2) - reference.double()[near].flatten(2)
    exact, place = difference.square().mean(dim=2).min(dim=1)
    return 10 * torch.log10(data_range**2 / exact), near.gather(1, place[:, None])[:, 0]


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
    rank = torch.arange(1, total + 1, dtype=torch.float64)
    log_weight = _log_choose(rank - 1, count - 1) - _log_choose(torch.tensor(float(total), dtype=torch.float64), count)
    weight = torch.where(rank >= count, log_weight.exp(), 0.0)
    return values.double().sort(dim=1).values @ weight


def _log_choose(n: Tensor, k: int) -> Tensor:
    return torch.lgamma(n + 1) - torch.lgamma(torch.tensor(k + 1.0, dtype=torch.float64)) - torch.lgamma(n - k + 1)
