"""Build a slice store from a cohort, in parallel processes, one subject at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jsddpm import __version__
from jsddpm.cohort.masks import binary_mask, check_same_grid
from jsddpm.cohort.nifti import Volume, check_not_constant, open_nifti
from jsddpm.cohort.preprocess import Preprocessing, preprocess
from jsddpm.cohort.sources import SPLITS, Record, Split
from jsddpm.errors import JsddpmError
from jsddpm.files import sha256
from jsddpm.parallel import in_processes
from jsddpm.slices.store import Shard, new_store, write_shard


@dataclass(frozen=True)
class Outcome:
    """What became of one record: kept, or skipped with the reason; notes are no errors."""

    subject: str
    split: Split
    problem: JsddpmError | None = None
    notes: tuple[str, ...] = ()
    slices: int = 0
    lesion_slices: int = 0


@dataclass(frozen=True)
class MaskReading:
    """How mask values become lesion voxels; both None accepts 0/1 masks only."""

    label: int | None = None
    threshold: float | None = None


def build_slice_cache(
    records: Sequence[Record],
    out: str | Path,
    *,
    splits: dict[str, Split],
    spec: Preprocessing,
    masks: MaskReading | None = None,
    jobs: int = 1,
    skip_bad: bool = False,
    progress: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Preprocess every record and publish a store of all its axial slices.

    Args:
        records: Cohort, as :func:`jsddpm.cohort.sources.read_cohort` gives it.
        out: New store folder.
        splits: Split of every patient.
        spec: Geometry and intensity window.
        masks: How to read mask values.
        jobs: Processes; the bytes do not depend on it.
        skip_bad: Leave out records that cannot be used, instead of refusing to build.
        progress: Called with each outcome, in the order of the records.

    Returns:
        One outcome per record.

    Raises:
        JsddpmError: The first bad record's error, with the number of others, unless ``skip_bad``; ``EXISTS``.
    """
    reading = masks or MaskReading()
    outcomes: list[Outcome] = []
    with new_store(
        out,
        kind="real",
        n_slices=spec.shape[2],
        spacing=(spec.spacing[1], spec.spacing[0], spec.spacing[2]),
        preprocessing=spec.to_dict(),
        mask_reading={"label": reading.label, "threshold": reading.threshold},
        created_by=f"jsddpm {__version__}",
    ) as writer:
        calls = ((writer.root, r, splits[r.patient], spec, reading) for r in records)
        for outcome, written in in_processes(_build_one, calls, jobs=jobs):
            outcomes.append(outcome)
            if written is not None:
                writer.register(*written)
            if progress:
                progress(outcome)
        _refuse_bad(outcomes, skip_bad=skip_bad)
    return outcomes


def _refuse_bad(outcomes: Sequence[Outcome], *, skip_bad: bool) -> None:
    problems = [o.problem for o in outcomes if o.problem is not None]
    if not problems or (skip_bad and len(problems) < len(outcomes)):
        return
    first = problems[0]
    others = f" (and {len(problems) - 1} more of {len(outcomes)} images)" if len(problems) > 1 else ""
    cure = first.fix if skip_bad else f"{first.fix}; or leave it out with --skip-bad"
    raise JsddpmError(first.code, first.what + others, fix=cure, file=first.file, status=first.status)


def _build_one(
    root: Path, record: Record, split: Split, spec: Preprocessing, reading: MaskReading
) -> tuple[Outcome, tuple[NDArray[np.void], dict[str, Any]] | None]:
    try:
        image, mask, lesion = _read_pair(record, reading)
        stack = preprocess(image, lesion, spec)
    except JsddpmError as problem:
        return Outcome(record.subject, split, problem), None
    pathology = stack.mask.any(axis=(1, 2)).astype(np.int8)
    shard = Shard(
        record.subject,
        stack.image,
        stack.mask,
        rows={
            "z_index": np.arange(len(stack.image)),
            "pathology": pathology,
            "split": SPLITS.index(split),
            "brain_fraction": stack.brain.mean(axis=(1, 2)),
        },
        info={
            "patient": record.patient,
            "session": record.session,
            "group": record.group,
            "split": split,
            "affine": stack.affine.tolist(),
            "window": list(stack.window),
            "lesion_mm3": {"before": stack.lesion_mm3[0], "after": stack.lesion_mm3[1]},
            "source": {
                "image": {"name": image.path.name, "sha256": sha256(image.path)},
                "mask": None if mask is None else {"name": mask.path.name, "sha256": sha256(mask.path)},
            },
        },
    )
    notes = image.notes + (() if mask is None else mask.notes)
    if record.group == "patient" and not pathology.any():
        notes += ("no lesion voxel: all its slices count as control",)
    outcome = Outcome(record.subject, split, None, notes, len(stack.image), int(pathology.sum()))
    return outcome, write_shard(root, shard)


def _read_pair(record: Record, reading: MaskReading) -> tuple[Volume, Volume | None, NDArray[np.bool_] | None]:
    image = open_nifti(record.image)
    check_not_constant(image)
    if record.mask is None:
        return image, None, None
    mask = open_nifti(record.mask)
    check_same_grid(image, mask)
    return image, mask, binary_mask(mask, label=reading.label, threshold=reading.threshold)
