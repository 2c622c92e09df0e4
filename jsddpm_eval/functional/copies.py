"""Nearness of slices to reference slices after the changes that a copy may have are undone.

Candidates are searched as whole slices, by their halves, and by the residual of the best candidate. They are then
registered, and the best ones of two patients are deformed. Each of :data:`MEASURES` detects other kinds of copies; the
most extreme one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from jsddpm_eval.functional.patterns import block_correlations, by_block, fisher_z, normalized
from jsddpm_eval.functional.registration import bent, mirrored, registered, searched, shifted, small

MEASURES = ("whole", "blocks", "bent", "halves", "blend")
"""Of the nearest reference: correlation, and that block by block; both after deformation, with their lead over the next
patient. Of the two nearest of different patients: blocks of either, and the multiple correlation with both."""

PAIRED = 2
"""How many of them, the last ones, are of two references."""

_CANDIDATES, _OF_HALF, _OF_REST = 8, 3, 4
_WEIGHT_OF_HALF = 0.7  # of a half's correlation beside that of the whole: half a slice has half the energy
_BENT = 2  # patients whose best slice is deformed
_TURNS = -9.0, 9.0  # degrees at which whole slices are searched, beside 0
_QUERIES = 16  # at a time
_NO_LEAD = 0.5  # where there is no other patient


class Nearness(NamedTuple):
    """Nearness of queries to references.

    Attributes:
        measures: Correlations as :func:`~jsddpm_eval.functional.patterns.fisher_z` gives them, by
            :data:`MEASURES`, float32 ``(n, 5)``.
        place: The reference nearest by each measure; of pairs the one that fits better by itself, int64 ``(n, 5)``.
        exact: Whether the nearest is equal to the query, pixel by pixel, and neither is blank.
    """

    measures: Tensor
    place: Tensor
    exact: Tensor


class References(NamedTuple):
    """Reference slices of a search.

    Attributes:
        images: ``(m, H, W)``, m at least 1.
        patterns: As :func:`~jsddpm_eval.functional.patterns.pattern` gives them.
        patient: Their patients, ``(m,)``.
    """

    images: Tensor
    patterns: Tensor
    patient: Tensor


def nearest(queries: Tensor, patterns: Tensor, references: References, allowed: Tensor | None) -> Nearness:
    """Nearness of each query to the references that it may be compared with.

    Args:
        queries: Images, ``(n, H, W)``.
        patterns: Of the queries.
        references: See :class:`References`.
        allowed: References that each query is compared with, boolean ``(n, m)``, at least one each; all when None.
    """
    flat = small(references.patterns).flatten(1)
    parts = []
    for rows in torch.arange(len(queries)).split(_QUERIES):
        may = torch.ones(len(rows), len(flat), dtype=torch.bool) if allowed is None else allowed[rows]
        straight = searched(patterns[rows], flat)
        whole = _as_whole(queries[rows], patterns[rows], references, flat, straight, may)
        in_parts = _in_parts(patterns[rows], references, flat, straight, may)
        parts.append((*(torch.cat(pair, 1) for pair in zip(whole[:2], in_parts, strict=True)), whole[2]))
    if not parts:
        shape = 0, len(MEASURES)
        return Nearness(torch.zeros(shape), torch.zeros(shape, dtype=torch.int64), torch.zeros(0, dtype=torch.bool))
    return Nearness(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _as_whole(
    images: Tensor, patterns: Tensor, references: References, flat: Tensor, straight: Tensor, allowed: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The first three measures, the references they are of, and whether one of them is equal."""
    turned = searched(patterns, flat, turns=_TURNS)
    nearest = torch.maximum(straight, turned).masked_fill(~allowed[:, None], -2).max(1)
    top = nearest.values.topk(min(_CANDIDATES, len(flat)), 1).indices
    turned, moved, whole = registered(patterns, references.patterns[top], nearest.indices.gather(1, top))
    blocks = _pairwise(by_block, turned, moved)
    equal = (images[:, None] == references.images[top]).flatten(2).all(2)
    patient, closed = references.patient[top], ~allowed.gather(1, top)
    equal &= (patterns.flatten(1).norm(dim=1) > 0.5)[:, None] & ~closed
    whole, blocks = (v.masked_fill(closed, -1) + equal for v in (whole, blocks))  # an exact copy comes first
    best, lead = _bent(turned, moved, blocks, patient, closed)
    columns = [(whole.max(1)), (blocks.max(1))]
    place = torch.stack([top.gather(1, c.indices[:, None])[:, 0] for c in columns] + [top.gather(1, best)[:, 0]], 1)
    return torch.stack([*(fisher_z(c.values) for c in columns), lead], 1), place, equal.any(1)


