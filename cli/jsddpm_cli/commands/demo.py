"""``jsddpm demo``: from nothing to a bin-aware evaluation report, on a phantom cohort."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from jsddpm.errors import JsddpmError, printable, usage_error
from jsddpm.runtime import cores
from jsddpm.wording import first_names
from jsddpm_cli.console import Format, FormatOption, emit, note, say
from jsddpm_cli.options import seed_option

app = typer.Typer()
ORDER = 10

SUBJECTS, CONTROLS = 12, 4
SHAPE, SPACING = (64, 64, 128), (3.0, 3.0, 1.25)


@app.command(epilog="Example: jsddpm demo --out runs/demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the demo; finished stages in it are reused.")] = Path(
        "runs/demo"
    ),
    seed: Annotated[int, seed_option("Seed of all stages.")] = 0,
    how: FormatOption = "table",
) -> None:
    """Make a demo cohort, train on it, draw samples and evaluate them bin by bin, in minutes."""
    from jsddpm.config import load_config
    from jsddpm.files import make_directory, read_json, write_json
    from jsddpm.publish import exclusive_lock

    start = time.monotonic()
    config = load_config("demo", [f"seed={seed}"])
    plan = {"seed": seed, "subjects": SUBJECTS, "controls": CONTROLS, "config": config.model_dump(mode="json")}
    make_directory(out)
    with exclusive_lock(out / ".lock"):
        if not (out / "demo.json").exists():
            if other := sorted(path.name for path in out.iterdir() if not path.name.startswith(".")):
                what = f"is not the folder of a demo, and contains {first_names(other)}"
                raise usage_error("DEMO", what, fix="choose another --out", file=out)
            write_json(out / "demo.json", plan)
        elif read_json(out / "demo.json") != plan:
            raise usage_error("DEMO", "contains a demo of another seed or preset", fix="choose another --out", file=out)
        page = _run_stages(out, seed, how)
    note(f"done in {(time.monotonic() - start) / 60:.1f} min")
    emit(None, {"out": str(out), "report": str(page)}, how)
    if how == "table":
        say(f"report: {printable(str(page))}")


def _run_stages(out: Path, seed: int, how: Format) -> Path:
    from jsddpm.cohort.sources import read_cohort
    from jsddpm_cli.commands.bins import show_utilization, utilization_report
    from jsddpm_cli.commands.cache import build_store
    from jsddpm_cli.commands.cohort import make_phantom
    from jsddpm_cli.commands.evaluate import run_evaluation
    from jsddpm_cli.commands.sample import run_sampling
    from jsddpm_reports.page import write_page

    shown: Format | None = "table" if how == "table" else None
    cohort, store, run = out / "cohort", out / "store", out / "run"
    samples, evaluation = run / "samples", run / "evaluation"
    _stage(1, "demo cohort", cohort, cohort.is_dir(), lambda: make_phantom(cohort, SUBJECTS, CONTROLS, seed, None))
    _stage(
        2, "slice store", store, store.is_dir(),
        lambda: build_store(
            read_cohort(cohort), store, shown, geometry=(SHAPE, SPACING), shares=(0.15, 0.15, seed),
            jobs=cores(), resume=True,
        ),
    )  # fmt: skip
    note("[3/7] bins of z_range [24, 93]")
    show_utilization(utilization_report((24, 93), 10, SHAPE[2], None), shown)
    _stage(4, "training", run, _trained(run), lambda: _train(store, run, seed))
    _stage(5, "samples", samples, samples.is_dir(), lambda: run_sampling(run, samples, {}, None, None, seed))
    _stage(
        6, "evaluation", evaluation, _evaluated(samples, evaluation),
        lambda: run_evaluation(run, real=store, generated=samples, out=evaluation, seed=seed, how=shown),
    )  # fmt: skip
    note("[7/7] report")
    return write_page(evaluation, evaluation / "report.html")


def _stage(number: int, name: str, place: Path, finished: bool, work: Callable[[], object]) -> None:
    """Run a stage, or note that its result exists."""
    note(f"[{number}/7] {name}: {'reused, already in' if finished else 'into'} {place}")
    if not finished:
        work()


def _train(store: Path, run: Path, seed: int) -> None:
    from jsddpm.config import load_config
    from jsddpm.slices.store import SliceStore
    from jsddpm_cli.commands.train import run_training

    resume = (run / "checkpoints" / "last.ckpt").is_file()
    run_training(load_config("demo", [f"seed={seed}"]), SliceStore(store), run, resume=resume)


def _trained(run: Path) -> bool:
    from jsddpm.training.progress import RunProgress, is_run

    return is_run(run) and RunProgress.read(run).state != "unfinished"


def _evaluated(samples: Path, evaluation: Path) -> bool:
    """Whether the folder holds the results of these samples."""
    from jsddpm.slices.store import SliceStore
    from jsddpm_eval.results.results import Results

    try:
        fingerprint = Results.read(evaluation / "results.json").provenance["generated"]["store"]
    except (JsddpmError, KeyError):
        return False
    return bool(fingerprint == SliceStore(samples).fingerprint)
