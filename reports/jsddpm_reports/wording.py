"""Wording of scores and findings, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.wording import capital, counted

if TYPE_CHECKING:  # the bins report words its numbers here and stays instant
    from jsddpm_eval.results.results import Results
    from jsddpm_eval.results.score import Cell, Score
    from jsddpm_eval.results.specs import Finding

_MILLION = 1e6
_NOTHING = 1e-9  # what rounding leaves of equal numbers
_SIDES = {-1: "below the baseline", 0: "within the band of the baseline", 1: "above the baseline"}


def number(score: Score | None) -> str:
    """The value in few characters: ``~`` before an unreliable one, a dash for an undefined one."""
    if score is None or score.value is None:
        return "–"
    return ("~" if score.status == "unreliable" else "") + plain(score.value, score.unit)


def plain(value: float, unit: str = "") -> str:
    """A number with as many digits as it deserves; what is not 0 never reads as 0, nor a share that is not 1 as 100%.

    >>> plain(24.13, "dB"), plain(0.01234), plain(1.0, "share")
    ('24.1', '0.012', '100%')
    >>> plain(0.996, "share"), plain(0.9996, "share"), plain(0.99, "share")
    ('99.6%', '99.96%', '99%')
    >>> plain(0.0003), plain(-0.00009), plain(0.004, "share"), plain(12345.6), plain(1234567.0)
    ('0.0003', '-0.00009', '0.4%', '12346', '1.23e+06')
    """
    if abs(value) < _NOTHING:
        value = 0.0
    percent = "%" if unit == "share" else ""
    size = 100 * value if percent else value
    if abs(size) >= _MILLION:
        return f"{size:.2e}"
    if percent or abs(size) >= 1000 or (unit == "slices" and size == int(size)):
        decimals = 0
    elif unit == "dB" or abs(size) >= 100:
        decimals = 1
    else:
        decimals = 2 if abs(size) >= 0.1 else 3
    beyond = abs(size) - 100
    if percent and f"{abs(size):.0f}" == "100" and abs(beyond) > 100 * _NOTHING:
        return f"{'-' if size < 0 else ''}{100 + Decimal(f'{beyond:.1g}')}%"
    return _rounded(size, decimals) + percent


def signed(value: float | None, unit: str = "", *, decimals: int | None = None) -> str:
    """A difference with its sign; shares differ by percentage points, and what is not 0 never reads as 0.

    Args:
        value: The difference; a dash stands for None.
        unit: Unit of the numbers that differ.
        decimals: Digits after the point; as many as :func:`plain` gives when None.

    >>> signed(-0.25, "share"), signed(0.00012), signed(1.26, "dB"), signed(0.126, decimals=3)
    ('−25 pp', '+0.0001', '+1.3', '+0.126')
    """
    if value is None:
        return "–"
    size = plain(abs(value), unit) if decimals is None else _rounded(abs(value), decimals)
    sign = "" if abs(value) < _NOTHING else "+" if value > 0 else "−"
    return sign + size.replace("%", " pp")


def signed_span(interval: Sequence[float] | None, unit: str = "", *, decimals: int | None = None) -> str:
    """Both ends of an interval of a difference; a dash where there is none.

    >>> signed_span((-0.25, 0.126), decimals=3), signed_span(None)
    ('−0.250 to +0.126', '–')
    """
    return "–" if interval is None else " to ".join(signed(end, unit, decimals=decimals) for end in interval)


def p_value(p: float | None) -> str:
    """A p-value in words; a dash where there is none.

    >>> p_value(0.0312), p_value(0.00004), p_value(None)
    ('0.031', '<0.001', '–')
    """
    return "–" if p is None else f"{p:.3f}" if p >= 0.001 else "<0.001"


def _rounded(value: float, decimals: int) -> str:
    """A number with so many digits after the point, or with one digit that is not 0."""
    text = f"{value:.{decimals}f}"
    return text if value == 0 or text.strip("-0.") else f"{Decimal(f'{value:.1g}'):f}"


def with_baseline(score: Score | None) -> tuple[str, str]:
    """Value and baseline, both as text; the second empty where there is none."""
    baseline = "" if score is None or score.baseline is None else plain(score.baseline, score.unit)
    return number(score), baseline


def interval(score: Score) -> str:
    """The 95% interval, as ``8.00 to 10.0``; empty where there is none."""
    return _span(score.interval, score.unit) if score.interval else ""


def sources(cell: Cell) -> str:
    """Real slices and patients of the score of a cell that rests on most slices.

    >>> from jsddpm_eval.results.score import Cell, Score
    >>> sources(Cell(z_bin=None, pathology=None, scores={"psnr": Score(value=30.0, n_real=66, n_patients=4)}))
    '66 slices of 4 patients'
    """
    n_real, n_patients = max(((s.n_real or 0, s.n_patients or 0) for s in cell.scores.values()), default=(0, 0))
    return f"{counted(n_real, 'slice')} of {counted(n_patients, 'patient')}"


def context(score: Score | None) -> str:
    """Baseline, interval, counts and reason of a score, for a tooltip or a note."""
    if score is None:
        return "not asked for"
    parts = []
    if score.interval:
        parts.append(f"95% interval {interval(score)}")
    if score.baseline is not None:
        band = f", its 95% band {_span(score.baseline_interval, score.unit)}" if score.baseline_interval else ""
        parts.append(f"baseline {plain(score.baseline, score.unit)}{band}")
    if score.standing is not None:
        parts.append(_SIDES[score.standing.side] + (" with the whole interval" if score.standing.certain else ""))
    if score.p_value is not None:
        parts.append(f"p = {score.p_value:.3g} (uncorrected)")
    counts = {"real": score.n_real, "generated": score.n_generated}
    parts += [f"{count} {what}" for what, count in counts.items() if count is not None]
    parts += [] if score.n_patients is None else [counted(score.n_patients, "patient")]
    if score.reason:
        parts.append(score.reason)
    return "; ".join(parts)


def _span(ends: tuple[float, float], unit: str) -> str:
    return f"{plain(ends[0], unit)} to {plain(ends[1], unit)}"


def finding(answered: Finding) -> str:
    """A finding in words: answer, fault with its evidence, other faults, and what an answer would need.

    >>> from jsddpm_eval.results.specs import Finding
    >>> finding(Finding(check="copied", answer="unknown", reason="the copy gap has no interval"))
    'unknown, the copy gap has no interval'
    >>> finding(Finding(check="a", answer="off", kind="smooth; dark", label="grain", reason="-2.0 SD"))
    'off, smooth: grain -2.0 SD; also dark'
    """
    borrowed = "shown only together with the other conditions" if answered.inherited else ""
    said = ": ".join(filter(None, [answered.fault, evidence(answered)]))
    return "; ".join(filter(None, [", ".join(filter(None, [answered.answer, said])), answered.also, borrowed]))


def evidence(answered: Finding) -> str:
    """The score that decided with its size, and where a check is unknown, why."""
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
    """The verdict, sentence by sentence; without one, why there is none."""
    return list(results.verdict) or [f"{capital(why_no_check(results))}, so there is no verdict on generated slices."]


def why_no_check(results: Results) -> str:
    """Why no check was made, as a clause."""
    return "no score that a check needs was computed" if results.generation else "nothing generated was evaluated"


def cell_label(cell: Cell, results: Results) -> tuple[str, str, str]:
    """Bin, slice range and pathology of a per-bin cell, as text."""
    bounds = results.z_binning.ranges()[cell.z_bin] if cell.z_bin is not None else None
    slices = f"{bounds[0]}–{bounds[1]}" if bounds else ""
    return str(cell.z_bin), slices, "" if cell.pathology is None else PATHOLOGY_NAMES[cell.pathology]
