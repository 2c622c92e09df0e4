"""Results in the terminal: readable at 80 columns and when piped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.align import VerticalAlignMethod
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.errors import printable
from jsddpm.wording import counted, first_names
from jsddpm_eval.results.signs import SIGNS
from jsddpm_reports.fitting import column_widths, wrapped

if TYPE_CHECKING:
    from jsddpm_eval.results.results import Results
    from jsddpm_eval.results.specs import Finding
    from jsddpm_reports.score_table import CheckRow

_STYLES = {"fine": "green", "off": "bold red", "unknown": "dim"}
_MOST_SIGNS = 14  # bins that a sign each leaves room for in 80 columns


def utilization_panel(report: dict[str, Any], sentence: str, tables: list[RenderableType]) -> RenderableType:
    """The bins report: verdict, one table bin by bin for all schemes with bars, and further tables."""
    schemes = report["schemes"]
    most = max(max(s["counts"]) for s in schemes.values())
    bins = Table(box=SIMPLE_HEAD, pad_edge=False)
    bins.add_column("bin", justify="right")
    for name in schemes:
        bins.add_column(f"{name}: slices", justify="right")
        bins.add_column("count", justify="right")
        bins.add_column("")
    for k in range(report["n_bins"]):
        row: list[RenderableType] = [str(k)]
        for s in schemes.values():
            bounds, count = s["ranges"][k], s["counts"][k]
            bar = Text("█" * max(1, round(10 * count / most)) if count else "never", style="cyan" if count else "red")
            row += [f"{bounds[0]}–{bounds[1]}" if bounds else "–", str(count), bar]
        bins.add_row(*row)
    lo, hi = report["z_range"]
    title = f"z_range [{lo}, {hi}] of {counted(report['n_slices'], 'slice')}, {counted(report['n_bins'], 'bin')}"
    return Group(Panel(sentence + ".", title=title, title_align="left", width=80), bins, *tables)


def evaluation_view(results: Results, width: int, privacy: Mapping[str, Any] | None = None) -> RenderableType:
    """An evaluation: verdict, checks, first numbers, copies, and the per-bin table, in as many parts as fit the width.

    Args:
        results: The results.
        width: Columns of the terminal.
        privacy: Content of ``privacy.json``.
    """
    from jsddpm_eval.privacy import named_sentences
    from jsddpm_reports.columns import compact_columns
    from jsddpm_reports.score_table import check_rows, headlines, table_rows
    from jsddpm_reports.wording import verdict_sentences

    words = Text("\n".join(verdict_sentences(results)))
    parts: list[RenderableType] = [Panel(words, title="verdict", title_align="left", width=min(width, 100))]
    if checks := check_rows(results):
        parts.append(_checks_table(checks, results.binning["n_bins"]))
    parts.append(headline_table(headlines(results)))
    if privacy:
        statement = Text("\n".join(named_sentences(privacy)))
        parts.append(Panel(statement, title="copying and privacy", title_align="left", width=min(width, 100)))
    if results.cells():
        columns = compact_columns(results)
        rows = table_rows(results, columns)
        lead = [["bin", *(r.z_bin for r in rows)], ["slices", *(r.slices for r in rows)]]
        lead += [["class", *(r.pathology for r in rows)], ["", *(r.sign for r in rows)]]
        cells = [
            [_broken(c.label), *(r.entries[i].text + (r.entries[i].mark or " ") for r in rows)]
            for i, c in enumerate(columns)
        ]
        signs = [_STYLES[r.answer] for r in rows]
        parts += [_columns_table([*lead, *part], signs) for part in _parts(lead, cells, width)]
        parts.append(Text("▲ above, ▼ below the baseline; ~ unreliable; – undefined", style="dim"))
        parts.append(Text("✓ every check is fine; ! a check is off; ? a check is unknown", style="dim"))
    return Group(*parts)


def _checks_table(rows: Sequence[CheckRow], n_bins: int) -> RenderableType:
    """Answer of each check for the whole, and a sign for each bin of control and lesion; counts if bins are many."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    table.add_column("check", no_wrap=True)
    table.add_column("all bins together", overflow="fold")
    signs = n_bins <= _MOST_SIGNS
    scale = "".join(str(k % 10) for k in range(n_bins))
    for heading in [f"{name}\n{scale}" for name in PATHOLOGY_NAMES] if signs else ["off", "fine", "?"]:
        table.add_column(heading, no_wrap=True, justify="left" if signs else "right", vertical="top")
    for row in rows:
        counts = [str(count) if row.was_made else "–" for count in row.counts.values()]
        parts: list[Text | str] = [_signs(part[1:]) for part in row.parts[1:]] if signs else [*counts]
        sign = Text(row.sign if row.was_made else "–", style=_STYLES[row.answer])
        table.add_row(sign, row.check.heading, _seen(row), *parts)
    return table


