"""Checks that keep names apart, and all images of one patient in one split; no option switches them off."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jsddpm.cohort.records import Record, spelling
from jsddpm.errors import JsddpmError, first_of
from jsddpm.wording import enumerated


def duplicates(records: Sequence[Record]) -> list[list[Record]]:
    """Records of one subject name, in any case: it is the name of files, also on disks that ignore case.

    >>> from pathlib import Path
    >>> records = [Record(name, name, "", "control", Path(f"{name}.nii"), None) for name in ("p1", "P1", "p2")]
    >>> [[r.subject for r in same] for same in duplicates(records)]
    [['p1', 'P1']]
    """
    named: dict[str, list[Record]] = {}
    for r in records:
        named.setdefault(r.subject.casefold(), []).append(r)
    return [same for _, same in sorted(named.items()) if len(same) > 1]


def duplicate_problems(records: Sequence[Record]) -> list[JsddpmError]:
    """``DUPLICATE`` problems (status 3) of :func:`duplicates`, naming the second image."""
    problems = []
    for same in duplicates(records):
        names = sorted({r.subject for r in same})
        what, cure = f"{names[0]} occurs {len(same)} times", "name sessions, or remove all but one"
        if len(names) > 1:
            what, cure = f"{' and '.join(names)} differ only in upper and lower case", "rename or remove all but one"
        problems.append(JsddpmError("DUPLICATE", what, fix=cure, file=same[1].image))
    return problems


def patient_problems(records: Sequence[Record]) -> list[JsddpmError]:
    """Problems that would divide the images of one patient: ``7`` and ``007``, or a patient with two splits.

    Args:
        records: A cohort.

    Returns:
        ``PATIENT_SPLIT`` and ``PATIENT_NAME`` problems (status 3), naming an image of each patient.

    >>> from pathlib import Path
    >>> records = [Record(name, name, "", "control", Path(f"{name}.nii"), None) for name in ("7", "007", "8")]
    >>> [problem.what for problem in patient_problems(records)]
    ['007 and 7 appear to name one patient']
    """
    splits: dict[str, set[str]] = {}
    images = {r.patient: r.image for r in reversed(records)}
    for r in records:
        splits.setdefault(r.patient, set()).add(r.split or "")
    problems = []
    for patient in sorted(p for p, s in splits.items() if len(s) > 1):
        what = f"{patient} is in several splits ({', '.join(sorted(s or 'none' for s in splits[patient]))})"
        problems.append(
            JsddpmError("PATIENT_SPLIT", what, fix="assign each patient to one split", file=images[patient])
        )
    return problems + [_one_patient(names, images[names[0]]) for names in _alike(images)]


def refuse_same_patient(names: Iterable[str]) -> None:
    """Refuse names that differ only as spellings of one patient do.

    Raises:
        JsddpmError: ``PATIENT_NAME`` (status 3).

    >>> refuse_same_patient(["7", "8", "sub-7"])
    """
    for same in _alike(names):
        raise _one_patient(same)


def _alike(names: Iterable[str]) -> list[list[str]]:
    """Names that have one spelling, of each patient."""
    spellings: dict[str, set[str]] = {}
    for name in names:
        spellings.setdefault(spelling(name), set()).add(name)
    return sorted(sorted(same) for same in spellings.values() if len(same) > 1)


def _one_patient(names: list[str], image: Path | None = None) -> JsddpmError:
    what = f"{' and '.join(names)} appear to name one patient"
    cure = "write the name of one patient in one way; give two patients clearly different names"
    return JsddpmError("PATIENT_NAME", what, fix=cure, file=image)


def same_image_problems(records: Sequence[Record], voxels: Mapping[str, str]) -> list[JsddpmError]:
    """Subjects whose images have the same voxels; names and compression of the files do not matter.

    Args:
        records: A cohort.
        voxels: :func:`voxel_digest` by subject; subjects that are not in it were not read.

    Returns:
        ``SAME_IMAGE`` problems (status 3).
    """
    owners: dict[str, list[Record]] = {}
    for r in records:
        if r.subject in voxels:
            owners.setdefault(voxels[r.subject], []).append(r)
    return [
        JsddpmError(
            "SAME_IMAGE",
            f"{' and '.join(r.subject for r in same)} have the same image, voxel for voxel",
            fix="remove all but one from the cohort",
            file=same[1].image,
        )
        for same in owners.values()
        if len(same) > 1
    ]


def same_lesion_notes(records: Sequence[Record], lesions: Mapping[str, str]) -> dict[str, str]:
    """A note on each subject whose lesion mask is also that of another patient, by subject.

    Two persons have no equal lesion, so two scans or copies of one person have two patient names.

    Args:
        records: A cohort.
        lesions: :func:`lesion_digest` by subject; subjects that are not in it were not read.

    >>> from pathlib import Path
    >>> records = [Record(name, name, "", "patient", Path(f"{name}.nii"), None) for name in ("3", "3b", "4")]
    >>> same_lesion_notes(records, {"3": "one", "3b": "one", "4": ""})["3b"]
    'its lesion mask equals that of 3: if they are one person, give all scans one patient name'
    """
    owners: dict[str, list[Record]] = {}
    for r in records:
        if lesions.get(r.subject):
            owners.setdefault(lesions[r.subject], []).append(r)
    notes = {}
    for same in owners.values():
        for r in same:
            if others := [other.subject for other in same if other.patient != r.patient]:
                what = f"its lesion mask equals that of {enumerated(others)}"
                notes[r.subject] = f"{what}: if they are one person, give all scans one patient name"
    return notes


def refuse_mixed_patients(records: Sequence[Record], voxels: Mapping[str, str] | None = None) -> None:
    """Raise the first problem of names, or of :func:`same_image_problems` if images were read.

    Problems of names are those of :func:`duplicate_problems`, then of :func:`patient_problems`.
    """
    of_names = duplicate_problems(records) + patient_problems(records) if voxels is None else []
    problems = of_names if voxels is None else same_image_problems(records, voxels)
    if problems:
        raise first_of(problems)


def voxel_digest(data: NDArray[np.float32]) -> str:
    """SHA-256 of a volume's values ``(X, Y, Z)``, float32, and its shape.

    >>> voxel_digest(np.zeros((8, 8, 8), np.float32)) == voxel_digest(np.zeros((8, 8, 9), np.float32))
    False
    """
    hashed = hashlib.sha256(repr(data.shape).encode())
    for plane in np.moveaxis(data, -1, 0):  # plane by plane, without a second copy of the volume
        hashed.update(plane.astype("<f4").tobytes())
    return hashed.hexdigest()


def lesion_digest(lesion: NDArray[np.bool_]) -> str:
    """SHA-256 of the lesion voxels ``(X, Y, Z)`` and the shape; empty without a lesion."""
    if not lesion.any():
        return ""
    return hashlib.sha256(repr(lesion.shape).encode() + np.packbits(lesion).tobytes()).hexdigest()
