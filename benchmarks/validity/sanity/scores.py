"""Every metric under check, from one pair of sample sets: `fidelity` and `diversity` of each, 0 to 1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.validity.sanity.clipped import clipped_coverage, clipped_density
from jsddpm_eval.functional.frechet import frechet_distance
from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.functional.neighbours import distances, expected_coverage, manifold
from jsddpm_eval.functional.support import LEVEL, NEIGHBOURS, Look, Support, neighbour_look, range_look, repeat_look

Pair = tuple[float, float]
MOST_NEIGHBOURS = 10
VARIANTS = ((3, 0.9), (10, 0.9), (5, 0.8), (5, 0.95))
"""Other settings of our neighbour look, for how much the totals rest on ours."""
OURS = "support"
PUBLISHED = {  # fidelity and diversity, 30 each
    "precision and recall": ("precision", "recall"),
    "density and coverage": ("density", "coverage"),
    "clipped density and coverage": ("clipped density", "clipped coverage"),
    "1 / (1 + FID)": ("1 / (1 + FID)",) * 2,
    "1 / (1 + KID)": ("1 / (1 + KID)",) * 2,
}


class Side(NamedTuple):
    """Samples as a reference: their distances, their nearest distances (sorted), those of the other set to them."""

    x: Tensor
    within: Tensor
    near: Tensor
    between: Tensor
    near_between: Tensor


def scores(real: np.ndarray, generated: np.ndarray) -> dict[str, Pair]:
    """Metric -> fidelity and diversity. Features are standardised by the real ones, as the paper does for all metrics.

    Args:
        real: ``(n, d)``.
        generated: ``(m, d)``.
    """
    spread = real.std(0)
    x, y = (
        torch.from_numpy((side - real.mean(0)) / np.where(spread > 0, spread, 1.0)).contiguous()
        for side in (real, generated)
    )
    real_side, generated_side = _sides(x, y)
    fidelity, diversity = _supports(real_side, y), _supports(generated_side, x)
    frechet, kernel = 1 / (1 + frechet_distance(x, y)), 1 / (1 + max(0.0, kernel_distance(x, y)))
    return {
        **_published(real_side, generated_side),
        "1 / (1 + FID)": (frechet, frechet),
        "1 / (1 + KID)": (kernel, kernel),
        **{name: (fidelity[name], diversity[name]) for name in fidelity},
    }


def _sides(x: Tensor, y: Tensor) -> tuple[Side, Side]:
    between = _distances(y, x)
    return _side(x, between), _side(y, between.T.contiguous())


def _side(x: Tensor, between: Tensor) -> Side:
    within = _distances(x, x)
    nearest = [d.topk(MOST_NEIGHBOURS + 1, dim=1, largest=False).values for d in (within, between)]
    return Side(x, within, nearest[0], between, nearest[1])


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Exact for few features, where equal rows must be at distance 0; by products for many, where none are equal."""
    return distances(x, y) if x.shape[1] <= 8 else torch.cdist(x, y)


def _published(real: Side, generated: Side) -> dict[str, Pair]:
    by_real = generated.between  # real by generated
    few, more = (manifold(real.near, generated.near, by_real, k) for k in (3, NEIGHBOURS))
    n, m = by_real.shape
    covered = expected_coverage(n, m, NEIGHBOURS)
    return {
        "precision and recall": (few.precision, few.recall),
        "density and coverage": (more.density, more.coverage),
        "clipped density and coverage": (clipped_density(real.within, by_real), clipped_coverage(real.within, by_real)),
        "precision and recall / baseline": (
            _relative(few.precision, _inside_others(real), n, m),
            _relative(few.recall, _inside_others(generated), m, n),
        ),
        "density and coverage / baseline": (min(1.0, more.density), _relative(more.coverage, covered, n, m)),
    }


def _inside_others(side: Side, k: int = 3) -> float:
    """Share of members inside the ball of another, whose radius leaves the member out."""
    return float(((side.within <= side.near[:, k, None]).sum(0) > 1).double().mean())


def _relative(value: float, baseline: float, n: int, m: int) -> float:
    band = 1.96 * (baseline * (1 - baseline) * (1 / n + 1 / m)) ** 0.5
    return Look(value, baseline, baseline - band).reading


def _supports(side: Side, samples: Tensor) -> dict[str, float]:
    ranges, repeats = range_look(side.x, samples, side.within, side.between), repeat_look(side.near, side.near_between)
    looks = {
        (k, level): neighbour_look(side.near, side.near_between, k, level)
        for k, level in ((NEIGHBOURS, LEVEL), *VARIANTS)
    }
    readings = {key: Support(look, ranges, repeats).reading for key, look in looks.items()}
    own = looks[NEIGHBOURS, LEVEL]
    return {
        OURS: readings[NEIGHBOURS, LEVEL],
        f"{OURS}, neighbours alone": own.reading,
        f"{OURS}, without repeats": Support(own, ranges, None).reading,
        f"{OURS}, without ranges": min(own.reading, 1.0 if repeats is None else repeats.reading),
        **{f"{OURS}, k = {k}, {level:.0%}": readings[k, level] for k, level in VARIANTS},
    }
