"""Turn evidence into answers: for the whole first, then for its parts, with one control of false alarms.

The allowed false alarms are divided between levels, and most go to the whole, which has the most power. Within a level,
Holm's correction covers every score of every check and place that could reject at all (Tarone 1990). Below a place that
is off, a condition is off where its own value, partially pooled with that place (random effects, DerSimonian and Laird
1986), has an interval without 0: the whole is evidence of its parts, unless the parts differ.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from scipy.stats import t as student

from jsddpm.wording import agreeing, percentage, span
from jsddpm_eval.checks.base import Check, Evidence
from jsddpm_eval.checks.levels import LEVELS, level
from jsddpm_eval.checks.needed import needed
from jsddpm_eval.checks.pooling import pooled as pooled_with
from jsddpm_eval.checks.pooling import variance_of
from jsddpm_eval.results.faults import under
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Answer, Finding, Place
from jsddpm_eval.stats.exceedance import units_needed
from jsddpm_eval.stats.holm import holm_adjusted, testable
from jsddpm_eval.stats.limits import ALPHA, MIN_UNITS, TAIL
from jsddpm_eval.stats.power import detectable, detectable_share

FINE_IF = "the check is fine if the whole interval lies"
NARROWER = "more patients or samples would narrow the interval"
"""Words of what an unknown check needs."""


class Key(NamedTuple):
    """One test: a check's score at a place."""

    check: str
    score: str
    place: Place


@dataclass(frozen=True)
class _Judgement:
    """Evidence with its corrected p-value, the level of its test, and its pooling with the places above it."""

    evidence: Evidence
    p_value: float | None
    level: float
    inherited: bool = False

    @property
    def reason(self) -> str:
        """Why there is no answer: that of the evidence, unless its test cannot reject here."""
        evidence = self.evidence
        if self.p_value is not None and evidence.reason and evidence.value is not None:
            return f"{_figure(evidence)}, p = {self.p_value:.2g} after correction; {evidence.reason}"
        if evidence.p_value is None or self.p_value is not None:
            return evidence.reason
        least = f"the smallest p-value that this test can give, {evidence.least_p:.2g},"
        return f"not tested here: {least} is too large after the correction for all tests"

    @property
    def significant(self) -> bool:
        """Whether its own test rejects on the side of a fault, however small the difference may be."""
        return self.p_value is not None and self.p_value <= ALPHA and bool(self.evidence.side)

    @property
    def off(self) -> bool:
        tested = self.inherited or (self.p_value is not None and self.p_value <= ALPHA)
        return tested and bool(self.evidence.kind) and not self.evidence.within


def answer_of(evidence: Evidence, p_value: float | None) -> Answer:
    """The answer of evidence that stands alone.

    Args:
        evidence: The evidence.
        p_value: Its p-value after correction; None without a test.
    """
    judged = _Judgement(evidence, p_value, ALPHA)
    return "off" if judged.off else "fine" if evidence.within else "unknown"


def decide(checks: Iterable[Check], cells: Sequence[Cell]) -> tuple[Finding, ...]:
    """The answer of every check at every place, the whole first."""
    every = list(checks)
    evidence_of = {
        Key(check.spec.name, evidence.score, (cell.z_bin, cell.pathology)): evidence
        for check in every
        for cell in cells
        for evidence in check.evidence(cell)
    }
    pathology = {check.spec.name: check.spec.pathology for check in every}
    corrected, levels = _corrected(evidence_of, pathology)
    judgements = {
        key: _Judgement(evidence, corrected.get(key), levels[level(key.place, pathology[key.check])])
        for key, evidence in evidence_of.items()
    }
    conditions: dict[tuple[str, str], list[tuple[Place, Evidence]]] = defaultdict(list)
    for key, evidence in evidence_of.items():
        if _depth(key.place) == 2 and evidence.interval is not None:
            conditions[key.check, key.score].append((key.place, evidence))
    judgements = {key: _with_parents(key, judgements, conditions[key.check, key.score]) for key in judgements}
    findings = []
    for check in every:
        places = dict.fromkeys(key.place for key in judgements if key.check == check.spec.name)
        for place in sorted(places, key=_reading_order):
            of_place = [j for key, j in judgements.items() if (key.check, key.place) == (check.spec.name, place)]
            findings.append(_finding(check.spec.name, place, of_place))
    return tuple(findings)


