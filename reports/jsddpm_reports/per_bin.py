"""The per-bin table of one evaluation for a paper: values, yardsticks and intervals, as markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.errors import usage_error
from jsddpm_eval.results import Cell, Results, Score
from jsddpm_eval.tables import to_csv
from jsddpm_reports import tables
from jsddpm_reports.columns import Column, compact_columns, further_columns, main_columns
from jsddpm_reports.wording import cell_label, number, plain

_COUNTED = "diversity_rmse"  # its counts are those of the condition: real slices, patients, samples


def per_bin_text(results: Results, suffix: str, scores: Sequence[str] | None = None) -> str:
    """The table as ``.md`` or ``.tex``; as ``.csv`` every score in full precision.

    Args:
        results: The evaluation.
        suffix: ``.md``, ``.tex`` or ``.csv``.
        scores: Columns by the name of their score; the terminal's when None.

    Raises:
        JsddpmError: ``OPTION`` (status 2) for a score no condition has.
    """
    if suffix == ".csv":
        return to_csv(list(results.rows()))
    columns = chosen_columns(results, scores)
    table = per_bin_table(results, columns)
    notes = _notes(results, columns)
    if suffix == ".md":
        return "\n\n".join([f"**{caption(results)}**", tables.markdown(table, left=3), *notes]) + "\n"
    return tables.latex(table, left=3, caption=caption(results), notes=notes)


def chosen_columns(results: Results, scores: Sequence[str] | None) -> list[Column]:
    """The terminal's columns, or those of the scores named, in that order."""
    if not scores:
        return compact_columns(results)
    known = {c.score: c for c in [*main_columns(results), *further_columns(results)]}
    for name in scores:
        if name not in known:
            raise usage_error("OPTION", f"no column {name!r}", fix=f"one of {', '.join(known)}")
    return [known[name] for name in scores]


def per_bin_table(results: Results, columns: Sequence[Column]) -> tables.Table:
    """Bin, slices, condition, counts, and a cell per column: value, yardstick in brackets, interval on its own line."""
    headings = ["bin", "slices", "condition", "n"]
    headings += [f"{c.heading}\n{c.space}" if c.space else c.heading for c in columns]
    rows: list[list[str]] = []
    for pathology in range(len(PATHOLOGY_NAMES)):
        cells = sorted((c for c in results.cells() if c.pathology == pathology), key=lambda c: c.z_bin or 0)
        rows += [[*cell_label(cell, results), _counts(cell), *(_entry(c.of(cell)) for c in columns)] for cell in cells]
        rows.append([])
    pooled = Cell(scores=results.pooled)
    return headings, [*rows, ["all", "", "", "", *(_entry(c.of(pooled)) for c in columns)]]


def caption(results: Results) -> str:
    """What the table is of."""
    lo, hi = results.binning["z_range"]
    made = results.provenance.get("generated", {}).get("slices")
    return (
        f"Bin-aware evaluation{f' of {made} generated slices' if made else ''}: slices {lo} to {hi}, "
        f"{results.binning['n_bins']} bins ({results.binning['scheme']})."
    )


def _entry(score: Score | None) -> str:
    """``24.1 (26.0)`` and, below, ``[23.0, 25.2]``; empty where the score is not asked of the condition."""
    if score is None:
        return ""
    floor = "" if score.floor is None or score.value is None else f" ({plain(score.floor, score.unit)})"
    if score.interval is None:
        return number(score) + floor
    low, high = (plain(end, score.unit) for end in score.interval)
    return f"{number(score)}{floor}\n[{low}, {high}]"


def _counts(cell: Cell) -> str:
    score = cell.scores.get(_COUNTED)
    if score is None:
        return ""
    return "/".join("–" if n is None else str(n) for n in (score.n_real, score.n_patients, score.n_generated))


def _notes(results: Results, columns: Sequence[Column]) -> list[str]:
    """How to read the cells, and why some are empty."""
    words = "n: real slices / patients / generated slices of the condition. In parentheses the yardstick, the same "
    words += "score between real slices of different patients; in brackets the 95% interval. ~ unreliable, – undefined."
    held = dict.fromkeys(f"{c.heading}: {c.explanation}" for c in columns if c.explanation)
    empty = [f"Undefined: {'; '.join(_undefined(results, columns))}."] if any(_undefined(results, columns)) else []
    return [words, " ".join(held), *empty]


def _undefined(results: Results, columns: Sequence[Column]) -> Iterator[str]:
    """Reasons of undefined cells, with the columns and bins they hold for."""
    found: dict[str, dict[str, list[str]]] = {}
    for column in columns:
        for cell in results.cells():
            score = column.of(cell)
            if score is not None and score.value is None:
                heading = f"{column.heading} {column.space}".strip()
                found.setdefault(score.reason or "", {}).setdefault(heading, []).append(cell.name)
    for reason, by_column in found.items():
        where = ", ".join(f"{heading} of {', '.join(names)}" for heading, names in by_column.items())
        yield f"{where} ({reason})"
