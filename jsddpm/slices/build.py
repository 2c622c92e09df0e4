"""Build a slice store from a cohort, in parallel processes, one subject at a time; a build can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from jsddpm import __version__
from jsddpm.checksums import sha256
from jsddpm.cohort.grid import lost_lesion_notes, require_lesion
from jsddpm.cohort.masks import MaskReading, mask_notes, refuse_unused
from jsddpm.cohort.nifti import MAX_VOLUME_BYTES
from jsddpm.cohort.patients import lesion_digest, refuse_mixed_patients, same_lesion_notes, voxel_digest
from jsddpm.cohort.preprocess import Preprocessing, preprocess
from jsddpm.cohort.records import SPLITS, Record, Split
from jsddpm.cohort.splits import SplitRule, assign_splits, given_splits, patients_of
from jsddpm.cohort.subject import group_notes, named, read_subject
from jsddpm.errors import JsddpmError, first_of
from jsddpm.parallel import in_processes
from jsddpm.slices.proposal import RequestedRange, check_request, proposed_range
from jsddpm.slices.writer import (
    BUILD_ONLY,
    Shard,
    StoreWriter,
    Written,
    finished,
    mark_finished,
    resumable_store,
    write_shard,
)


@dataclass(frozen=True)
class Outcome:
    """Outcome of one record: kept, or skipped with the problem; notes are not errors."""

    subject: str
    split: Split | None = None
    problem: JsddpmError | None = None
    notes: tuple[str, ...] = ()
    slices: int = 0
    lesion_slices: int = 0
    reused: bool = False


def build_slice_cache(
    records: Sequence[Record],
    out: str | Path,
    *,
    spec: Preprocessing | None = None,
    split: SplitRule | None = None,
    masks: MaskReading | None = None,
    z_range: RequestedRange | None = None,
    jobs: int = 1,
    skip_bad: bool = False,
    resume: bool = False,
    max_volume_bytes: int = MAX_VOLUME_BYTES,
    progress: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Preprocess every record and publish a store of all its axial slices.

    Args:
        records: Records of :func:`jsddpm.cohort.sources.read_cohort`.
        out: New store folder.
        spec: Geometry and intensity window; None uses the defaults of :class:`Preprocessing`.
        split: How patients without a predefined split are divided; balanced over group and lesion load.
        masks: How to read mask values.
        z_range: Range of slices the store proposes for training; ``"auto"`` derives it from the training patients
            (:data:`~jsddpm.slices.proposal.AUTO_SHARE`). All slices are stored in any case.
        jobs: Processes; the bytes do not depend on it.
        skip_bad: Leave out records that cannot be used, instead of refusing to build.
        resume: Continue an interrupted build; the bytes are those of an uninterrupted one.
        max_volume_bytes: Size of the largest volume, as read and after resampling.
        progress: Called with each outcome, in the order of the records.

    Returns:
        One outcome per record.

    Raises:
        JsddpmError: ``SPLIT``, ``SHAPE``, ``Z_RANGE`` (status 2) before any image is read; the first bad record's
            error (``LESION_LOST`` of a patient's lesion that the grid leaves out among them), with the number of
            others, unless ``skip_bad``; ``EXISTS``; ``DUPLICATE`` for a name given twice,
            ``PATIENT_NAME``, ``PATIENT_SPLIT``, ``SAME_IMAGE`` when a patient may be in two splits, also with
            ``skip_bad``; ``MASK_READING`` (status 3) when no mask has a requested label; those of
            :func:`~jsddpm.publish.resumable_directory`.
    """
    refuse_mixed_patients(records)
    reading, rule, spec = masks or MaskReading(), split or SplitRule(), spec or Preprocessing()
    spec.require_size(max_volume_bytes)
    expected = assign_splits(
        patients_of(records, dict.fromkeys((r.subject for r in records), 0.0)), rule, given_splits(records)
    )
    if z_range is not None:
        check_request(z_range, spec.shape[2], expected.values())
    outcomes: list[Outcome] = []
    with resumable_store(
        out,
        kind="real",
        n_slices=spec.shape[2],
        spacing=(spec.spacing[1], spec.spacing[0], spec.spacing[2]),
        resume=resume,
        preprocessing=asdict(spec),
        mask_reading=asdict(reading),
        created_by=f"jsddpm {__version__}",
    ) as writer:
        calls = ((writer.root, r, spec, reading, max_volume_bytes) for r in records)
        for outcome, written in in_processes(_build_one, calls, jobs=jobs):
            outcomes.append(outcome)
            if written is not None:
                writer.written.append(written)
            if progress:
                progress(outcome)
        _refuse_bad(outcomes, skip_bad=skip_bad)
        contents = {w.entry["name"]: w.entry[BUILD_ONLY] for w in writer.written}
        refuse_mixed_patients(records, {name: of["voxels_sha256"] for name, of in contents.items()})
        try:
            refuse_unused(reading, {value for of in contents.values() for value in of["mask_values"]})
        except JsddpmError:
            writer.discard()  # another reading of masks changes every subject
            raise
        same = same_lesion_notes(records, {name: of.get("lesion_sha256", "") for name, of in contents.items()})
        for w in writer.written:
            if note := same.get(w.entry["name"]):
                w.entry["notes"].append(note)
        splits = _divide(writer, records, rule)
        if z_range is not None:
            training = [w.rows for w in writer.written if w.entry["split"] == "train"]
            rows = np.concatenate(training or [writer.written[0].rows[:0]])
            writer.info["z_range"] = proposed_range(rows, z_range, spec.shape[2])
    return [o if o.problem else _final(o, splits[o.subject], same.get(o.subject)) for o in outcomes]


