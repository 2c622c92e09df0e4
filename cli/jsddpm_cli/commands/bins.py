"""``jsddpm bins``: local and global binning of a z-range. Imports torch only with a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from jsddpm_cli.console import Format, FormatOption, emit, note, say, tracked
from jsddpm_cli.lists import with_lists
from jsddpm_cli.options import BinsOption, RangeOption, SamplesOption, chosen_range, require_endings

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(name="bins", help="Inspect z-bins: local and global binning.", no_args_is_help=True)
ORDER = 40

SlicesOption = Annotated[
    int, typer.Option(help="Number of axial slices of a volume; with --store, the store's number is used.")
]
StoreOption = Annotated[Path | None, typer.Option(help="Slice store whose slices and patients are counted.")]


ReportFormat = Literal["table", "json", "csv", "markdown", "html"]
_ENDINGS = (".json", ".csv", ".md", ".html", ".txt", ".png")


@app.command(epilog="Example: jsddpm bins report --z-range 24 93 --bins 10")
def report(
    z_range: RangeOption = None,
    bins: BinsOption = 10,
    slices: SlicesOption = 128,
    store: StoreOption = None,
    samples: SamplesOption = 16,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Accept more bins than slices.")] = False,
    how: Annotated[
        ReportFormat,
        typer.Option("--format", help="Format on stdout: table, json, csv, markdown or html.", metavar="FORMAT"),
    ] = "table",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Also write a file; its extension selects its format: .md, .csv, .json, .html, .txt, or .png for a "
            "figure."
        ),
    ] = None,
) -> None:
    """Show which bins a z-range uses under local and global binning, and the slices of a store in each bin.

    With --store, it also shows the smallest difference that so many samples could reveal in each condition.
    """
    if out is not None:
        require_endings([out], _ENDINGS)
    values = utilization_report(z_range, bins, slices, store, samples, allow_empty=allow_empty)
    if how == "table" or how == "json":
        show_utilization(values, how)
    else:
        say(_as_text(values, how), end="")
    if out is not None:
        _write(values, out)
        note(f"written {out}")


@app.command(cls=with_lists("--bins"), epilog="Example: jsddpm bins sweep --z-range 24 93 --bins 5 10 20 50")
def sweep(
    bins: Annotated[
        list[int], typer.Option(help="How many bins: the choices to compare, such as 5 10 20.", metavar="N ...")
    ],
    z_range: RangeOption = None,
    slices: SlicesOption = 128,
    store: StoreOption = None,
    how: FormatOption = "table",
) -> None:
    """Compare several numbers of bins and recommend one, with the reason."""
    from jsddpm_eval.bins.sweep import bin_sweep
    from jsddpm_reports.binning import sweep_table
    from jsddpm_reports.terminal import results_table

    opened = _opened(store)
    values = bin_sweep(chosen_range(z_range, opened), bins, slices, opened)
    emit(results_table(*sweep_table(values)), values, how, below=[f"recommended: {values['reason']}"])


def utilization_report(
    z_range: tuple[int, int] | None,
    bins: int,
    slices: int,
    store: Path | None,
    samples: int = 16,
    *,
    allow_empty: bool = False,
) -> dict[str, Any]:
    """The values of the report, with counts of the store if one is given."""
    from jsddpm_eval.bins.utilization import bin_utilization

    opened = _opened(store)
    z_range = chosen_range(z_range, opened)
    values = bin_utilization(z_range, bins, opened.n_slices if opened else slices, allow_empty_bins=allow_empty)
    if opened is not None:
        from jsddpm.binning import ZBinning
        from jsddpm_eval.bins.store_report import store_report

        binning = ZBinning(z_range, bins, "local", opened.n_slices, allow_empty)
        with tracked("conditions") as bar:
            values["store"] = store_report(opened, binning, samples=samples, progress=bar.update)
    return values


def show_utilization(values: dict[str, Any], how: Format | None) -> None:
    """Print the report."""
    from jsddpm_reports.binning import cell_key, cell_table, sentence, summary_table
    from jsddpm_reports.terminal import results_table, utilization_panel

    tables: list[RenderableType] = [results_table(*summary_table(values))]
    if "store" in values:
        tables.append(results_table(*cell_table(values["store"])))
    key = cell_key(values["store"]) if "store" in values else []
    emit(utilization_panel(values, sentence(values), tables), values, how, below=key)


def _write(values: dict[str, Any], out: Path) -> None:
    from jsddpm.files import json_bytes
    from jsddpm_reports.outputs import write_output

    if out.suffix == ".png":
        from jsddpm_reports.figures import png
        from jsddpm_reports.utilization import utilization_figure

        write_output(out, png(utilization_figure(values)))
    elif out.suffix == ".json":
        write_output(out, json_bytes(values))
    else:
        forms: dict[str, Literal["csv", "html"]] = {".csv": "csv", ".html": "html"}
        write_output(out, _as_text(values, forms.get(out.suffix, "markdown")))


def _as_text(values: dict[str, Any], how: Literal["csv", "markdown", "html"]) -> str:
    from jsddpm_reports import binning

    return {"csv": binning.csv, "markdown": binning.markdown, "html": binning.html}[how](values)


def _opened(store: Path | None) -> Any:
    if store is None:
        return None
    from jsddpm.slices.store import SliceStore

    return SliceStore(store)
