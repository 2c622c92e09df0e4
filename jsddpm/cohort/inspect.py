"""Reading every file of a cohort before anything is built: what fits, what does not, how large the lesions are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import nibabel as nib
from nibabel.affines import voxel_sizes

from jsddpm.cohort.masks import MaskReading
from jsddpm.cohort.records import Record
from jsddpm.cohort.subject import read_subject
from jsddpm.errors import JsddpmError
from jsddpm.parallel import in_processes


@dataclass(frozen=True)
class Inspection:
    """What reading one record showed.

    Attributes:
        subject: Which record.
        shape: Voxels of its image in the file's own order.
        spacing: Voxel size in mm, likewise.
        orientation: Where the axes lead, such as ``RAS``.
        lesion_mm3: Lesion volume.
        notes: What a user should know.
        problem: Why it cannot be used, or None.
    """

    subject: str
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    orientation: str = ""
    lesion_mm3: float = 0.0
    notes: tuple[str, ...] = ()
    problem: JsddpmError | None = None


def inspect_records(
    records: Sequence[Record],
    reading: MaskReading | None = None,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Inspection]:
    """Read every image and mask; problems are collected, not raised.

    Args:
        records: What to read.
        reading: How mask values become lesion voxels.
        jobs: Processes.
        progress: Called with (records done, records).
    """
    inspections = []
    for inspection in in_processes(_inspect, ((r, reading or MaskReading()) for r in records), jobs=jobs):
        inspections.append(inspection)
        if progress:
            progress(len(inspections), len(records))
    return inspections


def _inspect(record: Record, reading: MaskReading) -> Inspection:
    try:
        subject = read_subject(record, reading)
    except JsddpmError as problem:
        return Inspection(record.subject, problem=problem)
    image = subject.image
    spacing = tuple(round(float(s), 3) for s in voxel_sizes(image.affine))
    axes = "".join(nib.orientations.aff2axcodes(image.affine))
    return Inspection(record.subject, image.data.shape, spacing, axes, subject.lesion_mm3, subject.notes)