def _final(outcome: Outcome, split: Split, note: str | None) -> Outcome:
    """The outcome with what is known once all subjects are read."""
    return replace(outcome, split=split, notes=(*outcome.notes, *filter(None, [note])))


def _divide(writer: StoreWriter, records: Sequence[Record], rule: SplitRule) -> dict[str, Split]:
    """Assign a split to every written subject; return splits by subject."""
    entries = {w.entry["name"]: w.entry for w in writer.written}
    of_store = [r for r in records if r.subject in entries]
    loads = {name: float(entry["lesion_mm3"]["before"]) for name, entry in entries.items()}
    fixed = given_splits(of_store)
    by_patient = assign_splits(patients_of(of_store, loads), rule, fixed)
    whole = all(fixed.values())
    writer.info["split"] = {"by": "records"} if whole else {"by": "group and lesion load", **asdict(rule)}
    for w in writer.written:
        split = by_patient[w.entry["patient"]]
        w.entry["split"] = split
        w.rows["split"] = SPLITS.index(split)
    return {r.subject: by_patient[r.patient] for r in of_store}


def _refuse_bad(outcomes: Sequence[Outcome], *, skip_bad: bool) -> None:
    problems = [o.problem for o in outcomes if o.problem is not None]
    if not problems or (skip_bad and len(problems) < len(outcomes)):
        return
    first = first_of(problems, f" of {len(outcomes)} images")
    cure = first.fix if skip_bad else f"{first.fix}, then continue with --resume; or leave it out with --skip-bad"
    raise JsddpmError(first.code, first.what, fix=cure, file=first.file, status=first.status)


def _build_one(
    root: Path, record: Record, spec: Preprocessing, reading: MaskReading, max_bytes: int
) -> tuple[Outcome, Written | None]:
    try:
        before = finished(root, record.subject)
        if before is not None and before.entry["source"] == _source(record):
            before.entry.update(_identity(record))  # a table of the cohort may have been corrected since
            return _outcome(record, before, spec, reused=True), before
        with named(record):
            subject = read_subject(record, reading, max_bytes=max_bytes)
            stack = preprocess(subject, spec, max_bytes=max_bytes)
            if record.group == "patient":
                require_lesion(*stack.lesion_mm3, stack.outside_mm3, record.image)
            contents = {"voxels_sha256": voxel_digest(subject.image.data), "mask_values": list(subject.mask_values)}
            contents |= {"lesion_sha256": lesion_digest(subject.lesion), "notes": list(stack.notes)}
    except JsddpmError as problem:
        if problem.code == "MEMORY":  # a limit of this machine is no reason to leave the image out
            raise
        return Outcome(record.subject, problem=problem), None
    rows = {
        "z_index": np.arange(len(stack.image)),
        "pathology": stack.mask.any(axis=(1, 2)).astype(np.int8),
        "brain_fraction": stack.brain.mean(axis=(1, 2)),
    }
    info = {
        **_identity(record),
        "split": None,
        "affine": stack.affine.tolist(),
        "window": list(stack.window),
        "lesion_mm3": {"before": stack.lesion_mm3[0], "after": stack.lesion_mm3[1]},
        "brain": "given" if record.brain else "estimated",
        "notes": [*subject.notes, *mask_notes(stack.mask, stack.brain)],
        "source": _source(record),
        BUILD_ONLY: contents,
    }
    written = write_shard(root, Shard(record.subject, stack.image, stack.mask, rows, info))
    mark_finished(root, written)
    return _outcome(record, written, spec), written


def _outcome(record: Record, written: Written, spec: Preprocessing, *, reused: bool = False) -> Outcome:
    lesion, volumes = int(written.rows["pathology"].sum()), written.entry["lesion_mm3"]
    notes = [record.note, *written.entry["notes"], *written.entry[BUILD_ONLY].get("notes", ())]
    notes += lost_lesion_notes(volumes["before"], volumes["after"], prod(spec.spacing))
    notes += group_notes(record.group, lesion=lesion > 0)
    return Outcome(record.subject, None, None, tuple(filter(None, notes)), len(written.rows), lesion, reused)


def _identity(record: Record) -> dict[str, str]:
    """Facts on a record that are not read from its images."""
    return {"patient": record.patient, "session": record.session, "group": record.group}


def _source(record: Record) -> dict[str, Any]:
    """Names and checksums of a record's files; null where there is none."""
    files = {"image": record.image, "mask": record.mask, "brain": record.brain}
    return {
        kind: {"name": path.name, "sha256": sha256(path)} if path is not None and path.is_file() else None
        for kind, path in files.items()
    }
