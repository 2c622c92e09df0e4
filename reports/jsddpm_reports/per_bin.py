"""The per-bin table of one evaluation for a paper: values, baselines and intervals, as markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.csvfiles import to_csv
from jsddpm.errors import usage_error
from jsddpm.wording import counted
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Score
from jsddpm_reports import tables
from jsddpm_reports.columns import Column, columns, compact_columns
from jsddpm_reports.wording import cell_label, plain, with_baseline


def per_bin_text(results: Results, suffix: str, scores: Sequence[str] | None = None) -> str:
    """The table as ``.md`` or ``.tex``; as ``.csv`` every score in full precision.

    Args:
        results: The evaluation.
        suffix: ``.md``, ``.tex`` or ``.csv``.
        scores: Columns by the name of their score, or of its spec for every feature space; the terminal's when None.

    Raises:
        JsddpmError: ``OPTION`` (status 2) for a score no condition has.
    """
    if suffix == ".csv":
        return to_csv(list(results.rows()))
    shown = chosen_columns(results, scores)
    table = per_bin_table(results, shown)
    notes = _notes(results, shown)
    if suffix == ".md":
        return "\n\n".join([f"**{caption(results)}**", tables.markdown(table, left=3), *notes]) + "\n"
    return tables.latex(table, left=3, caption=caption(results), notes=notes)


def chosen_columns(results: Results, scores: Sequence[str] | None) -> list[Column]:
    """The terminal's columns, or those of the scores named, in that order."""
    if not scores:
        return compact_columns(results)
    named: dict[str, list[Column]] = {}
    for column in columns(results):
        for name in dict.fromkeys([*column.names, *(spec.name for spec in column.specs)]):
            named.setdefault(name, []).append(column)
    for name in scores:
        if name not in named:
            raise usage_error("OPTION", f"unknown column {name!r}", fix=f"use one of {', '.join(named)}")
    return list(dict.fromkeys(column for name in scores for column in named[name]))


def per_bin_table(results: Results, shown: Sequence[Column]) -> tables.Table:
    """Bin, slices, condition, counts, and a cell per column: value, baseline in brackets, interval on its own line."""
    headings = ["bin", "slices", "condition", "n"]
    headings += [f"{c.heading}\n{c.space}" if c.space else c.heading for c in shown]
    rows: list[list[str]] = []
    for pathology in range(len(PATHOLOGY_NAMES)):
        cells = sorted((c for c in results.cells() if c.pathology == pathology), key=lambda c: c.z_bin or 0)
        rows += [[*cell_label(cell, results), _counts(cell), *(_entry(c.of(cell)) for c in shown)] for cell in cells]
        rows.append([])
    pooled = Cell(scores=results.pooled)
    return headings, [*rows, ["all", "", "", "", *(_entry(c.of(pooled)) for c in shown)]]


def caption(results: Results) -> str:
    """Caption of the table."""
    lo, hi = results.binning["z_range"]
    generated = results.provenance.get("generated", {}).get("slices")
    of_slices = f" of {counted(generated, 'generated slice')}" if generated else ""
    return (
        f"Bin-aware evaluation{of_slices}: slices {lo} to {hi}, "
        f"{counted(results.binning['n_bins'], 'bin')} ({results.binning['scheme']})."
    )


def _entry(score: Score | None) -> str:
    """``24.1 (26.0)`` and, below, ``[23.0, 25.2]``; empty where the score is not asked of the condition."""
    if score is None:
        return ""
    value, baseline = with_baseline(score)
    beside = f" ({baseline})" if baseline and score.value is not None else ""
    if score.interval is None:
        return value + beside
    low, high = (plain(end, score.unit) for end in score.interval)
    return f"{value}{beside}\n[{low}, {high}]"


def _counts(cell: Cell) -> str:
    return "/".join("–" if n is None else str(n) for n in (cell.n_real, cell.n_patients, cell.n_generated))


def _notes(results: Results, shown: Sequence[Column]) -> list[str]:
    """Notes on reading the cells, and reasons for empty ones."""
    words = "n: real slices / patients / generated slices of the condition. In parentheses the baseline, the same "
    words += "score between real patients; in brackets the 95% interval. ~ unreliable, – undefined."
    readings = dict.fromkeys(f"{c.heading}: {c.spec.help}" for c in shown if c.spec.help)
    undefined = list(_undefined(results, shown))
    return [words, " ".join(readings), *([f"Undefined: {'; '.join(undefined)}."] if undefined else [])]


def _undefined(results: Results, shown: Sequence[Column]) -> Iterator[str]:
    """Reasons of undefined cells, with the columns and bins they hold for."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for column in shown:
        for cell in results.cells():
            score = column.of(cell)
            if score is not None and score.value is None:
                heading = f"{column.heading} {column.space}".strip()
                by_reason.setdefault(score.reason or "", {}).setdefault(heading, []).append(cell.name)
    for reason, by_column in by_reason.items():
        where = ", ".join(f"{heading} of {', '.join(names)}" for heading, names in by_column.items())
        yield f"{where} ({reason})"
