"""``jsddpm cache``: build, import, inspect and verify slice stores."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jsddpm.errors import ExitStatus, by_kind, integrity_error, usage_error
from jsddpm.runtime import cores
from jsddpm.wording import counted
from jsddpm_cli import sources
from jsddpm_cli.anonymity import KeyOption, codes_for
from jsddpm_cli.console import Format, FormatOption, emit, note, tracked
from jsddpm_cli.help import Command
from jsddpm_cli.imports import import_
from jsddpm_cli.options import JobsOption, TestOption, ValOption, require_endings, seed_option

if TYPE_CHECKING:
    from jsddpm.cohort.sources import Cohort
    from jsddpm.slices.build import Outcome
    from jsddpm.slices.proposal import RequestedRange

app = typer.Typer(name="cache", help="Build, import, inspect and verify slice stores.", no_args_is_help=True)
ORDER = 30
_FROM_STORE_JSON = ("z_range", "split", "preprocessing", "mask_reading", "provenance", "created_by")
StoreArgument = Annotated[Path, typer.Argument(help="Store folder.")]


class _BuildCommand(Command):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """``--z-range`` takes two values; ``auto`` stands for both."""
        both = [i for i, word in enumerate(args) if word == "auto" and args[i - 1 : i] == ["--z-range"]]
        for i in reversed(both):
            args = [*args[:i], "auto", *args[i:]]
        return super().parse_args(ctx, args)


@app.command(cls=_BuildCommand, epilog="Example: jsddpm cache build bids --out store --z-range auto")
def build(
    source: sources.SourceArgument,
    out: Annotated[Path, typer.Option(help="New folder for the store.")],
    layout: sources.LayoutOption = "auto",
    modality: sources.ModalityOption = "flair",
    entity: sources.EntityOption = None,
    run: sources.RunOption = "refuse",
    controls: sources.ControlsOption = None,
    root: sources.RootOption = None,
    shape: Annotated[
        tuple[int, int, int], typer.Option(help="Voxels of each volume, after cropping or padding.", metavar="X Y Z")
    ] = (160, 160, 128),
    spacing: Annotated[
        tuple[float, float, float], typer.Option(help="Size of a voxel of the store in mm.", metavar="MM MM MM")
    ] = (1.25, 1.25, 1.25),
    z_range: Annotated[
        tuple[str, str] | None,
        typer.Option(help="First and last slice proposed for training; all slices are stored.", metavar="LO HI | auto"),
    ] = None,
    val: ValOption = 0.15,
    test: TestOption = 0.15,
    seed: Annotated[int, seed_option("Seed of the split.")] = 0,
    mask_label: sources.MaskLabelOption = None,
    mask_threshold: sources.MaskThresholdOption = None,
    max_volume_gib: sources.MaxVolumeOption = 1.0,
    jobs: JobsOption = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images that cannot be used, instead of stopping.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted build.")] = False,
    how: FormatOption = "table",
) -> None:
    """Build a slice store from a cohort: all axial slices, split by patient, without bins."""
    from jsddpm.places import refuse_existing

    refuse_existing(out)
    build_store(
        sources.open_cohort(source, layout, modality, entity, run, controls, root),
        out,
        how,
        geometry=(shape, spacing),
        shares=(val, test, seed),
        masks=sources.mask_reading(mask_label, mask_threshold),
        z_range=_asked_range(z_range),
        max_volume_bytes=sources.volume_bytes(max_volume_gib),
        jobs=jobs or cores(),
        skip_bad=skip_bad,
        resume=resume,
    )


def build_store(
    cohort: Cohort,
    out: Path,
    how: Format | None,
    *,
    geometry: tuple[tuple[int, int, int], tuple[float, float, float]],
    shares: tuple[float, float, int],
    skip_bad: bool = False,
    **options: Any,
) -> None:
    """Build with a progress bar, then print every subject's outcome."""
    from jsddpm.cohort.preprocess import Preprocessing
    from jsddpm.cohort.splits import SplitRule
    from jsddpm.slices.build import build_slice_cache
    from jsddpm.slices.store import SliceStore
    from jsddpm_cli.contents import range_of

    records = cohort.without_bad() if skip_bad else cohort.require_clean()
    for problem in by_kind(cohort.problems):
        note(f"left out: {problem}")
    done = count(1)
    with tracked("slice store") as bar:
        outcomes = build_slice_cache(
            records,
            out,
            spec=Preprocessing(*geometry),
            split=SplitRule(*shares),
            skip_bad=skip_bad,
            progress=lambda _: bar.update(next(done), len(records)),
            **options,
        )
    _show_outcomes(outcomes, range_of(SliceStore(out)), how)
    note(f"store in {out}")


def _show_outcomes(outcomes: list[Outcome], z_range: list[str], how: Format | None) -> None:
    from rich.console import Group

    from jsddpm_reports.terminal import notes_by_text, results_table

    rows = [
        [
            o.subject,
            o.split or "",
            "skipped" if o.problem else "reused" if o.reused else "kept",
            str(o.slices),
            str(o.lesion_slices),
        ]
        for o in outcomes
    ]
    values = [vars(o) | {"problem": str(o.problem) if o.problem else None} for o in outcomes]
    table = results_table(["subject", "split", "outcome", "slices", "lesion slices"], rows, left=("subject",))
    remarks = [(o.subject, n) for o in outcomes for n in o.notes]
    emit(Group(table, notes_by_text(remarks)) if remarks else table, {"subjects": values}, how, below=z_range)
    for problem in by_kind([o.problem for o in outcomes if o.problem]):
        note(f"left out: {problem}")
    if not any(o.lesion_slices for o in outcomes):
        note("no image has a lesion: all slices count as control")


