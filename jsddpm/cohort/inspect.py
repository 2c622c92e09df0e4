"""Read every file of a cohort before a store is built: usable images, problems, lesion volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import nibabel as nib
from nibabel.affines import voxel_sizes

from jsddpm.cohort.brain import estimate_brain, intensity_window, require_brain
from jsddpm.cohort.masks import MaskReading, mask_notes, refuse_unused
from jsddpm.cohort.nifti import MAX_VOLUME_BYTES
from jsddpm.cohort.patients import lesion_digest, same_image_problems, same_lesion_notes, voxel_digest
from jsddpm.cohort.records import Record
from jsddpm.cohort.subject import group_notes, named, read_subject
from jsddpm.errors import JsddpmError
from jsddpm.parallel import in_processes
from jsddpm.progress import Progress


@dataclass(frozen=True)
class Inspection:
    """The result of reading one record.

    Attributes:
        subject: Name of the record.
        shape: Voxels of its image in the file's own order.
        spacing: Voxel size in mm, likewise.
        orientation: Directions of the axes, such as ``RAS``.
        lesion_mm3: Lesion volume.
        notes: Notes for the user.
        problem: Why it cannot be used, or None.
        voxels_sha256: :func:`~jsddpm.cohort.patients.voxel_digest` of its image.
        lesion_sha256: :func:`~jsddpm.cohort.patients.lesion_digest` of its mask.
        mask_values: See :func:`~jsddpm.cohort.masks.mask_values`; empty without a mask.
    """

    subject: str
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    orientation: str = ""
    lesion_mm3: float = 0.0
    notes: tuple[str, ...] = ()
    problem: JsddpmError | None = None
    voxels_sha256: str = ""
    lesion_sha256: str = ""
    mask_values: tuple[float, ...] = ()


def inspect_records(
    records: Sequence[Record],
    reading: MaskReading | None = None,
    *,
    jobs: int = 1,
    max_volume_bytes: int = MAX_VOLUME_BYTES,
    progress: Progress | None = None,
) -> list[Inspection]:
    """Read every image and mask; problems are collected instead of raised.

    Args:
        records: Records to read.
        reading: How mask values become lesion voxels.
        jobs: Processes.
        max_volume_bytes: Size of the largest volume that is read.
        progress: Called with (records done, records).
    """
    calls = ((r, reading or MaskReading(), max_volume_bytes) for r in records)
    inspections = []
    for inspection in in_processes(_inspect, calls, jobs=jobs):
        inspections.append(inspection)
        if progress:
            progress(len(inspections), len(records))
    same = same_lesion_notes(records, {i.subject: i.lesion_sha256 for i in inspections})
    return [replace(i, notes=(*i.notes, same[i.subject])) if i.subject in same else i for i in inspections]


def _inspect(record: Record, reading: MaskReading, max_bytes: int) -> Inspection:
    try:
        with named(record):
            subject = read_subject(record, reading, max_bytes=max_bytes)
            image, lesion = subject.image, subject.lesion
            brain = estimate_brain(image.data) if subject.brain is None else subject.brain
            intensity_window(image.data, require_brain(brain, image.path), image.path)
            return Inspection(
                record.subject,
                image.data.shape,
                tuple(round(float(s), 3) for s in voxel_sizes(image.affine)),
                "".join(nib.orientations.aff2axcodes(image.affine)),
                subject.lesion_mm3,
                subject.notes + mask_notes(lesion, brain) + group_notes(record.group, lesion=bool(lesion.any())),
                voxels_sha256=voxel_digest(image.data),
                lesion_sha256=lesion_digest(lesion),
                mask_values=subject.mask_values,
            )
    except JsddpmError as problem:
        return Inspection(record.subject, problem=problem)


def cohort_problems(
    records: Sequence[Record], inspections: Sequence[Inspection], reading: MaskReading
) -> list[JsddpmError]:
    """All problems: first those of single records, then those of the whole cohort.

    Problems of the cohort are one image under two names, and a mask label or threshold that no mask has.
    """
    problems = [i.problem for i in inspections if i.problem is not None]
    problems += same_image_problems(records, {i.subject: i.voxels_sha256 for i in inspections if i.problem is None})
    try:
        refuse_unused(reading, {v for i in inspections for v in i.mask_values})
    except JsddpmError as problem:
        problems.append(problem)
    return problems