def _corrected(
    evidence_of: Mapping[Key, Evidence], pathology: Mapping[str, int | None]
) -> tuple[dict[Key, float], dict[str, float]]:
    """P-values for comparison with :data:`~jsddpm_eval.stats.limits.ALPHA`; the level of a single test, by level."""
    corrected: dict[Key, float] = {}
    single: dict[str, float] = {}
    for name, share in LEVELS.items():
        tests = {
            k: e for k, e in evidence_of.items() if e.p_value is not None and level(k.place, pathology[k.check]) == name
        }
        able = testable({k: e.least_p for k, e in tests.items()}, share * ALPHA)
        p_values = {k: tests[k].p_value or 0.0 for k in able}
        corrected |= {k: min(1.0, p / share) for k, p in holm_adjusted(p_values).items()}
        single[name] = share * ALPHA / max(1, len(able))
    return corrected, single


def _with_parents(
    key: Key, judgements: Mapping[Key, _Judgement], conditions: list[tuple[Place, Evidence]]
) -> _Judgement:
    """Evidence of a condition, partially pooled with that of a place above it if that is decisive."""
    own = judgements[key]
    if own.evidence.interval is None or _depth(key.place) < 2 or own.off:  # what is off by itself borrows nothing
        return own
    for above in _above(key.place):
        parent = judgements.get(key._replace(place=above))
        if parent is None or parent.evidence.value is None or parent.evidence.interval is None:
            continue
        siblings = [evidence for place, evidence in conditions if under(place, above)]
        pooled = pooled_with(own.evidence, parent.evidence, siblings)
        low, high = pooled.interval or (0.0, 0.0)
        if parent.off and not low <= sum(pooled.margin) / 2 <= high and pooled.same_fault(parent.evidence):
            return replace(own, evidence=pooled, inherited=True)
        if parent.evidence.within and pooled.within and not own.significant:
            return replace(own, evidence=pooled, inherited=not own.evidence.within)
    return own


def _finding(check: str, place: Place, judgements: list[_Judgement]) -> Finding:
    """The answer of one check at one place: off if any score is, fine if all are, else unknown."""
    seen = _least_certain(judgements)
    off = sorted((j for j in judgements if j.off), key=lambda j: (j.inherited, -_size(j.evidence)))
    z_bin, pathology = place
    if off:
        first = off[0]
        kinds = list(dict.fromkeys(j.evidence.kind for j in off if _size(j.evidence) >= _size(first.evidence) / 2))
        value, interval = first.evidence.stated
        return Finding(
            check=check, answer="off", z_bin=z_bin, pathology=pathology, kind="; ".join(kinds),
            score=first.evidence.score, value=value, interval=interval, p_value=first.p_value,
            inherited=first.inherited, reason=_figure(first.evidence), **seen,
        )  # fmt: skip
    if judgements and all(j.evidence.within for j in judgements):
        inherited = any(j.inherited for j in judgements)
        return Finding(check=check, answer="fine", z_bin=z_bin, pathology=pathology, inherited=inherited, **seen)
    undecided = [j for j in judgements if not j.evidence.within]
    by_p = sorted(undecided, key=lambda j: 1.0 if j.p_value is None else j.p_value)
    missing = next((j.reason for j in by_p if j.reason), "")
    widest = max((j for j in undecided if j.evidence.interval is not None), key=_beyond, default=None)
    shown = widest or (undecided[0] if undecided else None)
    value, interval = (None, None) if widest is None else widest.evidence.stated
    return Finding(
        check=check, answer="unknown", z_bin=z_bin, pathology=pathology, score=shown.evidence.score if shown else "",
        value=value, interval=interval, reason=missing if widest is None else _why_unknown(widest),
        **seen, needs="" if widest is None else needed(widest.evidence, widest.level),
    )  # fmt: skip


