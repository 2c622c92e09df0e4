"""``jsddpm compare``: evaluations side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jsddpm.errors import usage_error
from jsddpm_cli.console import Format, FormatOption, emit, note

if TYPE_CHECKING:
    from jsddpm_eval.compare import Difference


def compare(
    results: Annotated[
        list[Path], typer.Argument(help="Evaluation folders or results.json files; the first is the baseline.")
    ],
    score: Annotated[
        list[str] | None, typer.Option("--score", help="Score to compare, such as kid_radiomics; may be repeated.")
    ] = None,
    all_cells: Annotated[bool, typer.Option("--all", help="Show differences that are not told apart too.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write the table: .csv, .md or .tex.")] = None,
    how: FormatOption = Format.table,
) -> None:
    """Compare evaluations bin by bin: difference, 95 % interval, and a test corrected for the number of bins.

    Evaluations of other real slices, bins, splits or feature extractors are refused.
    """
    from jsddpm.files import write_text
    from jsddpm_eval.compare import compare as differences_of
    from jsddpm_eval.compare import summary
    from jsddpm_eval.results import Results
    from jsddpm_reports.comparison import HEADINGS, comparison_rows, comparison_text
    from jsddpm_reports.terminal import results_table

    if len(results) < 2:
        raise usage_error("OPTION", "one evaluation has nothing to be compared with", fix="give two or more")
    if out is not None and out.suffix not in (".csv", ".md", ".tex"):
        raise usage_error("OPTION", f"--out {out.name}", fix="end it with .csv, .md or .tex")
    paths = [p / "results.json" if p.is_dir() else p for p in results]
    read = [Results.read(p) for p in paths]
    tables: dict[str, list[Difference]] = {}
    for path, other in zip(results[1:], read[1:], strict=True):
        found = differences_of(read[0], other)
        unknown = set(score or ()) - {d.score for d in found}
        if unknown:
            known = ", ".join(sorted({d.score for d in found}))
            raise usage_error("OPTION", f"no score {sorted(unknown)[0]!r} in both", fix=f"one of {known}")
        tables[str(path)] = [d for d in found if not score or d.score in score]
    values = {"baseline": str(results[0]), "differences": {p: [d.to_dict() for d in t] for p, t in tables.items()}}
    for number, (name, found) in enumerate(tables.items(), 1):
        note(f"{name} against {results[0]}: {summary(found)}")
        shown = found if all_cells else [d for d in found if d.told_apart]
        if how is Format.table and shown:
            emit(results_table(HEADINGS, comparison_rows(shown)), values, how)
        if out is not None:
            place = out if len(tables) == 1 else out.with_stem(f"{out.stem}-{number}")
            write_text(place, comparison_text(found, out.suffix))
            note(f"table {place}")
    if how is Format.json:
        emit("", values, how)
