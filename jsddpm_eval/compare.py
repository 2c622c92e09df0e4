"""Two evaluations side by side: the difference of each score in each bin, its interval, and a test over all bins.

The evaluations must share everything but the network and the slices it made. Differences are taken bin by bin; their
standard errors come from the intervals of both scores, added as if independent. The real slices are the same on both
sides, which makes both errors go together and these intervals wider than they need be: what is found is there, what is
not found may be. P-values are corrected over the bins of each score (Holm 1979). Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

from jsddpm.errors import usage_error
from jsddpm_eval.multiplicity import holm_adjusted
from jsddpm_eval.results import Cell, Results, Score

ALPHA = 0.05
_NORMAL = NormalDist()
_Z95 = _NORMAL.inv_cdf(0.975)
_LOWER = ("kid_", "fid_", "z_error", "mse", "hd95", "false_positive")
_HIGHER = ("psnr", "ssim", "ms_ssim", "dice", "lesion_dice", "control_empty", "lesion_present", "brain_shape")


@dataclass(frozen=True)
class Difference:
    """One score of one condition in two evaluations.

    Attributes:
        protocol: ``generation`` or ``reconstruction``.
        cell: Readable name of the condition.
        score: Name of the score.
        unit: Its unit.
        first: Its value in the first evaluation.
        second: Its value in the second.
        difference: Second minus first.
        interval: 95 % of the difference, or None where a score has none.
        p_value: Two-sided, corrected over the bins of this score; None without an interval.
        better: Which evaluation is better by the corrected test at 5 %; None where neither is, or where the score has
            no better direction.
    """

    protocol: str
    cell: str
    score: str
    unit: str
    first: float
    second: float
    difference: float
    interval: tuple[float, float] | None
    p_value: float | None = None
    better: Literal["first", "second"] | None = None

    @property
    def told_apart(self) -> bool:
        """Whether the corrected test sees a difference at 5 %."""
        return self.p_value is not None and self.p_value <= ALPHA

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compare(first: Results, second: Results) -> list[Difference]:
    """Differences of every score both evaluations define, condition by condition.

    Raises:
        JsddpmError: ``NOT_COMPARABLE`` (status 2) naming every field that differs.
    """
    require_comparable(first, second)
    found: list[Difference] = []
    for protocol in ("generation", "reconstruction"):
        others = {_key(c): c for c in getattr(second, protocol)}
        for cell in getattr(first, protocol):
            other = others.get(_key(cell))
            for name, a in cell.scores.items():
                b = other.scores.get(name) if other else None
                if b is not None and a.value is not None and b.value is not None:
                    found.append(_difference(protocol, cell.name, name, a, b))
    return _tested(found)


def require_comparable(first: Results, second: Results) -> None:
    """Refuse evaluations of other bins, real slices, splits, feature spaces or seeds, with every differing field."""
    a, b = _context(first), _context(second)
    differing = [f"{key}: {a.get(key)} and {b.get(key)}" for key in {**a, **b} if a.get(key) != b.get(key)]
    if differing:
        cure = "evaluate both with the same store, split, features and seed"
        raise usage_error("NOT_COMPARABLE", f"the evaluations differ in {'; '.join(differing)}", fix=cure)


def summary(differences: Sequence[Difference]) -> str:
    """In words: of how many conditions each score is better in which evaluation."""
    parts = []
    for score in dict.fromkeys(d.score for d in differences):
        tested = [d for d in differences if d.score == score and d.p_value is not None]
        better, worse = (sum(d.better == side for d in tested) for side in ("second", "first"))
        other = sum(d.told_apart and d.better is None for d in tested)
        if better or worse:
            parts.append(f"{score}: better in {better}, worse in {worse} of {len(tested)}")
        elif other:
            parts.append(f"{score}: other in {other} of {len(tested)}")
    return "; ".join(parts) or "no score of any condition is told apart"


def _key(cell: Cell) -> tuple[int | None, int | None, int | None]:
    return cell.z_bin, cell.pathology, cell.timestep


def _context(results: Results) -> dict[str, Any]:
    """What must be equal, flat."""
    provenance = results.provenance
    context = {f"binning.{k}": v for k, v in results.binning.items()}
    context |= {f"real.{k}": v for k, v in provenance.get("real", {}).items()}
    for features in provenance.get("features", []):
        context |= {f"features.{features.get('name')}.{k}": v for k, v in features.items()}
    return context | {"seed": provenance.get("seed")}


def _difference(protocol: str, cell: str, name: str, a: Score, b: Score) -> Difference:
    before, after = float(a.value or 0), float(b.value or 0)
    difference = after - before
    interval = None
    if a.interval and b.interval:
        half = ((a.interval[1] - a.interval[0]) ** 2 + (b.interval[1] - b.interval[0]) ** 2) ** 0.5 / 2
        interval = (difference - half, difference + half)
    return Difference(protocol, cell, name, a.unit, before, after, difference, interval)


def _tested(differences: list[Difference]) -> list[Difference]:
    """Corrected p-values and what they say, score by score."""
    p_values: dict[int, float] = {}
    for protocol, score in dict.fromkeys((d.protocol, d.score) for d in differences):
        own = {i: _p_value(d) for i, d in enumerate(differences) if (d.protocol, d.score) == (protocol, score)}
        p_values |= holm_adjusted({i: p for i, p in own.items() if p is not None})
    return [
        replace(d, p_value=p_values[i], better=_better(d, p_values[i])) if i in p_values else d
        for i, d in enumerate(differences)
    ]


def _p_value(d: Difference) -> float | None:
    if d.interval is None:
        return None
    error = (d.interval[1] - d.interval[0]) / (2 * _Z95)
    if error == 0:
        return 1.0 if d.difference == 0 else 0.0
    return 2 * _NORMAL.cdf(-abs(d.difference) / error)


def _better(d: Difference, p_value: float) -> Literal["first", "second"] | None:
    sign = -1 if d.score.startswith(_LOWER) else 1 if d.score.startswith(_HIGHER) else 0
    if p_value > ALPHA or not sign:
        return None
    return "second" if sign * d.difference > 0 else "first"