def _seen(row: CheckRow) -> str:
    """What a check saw; that only parts are off stands first."""
    return f"only in parts: {row.seen}" if row.in_parts else row.seen


def _signs(findings: Sequence[Finding | None]) -> Text:
    """A sign for each bin; a blank where the check says nothing."""
    signs = [(SIGNS[f.answer], _STYLES[f.answer]) if f else (" ", "") for f in findings]
    return Text.assemble(*signs)


def _columns_table(columns: Sequence[Sequence[str]], signs: Sequence[str]) -> RenderableType:
    """Columns, each with its heading first; the fourth holds the verdict's sign."""
    headings, *rows = zip(*columns, strict=True)
    cells = [[*row[:3], Text(row[3], style=sign), *row[4:]] for row, sign in zip(rows, signs, strict=True)]
    return results_table(headings, cells, padding=0, vertical="bottom")


def _parts(lead: Sequence[Sequence[str]], columns: Sequence[list[str]], width: int) -> list[list[list[str]]]:
    """Columns in groups that fit beside the leading ones."""
    room = width - 1 - sum(map(_width, lead))
    parts: list[list[list[str]]] = [[]]
    for column in columns:
        if parts[-1] and sum(map(_width, [*parts[-1], column])) > room:
            parts.append([])
        parts[-1].append(column)
    return parts


def _width(column: Sequence[str]) -> int:
    return 1 + max(len(line) for cell in column for line in cell.split("\n"))


def _broken(heading: str) -> str:
    """A heading with a word to a line."""
    return heading.replace("-", "-\n").replace(" ", "\n")


def headline_table(lines: list[tuple[str, str, str]]) -> RenderableType:
    """The first numbers of an evaluation."""
    table = Table(box=SIMPLE_HEAD, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right", style="cyan")
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    return table


def results_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    *,
    padding: int = 1,
    vertical: VerticalAlignMethod = "top",
    left: Sequence[str] = (),
) -> RenderableType:
    """A table of text under its headings; it fits any width, and nothing in it is cut.

    Args:
        headings: Heading of each column; without any, no line of headings is printed.
        rows: Cells; what is not printable in a text is escaped.
        padding: Blanks to the right of a cell.
        vertical: Where a cell stands in a row of several lines.
        left: Headings of columns of words, as the second and the third are: their text begins at the left.
    """
    cells = [[Text(printable(cell)) if isinstance(cell, str) else cell for cell in row] for row in rows]
    sides: list[JustifyMethod] = ["left" if i in (1, 2) or h in left else "right" for i, h in enumerate(headings)]
    return _ResultsTable(headings, cells, sides, padding, vertical)


@dataclass(frozen=True)
class _ResultsTable:
    """A table that takes the width of its console when it is printed."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Text]]
    sides: Sequence[JustifyMethod]
    padding: int
    vertical: VerticalAlignMethod

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Break headings and cells into lines until the table fits."""
        columns = [[row[i].plain for row in self.rows] for i in range(len(self.headings))]
        between = len(columns) * (1 + self.padding) + 1
        widths = column_widths(self.headings, columns, options.max_width - between)
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, self.padding, 0, 0), show_header=any(self.headings))
        for heading, side, width in zip(self.headings, self.sides, widths, strict=True):
            table.add_column(Text(wrapped(heading, width)), justify=side, width=width, vertical=self.vertical)
        for row in self.rows:
            cells = zip(row, widths, strict=True)
            table.add_row(*(Text(wrapped(cell.plain, width), style=cell.style) for cell, width in cells))
        yield table


def stacked(rows: Sequence[Sequence[str]]) -> list[list[Text]]:
    """Cells whose second line, where they have one, stands below the first; what is not printable is escaped."""
    return [[Text("\n".join(map(printable, cell.split("\n")))) for cell in row] for row in rows]


def notes_by_text(notes: Iterable[tuple[str, str]]) -> Text:
    """Notes on subjects, a line for each different text with the subjects it is about.

    Args:
        notes: Subject and note.
    """
    subjects: dict[str, list[str]] = {}
    for subject, text in notes:
        subjects.setdefault(text, []).append(subject)
    return Text("\n".join(f"{printable(text)}: {printable(first_names(names))}" for text, names in subjects.items()))
