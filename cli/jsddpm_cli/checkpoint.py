"""``jsddpm checkpoint``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jsddpm_cli.console import Format, FormatOption, emit

app = typer.Typer(name="checkpoint", help="Look at checkpoints.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look at checkpoints."""


@app.command(epilog="Example: jsddpm checkpoint info runs/first/checkpoints/last.ckpt")
def info(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint file.")], how: FormatOption = Format.table
) -> None:
    """Show a checkpoint's step, binning and training data."""
    from jsddpm.training.checkpoint import checkpoint_info
    from jsddpm_reports.terminal import results_table

    found = checkpoint_info(checkpoint)
    values = {"step": found.step, **found.to_dict()}
    shown = {
        "step": found.step,
        "binning": str(found.binning),
        "slices": f"{found.size[0]}x{found.size[1]}",
        "prediction": found.config.diffusion.prediction_type,
        "training store": found.store,
        "trained conditions": f"{len(found.trained)} of {2 * found.binning.n_bins}",
    }
    emit(results_table(["", ""], [[k, str(v)] for k, v in shown.items()]), values, how)
