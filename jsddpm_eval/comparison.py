"""Evaluations side by side: the difference of each score in each bin, its interval, and a test over all bins.

The evaluations must share everything but the network and the slices it generated. Differences are paired by patient
(see :mod:`jsddpm_eval.stats.paired`) where both evaluations kept what each patient adds to a score; otherwise errors
are added as if independent, which makes intervals wider than they need be. P-values are corrected over the bins of each
score, and over the evaluations compared (Holm 1979). Torch-free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jsddpm.binning import ZBinning
from jsddpm.errors import usage_error
from jsddpm_eval.results.anonymised import CODED
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.stats.holm import holm_adjusted
from jsddpm_eval.stats.limits import ALPHA
from jsddpm_eval.stats.paired import Contrast, contrast

Evaluated = Results | str | Path
"""Results of an evaluation, its folder, or its ``results.json``."""


@dataclass(frozen=True)
class Difference:
    """One score of one condition in two evaluations, or in pairs of them (:mod:`jsddpm_eval.replicates`).

    Attributes:
        protocol: ``generation`` or ``reconstruction``.
        cell: Readable name of the condition.
        score: Name of the score.
        heading: Heading of its spec, with the feature space.
        unit: Its unit.
        direction: Which direction is better; None where neither is.
        first: Its value in the first evaluation; of several the mean over folds of the mean over seeds.
        second: Its value in the second.
        difference: Second minus first.
        interval: 95 % of the difference; None where it is not known.
        p_value: Two-sided, corrected over the bins of this score and the evaluations compared; None where not known.
        better: Which evaluation is better by the corrected test at 5 %; None if neither is, or if the score has no
            better direction.
        paired: Whether patients, or samples of the same seeds, were paired.
        n_patients: Patients (or blocks of them) that were paired.
        n_generated: Generated slices of either side.
        n_pairs: Pairs of evaluations that define it on both sides.
        n_folds: Number of folds of patients with such pairs.
        reason: Why there is no interval.
        z_bin: Bin of the condition, None for all.
        pathology: Its pathology, None for both.
        timestep: Of an exact reconstruction, None for the mean over timesteps.
    """

    protocol: str
    cell: str
    score: str
    heading: str
    unit: str
    direction: Literal["higher", "lower"] | None
    first: float
    second: float
    difference: float
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    better: Literal["first", "second"] | None = None
    paired: bool = False
    n_patients: int | None = None
    n_generated: tuple[int | None, int | None] = (None, None)
    n_pairs: int = 1
    n_folds: int = 1
    reason: str | None = None
    z_bin: int | None = None
    pathology: int | None = None
    timestep: int | None = None

    @property
    def significant(self) -> bool:
        """Whether the corrected test is significant at 5 %."""
        return self.p_value is not None and self.p_value <= ALPHA

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compare(first: Evaluated, second: Evaluated) -> list[Difference]:
    """Differences of every score both evaluations define, condition by condition.

    Args:
        first: Results, or the folder (or ``results.json``) of an evaluation.
        second: Another one.

    Raises:
        JsddpmError: ``NOT_COMPARABLE`` (status 2) naming every field that differs.
    """
    return compare_all(first, {"": second})[""]


def compare_all(baseline: Evaluated, others: Mapping[str, Evaluated]) -> dict[str, list[Difference]]:
    """Differences of all other evaluations to the baseline, by name, corrected over all of them.

    Args:
        baseline: Results, or the folder (or ``results.json``) of an evaluation.
        others: The others, by name.

    Raises:
        JsddpmError: ``NOT_COMPARABLE`` (status 2) naming every field that differs.
    """
    first, read = read_results(baseline), {name: read_results(other) for name, other in others.items()}
    for other in read.values():
        require_comparable(first, other)
    return corrected({name: _differences(first, other) for name, other in read.items()})


def read_results(evaluated: Evaluated) -> Results:
    """Results, read if they are given by their place."""
    return evaluated if isinstance(evaluated, Results) else Results.read(evaluated)


def corrected(compared: Mapping[str, Sequence[Difference]]) -> dict[str, list[Difference]]:
    """Differences with p-values corrected score by score over bins and evaluations (Holm), and what they say."""
    tested = iter(_tested([d for differences in compared.values() for d in differences]))
    return {name: [next(tested) for _ in differences] for name, differences in compared.items()}


class Place(NamedTuple):
    """Place of a score: its condition and name."""

    protocol: str
    cell: Cell
    score: str
    spec: ScoreSpec | None

    @property
    def key(self) -> tuple[Any, ...]:
        """Key of the place in other evaluations."""
        return self.protocol, self.cell.key, self.score


def shared_scores(first: Results, second: Results) -> Iterator[tuple[Place, Score, Score]]:
    """Every score that both evaluations define, condition by condition."""
    specs = {spec.name: spec for spec in first.specs}
    for protocol in ("generation", "reconstruction"):
        others = {c.key: c for c in getattr(second, protocol)}
        for cell in getattr(first, protocol):
            other = others.get(cell.key)
            for name, a in cell.scores.items():
                b = other.scores.get(name) if other else None
                if b is not None and a.value is not None and b.value is not None:
                    yield Place(protocol, cell, name, specs.get(a.spec)), a, b


def difference(place: Place, unit: Score, sides: tuple[float, float], change: Contrast, **counts: Any) -> Difference:
    """A difference, not corrected yet.

    Args:
        place: Place of the score.
        unit: The score of any evaluation, for its unit and feature space.
        sides: Value of either side.
        change: Interval and p-value of the difference.
        counts: ``n_generated`` and, of several pairs, ``n_pairs`` and ``n_folds``.
    """
    spec, cell = place.spec, place.cell
    heading = " ".join(filter(None, (spec.heading if spec else place.score, unit.space)))
    return Difference(
        place.protocol, cell.name, place.score, heading, unit.unit, spec.better if spec else None, *sides,
        sides[1] - sides[0], change.interval, change.p_value, paired=change.paired, n_patients=change.n_patients,
        reason=change.reason, z_bin=cell.z_bin, pathology=cell.pathology, timestep=cell.timestep, **counts,
    )  # fmt: skip


def _differences(first: Results, second: Results) -> list[Difference]:
    same = same_seeds(first, second)
    return [
        difference(
            place, a, (float(a.value or 0), float(b.value or 0)), contrast(a, b, same_seeds=same),
            n_generated=(a.n_generated, b.n_generated),
        )
        for place, a, b in shared_scores(first, second)
    ]  # fmt: skip


def same_seeds(first: Results, second: Results) -> bool:
    """Whether both drew all samples from one seed; slices of other generators have no seed."""
    return _seeds(first) is not None and _seeds(first) == _seeds(second)


def _seeds(results: Results) -> Any:
    return results.provenance.get("generated", {}).get("seed")


def require_comparable(first: Results, second: Results) -> None:
    """Refuse evaluations of other bins, real slices, splits, feature spaces or seeds, with every differing field."""
    spaces = [{features["name"] for features in r.provenance.get("features", [])} for r in (first, second)]
    a, b = (_context(r, spaces[0] & spaces[1]) for r in (first, second))
    bins = ZBinning.from_dict(first.binning).diff(ZBinning.from_dict(second.binning))
    differing = [f"binning.{key}: {one} and {other}" for key, (one, other) in bins.items()]
    for side, alone in (("first", spaces[0] - spaces[1]), ("second", spaces[1] - spaces[0])):
        differing += [f"the {side} alone has the features {name}" for name in sorted(alone)]
    differing += [f"{key}: {a.get(key)} and {b.get(key)}" for key in {**a, **b} if a.get(key) != b.get(key)]
    if differing:
        cure = "evaluate both with the same store, split, features and seed (and key file, if anonymised)"
        if bins:
            cure = "import or draw both sets of samples with the same --z-range and --bins, then " + cure
        raise usage_error("NOT_COMPARABLE", f"the evaluations differ in {'; '.join(differing)}", fix=cure)


def summary(differences: Sequence[Difference]) -> str:
    """Per score: in how many conditions the second evaluation is significantly better, worse, or different."""
    words = {"better": "second", "worse": "first", "different": None}
    tested = [d.score for d in differences if d.p_value is not None]
    parts = []
    for word, better in words.items():
        significant = [d.score for d in differences if d.significant and d.better == better]
        if significant:
            counts = (f"{s} ({significant.count(s)} of {tested.count(s)})" for s in dict.fromkeys(significant))
            parts.append(f"{word} in {', '.join(counts)}")
    return "; ".join(parts) or "no score of any condition differs significantly"


def _context(results: Results, spaces: set[str]) -> dict[str, Any]:
    """The properties besides the bins that must be equal, as a flat mapping; of the named feature spaces alone."""
    provenance = results.provenance
    context = {f"real.{k}": v for k, v in provenance.get("real", {}).items()}
    for features in provenance.get("features", []):
        if features["name"] in spaces:
            context |= {f"features.{features['name']}.{k}": v for k, v in features.items()}
    return context | {"seed": provenance.get("seed"), CODED: provenance.get(CODED)}


def _tested(differences: list[Difference]) -> list[Difference]:
    """Corrected p-values and better sides, score by score; bins are separate from scores pooled over bins."""
    families: dict[tuple[str, str, bool], dict[int, float]] = {}
    for i, d in enumerate(differences):
        if d.p_value is not None:
            families.setdefault((d.protocol, d.score, d.z_bin is None), {})[i] = d.p_value
    corrected = {i: p for family in families.values() for i, p in holm_adjusted(family).items()}
    return [
        replace(d, p_value=corrected[i], better=_better(d, corrected[i])) if i in corrected else d
        for i, d in enumerate(differences)
    ]


def _better(d: Difference, p_value: float) -> Literal["first", "second"] | None:
    if p_value > ALPHA or d.direction is None:
        return None
    return "second" if (d.difference > 0) == (d.direction == "higher") else "first"
