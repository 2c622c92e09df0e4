"""The bins x scores table: each value beside its own yardstick, for the page and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from jsddpm_eval.results import Cell, Results, Score
from jsddpm_eval.standing import standing
from jsddpm_eval.verdict import findings
from jsddpm_reports import wording
from jsddpm_reports.columns import Column
from jsddpm_reports.figures import BLUE, BLUE_SOFT, GREY, INK, ORANGE, ORANGE_SOFT, PAGE_WIDTH, PAPER, styled

_KINDS = {(-1, True): "below certain", (-1, False): "below", (1, True): "above certain", (1, False): "above"}
_FILLS = {"below certain": BLUE, "below": BLUE_SOFT, "above certain": ORANGE, "above": ORANGE_SOFT}
_VERDICTS = {True: ("✓", "passes every check", "fine"), False: ("?", "not judged", "unknown")}


@dataclass(frozen=True)
class Entry:
    """One place of the table.

    Attributes:
        text: The value.
        mark: ``▲`` above the yardstick, ``▼`` below, else empty.
        floor: The yardstick, empty where there is none.
        kind: ``like``, ``above``, ``below`` (these also ``certain``), ``plain`` without a yardstick, ``undefined``, or
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


@styled
def heatmap_figure(results: Results, columns: Sequence[Column]) -> Figure:
    """The table as a figure: coloured by where a value lies relative to its yardstick, hatched where undefined."""
    rows = table_rows(results, columns)
    left = 2.0  # room for bin and verdict, in columns
    figure = Figure(figsize=(PAGE_WIDTH, 0.165 * len(rows) + 0.75), layout="constrained")
    axes = figure.subplots()
    for i, row in enumerate(rows):
        label = f"{row.pathology} {row.z_bin}  [{row.slices}]" if row.slices else f"{row.pathology} {row.z_bin}"
        axes.text(-0.55, i, label, ha="right", va="center", fontsize=6.5)
        axes.text(-0.3, i, row.sign, ha="center", va="center", fontsize=6.5, family="DejaVu Sans")
        for j, entry in enumerate(row.entries):
            _draw_entry(axes, entry, i, j)
    for j, column in enumerate(columns):
        heading = f"{column.heading}\n{column.space}" if column.space else column.heading
        axes.text(j + 0.5, -0.75, heading, ha="center", va="bottom", fontsize=6, rotation=30 if len(columns) > 9 else 0)
    axes.set_xlim(-left, len(columns))
    axes.set_ylim(len(rows) - 0.4, -2.2)
    axes.axis("off")
    return figure


def _draw_entry(axes: object, entry: Entry, row: int, column: int) -> None:
    fill = _FILLS.get(entry.kind, PAPER)
    hatch = "/////" if entry.kind == "undefined" else None
    place = Rectangle(
        (column + 0.03, row - 0.46), 0.94, 0.92, facecolor=fill, edgecolor=GREY if hatch else PAPER, hatch=hatch,
        linewidth=0,
    )  # fmt: skip
    axes.add_patch(place)  # type: ignore[attr-defined]
    if entry.kind in ("undefined", "unasked"):
        return
    colour = PAPER if entry.kind.endswith("certain") else INK
    text = entry.text + entry.mark
    axes.text(column + 0.5, row, text, ha="center", va="center", fontsize=6, color=colour)  # type: ignore[attr-defined]


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
        return Entry(text, "", floor, "plain", note)
    return Entry(text, wording.MARKS[place.side], floor, _KINDS.get((place.side, place.certain), "like"), note)
