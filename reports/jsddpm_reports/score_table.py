"""Scores of each bin and of all, and what the checks say of them, the same in the terminal and on the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.wording import counted, enumerated
from jsddpm_eval.results.faults import faults_of, named
from jsddpm_eval.results.signs import MARKS, SIGNS
from jsddpm_reports import wording
from jsddpm_reports.columns import Column, readable_unit, spaced

if TYPE_CHECKING:
    from jsddpm_eval.results.results import Results
    from jsddpm_eval.results.score import Cell, Score
    from jsddpm_eval.results.specs import Answer, CheckSpec, Finding

_MOST_NAMED = 4  # checks named in a row of scores
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
        note: A line for each check that is off, and one for those that are unknown, and that are fine.
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
    def is_asked(self) -> bool:
        """Whether its condition has any of the scores."""
        return any(entry.kind != "unasked" for entry in self.entries)

    @property
    def sign(self) -> str:
        """The answer as one sign."""
        return SIGNS[self.answer]


@dataclass(frozen=True)
class CheckRow:
    """Findings of one check for the whole and its parts.

    Attributes:
        check: The check.
        answer: Its answer for the whole; of a check of one pathology, for that pathology. ``off`` where only parts are,
            and ``unknown`` where it was not made.
        in_parts: Whether only parts are off.
        fault: What is wrong with the whole, or with the part that is most certainly off.
        evidence: The score that decided with its size, or why the check is unknown.
        also: What else is wrong.
        counts: How many conditions it gives each answer of.
        parts: Its findings for both pathologies, control and lesion; each of all bins first, then bin by bin, None
            where it says nothing.
    """

    check: CheckSpec
    answer: Answer
    in_parts: bool
    fault: str
    evidence: str
    also: str
    counts: dict[Answer, int]
    parts: list[list[Finding | None]]

    @property
    def sign(self) -> str:
        """The answer as one sign."""
        return SIGNS[self.answer]

    @property
    def answered(self) -> str:
        """The answer in words, as the verdict counts it."""
        return "not made" if not self.was_made else "off in parts" if self.in_parts else self.answer

    @property
    def seen(self) -> str:
        """The fault with the score that decided behind it, and the other faults."""
        return "; ".join(filter(None, [": ".join(filter(None, [self.fault, self.evidence])), self.also]))

    @property
    def was_made(self) -> bool:
        """Whether the check looked at anything."""
        return any(any(part) for part in self.parts)


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
    """Every check, those that are off first; none where nothing generated was evaluated."""
    findings, whole = {(f.check, *f.place): f for f in results.findings}, results.whole()
    faults = faults_of(results)
    bins = [None, *range(results.binning["n_bins"])]
    rows = []
    for check in results.checks:
        top = whole.get(check.name)
        parts = [[findings.get((check.name, k, p)) for k in bins] for p in (None, *range(len(PATHOLOGY_NAMES)))]
        off = faults.get(check.name, [])
        shown = off[0] if off else top
        in_parts = bool(off) and shown != top
        nothing = "not made for all slices together" if any(any(part) for part in parts) else "not made"
        evidence = wording.evidence(shown) or "every interval lies within its margin" if shown else nothing
        if in_parts:
            further = [f"{len(off) - 1} more"] if len(off) > 1 else []
            evidence += f", in {enumerated([named(off[0].place), *further])}"
        rows.append(CheckRow(
            check, shown.answer if shown else "unknown", in_parts, shown.fault if shown else "", evidence,
            shown.also if shown else "", results.counts(check.name), parts,
        ))  # fmt: skip
    order: dict[Answer, int] = {"off": 0, "unknown": 1, "fine": 2}
    return sorted(rows, key=lambda row: (order[row.answer], row.in_parts, -row.counts["off"])) if findings else []


def pooled_rows(results: Results) -> list[tuple[str, list[tuple[str, str, str, Score]]]]:
    """Every score of all conditions together, by group: words with feature space, pathology asked of, unit, score."""
    groups: dict[str, list[tuple[str, str, str, Score]]] = {}
    for spec, space in spaced(results):
        if spec.named(space) in results.pooled:
            kind = "both" if spec.pathology is None else PATHOLOGY_NAMES[spec.pathology]
            row = (f"{spec.words} {space}".strip(), kind, readable_unit(spec.unit), results.pooled[spec.named(space)])
            groups.setdefault(spec.group, []).append(row)
    return list(groups.items())


def headlines(results: Results) -> list[tuple[str, str, str]]:
    """The pooled scores a reader looks for first, and how many bins are used, as (what, value, how to read it)."""
    pooled, lines = results.pooled, []
    for spec, space in spaced(results):
        score = pooled.get(spec.named(space)) if spec.headline else None
        if score is not None:
            values = {name: wording.number(other) for name, other in pooled.items()}
            values |= {"n_generated": str(score.n_generated), "samples": counted(score.n_generated or 0, "sample")}
            values |= {"baseline": wording.with_baseline(score)[1] or "unknown"}
            reading = spec.headline_reading.format_map(defaultdict(lambda: "–", values))
            reading = reading if score.value is not None else score.reason or ""
            reading += f"; 95% interval {wording.interval(score)}" if score.value is not None and score.interval else ""
            lines.append((f"{spec.headline} {space}".strip(), wording.number(score), reading))
    local = results.utilization["schemes"].get("local", {})
    if results.binning["scheme"] == "local" and local:
        lines.append(("bins used", f"{local['bins_used']} of {local['bins_total']}", "local binning"))
    return lines


def _ordered(results: Results) -> list[Cell]:
    return sorted(results.cells(), key=lambda cell: (cell.pathology or 0, cell.z_bin or 0))


def _findings(results: Results, cell: Cell) -> tuple[str, str]:
    """Answers of the checks for a condition: in a few words, and line by line."""
    findings = {f.check: f for f in results.findings if f.place == (cell.z_bin, cell.pathology)}
    if not findings:
        return "no check was made", "no check was made"
    applicable = [check for check in results.checks if check.pathology in (None, cell.pathology)]
    off = [c.heading for c in applicable if c.name in findings and findings[c.name].answer == "off"]
    fine = sum(f.answer == "fine" for f in findings.values())
    few = off if len(off) <= _MOST_NAMED else [*off[: _MOST_NAMED - 1], f"{len(off) - _MOST_NAMED + 1} more"]
    words = ", ".join(few) or (
        "every check is fine" if fine == len(applicable) else f"{fine} of {counted(len(applicable), 'check')} fine"
    )
    by_answer: dict[str, list[str]] = {"unknown": [], "fine": [], "not looked at": []}
    lines = []
    for check in applicable:
        found = findings.get(check.name)
        if found is not None and found.answer == "off":
            lines.append(f"{check.heading}: {': '.join(filter(None, [found.fault, found.evidence]))}")
        else:
            by_answer["not looked at" if found is None else found.answer].append(check.heading)
    lines += [f"{answer}: {', '.join(names)}" for answer, names in by_answer.items() if names]
    return words, "\n".join(lines)


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
    return Entry(text, MARKS[score.standing.side], baseline, kind, note)
