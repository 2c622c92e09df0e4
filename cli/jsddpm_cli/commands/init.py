"""``jsddpm init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jsddpm.registry import PRESETS
from jsddpm_cli.console import FormatOption, emit, note, say

app = typer.Typer()
ORDER = 45


@app.command(epilog="Example: jsddpm init --store store")
def init(
    store: Annotated[Path | None, typer.Option(help="Slice store (default: the only one in this folder)")] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"Configuration of the package: {', '.join(PRESETS.names())} (default: by the size of slices)",
            metavar="PRESET",
        ),
    ] = None,
    how: FormatOption = "table",
) -> None:
    """Write a commented jsddpm.yaml; with it, train and eval need no options in this folder."""
    from jsddpm.slices.store import SliceStore
    from jsddpm.training.project import found_store, write_project
    from jsddpm.training.recommended import Recommendation

    chosen, why = store or found_store(), ""
    if preset is None:
        recommendation = Recommendation.of(SliceStore(chosen))
        preset, why = recommendation.preset, f", because {recommendation.reason}"
    file = write_project(Path(), chosen, preset)
    note(f"store {chosen}, preset {preset}{why}; edit {file} to change them, then run: jsddpm train")
    emit(None, {"out": str(file), "store": str(chosen), "preset": preset}, how)
    if how == "table":
        say(str(file))
