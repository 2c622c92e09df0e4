"""``jsddpm sample``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jsddpm.errors import usage_error
from jsddpm.registry import SAMPLERS
from jsddpm_cli.checkpoints import CheckpointOption, noted_checkpoint
from jsddpm_cli.console import note, tracked
from jsddpm_cli.shares import share_of

if TYPE_CHECKING:
    from jsddpm.binning import Condition
    from jsddpm.diffusion.pipeline import JointPipeline
    from jsddpm.training.progress import Which

app = typer.Typer()
ORDER = 60
Weights = Literal["ema", "raw"]


@app.command(epilog="Example: jsddpm sample runs/first --out more --per-condition 32 --seed 1")
def sample(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path, typer.Option(help="New folder for the generated store.")],
    per_condition: Annotated[int | None, typer.Option(min=1, help="Samples of each condition.")] = None,
    bins: Annotated[str | None, typer.Option(help="Bins, such as 0,3,7 [default: all]")] = None,
    pathology: Annotated[str | None, typer.Option(help="0, 1 or 0,1 [default: both]")] = None,
    volumes: Annotated[
        int | None, typer.Option(min=1, help="Draw volumes: all bins of a brain from the same noise.")
    ] = None,
    coherence: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the steps in which slices of a volume share their noise.")
    ] = 1.0,
    lesion_bins: Annotated[
        str | None, typer.Option(help="Bins of every volume that have a lesion, such as 3,4 [default: none]")
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="Sampler.", metavar="|".join(SAMPLERS.names()))] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps.")] = None,
    spacing: Annotated[str | None, typer.Option(help="Noise levels visited.", metavar="karras|trailing")] = None,
    guidance: Annotated[float | None, typer.Option(min=0, help="Guidance weight.")] = None,
    eta: Annotated[float | None, typer.Option(min=0, max=1, help="Share of step noise in ddim.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Samples drawn at once.")] = None,
    checkpoint: CheckpointOption = None,
    weights: Annotated[Weights, typer.Option(help="Averaged or raw weights.")] = "ema",
    nifti: Annotated[Path | None, typer.Option(help="Also write NIfTI stacks, into a new folder.")] = None,
    png: Annotated[Path | None, typer.Option(help="Also write PNG pictures, into a new folder.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same samples.")] = 0,
    share: Annotated[str | None, typer.Option(help="Draw part I of N only: --share 2/8", metavar="I/N")] = None,
) -> None:
    """Draw samples of every trained condition into a generated slice store.

    If it is interrupted, the same command continues. With --share, or under torchrun, processes draw a part each, on
    any number of machines that see the folder; the last to finish publishes the store.

    With --volumes, the slices of a volume, one a bin, share their noise, which is what a 2D network can do for
    neighbours; jsddpm volumes compares them with patients.
    """
    from jsddpm.files import refuse_existing

    others = [folder for folder in (nifti, png) if folder is not None]
    for folder in others:
        refuse_existing(folder)
    if len({out, *others}) <= len(others):
        raise usage_error(
            "OPTION", "two outputs into one folder", fix="give --out, --nifti and --png different folders"
        )
    if volumes is None and lesion_bins is not None:
        raise usage_error("OPTION", "--lesion-bins without --volumes", fix="add --volumes N, or use --pathology")
    if volumes is not None and (per_condition is not None or pathology is not None):
        raise usage_error("OPTION", "--volumes with --per-condition or --pathology", fix="use --lesion-bins")
    changes = {
        "per_condition": volumes or per_condition, "sampler": sampler, "steps": steps, "spacing": spacing,
        "guidance": guidance, "eta": eta, "batch_size": batch_size,
    }  # fmt: skip
    brain = None if volumes is None else (coherence, lesion_bins or "")
    run_sampling(
        run, out, changes, bins, pathology, seed, brain=brain, checkpoint=checkpoint, weights=weights,
        share=share_of(share),
    )  # fmt: skip
    if others and out.exists():
        from jsddpm.diffusion.formats import write_pngs, write_stacks
        from jsddpm.slices.store import SliceStore

        if nifti is not None:
            note(f"NIfTI stacks in {write_stacks(SliceStore(out), nifti)}")
        if png is not None:
            note(f"pictures in {write_pngs(SliceStore(out), png)}")


def run_sampling(
    run: Path,
    out: Path,
    changes: Mapping[str, str | float | None],
    bins: str | None,
    pathology: str | None,
    seed: int,
    *,
    brain: tuple[float, str] | None = None,
    checkpoint: Which | None = None,
    weights: Weights = "ema",
    share: tuple[int, int] = (0, 1),
) -> Path:
    """Sample with a progress bar; volumes, where their coherence and their bins with a lesion are given."""
    from jsddpm.diffusion.generate import generate_store
    from jsddpm.diffusion.pipeline import JointPipeline

    pipe = JointPipeline.from_checkpoint(noted_checkpoint(run, checkpoint), weights=weights)
    conditions = _conditions(pipe, bins, pathology) if brain is None else _of_volume(pipe, bins, brain[1])
    sampling = pipe.sampling_with(**changes)
    with tracked("sampling") as bar:
        generate_store(
            pipe, out, conditions=conditions, sampling=sampling, coherence=brain and brain[0], seed=seed, share=share,
            progress=bar.update,
        )  # fmt: skip
    if out.exists() and brain:
        note(f"{sampling.per_condition} volumes of {len(conditions)} bins in {out}")
    elif out.exists():
        note(f"{len(conditions)} conditions x {sampling.per_condition} samples in {out}")
    else:
        note(f"part {share[0] + 1} of {share[1]} is drawn; the last part to finish publishes {out}")
    return out


def _conditions(pipe: JointPipeline, bins: str | None, pathology: str | None) -> list[Condition]:
    """The requested conditions; an untrained one is refused if its bin is named, else left out."""
    from jsddpm.binning import Condition

    wanted = [
        Condition(k, p)
        for p in _numbers(pathology, range(2), "--pathology")
        for k in _numbers(bins, range(pipe.binning.n_bins), "--bins")
    ]
    unseen = [c for c in wanted if c not in set(pipe.trained)]
    if unseen and bins is not None:
        raise usage_error(
            "UNTRAINED",
            f"no training slice of {', '.join(c.name for c in unseen[:3])}",
            fix="choose conditions it was trained on",
        )
    if unseen:
        note(f"left out, without a training slice: {', '.join(c.name for c in unseen)}")
    chosen = [c for c in wanted if c not in set(unseen)]
    if not chosen:
        raise usage_error("UNTRAINED", "none of these conditions has a training slice", fix="choose others")
    return chosen


def _of_volume(pipe: JointPipeline, bins: str | None, lesion_bins: str) -> list[Condition]:
    """Conditions of the slices of a volume, from the lowest bin; an untrained one is refused when it is drawn."""
    from jsddpm.binning import Condition

    every = range(pipe.binning.n_bins)
    chosen = _numbers(bins, every, "--bins")
    lesions = set(_numbers(lesion_bins, every, "--lesion-bins")) if lesion_bins else set()
    if outside := lesions - set(chosen):
        raise usage_error("OPTION", f"--lesion-bins {min(outside)} is none of --bins", fix="add it to --bins")
    return [Condition(k, int(k in lesions)) for k in chosen]


def _numbers(text: str | None, allowed: range, option: str) -> list[int]:
    if text is None:
        return list(allowed)
    try:
        numbers = [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if not numbers or not set(numbers) <= set(allowed):
        raise usage_error(
            "OPTION", f"{option} {text!r}", fix=f"give numbers from {allowed[0]} to {allowed[-1]}, such as 0,1"
        )
    return sorted(set(numbers))
