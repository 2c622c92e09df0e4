"""``jsddpm eval``: exact reconstruction of a run, and bin-aware metrics of any generated store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jsddpm.errors import ExitStatus, JsddpmError, usage_error
from jsddpm.wording import counted
from jsddpm_cli.anonymity import AnonymiseOption, KeyOption, codes_for, refuse_key_alone
from jsddpm_cli.checkpoints import CheckpointOption, noted_checkpoint
from jsddpm_cli.console import Format, FormatOption, emit, note, stdout_console, tracked
from jsddpm_cli.options import seed_option

if TYPE_CHECKING:
    from jsddpm.training.progress import Which
    from jsddpm_eval.results.results import Results

app = typer.Typer()
ORDER = 70


@app.command("eval", epilog="Example: jsddpm eval runs/first --bin-aware")
def evaluate(
    run: Annotated[
        Path | None,
        typer.Argument(help="Run folder of jsddpm train (default with jsddpm.yaml: the newest finished one)"),
    ] = None,
    real: Annotated[Path | None, typer.Option(help="Real store (default: the run's)")] = None,
    generated: Annotated[Path | None, typer.Option(help="Generated store (default: the run's samples)")] = None,
    bin_aware: Annotated[
        bool,
        typer.Option(
            "--bin-aware",
            help="Evaluate generated slices bin by bin. Without it, only the reconstruction of held-out slices is "
            "evaluated.",
        ),
    ] = False,
    split: Annotated[
        Literal["val", "test"],
        typer.Option(
            help="Split whose slices are reconstructed. All patients outside of the training split count as held-out."
        ),
    ] = "test",
    checkpoint: CheckpointOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results (default: RUN/evaluation, or evaluation)")
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(help="Metric or single score, such as best_match or kid; repeatable (default: all)"),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            help="Feature extractor, repeatable: radiomics, slice-encoder, a torch-fidelity name such as "
            "inception-v3-compat[=WEIGHTS@SHA256], or a network file FILE[@SHA256][?channels=3&range=-1,1] "
            "(default: radiomics and slice-encoder)"
        ),
    ] = None,
    feature_cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder of features, baselines and networks, which evaluations share (default: STORE.cache beside the "
            "real store, or OUT/features if that cannot be written)"
        ),
    ] = None,
    seed: Annotated[int, seed_option("Seed of the evaluation.")] = 0,
    anonymise: AnonymiseOption = False,
    key: KeyOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 7 if any score is undefined.")] = False,
    how: FormatOption = "table",
) -> None:
    """Evaluate a run, or any generated store against a real one; write results.json, per_bin.csv and report.html.

    The exit status is 7 if --metrics names a single score (such as kid_radiomics) that is undefined in some condition.
    If it names a metric (such as kid), undefined scores do not change the exit status. With --strict, any undefined
    score gives 7. The report gives the reasons.

    Results of an earlier evaluation in the folder are replaced; a note says which scores the new ones lack.

    With --anonymise, codes replace patients in all files that are written; the scores are the same.
    """
    refuse_key_alone(key, anonymise=anonymise)
    if run is None and real is None and generated is None:
        run = _newest_run()
    if run is None and (real is None or generated is None):
        raise usage_error(
            "OPTION",
            "neither a run nor two stores are given",
            fix="give a RUN, or --real STORE --generated STORE --bin-aware",
        )
    if run is None and not bin_aware:
        raise usage_error("OPTION", "two stores can only be evaluated bin by bin", fix="add --bin-aware")
    if run is None and checkpoint is not None:
        raise usage_error("OPTION", "--checkpoint is given without a run", fix="give a RUN, or leave it out")
    of_bins = {
        "--generated": generated, "--metrics": metrics, "--features": features, "--feature-cache": feature_cache,
    }  # fmt: skip
    if not bin_aware and (without := [name for name, value in of_bins.items() if value]):
        what = f"{', '.join(without)} without --bin-aware would have no effect"
        raise usage_error("OPTION", what, fix=f"add --bin-aware, or leave out {', '.join(without)}")
    place = out or (run or Path()) / "evaluation"
    if run is not None and generated is None and bin_aware:
        from jsddpm_eval.folder import FILES
        from jsddpm_eval.target import refuse_foreign

        refuse_foreign(place, FILES)  # before samples are drawn
        generated = _samples_of(run, checkpoint)
    results = run_evaluation(
        run, real=real, generated=generated, out=place, split=split, seed=seed, how=how, metrics=metrics,
        features=features, feature_cache=feature_cache, checkpoint=checkpoint, anonymise=anonymise, key=key,
    )  # fmt: skip
    undefined = results.undefined()
    if undefined:
        count = counted(len(undefined), "score", "is", "are")
        note(f"{count} undefined, such as {undefined[0]}")
    if (strict and undefined) or results.undefined(results.names() & set(metrics or ())):
        raise typer.Exit(ExitStatus.UNDEFINED)


def _newest_run() -> Path:
    """The newest finished run of the project in this folder; a note names it."""
    from jsddpm.training.project import Project

    project = Project.read()
    if project is None:
        cure = "use jsddpm eval RUN --bin-aware, or jsddpm eval --real STORE --generated STORE --bin-aware"
        raise usage_error("OPTION", "no run is given, and this folder has no jsddpm.yaml", fix=cure)
    run = project.finished_run(lambda error: note(f"this run is left out: {error}"))
    note(f"{project.file}: run {run}")
    return run


def run_evaluation(
    run: Path | None,
    *,
    real: Path | None,
    generated: Path | None,
    out: Path,
    split: str = "test",
    seed: int,
    how: Format | None = "table",
    metrics: list[str] | None = None,
    features: list[str] | None = None,
    feature_cache: Path | None = None,
    checkpoint: Which | None = None,
    anonymise: bool = False,
    key: Path | None = None,
) -> Results:
    """Evaluate, print the verdict, the first numbers and the per-bin table, write the report."""
    from jsddpm.slices.store import SliceStore
    from jsddpm.training.progress import training_store
    from jsddpm_eval.features.registry import DEFAULT
    from jsddpm_eval.folder import evaluate_into
    from jsddpm_eval.privacy import read_statement
    from jsddpm_reports.page import write_page
    from jsddpm_reports.terminal import evaluation_view

    if real is None and run is not None:
        real = training_store(run)
    if real is None:
        raise usage_error("OPTION", "no real store is given", fix="give --real STORE")
    opened, before = SliceStore(real), _scores_in(out)
    codes = codes_for(opened, key, *filter(None, (run, out))) if anonymise else None
    with tracked("evaluation") as bar:
        results = evaluate_into(
            out,
            opened,
            None if generated is None else SliceStore(generated),
            checkpoint=None if run is None else noted_checkpoint(run, checkpoint),
            split=split,
            seed=seed,
            metrics=metrics or None,
            features=features or DEFAULT,
            cache=feature_cache or shared_cache(real),
            codes=codes,
            progress=lambda part, done, total: bar.part(f"evaluating: {part}", done, total),
        )
    page = write_page(out, out / "report.html")
    emit(evaluation_view(results, stdout_console().width, read_statement(out)), results.model_dump(mode="json"), how)
    note(f"report {page}")
    if lost := sorted(before - _scores_of(results)):
        had = f"{counted(len(lost), 'score')} that these lack, such as {lost[0]}"
        note(f"the results replace an earlier evaluation in {out}, which had {had}")
    return results


def _scores_in(out: Path) -> set[str]:
    """Names of the scores of an earlier evaluation in a folder; none if there is none that can be read."""
    from jsddpm_eval.results.results import Results

    try:
        return _scores_of(Results.read(out / "results.json"))
    except JsddpmError:
        return set()


def _scores_of(results: Results) -> set[str]:
    return {name for cell in (*results.generation, *results.reconstruction) for name in cell.scores}


def shared_cache(real: Path) -> Path | None:
    """The folder beside a real store that all its evaluations share; None if it cannot be written."""
    from jsddpm.files import make_directory
    from jsddpm.publish import beside

    try:
        folder = make_directory(beside(real, ".cache"))
    except JsddpmError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _samples_of(run: Path, checkpoint: Which | None) -> Path:
    """The samples of the run, which are drawn now if there are none."""
    samples = run / "samples"
    if not samples.is_dir():
        from jsddpm.training.progress import chosen_checkpoint
        from jsddpm_cli.commands.sample import run_sampling

        chosen_checkpoint(run, checkpoint)
        note("the run has no samples yet; they are drawn now with its settings")
        run_sampling(run, samples, {}, None, None, 0, checkpoint=checkpoint)
    return samples
