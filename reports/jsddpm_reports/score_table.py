"""The bins x scores table: each value beside its yardstick, the same in the terminal, on the page and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from jsddpm_eval.standing import standing
from jsddpm_eval.verdict import findings
from jsddpm_reports import wording
from jsddpm_reports.columns import Column

if TYPE_CHECKING:
    from jsddpm_eval.results import Cell, Results, Score

_KINDS = {(-1, True): "below certain", (-1, False): "below", (1, True): "above certain", (1, False): "above"}
_VERDICTS = {True: ("✓", "passes every check", "fine"), False: ("?", "not judged", "unknown")}


@dataclass(frozen=True)
class Entry:
    """One place of the table.

    Attributes:
        text: The value.
        mark: ``▲`` above the yardstick, ``▼`` below, else empty.
        floor: The yardstick, empty where there is none.
        kind: ``like``, ``above``, ``below`` (these also ``certain``), ``bare`` without a yardstick, ``undefined``, or
            ``unasked`` where the condition has no such score.
        note: Counts, interval, yardstick and reason.
    """

    text: str
    mark: str
    floor: str
    kind: str
    note: str


@dataclass(frozen=True)
class Row:
    """One condition: its bin, slices and pathology in words, what was found, and its entries.

    ``sign``, ``finding`` and ``state`` are the verdict on it: as one sign, in words, and as ``fine``, ``off`` or
    ``unknown``.
    """

    z_bin: str
    slices: str
    pathology: str
    sign: str
    finding: str
    state: str
    entries: list[Entry]


def table_rows(results: Results, columns: Sequence[Column]) -> list[Row]:
    """Rows of the table, control first, bin by bin."""
    found = findings(results)
    return [
        Row(*wording.cell_label(c, results), *_verdict(found[c.name]), [_entry(column.of(c)) for column in columns])
        for c in sorted(results.cells(), key=_order)
    ]


def column_groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Headings above the headings, each with the number of columns it spans."""
    return [(name, len(list(members))) for name, members in groupby(c.group for c in columns)]


def _order(cell: Cell) -> tuple[int, int]:
    return (cell.pathology or 0, cell.z_bin or 0)


def _verdict(faults: list[str] | None) -> tuple[str, str, str]:
    if faults:
        return "!", ", ".join(wording.FAULTS[f] for f in faults), "off"
    return _VERDICTS[faults is not None]


def _entry(score: Score | None) -> Entry:
    if score is None:
        return Entry("", "", "", "unasked", "not asked of this condition")
    note = wording.context(score)
    text, floor = wording.with_floor(score)
    if score.value is None:
        return Entry(text, "", floor, "undefined", note)
    place = standing(score)
    if place is None:
        return Entry(text, "", floor, "bare", note)
    return Entry(text, wording.MARKS[place.side], floor, _KINDS.get((place.side, place.certain), "like"), note)
