"""``jsddpm train``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jsddpm.errors import usage_error
from jsddpm_cli.console import note, tracked

if TYPE_CHECKING:
    from jsddpm.config import RunConfig
    from jsddpm.slices.store import SliceStore

SHOWN = {"train/loss": "loss", "val/psnr": "PSNR", "val/ssim": "SSIM", "val/lesion_dice": "Dice"}


def train(
    store: Annotated[Path, typer.Option("--store", help="Slice store to train on.")],
    out: Annotated[Path, typer.Option("--out", help="New run folder.")],
    preset: Annotated[str | None, typer.Option("--preset", help="demo or seed.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="YAML configuration.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Override: section.key=value", metavar="KEY=VALUE")
    ] = None,
    warm_start: Annotated[
        Path | None, typer.Option("--warm-start", help="Checkpoint of the same network and binning to start from.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
) -> None:
    """Train on a slice store; validation scores are against exact ground truth."""
    if preset and config:
        raise usage_error("CONFIG", "both --preset and --config are given", fix="give one of them")
    if resume and (preset or config or settings or warm_start):
        raise usage_error(
            "CONFIG",
            "--resume uses the run's own configuration",
            fix="leave out --preset, --config, --set, --warm-start",
        )
    from jsddpm.config import PRESETS, load_config
    from jsddpm.files import require_directory

    if preset and preset not in PRESETS:
        raise usage_error("CONFIG", f"unknown preset {preset!r}", fix=f"one of {', '.join(PRESETS)}")
    source = require_directory(out) / "config.yaml" if resume else preset or config
    chosen = load_config(source, settings or [])
    from jsddpm.slices.store import SliceStore

    run_training(chosen, SliceStore(store), out, resume=resume, warm_start=warm_start)


def run_training(
    config: RunConfig, store: SliceStore, out: Path, *, resume: bool, warm_start: Path | None = None
) -> Path:
    """Train with a progress bar of loss, validation scores and time left."""
    from jsddpm.training.run import train as train_run
    from jsddpm_eval.reconstruction import slice_scores

    last: dict[str, float] = {}
    with tracked("training") as bar:

        def show(done: int, total: int, values: Mapping[str, float]) -> None:
            last.update({short: values[name] for name, short in SHOWN.items() if name in values})
            bar.update(done, total, last)

        try:
            path = train_run(
                config, store, out, resume=resume, warm_start=warm_start, validator=slice_scores, progress=show
            )
        except KeyboardInterrupt:
            note(f"interrupted; go on with: jsddpm train --resume --store {store.path} --out {out}")
            raise
    note(f"trained {config.trainer.max_steps} steps: " + ", ".join(f"{k} {v:.3g}" for k, v in last.items()))
    note(f"checkpoint {path}")
    return path
