"""``jsddpm cohort``: find images and masks, divide patients, or make the demo cohort."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jsddpm.errors import by_kind, first_of, usage_error
from jsddpm.runtime import cores
from jsddpm.wording import counted
from jsddpm_cli import sources
from jsddpm_cli.console import FormatOption, emit, note, tracked
from jsddpm_cli.options import JobsOption, TestOption, ValOption, require_endings, seed_option

if TYPE_CHECKING:
    from jsddpm.cohort.inspect import Inspection
    from jsddpm.cohort.masks import MaskReading
    from jsddpm.cohort.records import Record, Split

app = typer.Typer(
    name="cohort", help="Find images and masks, divide patients, make the demo cohort.", no_args_is_help=True
)
ORDER = 20
MANIFESTS = (".csv",)
"""Extensions of the tables that the commands write."""


@app.command(epilog="Example: jsddpm cohort scan bids --read --out cohort.csv")
def scan(
    source: sources.SourceArgument,
    layout: sources.LayoutOption = "auto",
    modality: sources.ModalityOption = "flair",
    entity: sources.EntityOption = None,
    run: sources.RunOption = "refuse",
    controls: sources.ControlsOption = None,
    root: sources.RootOption = None,
    read: Annotated[bool, typer.Option("--read", help="Also read every file: sizes, lesions, damage.")] = False,
    mask_label: sources.MaskLabelOption = None,
    mask_threshold: sources.MaskThresholdOption = None,
    max_volume_gib: sources.MaxVolumeOption = 1.0,
    jobs: JobsOption = None,
    out: Annotated[Path | None, typer.Option(help="Write a manifest (.csv) of the usable images.")] = None,
    how: FormatOption = "table",
) -> None:
    """List the images of a source, what is missing, and every problem with its file.

    Problems of one kind are one message, which names the first three files; --format json lists all of them.
    """
    from rich.console import Group

    from jsddpm.cohort.inspect import cohort_problems
    from jsddpm.cohort.records import manifest_rows
    from jsddpm.csvfiles import to_csv
    from jsddpm.files import write_text
    from jsddpm.places import refuse_existing
    from jsddpm_reports.terminal import notes_by_text, results_table

    if out is not None:
        require_endings([out], MANIFESTS)
        refuse_existing(out)
    cohort = sources.open_cohort(source, layout, modality, entity, run, controls, root)
    problems = list(cohort.problems)
    reading = sources.mask_reading(mask_label, mask_threshold)
    inspected = _inspect(cohort.records, reading, jobs, max_volume_gib) if read else []
    problems += cohort_problems(cohort.records, inspected, reading)
    bad = {i.subject for i in inspected if i.problem}
    usable = [r for r in cohort.records if r.subject not in bad]
    details = {i.subject: [_by(i.shape), _by(i.spacing), i.orientation, f"{i.lesion_mm3:.0f}"] for i in inspected}
    columns = ["subject", "group", "mask", "split", *(["voxels", "mm", "axes", "lesion mm3"] if read else [])]
    shown = [
        [r.subject, r.group, "yes" if r.mask else "no", r.split or "", *details.get(r.subject, [])] for r in usable
    ]
    remarks = [(r.subject, n) for r in usable for n in _notes(r, inspected)]
    values: dict[str, Any] = {
        "layout": cohort.layout,
        "records": manifest_rows(usable),
        "problems": [str(p) for p in problems],
        "notes": cohort.notes,
    }
    if read:
        values["read"] = [
            {"subject": i.subject, "shape": i.shape, "spacing": i.spacing, "axes": i.orientation}
            | {"lesion_mm3": i.lesion_mm3, "notes": i.notes}
            for i in inspected
            if not i.problem
        ]
    tables = [results_table(columns, shown, left=("subject",))] if shown else []
    groups = Counter(r.group for r in usable)
    of_patients = f"{counted(groups['patient'], 'image')} of patients, {groups['control']} of controls"
    sizes = Counter((i.shape, i.spacing) for i in inspected if not i.problem).most_common()
    summary = [f"layout {cohort.layout}: {of_patients}"] + [
        f"{counted(count, 'image', 'has', 'have')} {_by(shape)} voxels of {_by(spacing)} mm"
        for (shape, spacing), count in sizes
    ]
    parts = [*tables, *([notes_by_text(remarks)] if remarks else [])]
    emit(Group(*parts) if parts else None, values, how, below=summary)
    if out is not None:
        write_text(out, to_csv(manifest_rows(usable)))
        note(f"manifest {out}")
        _note_root(usable, out.parent)
    for problem in by_kind(problems):
        note(str(problem))
    if problems:
        note(
            f"{counted(len(problems), 'problem')}: "
            + ", ".join(f"{n} {c}" for c, n in Counter(p.code for p in problems).items())
        )
        raise typer.Exit(max(p.status for p in problems))  # 5 for an unreadable file comes before 3


@app.command(epilog="Example: jsddpm cohort split cohort.csv --folds 5 --out folds")
def split(
    source: sources.SourceArgument,
    out: Annotated[Path, typer.Option(help="New manifest (.csv); with --folds, a new folder of manifests.")],
    layout: sources.LayoutOption = "auto",
    modality: sources.ModalityOption = "flair",
    entity: sources.EntityOption = None,
    run: sources.RunOption = "refuse",
    controls: sources.ControlsOption = None,
    root: sources.RootOption = None,
    val: ValOption = 0.15,
    test: TestOption = 0.15,
    fold_count: Annotated[
        int | None, typer.Option("--folds", help="Number of folds; each is the test set once.")
    ] = None,
    seed: Annotated[int, seed_option("Seed of the division.")] = 0,
    mask_label: sources.MaskLabelOption = None,
    mask_threshold: sources.MaskThresholdOption = None,
    max_volume_gib: sources.MaxVolumeOption = 1.0,
    jobs: JobsOption = None,
    how: FormatOption = "table",
) -> None:
    """Divide a cohort by patient, balanced over group and lesion load, into manifests with a split column."""
    from jsddpm.cohort.inspect import cohort_problems
    from jsddpm.cohort.records import SPLITS, manifest_rows
    from jsddpm.cohort.splits import SplitRule, assign_splits, given_splits, k_fold, patients_of
    from jsddpm.csvfiles import to_csv
    from jsddpm.files import write_text
    from jsddpm.places import refuse_existing
    from jsddpm.publish import published_directory
    from jsddpm_reports.terminal import results_table

    if fold_count is None:
        require_endings([out], MANIFESTS)
    elif out.suffix in MANIFESTS:
        cure = "name a folder, or leave out --folds"
        raise usage_error("OPTION", f"--out {out.name} is the name of a table, and --folds makes a folder", fix=cure)
    refuse_existing(out)
    records = sources.open_cohort(source, layout, modality, entity, run, controls, root).require_clean()
    reading, rule = sources.mask_reading(mask_label, mask_threshold), SplitRule(val, test, seed)

    def divided(loads: dict[str, float]) -> list[dict[str, Split]]:
        patients, given = patients_of(records, loads), given_splits(records)
        if fold_count is None:
            return [assign_splits(patients, rule, given)]
        return k_fold(patients, fold_count, rule, given)

    divided(dict.fromkeys((r.subject for r in records), 0.0))  # what is impossible is refused before files are read
    inspected = _inspect(records, reading, jobs, max_volume_gib)
    if problems := cohort_problems(records, inspected, reading):
        raise first_of(problems, ": jsddpm cohort scan --read lists them")
    loads = {i.subject: i.lesion_mm3 for i in inspected}
    patients, divisions = patients_of(records, loads), divided(loads)
    texts = [
        to_csv([row | {"split": division[row["patient"]]} for row in manifest_rows(records)]) for division in divisions
    ]
    if several := fold_count is not None:
        with published_directory(out) as folder:
            for number, text in enumerate(texts, 1):
                write_text(folder / f"fold-{number}.csv", text)
    else:
        write_text(out, texts[0])
    rows = [[str(n), s, *_summary(patients, d, s)] for n, d in enumerate(divisions, 1) for s in SPLITS]
    columns = ["fold", "split", "patients", "with lesion", "median lesion mm3"]
    emit(results_table(columns, rows), {"folds": [dict(d) for d in divisions]}, how)
    note(f"{'manifests in' if several else 'manifest'} {out}")
    _note_root(records, out if several else out.parent)


def _note_root(records: Sequence[Record], folder: Path) -> None:
    """Say which --root a manifest needs if its files lie outside of its folder."""
    files = [str(path.resolve()) for r in records for path in (r.image, r.mask, r.brain) if path is not None]
    if not all(Path(file).is_relative_to(folder.resolve()) for file in files):
        root = shlex.quote(os.path.commonpath(map(os.path.dirname, files)))
        note(f"its files lie outside of its folder: jsddpm cache build needs --root {root}")


def _inspect(
    records: Sequence[Record], reading: MaskReading, jobs: int | None, max_volume_gib: float
) -> list[Inspection]:
    from jsddpm.cohort.inspect import inspect_records

    with tracked("reading") as bar:
        return inspect_records(
            records,
            reading,
            jobs=jobs or cores(),
            max_volume_bytes=sources.volume_bytes(max_volume_gib),
            progress=bar.update,
        )


def _by(numbers: Sequence[float]) -> str:
    return "x".join(f"{n:g}" for n in numbers)


def _notes(record: Record, inspected: Sequence[Inspection]) -> list[str]:
    return [n for n in (record.note, *(n for i in inspected if i.subject == record.subject for n in i.notes)) if n]


def _summary(patients: Any, division: Any, name: str) -> list[str]:
    from statistics import median

    chosen = [patients[p] for p, s in division.items() if s == name]
    loads = [p.load for p in chosen if p.load > 0]
    return [str(len(chosen)), str(len(loads)), f"{median(loads):.0f}" if loads else "-"]


@app.command(epilog="Example: jsddpm cohort phantom demo-bids --subjects 12 --controls 4")
def phantom(
    out: Annotated[Path, typer.Argument(help="New folder for the BIDS tree.")],
    subjects: Annotated[int, typer.Option(help="Number of subjects, controls included.")] = 12,
    controls: Annotated[int, typer.Option(help="Number of subjects without a lesion.")] = 4,
    seed: Annotated[int, seed_option("Seed; the same seed gives the same bytes.")] = 0,
    jobs: JobsOption = None,
    how: FormatOption = "table",
) -> None:
    """Make a cohort of FLAIR-like volumes with cortical lesions as a BIDS tree, offline."""
    make_phantom(out, subjects, controls, seed, jobs)
    emit(None, {"out": str(out), "subjects": subjects, "controls": controls}, how)
    note(f"{counted(subjects, 'subject')} in {out}")


def make_phantom(out: Path, subjects: int, controls: int, seed: int, jobs: int | None) -> None:
    """Write the phantom with a progress bar."""
    from jsddpm.cohort.phantom import make_phantom_cohort

    with tracked("demo cohort") as bar:
        make_phantom_cohort(
            out, subjects=subjects, controls=controls, seed=seed, jobs=jobs or cores(), progress=bar.update
        )