def _bent(turned: Tensor, moved: Tensor, blocks: Tensor, patient: Tensor, closed: Tensor) -> tuple[Tensor, Tensor]:
    """The candidate that fits best after deformation, ``(n, 1)``, its fit, and its lead over the next patient.

    Closed candidates are not compared; they are the last ones. Without another patient there is no lead to know.
    """
    first = blocks.masked_fill(closed, -3).argmax(1, keepdim=True)
    others = blocks.masked_fill(closed | (patient == patient.gather(1, first)), -3)
    two = torch.cat([first, others.argmax(1, keepdim=True)], 1)[:, :_BENT]
    alone = others.max(1).values < -2
    rows = torch.arange(len(turned))[:, None]
    target, source = turned[rows, two], moved[rows, two]
    fitted = bent(target.flatten(0, 1), source.flatten(0, 1)).view_as(target)
    fit = fisher_z((target * fitted).sum((2, 3))) + fisher_z(_pairwise(by_block, target, fitted))
    best = fit.argmax(1, keepdim=True)
    lead = torch.where(alone, _NO_LEAD, fit.max(1).values - fit.min(1).values)
    return two.gather(1, best), fit.max(1).values + lead


def _in_parts(
    patterns: Tensor, references: References, flat: Tensor, straight: Tensor, allowed: Tensor
) -> tuple[Tensor, Tensor]:
    """The last two measures, and the reference of each pair that fits better alone."""
    views, picked, weights = [straight], [_CANDIDATES], [1.0]
    for half in _halves(patterns):
        views.append(searched(normalized(half), flat, steps=2))
        picked.append(_OF_HALF)
        weights.append(_WEIGHT_OF_HALF)
    first = straight.masked_fill(~allowed[:, None], -2).flatten(1).argmax(1, keepdim=True)
    sides, rows = mirrored(patterns), torch.arange(len(patterns))[:, None]
    shown = sides[rows, first // len(flat)]
    fitted, share = shifted(shown, references.patterns[first % len(flat)])
    rest = (shown - share[..., None, None] * fitted)[:, 0]
    rest = torch.where((first // len(flat) == 1)[..., None], rest.flip(2), rest)
    views.append(searched(normalized(rest), flat))
    picked.append(_OF_REST)
    weights.append(1.0)
    views = [view.masked_fill(~allowed[:, None], -2) for view in views]
    top = torch.cat([v.amax(1).topk(min(k, len(flat)), 1).indices for v, k in zip(views, picked, strict=True)], 1)
    side = torch.stack([w * v for w, v in zip(weights, views, strict=True)]).amax(0).argmax(1).gather(1, top)
    moved, alone = shifted(sides[rows, side], references.patterns[top])
    moved = torch.where(side.bool()[..., None, None], moved.flip(3), moved)  # as the query lies
    closed = ~allowed.gather(1, top)
    same = references.patient[top][:, :, None] == references.patient[top][:, None]
    never = same | closed[:, :, None] | closed[:, None]
    correlation, weight = block_correlations(
        patterns[:, None].expand_as(moved).flatten(0, 1), normalized(moved).flatten(0, 1)
    )
    correlation = fisher_z(correlation).flatten(1).view(*top.shape, -1)
    weight = weight.flatten(1).view(*top.shape, -1)
    either = torch.maximum(correlation[:, :, None], correlation[:, None])
    halves = (either * weight[:, :, None]).sum(3)
    blend = fisher_z(_multiple(moved, alone).sqrt())
    return _best_pairs(top, never, (halves, (correlation * weight).sum(2)), (blend, alone))


def _halves(patterns: Tensor) -> Iterator[Tensor]:
    """The upper, lower, left and right half of each pattern, the other half blank."""
    for axis in (1, 2):
        near, far = patterns.tensor_split(2, axis)
        yield torch.cat([near, torch.zeros_like(far)], axis)
        yield torch.cat([torch.zeros_like(near), far], axis)


def _multiple(moved: Tensor, alone: Tensor) -> Tensor:
    """Squared multiple correlation of a query with each pair of candidates, both of which help, ``(n, k, k)``."""
    flat = normalized(moved).flatten(2)
    between = flat @ flat.transpose(1, 2)
    a, b = alone[:, :, None], alone[:, None]
    squared = (a**2 + b**2 - 2 * a * b * between) / (1 - between**2).clamp(min=1e-3)
    return squared.masked_fill((a <= 0) | (b <= 0), 0).clamp(0, 1)


def _best_pairs(top: Tensor, never: Tensor, *measures: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Highest value of each measure over pairs, and the reference of the pair that fits better alone."""
    values, places = [], []
    for of_pair, by_itself in measures:
        best = of_pair.masked_fill(never, -1).flatten(1).max(1)
        pair = torch.stack([best.indices // top.shape[1], best.indices % top.shape[1]], 1)
        better = pair.gather(1, by_itself.gather(1, pair).argmax(1, keepdim=True))
        values.append(best.values)
        places.append(top.gather(1, better)[:, 0])
    return torch.stack(values, 1), torch.stack(places, 1)


def _pairwise(measure: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    return measure(a.flatten(0, 1), b.flatten(0, 1)).view(a.shape[:2])
