"""``jsddpm eval``: exact reconstruction of a run, and bin-aware metrics of any generated store."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jsddpm.errors import ExitStatus, usage_error
from jsddpm_cli.console import Format, FormatOption, emit, note, tracked
from jsddpm_cli.console import out as stdout

if TYPE_CHECKING:
    from jsddpm_eval.results import Results


class HeldOut(StrEnum):
    """Held-out splits."""

    val = "val"
    test = "test"


def evaluate(
    run: Annotated[Path | None, typer.Argument(help="Run folder of jsddpm train.")] = None,
    real: Annotated[Path | None, typer.Option("--real", help="Real store [default: the run's]")] = None,
    generated: Annotated[
        Path | None, typer.Option("--generated", help="Generated store [default: the run's samples]")
    ] = None,
    bin_aware: Annotated[bool, typer.Option("--bin-aware", help="Bin-aware metrics of generated slices.")] = False,
    split: Annotated[HeldOut, typer.Option("--split", help="Held-out patients.")] = HeldOut.test,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the results [default: RUN/evaluation, or evaluation]"),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--features",
            help="Feature extractor, once for each: radiomics, slice-encoder, a torch-fidelity name such as "
            "inception-v3-compat[=WEIGHTS@SHA256], or a network file FILE[@SHA256][?channels=3&range=-1,1] "
            "[default: radiomics and slice-encoder]",
        ),
    ] = None,
    feature_cache: Annotated[
        Path | None,
        typer.Option(
            "--feature-cache", help="Folder of features and networks, for evaluations to share [default: OUT/features]"
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the evaluation.")] = 0,
    how: FormatOption = Format.table,
) -> None:
    """Evaluate a run, or any generated store against a real one; leaves results.json, per_bin.csv and report.html.

    Exit status 7 says that something asked for is undefined; the report names it with the reason.
    """
    if run is None and (real is None or generated is None):
        raise usage_error(
            "OPTION", "nothing to evaluate", fix="give a RUN, or --real STORE --generated STORE --bin-aware"
        )
    if run is None and not bin_aware:
        raise usage_error("OPTION", "two stores without a network", fix="add --bin-aware")
    if run is not None and generated is None and bin_aware:
        generated = _samples_of(run)
    place = out or (run / "evaluation" if run is not None else Path("evaluation"))
    results = run_evaluation(
        run, real, generated if bin_aware else None, place, split.value, seed, how, features, feature_cache
    )
    undefined = results.undefined()
    if undefined:
        note(f"{len(undefined)} scores are undefined, such as {undefined[0]}")
        raise typer.Exit(ExitStatus.UNDEFINED)


def run_evaluation(
    run: Path | None,
    real: Path | None,
    generated: Path | None,
    out: Path,
    split: str,
    seed: int,
    how: Format,
    features: list[str] | None = None,
    feature_cache: Path | None = None,
) -> Results:
    """Evaluate, print the verdict, the first numbers and the per-bin table, write the report."""
    from jsddpm.slices.store import SliceStore
    from jsddpm.training.run import last_checkpoint, training_store
    from jsddpm_eval.evaluate import evaluate as evaluate_stores
    from jsddpm_eval.features.registry import DEFAULT
    from jsddpm_reports.page import write_page
    from jsddpm_reports.terminal import evaluation_view

    if real is None and run is not None:
        real = training_store(run)
    if real is None:
        raise usage_error("OPTION", "no real store", fix="give --real")
    with tracked("evaluation") as bar:
        results = evaluate_stores(
            SliceStore(real),
            None if generated is None else SliceStore(generated),
            out,
            split=split,
            checkpoint=None if run is None else last_checkpoint(run),
            seed=seed,
            features=features or DEFAULT,
            feature_cache=feature_cache,
            progress=lambda part, done, total: bar.part(f"evaluating: {part}", done, total),
        )
    page = write_page(out, out / "report.html")
    emit(evaluation_view(results, stdout().width), results.model_dump(mode="json"), how)
    note(f"report {page}")
    return results


def _samples_of(run: Path) -> Path:
    """The run's samples, drawn now when there are none."""
    samples = run / "samples"
    if not samples.is_dir():
        from jsddpm_cli.sample import run_sampling

        note("the run has no samples yet: drawing them with its own settings")
        run_sampling(run, samples, {}, None, None, 0)
    return samples
