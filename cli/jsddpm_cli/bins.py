"""``jsddpm bins``: what a z-range and a number of bins mean, local against global. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from jsddpm_cli.console import Format, FormatOption, emit

app = typer.Typer(name="bins", help="Look at z-bins, local against global.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look at z-bins, local against global."""


@app.command(epilog="Example: jsddpm bins report --z-range 24 93 --bins 10")
def report(
    z_range: Annotated[
        tuple[int, int], typer.Option("--z-range", help="First and last axial slice used.", metavar="LO HI")
    ],
    bins: Annotated[int, typer.Option("--bins", help="Number of bins.")] = 10,
    slices: Annotated[int, typer.Option("--slices", help="Axial slices of the whole volume.")] = 128,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Accept more bins than slices.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the figure to this PNG file.")] = None,
    how: FormatOption = Format.table,
) -> None:
    """Show which bins a z-range uses under local and under global binning."""
    values = show_utilization(z_range, bins, slices, allow_empty=allow_empty, how=how)
    if out is not None:
        from jsddpm.files import write_bytes
        from jsddpm_reports.figures import png, utilization_figure

        write_bytes(out, png(utilization_figure(values)))


def show_utilization(
    z_range: tuple[int, int], bins: int, slices: int, *, allow_empty: bool = False, how: Format = Format.table
) -> dict[str, Any]:
    """Print the utilization report and return its values."""
    from jsddpm_eval.utilization import bin_utilization, verdict
    from jsddpm_reports.terminal import utilization_panel

    values = bin_utilization(z_range, bins, slices, allow_empty_bins=allow_empty)
    emit(utilization_panel(values, verdict(values)), values, how)
    return values
