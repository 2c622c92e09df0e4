"""The option that chooses a checkpoint of a run, and the note on the choice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jsddpm_cli.console import note

if TYPE_CHECKING:
    from jsddpm.training.progress import Which
else:
    from typing import Literal

    Which = Literal["best", "last"]

CheckpointOption = Annotated[
    Which | None,
    typer.Option("--checkpoint", help="Checkpoint of the run (default: best if training chose one, else last)"),
]


def noted_checkpoint(run: Path, which: Which | None) -> Path:
    """The checkpoint that the option above chooses; a note gives its step and the reason."""
    from jsddpm.diffusion.checkpoint import checkpoint_info
    from jsddpm.training.progress import chosen_checkpoint, read_choice

    path = chosen_checkpoint(run, which)
    choice = read_choice(run)
    none = "samples chose no other: " + choice["not_judged"] if choice.get("not_judged") else "samples chose no other"
    why = "requested" if which else choice["reason"] if path.stem == "best" else none
    note(f"checkpoint {path}, step {checkpoint_info(path).step} ({why})")
    return path
