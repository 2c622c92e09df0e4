"""Options that say which images of a source are meant, shared by every command that reads a cohort."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jsddpm.cohort.layouts import layouts
from jsddpm.errors import usage_error
from jsddpm_cli.console import note

if TYPE_CHECKING:
    from jsddpm.cohort.masks import MaskReading
    from jsddpm.cohort.sources import Cohort

    LayoutName = str
else:
    LayoutName = Literal[("auto", *layouts())]
RunChoice = Literal["refuse", "first", "last"]

SourceArgument = Annotated[Path, typer.Argument(help="Folder or table of a cohort, in one of the layouts.")]
LayoutOption = Annotated[
    LayoutName,
    typer.Option(
        help="\n".join([*(f"{k}: {v.help}" for k, v in layouts().items()), "auto: the first that fits."]),
        metavar="LAYOUT",
    ),
]
ModalityOption = Annotated[str, typer.Option(help="BIDS or BraTS suffix, or nnU-Net channel (name or number).")]
EntityOption = Annotated[
    list[str] | None, typer.Option(help="BIDS entity that images must have, such as acq=T2sel; repeatable.")
]
RunOption = Annotated[RunChoice, typer.Option(help="Which of several images that differ in their BIDS run alone.")]
ControlsOption = Annotated[
    list[str] | None, typer.Option(help="Pattern of patients who are controls, such as 'HC*'; repeatable.")
]
RootOption = Annotated[
    Path | None, typer.Option(help="Folder that must contain the files that a table names (default: the table's)")
]
MaskLabelOption = Annotated[list[int] | None, typer.Option(help="Mask value that means lesion; repeatable.")]
MaskThresholdOption = Annotated[float | None, typer.Option(help="Mask values above this one mean lesion.")]
MaxVolumeOption = Annotated[
    float,
    typer.Option("--max-volume-gib", min=0.001, help="Largest volume that is read, in GiB of memory.", metavar="GIB"),
]


def open_cohort(
    source: Path,
    layout: str,
    modality: str,
    entities: list[str] | None,
    run: RunChoice,
    controls: list[str] | None,
    root: Path | None,
) -> Cohort:
    """Read a source with the options above, and print the notes on all of it."""
    from jsddpm.cohort.records import Selection
    from jsddpm.cohort.sources import read_cohort

    pairs = [entity.partition("=") for entity in entities or []]
    if bad := [key + equals + value for key, equals, value in pairs if not (key and value)]:
        raise usage_error("ENTITY", f"{bad[0]!r} is not key=value", fix="write key=value, such as --entity acq=T2sel")
    choice = Selection(modality, {k: v for k, _, v in pairs}, run, tuple(controls or ()), root)
    cohort = read_cohort(source, layout=layout, selection=choice)
    for text in cohort.notes:
        note(f"note: {text}")
    return cohort


def volume_bytes(gib: float) -> int:
    """The option above in bytes."""
    if not isfinite(gib * 2**30):
        raise usage_error("OPTION", f"--max-volume-gib {gib:g} is not a size", fix="give a number of GiB")
    return int(gib * 2**30)


def mask_reading(labels: list[int] | None, threshold: float | None) -> MaskReading:
    """The reading of masks that the options ask for."""
    from jsddpm.cohort.masks import MaskReading

    return MaskReading(tuple(labels or ()), threshold)