def _asked_range(words: tuple[str, str] | None) -> RequestedRange | None:
    if words is None or words[0] == "auto":
        return "auto" if words else None
    try:
        return int(words[0]), int(words[1])
    except ValueError:
        raise usage_error(
            "Z_RANGE", f"z-range {' '.join(words)} is not two numbers", fix="give --z-range LO HI, or --z-range auto"
        ) from None


app.command(
    "import",
    epilog="Example: jsddpm cache import generated/slices.csv --real store --z-range 24 93 --out generated-store",
)(import_)


@app.command(epilog="Example: jsddpm cache resplit store folds/fold-2.csv --out store-2")
def resplit(
    store: StoreArgument,
    manifest: Annotated[
        Path, typer.Argument(help="CSV with columns patient and split, as jsddpm cohort split writes.")
    ],
    out: Annotated[Path, typer.Option(help="New folder for the store.")],
    how: FormatOption = "table",
) -> None:
    """Make a store with other splits, which shares the slices of the first one on disk."""
    from jsddpm.slices.resplit import resplit as divide
    from jsddpm.slices.store import SliceStore
    from jsddpm_cli.contents import slice_counts

    divided = SliceStore(divide(SliceStore(store), manifest, out))
    emit(None, {"out": str(out), "subjects": len(divided.subjects), "slices": slice_counts(divided)}, how)
    note(f"store in {out}")


@app.command(epilog="Example: jsddpm cache anonymise store --out shared-store --key keys/store.csv")
def anonymise(
    store: StoreArgument,
    out: Annotated[Path, typer.Option(help="New folder for the store.")],
    key: KeyOption = None,
    how: FormatOption = "table",
) -> None:
    """Make a store to share: codes replace patients, and the names of source files are left out."""
    from jsddpm.anonymise import Codes
    from jsddpm.places import refuse_existing
    from jsddpm.slices.anonymised import anonymised_store
    from jsddpm.slices.store import SliceStore

    refuse_existing(out)
    opened = SliceStore(store)
    codes = codes_for(opened, key, out) if opened.kind == "real" else Codes({}, {})
    made = SliceStore(anonymised_store(opened, codes, out))
    emit(None, {"out": str(out), "kind": made.kind, "subjects": len(made.subjects), "slices": len(made.index)}, how)
    note(f"store in {out}")


@app.command(epilog="Example: jsddpm cache info store --thumbnails sheet.png")
def info(
    store: StoreArgument,
    thumbnails: Annotated[Path | None, typer.Option(help="Write a picture with a slice of each subject here.")] = None,
    how: FormatOption = "table",
) -> None:
    """Show the content of a store: provenance, size, subjects, slices by split and pathology."""
    from rich.console import Group

    from jsddpm.slices.store import SliceStore
    from jsddpm_cli.contents import notes_of, slice_counts, summary_of
    from jsddpm_reports.terminal import notes_by_text, results_table

    require_endings([thumbnails] if thumbnails else [], (".png",), "--thumbnails")
    opened = SliceStore(store)
    counts = slice_counts(opened)
    entries = [f for s in opened.subjects for f in s["files"].values()]
    values: dict[str, Any] = {
        "kind": opened.kind,
        "fingerprint": opened.fingerprint,
        "size": list(opened.size),
        "n_slices": opened.n_slices,
        "spacing": list(opened.spacing),
        "subjects": len(opened.subjects),
        "patients": len(set(opened.patients.tolist())) if opened.kind == "real" else None,
        "bytes": sum(int(f["bytes"]) for f in entries),
        "slices": counts,
        "binning": None if opened.binning is None else opened.binning.to_dict(),
        **{key: opened.info.get(key) for key in _FROM_STORE_JSON},
    }
    columns = [name for name in ("patients", "control", "lesion") if name in next(iter(counts.values()), {})]
    rows = [[name, *(str(c[column]) for column in columns)] for name, c in counts.items()]
    heads = [column if column == "patients" else f"{column} slices" for column in columns]
    table, remarks = results_table(["split", *heads], rows), notes_of(opened)
    emit(
        Group(table, notes_by_text(remarks)) if remarks else table,
        values | {"notes": [{"subject": name, "note": text} for name, text in remarks]},
        how,
        above=summary_of(opened, values["bytes"]),
    )
    if thumbnails is not None:
        from jsddpm_reports.figures import png
        from jsddpm_reports.outputs import write_output
        from jsddpm_reports.thumbnails import thumbnail_sheet

        write_output(thumbnails, png(thumbnail_sheet(opened)))
        note(f"thumbnails {thumbnails}")


@app.command(epilog="Example: jsddpm cache verify store")
def verify(store: StoreArgument, how: FormatOption = "table") -> None:
    """Compare every checksum of a store; damage is named by subject and slice.

    --format json lists all damage.
    """
    from jsddpm.slices.description import REBUILD
    from jsddpm.slices.store import SliceStore

    damaged = SliceStore(store).verify()
    found = f"damaged in {counted(len(damaged), 'place')}" if damaged else "all checksums match"
    emit(None, {"damaged": damaged}, how, below=[f"{store}: {found}"])
    problems = [integrity_error("STORE_DAMAGED", line, fix=REBUILD, file=store) for line in damaged]
    for problem in by_kind(problems):
        note(str(problem))
    if damaged:
        raise typer.Exit(ExitStatus.INTEGRITY)
