"""``jsddpm sample``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jsddpm.errors import JsddpmError, usage_error
from jsddpm.registry import SAMPLERS
from jsddpm.wording import counted
from jsddpm_cli.checkpoints import CheckpointOption, noted_checkpoint
from jsddpm_cli.console import FormatOption, emit, note, tracked
from jsddpm_cli.options import Weights, WeightsOption, seed_option
from jsddpm_cli.shares import emit_part, share_of

if TYPE_CHECKING:
    from jsddpm.binning import Condition
    from jsddpm.diffusion.pipeline import JointPipeline
    from jsddpm.training.progress import Which

app = typer.Typer()
ORDER = 60
COHERENCE = 0.4
"""How much noise the slices of a volume share if no option says it."""


@app.command(epilog="Example: jsddpm sample runs/first --out more --per-condition 32 --seed 1")
def sample(
    run: Annotated[Path, typer.Argument(help="Run folder of jsddpm train.")],
    out: Annotated[Path, typer.Option(help="New folder for the generated store.")],
    per_condition: Annotated[
        int | None,
        typer.Option(min=1, help="Number of samples of each condition (default: the run's)"),
    ] = None,
    bins: Annotated[
        str | None, typer.Option(help="Which bins, by their numbers from 0, such as 0,3,7 (default: all)")
    ] = None,
    pathology: Annotated[
        str | None, typer.Option(help="Pathologies: control (or 0), lesion (or 1), or both, as 0,1 (default: both)")
    ] = None,
    volumes: Annotated[
        int | None, typer.Option(min=1, help="Number of volumes: all bins of a brain, from noise that they share.")
    ] = None,
    coherence: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help=f"How much noise the slices of a volume share, from none to all (default: {COHERENCE})"
        ),
    ] = None,
    lesion_bins: Annotated[
        str | None, typer.Option(help="Which bins of each volume have a lesion, such as 3,4 (default: none)")
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(help=f"Sampler: {', '.join(SAMPLERS.names())} (default: the run's)", metavar="SAMPLER")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Number of sampling steps (default: the run's)")] = None,
    spacing: Annotated[
        str | None,
        typer.Option(
            help="Spacing of the noise levels that the sampler visits, not of voxels (default: the run's)",
            metavar="karras|trailing",
        ),
    ] = None,
    guidance: Annotated[float | None, typer.Option(min=0, help="Guidance weight (default: the run's)")] = None,
    eta: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of noise in each ddim step (default: the run's)")
    ] = None,
    redraws: Annotated[
        int | None,
        typer.Option(
            min=0, help="Times that a sample whose mask contradicts its pathology is drawn again (default: the run's)"
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Number of samples drawn at once (default: the run's)")
    ] = None,
    checkpoint: CheckpointOption = None,
    weights: WeightsOption = "ema",
    nifti: Annotated[Path | None, typer.Option(help="New folder for the samples as NIfTI files.")] = None,
    png: Annotated[Path | None, typer.Option(help="New folder for the samples as PNG pictures.")] = None,
    seed: Annotated[int, seed_option("Seed; the same seed gives the same samples.")] = 0,
    share: Annotated[str | None, typer.Option(help="Draw only part I of N, such as 2/8.", metavar="I/N")] = None,
    how: FormatOption = "table",
) -> None:
    """Draw samples of every trained condition into a generated slice store.

    If sampling is interrupted, repeat the command to continue; if its samples are complete, the command does nothing.
    With --share, or under torchrun, each process draws a part, on any number of machines that share the folder; the
    last process to finish publishes the store.

    With --volumes, the slices of a volume (one per bin) share their noise, so that neighbours resemble each other as
    far as a 2D network can achieve; jsddpm volumes compares them with slices of patients.
    """
    from jsddpm.places import refuse_existing
    from jsddpm.slices.store import SliceStore

    part = share_of(share)
    others = {form: folder for form, folder in (("nifti", nifti), ("png", png)) if folder is not None}
    for form, folder in others.items():
        of_another_part = part[1] > 1 and out.exists()  # the part that published the store has written it
        if not (of_another_part or _is_written(out, folder, form)):
            refuse_existing(folder)
    if len({out, *others.values()}) <= len(others):
        raise usage_error(
            "OPTION", "two outputs have the same folder", fix="give --out, --nifti and --png different folders"
        )
    if volumes is None and lesion_bins is not None:
        raise usage_error(
            "OPTION", "--lesion-bins is given without --volumes", fix="add --volumes N, or use --pathology"
        )
    if volumes is None and coherence is not None:
        raise usage_error("OPTION", "--coherence is given without --volumes", fix="add --volumes N")
    if volumes is not None and (per_condition is not None or pathology is not None):
        raise usage_error(
            "OPTION", "--volumes excludes --per-condition and --pathology", fix="give --lesion-bins instead"
        )
    changes = {
        "per_condition": volumes or per_condition, "sampler": sampler, "steps": steps, "spacing": spacing,
        "guidance": guidance, "eta": eta, "redraws": redraws, "batch_size": batch_size,
    }  # fmt: skip
    brain = None if volumes is None else (COHERENCE if coherence is None else coherence, lesion_bins or "")
    run_sampling(
        run, out, changes, bins, pathology, seed, brain=brain, checkpoint=checkpoint, weights=weights, share=part
    )
    if not out.exists():
        emit_part(out, part, share, how)
        return
    for form, folder in others.items():
        if _is_written(out, folder, form):
            note(f"{folder} is complete: it has these samples as {form}")
        else:
            _export(out, folder, form, shared=part[1] > 1)
    emit(None, {"out": str(out), "complete": True, "samples": len(SliceStore(out).index)}, how)


def _is_written(store: Path, folder: Path, form: str) -> bool:
    """Whether a command that is repeated has written the samples of its store there."""
    from jsddpm.exports.dataset import is_export
    from jsddpm.slices.store import SliceStore

    return store.exists() and folder.exists() and is_export(folder, SliceStore(store), form)


def _export(store: Path, folder: Path, form: str, *, shared: bool) -> None:
    """Write samples as ``jsddpm export`` does; of parts that end together, one writes them."""
    from jsddpm.exports.dataset import export_stores
    from jsddpm.slices.store import SliceStore

    try:
        export_stores([SliceStore(store)], folder, form)
    except JsddpmError as error:
        if not shared or error.code not in ("EXISTS", "LOCKED"):
            raise
        note(f"{folder} is written by another part")
    else:
        note(f"samples as {form} in {folder}")


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
    """Sample with a progress bar; ``brain`` gives the coherence and the lesion bins of volumes."""
    from jsddpm.diffusion.generate import generate_store
    from jsddpm.diffusion.pipeline import JointPipeline

    pipe = JointPipeline.from_checkpoint(noted_checkpoint(run, checkpoint), weights=weights)
    conditions = _conditions(pipe, bins, pathology) if brain is None else _of_volume(pipe, bins, brain[1])
    sampling, there = pipe.sampling_with(**changes), out.exists()
    with tracked("sampling") as bar:
        generate_store(
            pipe, out, conditions=conditions, sampling=sampling, coherence=brain and brain[0], seed=seed, share=share,
            progress=bar.update,
        )  # fmt: skip
    if there:
        note(f"{out} is complete: these samples are in it, and none was drawn")
    elif out.exists() and brain:
        note(f"{counted(sampling.per_condition, 'volume')} of {counted(len(conditions), 'bin')} in {out}")
    elif out.exists():
        note(f"{counted(len(conditions), 'condition')} x {counted(sampling.per_condition, 'sample')} in {out}")
    else:
        note(f"part {share[0] + 1} of {share[1]} is complete; the last part to finish publishes {out}")
    return out


def _conditions(pipe: JointPipeline, bins: str | None, pathology: str | None) -> list[Condition]:
    """The requested conditions; an untrained one is refused if its bin was requested, else left out."""
    from jsddpm.binning import Condition

    requested = [
        Condition(k, p) for p in pathologies(pathology) for k in _numbers(bins, range(pipe.binning.n_bins), "--bins")
    ]
    unseen = [c for c in requested if c not in set(pipe.trained)]
    if unseen and bins is not None:
        raise usage_error(
            "UNTRAINED",
            f"training drew no slice of the condition {', '.join(c.name for c in unseen[:3])}",
            fix="choose conditions that the network was trained on",
        )
    if unseen:
        note(f"conditions left out, because training drew no slice of them: {', '.join(c.name for c in unseen)}")
    chosen = [c for c in requested if c not in set(unseen)]
    if not chosen:
        raise usage_error("UNTRAINED", "training drew no slice of any of these conditions", fix="choose others")
    return chosen


def _of_volume(pipe: JointPipeline, bins: str | None, lesion_bins: str) -> list[Condition]:
    """Conditions of the slices of a volume, from the lowest bin; an untrained one is refused later, by the pipeline."""
    from jsddpm.binning import Condition

    every = range(pipe.binning.n_bins)
    chosen = _numbers(bins, every, "--bins")
    lesions = set(_numbers(lesion_bins, every, "--lesion-bins")) if lesion_bins else set()
    if outside := lesions - set(chosen):
        raise usage_error("OPTION", f"bin {min(outside)} of --lesion-bins is not in --bins", fix="add it to --bins")
    return [Condition(k, int(k in lesions)) for k in chosen]


def pathologies(text: str | None) -> list[int]:
    """Pathologies that ``--pathology`` names, separated by commas or blanks; both if it is not given."""
    from jsddpm.binning import CONTROL, LESION, parse_pathology

    if text is None:
        return [CONTROL, LESION]
    return sorted({parse_pathology(word) for word in text.replace(",", " ").split() or [text]})


def _numbers(text: str | None, allowed: range, option: str) -> list[int]:
    if text is None:
        return list(allowed)
    try:
        parts = [part.split() for part in text.split(",")]
        numbers = [int(number) for part in parts for number in part] if all(parts) else []
    except ValueError:
        numbers = []
    if not numbers or not set(numbers) <= set(allowed):
        raise usage_error(
            "OPTION",
            f"{option} {text!r} is not valid",
            fix=f"give numbers from {allowed[0]} to {allowed[-1]}, such as 0,1",
        )
    return sorted(set(numbers))
