"""``jsddpm utility``: whether generated samples make networks segment new patients better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from jsddpm.errors import usage_error
from jsddpm_cli.console import FormatOption, emit, note, tracked
from jsddpm_cli.shares import share_of
from jsddpm_cli.sources import JobsOption

app = typer.Typer()
ORDER = 77
Preset = Literal["quick", "cpu", "gpu"]


@app.command(epilog="Example: jsddpm utility store --fold fold-1 --fold fold-2 --generator 1=run-1 --generator 2=run-2")
def utility(
    store: Annotated[Path, typer.Argument(help="Real store.")],
    generator: Annotated[
        list[str] | None,
        typer.Option(
            help="Run (its samples) or generated store of a fold, as FOLD=PATH, for each fold; or one PATH for the "
            "store's own split. Without one, only arms that need no generator are trained.",
            metavar="[FOLD=]PATH",
        ),
    ] = None,
    fold: Annotated[
        list[Path] | None,
        typer.Option(
            help="A fold: table with columns patient and split (jsddpm cohort split --folds), or store with such "
            "splits (jsddpm cache resplit); repeatable, in their order [default: drawn]"
        ),
    ] = None,
    folds: Annotated[int | None, typer.Option(min=1, help="Folds to draw; 1 is the store's own split.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results; repeating the command continues (default: STORE.utility)"),
    ] = None,
    preset: Annotated[
        Preset,
        typer.Option(help="Networks, repeats and steps: minutes or up to an hour on two cores, or hours of a GPU."),
    ] = "cpu",
    arm: Annotated[
        list[str] | None,
        typer.Option(help="What networks are trained on, such as real+generated-50; repeatable (default: all)"),
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option(help="unet, segresnet or swin-unetr; repeatable (default: the preset's)")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Trainings of each network [default: the preset's]")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps, equal for all arms [default: the preset's]")
    ] = None,
    margin: Annotated[float, typer.Option(min=0.001, max=1, help="Difference in Dice not worth having.")] = 0.02,
    z_range: Annotated[
        tuple[int, int] | None,
        typer.Option(help="First and last axial slice used [default: the store's]", metavar="LO HI"),
    ] = None,
    bins: Annotated[int, typer.Option(help="Number of bins.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of drawn folds and of every training.")] = 0,
    share: Annotated[str | None, typer.Option(help="Train part I of N only: --share 2/8", metavar="I/N")] = None,
    jobs: JobsOption = None,
    how: FormatOption = "table",
) -> None:
    """Train segmentation networks on real, generated and copied lesions, and test them on new patients.

    Every arm gets as many steps. Differences are paired by patient and training, with intervals by patient, and
    corrected for the number of comparisons. A generator that has seen a patient who is tested is refused.

    If it is interrupted, the same command continues. With --share, in the tasks of a SLURM array for instance,
    processes train a part each; the last to finish writes the results.
    """
    from jsddpm.binning import ZBinning
    from jsddpm.runtime import best_device, cores
    from jsddpm.slices.store import SliceStore
    from jsddpm_eval.utility.protocol import PRESETS
    from jsddpm_eval.utility.run import utility as run
    from jsddpm_reports.utility import utility_view, write_utility_files

    if fold and folds:
        raise usage_error("OPTION", "--fold and --folds exclude each other", fix="give one of them")
    opened, part = SliceStore(store), share_of(share)
    place = out or store.with_name(f"{store.name}.utility")
    chosen = z_range or opened.z_range
    if chosen is None:
        raise usage_error("Z_RANGE", "no z-range", fix="give --z-range LO HI")
    with tracked("trainings") as bar:
        values = run(
            store, place, ZBinning(chosen, bins, n_slices=opened.n_slices),
            PRESETS[preset].changed(networks=network or None, seeds=seeds, steps=steps, folds=folds),
            generators=_generators(generator or []), folds=fold or [], arms=arm or [], margin=margin, seed=seed,
            share=part, jobs=jobs or (1 if best_device().type == "cuda" else cores()), progress=bar.update,
        )  # fmt: skip
    if values is None:
        note(f"part {part[0] + 1} of {part[1]} is trained; the last part to finish writes {place / 'utility.json'}")
        return
    write_utility_files(values, place)
    emit(utility_view(values), values, how)
    note(f"results {place / 'utility.json'}, page {place / 'utility.html'}")


def _generators(words: list[str]) -> dict[int, Path]:
    """Places by the number of their fold, or one under 0."""
    found: dict[int, Path] = {}
    for word in words:
        number, equals, path = word.partition("=")
        fold, place = (int(number), Path(path)) if equals and number.isdecimal() else (0, Path(word))
        if fold in found or (0 in (fold, *found) and found) or (fold == 0 and equals and number.isdecimal()):
            cure = "give each fold one, --generator 1=RUN --generator 2=RUN, or one for the store's own split"
            raise usage_error("OPTION", f"--generator {word}", fix=cure)
        found[fold] = place
    return found
