"""Scores of each bin and of all, and what the checks say of them, the same in the terminal and on the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm_reports import wording
from jsddpm_reports.columns import Column, readable_unit, spaced

if TYPE_CHECKING:
    from jsddpm_eval.results.results import Results
    from jsddpm_eval.results.score import Cell, Score
    from jsddpm_eval.results.specs import Answer, CheckSpec, Finding

SIGNS: dict[Answer, str] = {"off": "!", "fine": "✓", "unknown": "?"}
_KINDS = {(-1, True): "below certain", (-1, False): "below", (1, True): "above certain", (1, False): "above"}


@dataclass(frozen=True)
class Entry:
    """One place of the table.

    Attributes:
        text: The value.
        mark: ``▲`` above the baseline, ``▼`` below, else empty.
        baseline: The baseline, empty where there is none.
        kind: ``like``, ``above``, ``below`` (these also ``certain``), ``bare`` without a baseline, ``undefined``, or
            ``unasked`` where the condition has no such score.
        note: Counts, interval, baseline and reason.
    """

    text: str
    mark: str
    baseline: str
    kind: str
    note: str


@dataclass(frozen=True)
class Row:
    """One condition: its bin, slices and pathology in words, what the checks say of it, and its entries.

    Attributes:
        z_bin: The bin.
        slices: Its slices.
        pathology: The pathology.
        answer: What all checks say together; ``unknown`` where none was made.
        finding: The answer in words.
        note: What each check says, and why.
        entries: The scores.
    """

    z_bin: str
    slices: str
    pathology: str
    answer: Answer
    finding: str
    note: str
    entries: list[Entry]

    @property
    def sign(self) -> str:
        """The answer as one sign."""
        return SIGNS[self.answer]


@dataclass(frozen=True)
class CheckRow:
    """What one check says of each bin of one pathology, in the order of :func:`table_rows`."""

    check: CheckSpec
    pathology: str
    findings: list[Finding | None]


def table_rows(results: Results, columns: Sequence[Column]) -> list[Row]:
    """Rows of the table, control first, bin by bin."""
    answers = results.answers()
    return [
        Row(
            *wording.cell_label(cell, results), answers.get((cell.z_bin, cell.pathology), "unknown"),
            *_findings(results, cell), [_entry(column.of(cell)) for column in columns],
        )
        for cell in _ordered(results)
    ]  # fmt: skip


def check_rows(results: Results) -> list[CheckRow]:
    """Every check in every pathology it is asked of; None where it says nothing of a bin."""
    given = {(f.check, f.z_bin, f.pathology): f for f in results.findings}
    rows = [
        CheckRow(check, name, [given.get((check.name, c.z_bin, k)) for c in _ordered(results) if c.pathology == k])
        for k, name in enumerate(PATHOLOGY_NAMES)
        for check in results.checks
    ]
    return [row for row in rows if any(row.findings)]


def pooled_rows(results: Results) -> list[tuple[str, str, str, Score]]:
    """Every score of all conditions together: heading with the feature space, pathology asked of, unit, score."""
    return [
        (f"{spec.heading} {space}".strip(), "both" if spec.pathology is None else PATHOLOGY_NAMES[spec.pathology],
         readable_unit(spec.unit), results.pooled[spec.named(space)])
        for spec, space in spaced(results)
        if spec.named(space) in results.pooled
    ]  # fmt: skip


def headlines(results: Results) -> list[tuple[str, str, str]]:
    """The pooled scores a reader looks for first, and how many bins are used, as (what, value, how to read it)."""
    pooled, lines = results.pooled, []
    for spec, space in spaced(results):
        score = pooled.get(spec.named(space)) if spec.headline else None
        if score is not None:
            values = {name: wording.number(other) for name, other in pooled.items()}
            values |= {"n_generated": str(score.n_generated), "baseline": wording.with_baseline(score)[1] or "unknown"}
            reading = spec.headline_reading.format_map(defaultdict(lambda: "–", values))
            reading = reading if score.value is not None else score.reason or ""
            lines.append((f"{spec.headline} {space}".strip(), wording.number(score), reading))
    local = results.utilization["schemes"].get("local", {})
    if results.binning["scheme"] == "local" and local:
        lines.append(("bins used", f"{local['bins_used']} of {local['bins_total']}", "local binning"))
    return lines


def _ordered(results: Results) -> list[Cell]:
    return sorted(results.cells(), key=lambda cell: (cell.pathology or 0, cell.z_bin or 0))


def _findings(results: Results, cell: Cell) -> tuple[str, str]:
    """What the checks say of a condition: in a few words, and one by one with the reasons."""
    headings = {check.name: check.heading for check in results.checks}
    given = [f for f in results.findings if (f.z_bin, f.pathology) == (cell.z_bin, cell.pathology)]
    if not given:
        return "no check was made", "no check was made"
    off, unknown = ([headings[f.check] for f in given if f.answer == answer] for answer in ("off", "unknown"))
    words = ", ".join(off) or (f"unknown: {', '.join(unknown)}" if unknown else "every check is fine")
    return words, "; ".join(f"{headings[f.check]}: {wording.finding(f)}" for f in given)


def _entry(score: Score | None) -> Entry:
    if score is None:
        return Entry("", "", "", "unasked", "not asked of this condition")
    note = wording.context(score)
    text, baseline = wording.with_baseline(score)
    if score.value is None:
        return Entry(text, "", baseline, "undefined", note)
    if score.standing is None:
        return Entry(text, "", baseline, "bare", note)
    kind = _KINDS.get((score.standing.side, score.standing.certain), "like")
    return Entry(text, wording.MARKS[score.standing.side], baseline, kind, note)
