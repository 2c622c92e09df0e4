"""``jsddpm report``: an evaluation, or a run that may still train, as a page, a table or a picture."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jsddpm.errors import usage_error
from jsddpm.wording import counted
from jsddpm_cli.anonymity import AnonymiseOption, KeyOption, codes_for, refuse_key_alone
from jsddpm_cli.console import FormatOption, emit, note
from jsddpm_cli.options import evaluation_folder, refuse_other_folder, require_endings

if TYPE_CHECKING:
    from jsddpm.anonymise import Codes

app = typer.Typer()
ORDER = 90

_OF_EVALUATION = (".html", ".md", ".tex", ".csv")
_OF_RUN = (".html", ".png")
FigureFormat = StrEnum("FigureFormat", ["png", "pdf"])  # typer does not support a list of a ``Literal``


@app.command(epilog="Example: jsddpm report runs/first/evaluation --out report.html")
def report(
    source: Annotated[
        Path, typer.Argument(help="Evaluation folder or its results.json; or a run folder, which may be unfinished.")
    ],
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="File to write; repeatable. For an evaluation: the report (.html) or the per-bin table (.md, .tex, "
            ".csv); for a run: its page (.html) or its curves (.png) (default: report.html in the folder)"
        ),
    ] = None,
    score: Annotated[
        list[str] | None, typer.Option(help="Column of the .md or .tex table, such as fid_radiomics; repeatable.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder for the figures of an evaluation at print size.")] = None,
    anonymise: AnonymiseOption = False,
    key: KeyOption = None,
    real: Annotated[
        Path | None,
        typer.Option(help="Real store of the evaluation, if the key file does not contain its patients yet."),
    ] = None,
    figure_format: Annotated[
        list[FigureFormat] | None, typer.Option(help="Format of the figures; repeatable (default: png and pdf)")
    ] = None,
    how: FormatOption = "table",
) -> None:
    """Write an evaluation or a run as a page that opens offline, or an evaluation as a table for a paper.

    A run may be unfinished: its page shows the progress, the curves, the newest samples, and how to resume it. With
    --anonymise, codes replace patients on the page of an evaluation; the page of a run names no patient.
    """
    from jsddpm.training.progress import is_run

    folder = evaluation_folder(source)
    evaluation = (folder / "results.json").is_file()
    if not evaluation and not is_run(folder):
        refuse_other_folder(folder)
        raise usage_error(
            "NO_RESULTS",
            "is neither an evaluation (results.json) nor a run (config.yaml, provenance.json)",
            fix="give a folder of jsddpm eval or of jsddpm train",
            file=source,
        )
    if figures is not None and not evaluation:
        raise usage_error(
            "OPTION",
            "--figures needs an evaluation, and this is a run",
            fix="give an evaluation; for a run use --out curves.png",
        )
    places = out or ([] if figures else [folder / "report.html"])
    forms = _OF_EVALUATION if evaluation else _OF_RUN
    require_endings(places, forms)
    if score and not any(p.suffix in (".md", ".tex") for p in places):
        raise usage_error(
            "OPTION",
            "--score selects columns of a table, and no table is written",
            fix="add --out table.md or table.tex",
        )
    refuse_key_alone(key, anonymise=anonymise)
    for option, value, needed in (("--real", real, anonymise), ("--figure-format", figure_format, figures)):
        if value and not needed:
            other = "--anonymise" if option == "--real" else "--figures"
            raise usage_error("OPTION", f"{option} is given without {other}", fix=f"add {other}, or leave out {option}")
    codes = _codes(folder, key, real) if anonymise and evaluation else None
    for place in places:
        _write(folder, place, score, codes, evaluation=evaluation)
        note(f"written {place}")
    written: list[Path] = []
    if figures is not None:
        from jsddpm_reports.publication import write_figures

        written = write_figures(folder, figures, figure_format or list(FigureFormat))
        note(f"{counted(len(written), 'figure')} in {figures}")
    emit(None, {"out": [str(place) for place in places], "figures": [str(file) for file in written]}, how)


def _codes(folder: Path, key: Path | None, real: Path | None) -> Codes | None:
    """Codes of the patients of a real store, or of those in a key file; None for an evaluation that names none."""
    from jsddpm.anonymise import known_codes
    from jsddpm.slices.store import SliceStore
    from jsddpm_eval.results.anonymised import CODED
    from jsddpm_eval.results.results import Results

    if CODED in Results.read(folder / "results.json").provenance:
        return None
    if real is not None:
        return codes_for(SliceStore(real), key, folder)
    if key is None:
        raise usage_error(
            "OPTION", "--anonymise needs the names of the patients", fix="give --real STORE, or --key FILE"
        )
    return known_codes(key)


def _write(folder: Path, place: Path, scores: list[str] | None, codes: Codes | None, *, evaluation: bool) -> None:
    from jsddpm_eval.results.results import Results
    from jsddpm_reports import page, per_bin, run_page
    from jsddpm_reports.outputs import write_output

    if place.suffix == ".html" and evaluation:
        page.write_page(folder, place, codes)
    elif place.suffix == ".html":
        run_page.write_run_page(folder, place)
    elif evaluation:
        write_output(place, per_bin.per_bin_text(Results.read(folder / "results.json"), place.suffix, scores))
    else:
        run_page.write_curves(folder, place)
