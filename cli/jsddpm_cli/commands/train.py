"""``jsddpm train``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from jsddpm.errors import JsddpmError, usage_error
from jsddpm.registry import PRESETS
from jsddpm.wording import counted
from jsddpm_cli.console import Format, FormatOption, emit, note, tracked

if TYPE_CHECKING:
    from jsddpm.config import RunConfig
    from jsddpm.slices.store import SliceStore
    from jsddpm.training.project import Project
    from jsddpm_eval.monitoring.judge import SampleJudge

app = typer.Typer()
ORDER = 50

SHOWN = {
    "train/loss": "loss",
    "val/psnr": "PSNR",
    "val/ssim": "SSIM",
    "val/lesion_dice": "Dice",
    "samples/kid": "KID",
    "train/slices_per_second": "slices/s",
}


@app.command(epilog="Example: jsddpm train --store store --out runs/first")
def train(
    store: Annotated[
        Path | None,
        typer.Option(help="Slice store to train on (default: the one in jsddpm.yaml; with --resume, the run's)"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="New run folder (default with jsddpm.yaml: the next free one in runs)")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help=f"Configuration of the package: {', '.join(PRESETS.names())}.", metavar="PRESET"),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with the configuration.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Set one key: section.key=value; repeatable.", metavar="KEY=VALUE")
    ] = None,
    warm_start: Annotated[
        Path | None, typer.Option(help="Checkpoint of the same network and binning from which to start.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the run's last checkpoint.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check the data, the memory and one step, and print the plan; write nothing."),
    ] = False,
    how: FormatOption = "table",
) -> None:
    """Train a network on a slice store to generate slices and masks, conditioned on bin and pathology.

    Without --preset and --config, the size of the slices selects the preset, and the store gives the z-range.

    At each validation, samples are drawn and compared with validation patients (section monitoring of the
    configuration). best.ckpt has the lowest KID of all checkpoints whose samples do not copy training slices
    significantly more often than slices of validation patients seem to. If several checkpoints differ by no more than
    the standard error of KID, the latest is taken, or the earliest after a sign of memorisation. With fewer than three
    validation patients last.ckpt is used. The loss chooses no checkpoint.

    In a folder with a jsddpm.yaml (see jsddpm init) no option is needed. Its settings are for its store: they are not
    used for another --store.

    With --resume, --set may change data.workers, data.residence and trainer.collective_timeout alone.

    With N processes: torchrun --no-python --nproc-per-node N jsddpm train ...
    """
    if preset and config:
        raise usage_error("OPTION", "--preset and --config exclude each other", fix="give one of them")
    if resume and (preset or config or warm_start):
        raise usage_error(
            "OPTION", "--resume uses the run's configuration", fix="leave out --preset, --config, --warm-start"
        )
    from jsddpm.config import load_config, require_preset
    from jsddpm.diffusion.checkpoint import checkpoint_info
    from jsddpm.files import require_directory
    from jsddpm.runtime import processes
    from jsddpm.training.project import Project

    project = Project.read()
    own = project is not None and (store is None or store.resolve() == project.store.resolve())
    configured = own and not (preset or config or resume)
    store, out = _places(project, store, out, resume=resume, configured=configured)
    if preset:
        require_preset(preset)
    if project and configured:
        chosen = project.config(settings or [])
    else:
        if project and not (own or preset or config or resume):
            note(f"the settings of {project.file} are not used: they are for its store, {project.store}")
        if resume and not (require_directory(out) / "config.yaml").is_file():
            raise usage_error(
                "NO_RUN", "does not contain config.yaml", fix="start a new run, without --resume", file=out
            )
        source = out / "config.yaml" if resume else preset or config
        chosen = load_config(source, settings or []) if source else _recommended(store, settings or [])
    from jsddpm.slices.store import SliceStore

    if dry_run:
        if resume:
            raise usage_error("OPTION", "--dry-run is for a new run", fix="leave out --resume")
        _print_plan(chosen, SliceStore(store).of_kind("real"), out, how, warm_start)
        return
    path = run_training(chosen, SliceStore(store).of_kind("real"), out, resume=resume, warm_start=warm_start)
    if processes().rank == 0:
        emit(None, {"run": str(out), "checkpoint": str(path), "step": checkpoint_info(path).step}, how)


def _recommended(store: Path, settings: list[str]) -> RunConfig:
    """The recommended settings for a store; a note gives the reason."""
    from jsddpm.slices.store import SliceStore
    from jsddpm.training.recommended import Recommendation

    recommendation = Recommendation.of(SliceStore(store).of_kind("real"))
    others = ", ".join(PRESETS.names())
    note(f"preset {recommendation.preset}, because {recommendation.reason}; choose another with --preset ({others})")
    return recommendation.config(settings)


def _places(
    project: Project | None, store: Path | None, out: Path | None, *, resume: bool, configured: bool
) -> tuple[Path, Path]:
    """Store and run folder of the options, else of the run or the project; a note says what was chosen."""
    from jsddpm.training.progress import training_store

    given = {"--out": out} if resume else {"--store": store, "--out": out}
    if project is None and (missing := [name for name, value in given.items() if not value]):
        cure = "jsddpm init --store STORE, then jsddpm train; or jsddpm train --store STORE --out runs/first"
        what = f"{' and '.join(missing)} missing, and this folder has no jsddpm.yaml"
        raise usage_error("OPTION", what, fix=cure)
    of_project = []
    if out is None and project:
        out = _own_run(project, resume=resume)
        of_project = [f"run {out}"]
    if configured and project:
        changed = f" with changed {', '.join(project.sections)}" if project.sections else ""
        of_project = [f"preset {project.preset or 'none'}{changed}", *of_project]
    if store is None and project and not resume:
        store = project.store
        of_project = [f"store {store}", *of_project]
    elif store is None and out:
        store = training_store(out, "--store")
        note(f"store {store}, on which {out} was trained")
    if project and of_project:
        note(f"{project.file}: {'; '.join(of_project)}")
    return cast(tuple[Path, Path], (store, out))


def _own_run(project: Project, *, resume: bool) -> Path:
    """The run folder that a project gives: the unfinished one, or the next one."""
    from jsddpm.runtime import processes

    if processes().world > 1:
        raise usage_error("OPTION", "several processes need the name of the run folder", fix="give --out")
    if resume:
        return project.unfinished_run(lambda error: note(f"this run is left out: {error}"))
    return project.next_run()


def _print_plan(config: RunConfig, store: SliceStore, out: Path, how: Format, warm_start: Path | None) -> None:
    from jsddpm.training.plan import make_plan
    from jsddpm_reports.terminal import results_table

    plan = make_plan(config, store, out, warm_start=warm_start)
    sizes = {"memory": plan.memory, "estimated": plan.estimate.total, "available": plan.available}
    sizes |= {"checkpoint": plan.checkpoint, "free": plan.free}
    gigabytes = {name: "unknown" if size is None else f"{size / 1e9:.2f} GB" for name, size in sizes.items()}
    shown = {
        "device": f"{plan.device}, {plan.precision}, {counted(plan.processes, 'process')}",
        "network": f"{plan.parameters / 1e6:.1f} M weights on {store.size[0]}x{store.size[1]} slices",
        "slices": f"{plan.train_slices} to train, {plan.val_slices} to validate",
        "not trained": ", ".join(plan.untrained) or "none of the conditions",
        "steps": f"{config.trainer.max_steps} of {counted(plan.slices_per_step, 'slice')}: {plan.epochs:.1f} epochs",
        "time": f"{plan.step_seconds:.3f} s per step, {plan.train_seconds / 3600:.2f} h without validation",
        "memory": f"{gigabytes['memory']} at its peak, {gigabytes['available']} available",
        "estimated": f"{gigabytes['estimated']} besides the libraries",
        "disk": f"{gigabytes['checkpoint']} per checkpoint, {gigabytes['free']} free",
    }
    emit(results_table(["", ""], [[k, v] for k, v in shown.items()]), asdict(plan), how, below=[plan.samples])


def run_training(
    config: RunConfig, store: SliceStore, out: Path, *, resume: bool, warm_start: Path | None = None
) -> Path:
    """Train with a progress bar of loss, validation scores and time left; each validation draws ``curves.png``."""
    from jsddpm.diffusion.checkpoint import checkpoint_info
    from jsddpm.runtime import processes
    from jsddpm.training.folder import is_unbegun
    from jsddpm.training.progress import read_choice
    from jsddpm.training.run import train as train_run
    from jsddpm.training.samples import required_plan
    from jsddpm_eval.metrics.reconstruction import slice_scores

    plan = required_plan(config, store)
    last: dict[str, float] = {}
    if resume and is_unbegun(out):
        note(f"{out} has no checkpoint yet; the run starts at step 0")
    judge = _judge(config, store) if plan.ids else None
    work = partial(
        train_run, config, store, out, resume=resume, warm_start=warm_start, validator=slice_scores, judge=judge
    )
    if processes().rank > 0:  # only the first process prints
        return work()
    note(plan.sentence)
    with tracked("training") as bar:

        def show(done: int, total: int, values: Mapping[str, float]) -> None:
            last.update({short: values[name] for name, short in SHOWN.items() if name in values})
            bar.update(done, total, last)

        path = work(progress=show, checked=lambda: _draw_curves(out))
    _draw_curves(out)
    values = ", ".join(f"{k} {v:.3g}" for k, v in last.items()) or "the run was already finished"
    note(f"trained {counted(checkpoint_info(path).step, 'step')}: {values}")
    note(f"checkpoint {path}")
    for store_of in sorted({a.store for a in checkpoint_info(path).ancestors if not a.compared}):
        note(f"whether the network that it started from saw held-out patients is not known: its store was {store_of}")
    if (choice := read_choice(out)).get("step") is not None:
        note(f"best checkpoint: step {choice['step']} ({choice['reason']})")
    return path


def _judge(config: RunConfig, store: SliceStore) -> SampleJudge:
    """The judge of the samples of each check, as the configuration sets it."""
    from jsddpm_cli.commands.evaluate import shared_cache
    from jsddpm_eval.monitoring.judge import SampleJudge
    from jsddpm_eval.monitoring.samples import SampleMonitor

    binning, limits = config.binning.for_store(store.n_slices, store.path, store.z_range), config.trainer
    monitor = SampleMonitor.of_store(store, binning, cache=shared_cache(store.path))
    return SampleJudge(monitor, patience=limits.patience, stop_at_memorisation=limits.stop_at_memorisation)


def _draw_curves(run: Path) -> None:
    """Draw the curves; if they cannot be written, a note says so and training continues."""
    from jsddpm_reports.run_page import write_curves

    try:
        write_curves(run, run / "curves.png")
    except JsddpmError as error:
        note(f"the curves were not drawn: {error}")
