"""``jsddpm compare``: evaluations side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jsddpm.errors import usage_error
from jsddpm_cli.console import Format, FormatOption, emit, note

if TYPE_CHECKING:
    from jsddpm_eval.compare import Difference
    from jsddpm_eval.results import Results

FORMS = (".csv", ".md", ".tex", ".html", ".png", ".pdf")


def compare(
    results: Annotated[
        list[Path], typer.Argument(help="Evaluation folders or results.json files; the first is the baseline.")
    ],
    score: Annotated[
        list[str] | None, typer.Option("--score", help="Score to compare, such as kid_radiomics; may be repeated.")
    ] = None,
    all_cells: Annotated[bool, typer.Option("--all", help="Show differences that are not told apart too.")] = False,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            help="Write all differences: a table (.csv, .md, .tex), a page (.html) or a forest plot (.png, .pdf); "
            "may be repeated.",
        ),
    ] = None,
    how: FormatOption = Format.table,
) -> None:
    """Compare evaluations bin by bin: difference, 95 % interval, and a test corrected for the number of bins.

    Real patients are paired where both evaluations kept what each patient adds to a score. Evaluations of other real
    slices, bins, splits or feature extractors are refused.
    """
    from jsddpm_eval.compare import compare_all
    from jsddpm_eval.results import Results
    from jsddpm_reports.comparison import comparison_table, legend, notes, told_apart
    from jsddpm_reports.terminal import results_table

    if len(results) < 2 or len(set(results[1:])) < len(results) - 1:
        raise usage_error("OPTION", "there is nothing to compare", fix="give two or more different evaluations")
    for place in out or []:
        if place.suffix not in FORMS:
            raise usage_error("OPTION", f"--out {place.name}", fix=f"end it with one of {', '.join(FORMS)}")
    read = [Results.read(p / "results.json" if p.is_dir() else p) for p in results]
    _say_unpaired(results, read)
    others = dict(zip(map(str, results[1:]), read[1:], strict=True))
    found = {name: _chosen(part, score) for name, part in compare_all(read[0], others).items()}
    for line in legend(found, str(results[0])):
        note(line)
    shown = found if all_cells else told_apart(found)
    values = {"baseline": str(results[0]), "differences": {n: [d.to_dict() for d in part] for n, part in found.items()}}
    if how is Format.json or any(shown.values()):
        emit(results_table(*comparison_table(shown)), values, how)
    for line in notes(found):
        note(line)
    for place in out or []:
        _write(place, found, str(results[0]), score)
        note(f"written {place}")


def _say_unpaired(places: list[Path], read: list[Results]) -> None:
    for place, results in zip(places, read, strict=True):
        if not results.has_influences:
            note(f"{place} does not say what each patient adds: not paired, intervals wider than they need be")


def _chosen(differences: list[Difference], scores: list[str] | None) -> list[Difference]:
    unknown = set(scores or ()) - {d.score for d in differences}
    if unknown:
        known = ", ".join(sorted({d.score for d in differences}))
        raise usage_error("OPTION", f"no score {sorted(unknown)[0]!r} in both", fix=f"one of {known}")
    return [d for d in differences if not scores or d.score in scores]


def _write(place: Path, found: dict[str, list[Difference]], baseline: str, scores: list[str] | None) -> None:
    from jsddpm.files import write_bytes, write_text
    from jsddpm_reports.comparison import comparison_page, comparison_text, forest_picture

    if place.suffix in (".png", ".pdf"):
        write_bytes(place, forest_picture(found, place.suffix, scores))
    elif place.suffix == ".html":
        write_text(place, comparison_page(found, baseline, scores))
    else:
        write_text(place, comparison_text(found, place.suffix, baseline=baseline))
