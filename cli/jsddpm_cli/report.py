"""``jsddpm report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jsddpm_cli.console import note


def report(
    results: Annotated[Path, typer.Argument(help="Evaluation folder, or its results.json.")],
    out: Annotated[Path, typer.Option("--out", help="HTML file to write.")],
) -> None:
    """Render the HTML report of an evaluation again."""
    from jsddpm_reports.page import write_page

    note(f"report {write_page(results if results.is_dir() else results.parent, out)}")
