"""Evaluations side by side: the difference of each score in each bin, its interval, and a test over all bins.

The evaluations must share everything but the network and the slices it made. Differences are paired by patient (see
:mod:`jsddpm_eval.pairing`) where both evaluations kept what each patient adds to a score; otherwise errors are added as
if independent, which makes intervals wider than they need be. P-values are corrected over the bins of each score, and
over the evaluations compared (Holm 1979). Torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from jsddpm.errors import usage_error
from jsddpm_eval.multiplicity import holm_adjusted
from jsddpm_eval.pairing import contrast
from jsddpm_eval.results import Cell, Results, Score

ALPHA = 0.05
_LOWER = (
    "kid_", "fid_", "z_error", "mse", "lesion_mmd", "lesion_hd95", "lesion_missed", "control_false_positive",
)  # fmt: skip
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
        interval: 95 % of the difference; None where it is not known.
        p_value: Two-sided, corrected over the bins of this score and the evaluations compared; None where not known.
        better: Which evaluation is better by the corrected test at 5 %; None where neither is, or where the score has
            no better direction.
        paired: Whether patients, or samples of the same seeds, were paired.
        n_patients: Patients (or blocks of them) that were paired.
        n_generated: Generated slices of either side.
        reason: Why there is no interval.
        z_bin: Bin of the condition, None for all.
        pathology: Its pathology, None for both.
        timestep: Of an exact reconstruction, None for the mean over timesteps.
    """

    protocol: str
    cell: str
    score: str
    unit: str
    first: float
    second: float
    difference: float
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    better: Literal["first", "second"] | None = None
    paired: bool = False
    n_patients: int | None = None
    n_generated: tuple[int | None, int | None] = (None, None)
    reason: str | None = None
    z_bin: int | None = None
    pathology: int | None = None
    timestep: int | None = None

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
    return compare_all(first, {"": second})[""]


def compare_all(baseline: Results, others: Mapping[str, Results]) -> dict[str, list[Difference]]:
    """Differences of every other evaluation to the baseline, by name, corrected over all of them.

    Raises:
        JsddpmError: ``NOT_COMPARABLE`` (status 2) naming every field that differs.
    """
    for other in others.values():
        require_comparable(baseline, other)
    found = {name: _differences(baseline, other) for name, other in others.items()}
    tested = iter(_tested([d for differences in found.values() for d in differences]))
    return {name: [next(tested) for _ in differences] for name, differences in found.items()}


def _differences(first: Results, second: Results) -> list[Difference]:
    same_seeds = _seeds(first) is not None and _seeds(first) == _seeds(second)
    found: list[Difference] = []
    for protocol in ("generation", "reconstruction"):
        others = {_key(c): c for c in getattr(second, protocol)}
        for cell in getattr(first, protocol):
            other = others.get(_key(cell))
            for name, a in cell.scores.items():
                b = other.scores.get(name) if other else None
                if b is not None and a.value is not None and b.value is not None:
                    found.append(_difference(protocol, cell, name, a, b, same_seeds))
    return found


def _seeds(results: Results) -> Any:
    """The seed all samples were drawn from; the slices made by another generator have none."""
    return results.provenance.get("generated", {}).get("seed")


def require_comparable(first: Results, second: Results) -> None:
    """Refuse evaluations of other bins, real slices, splits, feature spaces or seeds, with every differing field."""
    a, b = _context(first), _context(second)
    differing = [f"{key}: {a.get(key)} and {b.get(key)}" for key in {**a, **b} if a.get(key) != b.get(key)]
    if differing:
        cure = "evaluate both with the same store, split, features and seed"
        raise usage_error("NOT_COMPARABLE", f"the evaluations differ in {'; '.join(differing)}", fix=cure)


def summary(differences: Sequence[Difference]) -> str:
    """In words: in how many conditions each score is told apart, the second one being better, worse, or other."""
    words = {"better": "second", "worse": "first", "other": None}
    tested = [d.score for d in differences if d.p_value is not None]
    parts = []
    for word, better in words.items():
        told = [d.score for d in differences if d.told_apart and d.better == better]
        if told:
            counts = (f"{s} ({told.count(s)} of {tested.count(s)})" for s in dict.fromkeys(told))
            parts.append(f"{word} in {', '.join(counts)}")
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


def _difference(protocol: str, cell: Cell, name: str, a: Score, b: Score, same_seeds: bool) -> Difference:
    before, after = float(a.value or 0), float(b.value or 0)
    found = contrast(a, b, same_seeds=same_seeds)
    return Difference(
        protocol, cell.name, name, a.unit, before, after, after - before, found.interval, found.p_value,
        paired=found.paired, n_patients=found.n_patients, n_generated=(a.n_generated, b.n_generated),
        reason=found.reason, z_bin=cell.z_bin, pathology=cell.pathology, timestep=cell.timestep,
    )  # fmt: skip


def _tested(differences: list[Difference]) -> list[Difference]:
    """Corrected p-values and what they say: score by score, bins apart from what is pooled over bins."""
    families: dict[tuple[str, str, bool], dict[int, float]] = {}
    for i, d in enumerate(differences):
        if d.p_value is not None:
            families.setdefault((d.protocol, d.score, d.z_bin is None), {})[i] = d.p_value
    corrected = {i: p for family in families.values() for i, p in holm_adjusted(family).items()}
    return [
        replace(d, p_value=corrected[i], better=_better(d, corrected[i])) if i in corrected else d
        for i, d in enumerate(differences)
    ]


def direction(score: str) -> Literal[-1, 0, 1]:
    """1 for a score that is better when higher, -1 when lower, 0 where neither holds.

    >>> direction("kid_radiomics"), direction("psnr_brain"), direction("diversity_rmse")
    (-1, 1, 0)
    """
    return -1 if score.startswith(_LOWER) else 1 if score.startswith(_HIGHER) else 0


def _better(d: Difference, p_value: float) -> Literal["first", "second"] | None:
    sign = direction(d.score)
    if p_value > ALPHA or not sign:
        return None
    return "second" if sign * d.difference > 0 else "first"
