"""``jsddpm cohort``: find images and masks, or make the demo cohort."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jsddpm.errors import ExitStatus
from jsddpm_cli.console import Format, FormatOption, emit, jobs_or_all, note, tracked

app = typer.Typer(name="cohort", help="Find images and masks, or make the demo cohort.", no_args_is_help=True)


class LayoutName(StrEnum):
    """Layouts of a source."""

    auto = "auto"
    bids = "bids"
    manifest = "manifest"


LayoutOption = Annotated[LayoutName, typer.Option("--layout", help="How the source is laid out.")]


@app.command(epilog="Example: jsddpm cohort scan bids --out cohort.csv")
def scan(
    source: Annotated[Path, typer.Argument(help="BIDS folder or CSV manifest.")],
    layout: LayoutOption = LayoutName.auto,
    out: Annotated[Path | None, typer.Option("--out", help="Write the records as a manifest.")] = None,
    how: FormatOption = Format.table,
) -> None:
    """List what a source holds, what is missing, and every problem with its file."""
    from jsddpm.cohort.sources import read_cohort, write_manifest_rows
    from jsddpm.files import write_text
    from jsddpm_eval.tables import to_csv
    from jsddpm_reports.terminal import results_table

    cohort = read_cohort(source, layout=layout.value)
    rows = write_manifest_rows(cohort.records)
    shown = [[r.subject, r.group, "yes" if r.mask else "no", r.split or ""] for r in cohort.records]
    emit(
        results_table(["subject", "group", "mask", "split"], shown),
        {"records": rows, "problems": [str(p) for p in cohort.problems]},
        how,
    )
    groups = {g: sum(r.group == g for r in cohort.records) for g in ("patient", "control")}
    note(f"{len(rows)} images: {groups['patient']} of patients, {groups['control']} of controls")
    if out is not None:
        write_text(out, to_csv(rows))
    for problem in cohort.problems:
        note(str(problem))
    if cohort.problems:
        raise typer.Exit(ExitStatus.BAD_INPUT)


@app.command(epilog="Example: jsddpm cohort phantom demo-bids --subjects 12 --controls 4")
def phantom(
    out: Annotated[Path, typer.Argument(help="New folder for the BIDS tree.")],
    subjects: Annotated[int, typer.Option("--subjects", help="Number of subjects, controls included.")] = 12,
    controls: Annotated[int, typer.Option("--controls", help="How many have no lesion.")] = 4,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same bytes.")] = 0,
    jobs: Annotated[int | None, typer.Option("--jobs", help="Processes [default: one per core]")] = None,
) -> None:
    """Make a cohort of FLAIR-like volumes with cortical lesions, offline, as a BIDS tree."""
    make_phantom(out, subjects, controls, seed, jobs)
    note(f"{subjects} subjects in {out}")


def make_phantom(out: Path, subjects: int, controls: int, seed: int, jobs: int | None) -> None:
    """Write the phantom with a progress bar."""
    from jsddpm.cohort.phantom import make_phantom_cohort

    with tracked("demo cohort") as bar:
        make_phantom_cohort(
            out,
            subjects=subjects,
            controls=controls,
            seed=seed,
            jobs=jobs_or_all(jobs),
            progress=bar.update,
        )
