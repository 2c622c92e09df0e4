"""``jsddpm utility``: whether generated samples improve the segmentation of held-out patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from jsddpm.errors import usage_error
from jsddpm_cli.console import FormatOption, emit, note, tracked
from jsddpm_cli.options import BinsOption, JobsOption, RangeOption, chosen_range, seed_option
from jsddpm_cli.shares import emit_part, share_of

app = typer.Typer()
ORDER = 77
Preset = Literal["quick", "cpu", "gpu"]


@app.command(epilog="Example: jsddpm utility store --fold fold-1 --fold fold-2 --generator 1=run-1 --generator 2=run-2")
def utility(
    store: Annotated[Path, typer.Argument(help="Real store.")],
    generator: Annotated[
        list[str] | None,
        typer.Option(
            help="Run (its samples are used) or generated store, as FOLD=PATH for each fold; or one PATH for the "
            "store's own split. Without a generator, only arms that need none are trained.",
            metavar="[FOLD=]PATH",
        ),
    ] = None,
    fold: Annotated[
        list[Path] | None,
        typer.Option(
            help="A fold: a table with columns patient and split (jsddpm cohort split --folds), or a store with its "
            "splits (jsddpm cache resplit); repeatable, in order (default: folds are drawn)"
        ),
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=1, help="Number of folds to draw; 1 is the store's own split.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results; repeat the command to continue (default: STORE.utility)"),
    ] = None,
    preset: Annotated[
        Preset,
        typer.Option(
            help="Networks, repeats and steps: minutes (quick) or up to an hour (cpu) on two cores; gpu is for a GPU, "
            "and its time was not measured."
        ),
    ] = "cpu",
    arm: Annotated[
        list[str] | None,
        typer.Option(help="Training set of the networks, such as real+generated-50; repeatable (default: all)"),
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(help="Network: unet, segresnet or swin-unetr; repeatable (default: the preset's)"),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Number of trainings of each network (default: the preset's)")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps, equal for all arms (default: the preset's)")
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0.001, max=1, help="Difference in Dice that is too small to matter.")
    ] = 0.02,
    z_range: RangeOption = None,
    bins: BinsOption = 10,
    seed: Annotated[int, seed_option("Seed of drawn folds and of every training.")] = 0,
    share: Annotated[str | None, typer.Option(help="Train only part I of N, such as 2/8.", metavar="I/N")] = None,
    jobs: JobsOption = None,
    how: FormatOption = "table",
) -> None:
    """Train segmentation networks on real, generated and copied lesions, and test them on held-out patients.

    All arms get the same number of steps. Differences are paired by patient and training, with 95% intervals over
    patients, and p-values are corrected for the number of comparisons. A generator that was trained on a test patient
    is refused.

    If the study is interrupted, repeat the command to continue. With --share, for instance in the tasks of a SLURM
    array, each process trains a part; the last process to finish writes the results.
    """
    from jsddpm.binning import ZBinning
    from jsddpm.publish import beside
    from jsddpm.runtime import best_device, cores
    from jsddpm.slices.store import SliceStore
    from jsddpm_eval.utility.protocol import PRESETS
    from jsddpm_eval.utility.run import utility as run
    from jsddpm_reports.utility import utility_view, write_utility_files

    if fold and folds:
        raise usage_error("OPTION", "--fold and --folds exclude each other", fix="give one of them")
    opened, part = SliceStore(store), share_of(share)
    place = out or beside(store, ".utility")
    chosen = chosen_range(z_range, opened)
    with tracked("trainings") as bar:
        values = run(
            store, place, ZBinning(chosen, bins, n_slices=opened.n_slices),
            PRESETS[preset].changed(networks=network or None, seeds=seeds, steps=steps, folds=folds),
            generators=_generators(generator or []), folds=fold or [], arms=arm or [], margin=margin, seed=seed,
            share=part, jobs=jobs or (1 if best_device().type == "cuda" else cores()), progress=bar.update,
        )  # fmt: skip
    if values is None:
        note(f"part {part[0] + 1} of {part[1]} is complete; the last part to finish writes {place / 'utility.json'}")
        emit_part(place, part, share, how)
        return
    write_utility_files(values, place)
    emit(utility_view(values), values, how)
    note(f"results {place / 'utility.json'}, page {place / 'utility.html'}")


def _generators(words: list[str]) -> dict[int, Path]:
    """Paths by the number of their fold; a single path without a fold has the number 0."""
    by_fold: dict[int, Path] = {}
    for word in words:
        number, equals, path = word.partition("=")
        fold, place = (int(number), Path(path)) if equals and number.isdecimal() else (0, Path(word))
        if fold in by_fold or (0 in (fold, *by_fold) and by_fold) or (fold == 0 and equals and number.isdecimal()):
            cure = "give one for each fold (--generator 1=RUN --generator 2=RUN), or one for the store's own split"
            raise usage_error("OPTION", f"--generator {word} does not fit the others", fix=cure)
        by_fold[fold] = place
    return by_fold
