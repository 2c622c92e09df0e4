"""``jsddpm cache``: build, look at and verify slice stores."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.errors import ExitStatus
from jsddpm_cli.cohort import LayoutName, LayoutOption
from jsddpm_cli.console import Format, FormatOption, emit, jobs_or_all, note, tracked

app = typer.Typer(name="cache", help="Build, look at and verify slice stores.", no_args_is_help=True)


@app.command(epilog="Example: jsddpm cache build bids --out store --shape 160 160 128 --spacing 1.25 1.25 1.25")
def build(
    source: Annotated[Path, typer.Argument(help="BIDS folder or CSV manifest.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the store.")],
    layout: LayoutOption = LayoutName.auto,
    shape: Annotated[tuple[int, int, int], typer.Option("--shape", help="Voxels after crop or pad.")] = (
        160,
        160,
        128,
    ),
    spacing: Annotated[tuple[float, float, float], typer.Option("--spacing", help="Voxel size in mm.")] = (
        1.25,
        1.25,
        1.25,
    ),
    val: Annotated[float, typer.Option("--val", help="Share of patients for validation.")] = 0.15,
    test: Annotated[float, typer.Option("--test", help="Share of patients for test.")] = 0.15,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the split.")] = 0,
    mask_label: Annotated[int | None, typer.Option("--mask-label", help="Mask value that means lesion.")] = None,
    mask_threshold: Annotated[
        float | None, typer.Option("--mask-threshold", help="Mask values above mean lesion.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", help="Processes [default: one per core]")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out images that cannot be used.")] = False,
    how: FormatOption = Format.table,
) -> None:
    """Build a slice store from a cohort: every axial slice, split by patient, no bins."""
    build_store(
        source,
        out,
        layout.value,
        shape,
        spacing,
        val,
        test,
        seed,
        (mask_label, mask_threshold),
        jobs,
        skip_bad=skip_bad,
        how=how,
    )


def build_store(
    source: Path,
    out: Path,
    layout: str,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    val: float,
    test: float,
    seed: int,
    mask_reading: tuple[int | None, float | None],
    jobs: int | None,
    *,
    skip_bad: bool,
    how: Format,
) -> None:
    """Build with a progress bar, then print every subject's outcome."""
    from jsddpm.cohort.preprocess import Preprocessing
    from jsddpm.cohort.sources import LAYOUTS, read_cohort
    from jsddpm.cohort.splits import assign_splits
    from jsddpm.files import refuse_existing
    from jsddpm.slices.build import MaskReading, build_slice_cache
    from jsddpm_reports.terminal import results_table

    refuse_existing(out)
    cohort = read_cohort(source, layout=LAYOUTS[layout])
    if skip_bad:
        for problem in cohort.problems:
            note(f"left out: {problem}")
    records = cohort.records if skip_bad and cohort.records else cohort.require_clean()
    done = count(1)
    with tracked("slice store") as bar:
        outcomes = build_slice_cache(
            records,
            out,
            splits=assign_splits(records, val=val, test=test, seed=seed),
            spec=Preprocessing(shape, spacing),
            masks=MaskReading(*mask_reading),
            jobs=jobs_or_all(jobs),
            skip_bad=skip_bad,
            progress=lambda _: bar.update(next(done), len(records)),
        )
    rows = [
        [
            o.subject,
            o.split,
            "skipped" if o.problem else "kept",
            str(o.slices),
            str(o.lesion_slices),
            "; ".join(o.notes),
        ]
        for o in outcomes
    ]
    values = [
        {"subject": o.subject, "split": o.split, "slices": o.slices, "lesion_slices": o.lesion_slices}
        | {"problem": str(o.problem) if o.problem else None, "notes": list(o.notes)}
        for o in outcomes
    ]
    emit(
        results_table(["subject", "split", "outcome", "slices", "lesion slices", "notes"], rows),
        {"subjects": values},
        how,
    )
    for o in outcomes:
        if o.problem:
            note(f"left out {o.subject}: {o.problem}")
    note(f"store in {out}")


@app.command(epilog="Example: jsddpm cache info store")
def info(store: Annotated[Path, typer.Argument(help="Store folder.")], how: FormatOption = Format.table) -> None:
    """Show what a store holds: kind, size, subjects, slices by split and pathology."""
    from jsddpm.cohort.sources import SPLITS
    from jsddpm.slices.store import SliceStore
    from jsddpm_reports.terminal import results_table

    opened = SliceStore(store)
    index = opened.index
    counts = {
        name: {p: int(((index["split"] == s) & (index["pathology"] == k)).sum()) for k, p in enumerate(PATHOLOGY_NAMES)}
        for s, name in [*enumerate(SPLITS), (-1, "generated")]
        if (index["split"] == s).any()
    }
    values = {
        "kind": opened.kind,
        "fingerprint": opened.fingerprint,
        "size": list(opened.size),
        "n_slices": opened.n_slices,
        "spacing": list(opened.spacing),
        "subjects": len(opened.subjects),
        "slices": counts,
        "binning": None if opened.binning is None else opened.binning.to_dict(),
    }
    rows = [[name, str(c["control"]), str(c["lesion"])] for name, c in counts.items()]
    if how is Format.table:
        size = "x".join(map(str, opened.size))
        note(
            f"{opened.kind} store {opened.fingerprint}: {len(index)} slices of {size}, {len(opened.subjects)} subjects"
        )
    emit(results_table(["split", "control slices", "lesion slices"], rows), values, how)


@app.command(epilog="Example: jsddpm cache verify store")
def verify(store: Annotated[Path, typer.Argument(help="Store folder.")]) -> None:
    """Compare every checksum of a store; damage is named by subject and slice."""
    from jsddpm.slices.store import SliceStore

    damaged = SliceStore(store).verify()
    for line in damaged:
        note(f"damaged: {line}")
    if damaged:
        raise typer.Exit(ExitStatus.INTEGRITY)
    note(f"{store}: every checksum fits")
