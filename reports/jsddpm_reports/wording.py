"""How scores are put into words and cells, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm_eval.standing import standing
from jsddpm_reports.columns import feature_spaces

if TYPE_CHECKING:  # the bins report words its numbers here and stays instant
    from jsddpm_eval.results import Cell, Results, Score

MARKS = {-1: "▼", 0: "", 1: "▲"}
"""Signs of a score below, like and above its yardstick."""

FAULTS = {
    "differs": "differs",
    "collapsed": "collapsed",
    "copied": "copies",
    "misplaced": "misplaced",
    "disobeys": "disobeys",
    "unmatched": "mask without lesion",
}
"""What the verdict finds wrong with a condition, in a word or two."""

_PLACES = {-1: "below real slices", 0: "like real slices", 1: "above real slices"}


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


def marked(score: Score | None) -> str:
    """The value, ``▲`` behind one above its yardstick, ``▼`` behind one below.

    >>> from jsddpm_eval.results import Score
    >>> marked(Score(value=3.0, floor=1.0)), marked(Score(value=1.0, floor=1.0))
    ('3.00▲', '1.00')
    """
    place = None if score is None else standing(score)
    return number(score) + ("" if place is None else MARKS[place.side])


def with_floor(score: Score | None) -> tuple[str, str]:
    """Value and its yardstick, both as text; the second empty where there is none."""
    floor = "" if score is None or score.floor is None else plain(score.floor, score.unit)
    return number(score), floor


def context(score: Score | None) -> str:
    """Yardstick, interval, counts and reason of a score, for a tooltip or a note."""
    if score is None:
        return "not asked for"
    parts = []
    if score.interval:
        parts.append(f"95% interval {_span(score.interval, score.unit)}")
    if score.floor is not None:
        band = f", band {_span(score.floor_interval, score.unit)}" if score.floor_interval else ""
        parts.append(f"real slices {plain(score.floor, score.unit)}{band}")
    place = standing(score)
    if place is not None:
        parts.append(_PLACES[place.side] + (" with the whole interval" if place.certain else ""))
    if score.p_value is not None:
        parts.append(f"p = {score.p_value:.3g}")
    counts = {"real": score.n_real, "generated": score.n_generated, "patients": score.n_patients}
    parts += [f"{count} {what}" for what, count in counts.items() if count is not None]
    if score.reason:
        parts.append(score.reason)
    return "; ".join(parts)


def _span(ends: tuple[float, float], unit: str) -> str:
    return f"{plain(ends[0], unit)} to {plain(ends[1], unit)}"


def headlines(results: Results) -> list[tuple[str, str, str]]:
    """The numbers a reader looks for first, as (what, value, how to read it)."""
    scores = results.pooled
    lines = [
        _headline(
            scores,
            "z_error_bins",
            "position error",
            "bin widths; chance {z_error_chance_bins}, real slices {floor}",
        ),
        _headline(scores, "control_empty", "control: empty mask", "of {n_generated} samples"),
        _headline(scores, "lesion_present", "lesion: mask present", "of {n_generated} samples"),
        *(
            _headline(scores, f"kid_{space}", f"KID {space}, all bins", "real against real {floor}")
            for space in feature_spaces(results)
        ),
    ]
    local = results.utilization["schemes"].get("local", {})
    if results.binning["scheme"] == "local" and local:
        lines.append(("bins used", f"{local['bins_used']} of {local['bins_total']}", "local binning"))
    return [line for line in lines if line is not None]


def _headline(scores: Mapping[str, Score], name: str, what: str, reading: str) -> tuple[str, str, str] | None:
    score = scores.get(name)
    if score is None:
        return None
    floor = "not known" if score.floor is None else plain(score.floor, score.unit)
    chance = number(scores.get("z_error_chance_bins"))
    filled = reading.format(floor=floor, n_generated=score.n_generated, z_error_chance_bins=chance)
    return what, number(score), filled if score.value is not None else score.reason or ""


def reasons(results: Results) -> dict[str, list[str]]:
    """Undefined scores by reason, as ``scores: where``; scores undefined in the same places share a line."""
    found: dict[str, dict[str, list[str]]] = {}
    for cell in [*results.reconstruction, *results.generation]:
        for name, score in cell.scores.items():
            if score.status == "undefined":
                found.setdefault(score.reason or "", {}).setdefault(name, []).append(cell.name)
    lines: dict[str, list[str]] = {}
    for reason, scores in found.items():
        shared: dict[tuple[str, ...], list[str]] = {}
        for name, where in scores.items():
            shared.setdefault(tuple(where), []).append(name)
        lines[reason] = [f"{', '.join(names)}: {', '.join(where)}" for where, names in shared.items()]
    return lines


def verdict_sentences(results: Results) -> list[str]:
    """The verdict, sentence by sentence, the first one first to be read."""
    if not results.verdict:
        return ["Nothing generated was evaluated, so there is no verdict on generated slices."]
    return [part.removesuffix(".") + "." for part in results.verdict.split(". ")]


def cell_label(cell: Cell, results: Results) -> tuple[str, str, str]:
    """Bin, slice range and pathology of a per-bin cell, as text."""
    bounds = results.z_binning.ranges()[cell.z_bin] if cell.z_bin is not None else None
    slices = f"{bounds[0]}–{bounds[1]}" if bounds else ""
    return str(cell.z_bin), slices, "" if cell.pathology is None else PATHOLOGY_NAMES[cell.pathology]
