"""``jsddpm report``: an evaluation, or a run that may still be training, as a page, a table or a picture."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jsddpm.errors import usage_error
from jsddpm_cli.console import note

_OF_EVALUATION = (".html", ".md", ".tex", ".csv")
_OF_RUN = (".html", ".png")


class FigureFormat(StrEnum):
    """How figures are saved."""

    png = "png"
    pdf = "pdf"


def report(
    source: Annotated[
        Path, typer.Argument(help="Evaluation folder or its results.json; or a run folder, finished or not.")
    ],
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            help="File to write, may be repeated. Of an evaluation: the report (.html), the per-bin table (.md, .tex, "
            ".csv); of a run: its page (.html), its curves (.png) [default: report.html in the folder]",
        ),
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option("--score", help="Column of the .md or .tex table, such as fid_radiomics; may be repeated."),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", help="Folder for the figures of an evaluation, at print size.")
    ] = None,
    figure_format: Annotated[
        list[FigureFormat] | None, typer.Option("--figure-format", help="May be repeated [default: png and pdf]")
    ] = None,
) -> None:
    """Show an evaluation or a run: as a page that opens offline, or as a table for a paper.

    A run may be unfinished: its page says where it stands, shows its curves and newest samples, and how to go on.
    """
    from jsddpm.training.progress import is_run

    folder = source.parent if source.name == "results.json" else source
    evaluation = (folder / "results.json").is_file()
    if not evaluation and not is_run(folder):
        raise usage_error(
            "NO_RESULTS",
            "is neither an evaluation (results.json) nor a run (config.yaml, provenance.json)",
            fix="give a folder of jsddpm eval or of jsddpm train",
            file=source,
        )
    if figures is not None and not evaluation:
        raise usage_error("OPTION", "--figures of a run", fix="give an evaluation; of a run: --out curves.png")
    places = out or ([] if figures else [folder / "report.html"])
    forms = _OF_EVALUATION if evaluation else _OF_RUN
    for place in places:
        if place.suffix not in forms:
            raise usage_error("OPTION", f"--out {place.name}", fix=f"end it with one of {', '.join(forms)}")
    if score and not any(p.suffix in (".md", ".tex") for p in places):
        raise usage_error("OPTION", "--score chooses columns of a table", fix="add --out table.md or table.tex")
    for place in places:
        (_evaluation if evaluation else _run)(folder, place, score)
        note(f"written {place}")
    if figures is not None:
        from jsddpm_reports.publication import write_figures

        note(f"{len(write_figures(folder, figures, figure_format or list(FigureFormat)))} figures in {figures}")


def _evaluation(folder: Path, place: Path, scores: list[str] | None) -> None:
    from jsddpm.files import write_text
    from jsddpm_eval.results import Results
    from jsddpm_reports.page import write_page
    from jsddpm_reports.per_bin import per_bin_text

    if place.suffix == ".html":
        write_page(folder, place)
    else:
        write_text(place, per_bin_text(Results.read(folder / "results.json"), place.suffix, scores))


def _run(folder: Path, place: Path, _: list[str] | None) -> None:
    from jsddpm_reports.run_page import write_curves, write_run_page

    if place.suffix == ".html":
        write_run_page(folder, place)
    else:
        write_curves(folder, place)
