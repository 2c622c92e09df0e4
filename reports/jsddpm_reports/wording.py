"""Wording of scores and findings, the same in the terminal and on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jsddpm.binning import PATHOLOGY_NAMES

if TYPE_CHECKING:  # the bins report words its numbers here and stays instant
    from jsddpm_eval.results.results import Results
    from jsddpm_eval.results.score import Cell, Score
    from jsddpm_eval.results.specs import Finding

MARKS = {-1: "▼", 0: "", 1: "▲"}
"""Signs of a score below its baseline, within its band, and above it."""

SIGNS = {"off": "!", "fine": "✓", "unknown": "?"}
"""Signs of a check's answers."""

_SIDES = {-1: "below the baseline", 0: "within the band of the baseline", 1: "above the baseline"}


def number(score: Score | None) -> str:
    """The value in few characters: ``~`` before an unreliable one, a dash for an undefined one."""
    if score is None or score.value is None:
        return "–"
    return ("~" if score.status == "unreliable" else "") + plain(score.value, score.unit)


def plain(value: float, unit: str = "") -> str:
    """A number with as many digits as it deserves.

    >>> plain(24.13, "dB"), plain(0.01234), plain(1.0, "share")
    ('24.1', '0.012', '100%')
    """
    if unit == "share":
        return f"{100 * value:.0f}%"
    if unit == "slices" and value == int(value):
        return f"{value:.0f}"
    if unit == "dB" or abs(value) >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}".replace("-0.000", "0.000")


def with_baseline(score: Score | None) -> tuple[str, str]:
    """Value and baseline, both as text; the second empty where there is none."""
    baseline = "" if score is None or score.baseline is None else plain(score.baseline, score.unit)
    return number(score), baseline


def interval(score: Score) -> str:
    """The 95 % interval, as ``8.00 to 10.0``; empty where there is none."""
    return _span(score.interval, score.unit) if score.interval else ""


def sources(cell: Cell) -> str:
    """Real slices and patients of the score of a cell that rests on most slices.

    >>> from jsddpm_eval.results.score import Cell, Score
    >>> sources(Cell(z_bin=None, pathology=None, scores={"psnr": Score(value=30.0, n_real=66, n_patients=4)}))
    '66 of 4 patients'
    """
    n_real, n_patients = max(((s.n_real or 0, s.n_patients or 0) for s in cell.scores.values()), default=(0, 0))
    return f"{n_real} of {n_patients} patient{'s' if n_patients != 1 else ''}"


def context(score: Score | None) -> str:
    """Baseline, interval, counts and reason of a score, for a tooltip or a note."""
    if score is None:
        return "not asked for"
    parts = []
    if score.interval:
        parts.append(f"95 % interval {interval(score)}")
    if score.baseline is not None:
        band = f", its 95 % band {_span(score.baseline_interval, score.unit)}" if score.baseline_interval else ""
        parts.append(f"baseline {plain(score.baseline, score.unit)}{band}")
    if score.standing is not None:
        parts.append(_SIDES[score.standing.side] + (" with the whole interval" if score.standing.certain else ""))
    if score.p_value is not None:
        parts.append(f"p = {score.p_value:.3g}")
    counts = {"real": score.n_real, "generated": score.n_generated, "patients": score.n_patients}
    parts += [f"{count} {what}" for what, count in counts.items() if count is not None]
    if score.reason:
        parts.append(score.reason)
    return "; ".join(parts)


def _span(ends: tuple[float, float], unit: str) -> str:
    return f"{plain(ends[0], unit)} to {plain(ends[1], unit)}"


def finding(answered: Finding) -> str:
    """A finding in words: answer, fault, evidence, and what an answer would need.

    >>> from jsddpm_eval.results.specs import Finding
    >>> finding(Finding(check="copied", answer="unknown", reason="the copy gap has no interval"))
    'unknown, the copy gap has no interval'
    """
    borrowed = "shown only together with the other conditions" if answered.inherited else ""
    return ", ".join(filter(None, [answered.answer, answered.kind, evidence(answered), borrowed]))


def evidence(answered: Finding) -> str:
    """The score that decided with its size, and where a check could not tell, why."""
    return "; ".join(filter(None, [answered.evidence, answered.reason if answered.answer == "unknown" else ""]))


def reasons(results: Results) -> dict[str, list[str]]:
    """Undefined scores by reason, as ``scores: where``; scores undefined in the same places share a line."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for cell in [*results.reconstruction, *results.generation]:
        for name, score in cell.scores.items():
            if score.status == "undefined":
                by_reason.setdefault(score.reason or "", {}).setdefault(name, []).append(cell.name)
    lines: dict[str, list[str]] = {}
    for reason, scores in by_reason.items():
        shared: dict[tuple[str, ...], list[str]] = {}
        for name, where in scores.items():
            shared.setdefault(tuple(where), []).append(name)
        lines[reason] = [f"{', '.join(names)}: {', '.join(where)}" for where, names in shared.items()]
    return lines


def verdict_sentences(results: Results) -> list[str]:
    """The verdict, sentence by sentence."""
    nothing = "Nothing generated was evaluated, so there is no verdict on generated slices."
    return list(results.verdict) or [nothing]


def cell_label(cell: Cell, results: Results) -> tuple[str, str, str]:
    """Bin, slice range and pathology of a per-bin cell, as text."""
    bounds = results.z_binning.ranges()[cell.z_bin] if cell.z_bin is not None else None
    slices = f"{bounds[0]}–{bounds[1]}" if bounds else ""
    return str(cell.z_bin), slices, "" if cell.pathology is None else PATHOLOGY_NAMES[cell.pathology]