def _least_certain(judgements: Sequence[_Judgement]) -> dict[str, Any]:
    """The largest of the smallest differences that the tests of a check detect, and its score.

    Shares cannot be compared with differences in standard deviations, so they count where there is nothing else.
    """
    smallest = [(j.evidence.share, d, j.evidence.score) for j in judgements if (d := _detectable(j)) is not None]
    if not smallest:
        return {}
    _, value, score = max(smallest, key=lambda of: (not of[0], of[1]))
    return {"detectable": value, "detectable_score": score}


def _detectable(judgement: _Judgement) -> float | None:
    """The smallest difference, or share, of a score that its test detects, at the first step of the correction."""
    evidence, interval = judgement.evidence, judgement.evidence.interval
    if interval is None or evidence.p_value is None or evidence.patients < MIN_UNITS:
        return None
    if evidence.share:
        if evidence.units is None or evidence.by_chance is None:
            return None
        return detectable_share(evidence.units, evidence.by_chance, evidence.margin[1], judgement.level)
    if interval[0] == interval[1]:
        return None
    error = (interval[1] - interval[0]) / (2 * float(student.ppf(1 - TAIL, evidence.degrees)))
    return detectable(error, evidence.degrees, judgement.level)


def _figure(evidence: Evidence) -> str:
    value, interval = evidence.stated
    text = evidence.figure(value or 0.0)
    return text if interval is None else f"{text} (95%: {span(*interval, share=evidence.share)})"


def _why_unknown(judgement: _Judgement) -> str:
    """Why an interval is evidence neither of a fault nor of its absence."""
    evidence = judgement.evidence
    low, high = evidence.interval or (0.0, 0.0)
    first, last = evidence.limits
    least, most = map(evidence.bound, evidence.limits)
    where = f"within {least} to {most}"
    if math.isinf(first):
        where = f"below {most}"
    elif math.isinf(last):
        where = f"above {least}"
    if (high < first or last < low) and judgement.p_value is not None:
        said = f"the difference is not significant, p = {judgement.p_value:.2g} after correction"
        if evidence.by_chance is not None and evidence.by_chance > last:
            said = f"with so few patients, up to {percentage(evidence.by_chance)} of real ones may look so by chance"
    else:
        enough = _samples_needed(evidence)
        said = NARROWER if enough is None else f"with the same share, {_enough(enough, evidence.volumes)}"
    return f"{FINE_IF} {where}; {said}"


def _enough(units: int, volumes: int | None) -> str:
    """How many units are enough, where volumes are the units beside how many there are."""
    if volumes is None:
        return f"{units} samples would be enough"
    return f"{units} volumes would be enough, and there {agreeing(volumes, 'is', 'are')} {volumes}"


def _samples_needed(evidence: Evidence) -> int | None:
    """Independent samples, or volumes, from which a share that stays the same is fine; None for other scores."""
    if not evidence.share or evidence.value is None:
        return None
    share, (least, most) = min(1.0, max(0.0, evidence.value)), evidence.limits
    return units_needed(share, most) if evidence.words[1] else units_needed(1 - share, 1 - least)


def _size(evidence: Evidence) -> float:
    """Distance of the value from the middle of its margin, in standard errors."""
    error = variance_of(evidence.interval) ** 0.5
    distance = abs((evidence.value or 0.0) - sum(evidence.margin) / 2)
    return distance / error if error else distance


def _beyond(judgement: _Judgement) -> float:
    """How far an interval reaches beyond its margin."""
    (low, high), (first, last) = judgement.evidence.interval or (0.0, 0.0), judgement.evidence.limits
    return max(first - low, high - last)


def _depth(place: Place) -> int:
    return sum(part is not None for part in place)


def _above(place: Place) -> list[Place]:
    """The places that contain a condition, nearest first."""
    return [(place[0], None), (None, place[1]), (None, None)]


def _reading_order(place: Place) -> tuple[int, int, int]:
    return _depth(place), -1 if place[0] is None else place[0], -1 if place[1] is None else place[1]
