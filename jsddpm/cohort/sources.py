"""Where a cohort comes from: a BIDS tree or a manifest of image/mask pairs, read into one list of records."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from jsddpm.errors import JsddpmError, usage_error

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Layout = Literal["auto", "bids", "manifest"]
LAYOUTS: dict[str, Layout] = {name: name for name in get_args(Layout)}
CONTROL_GROUPS = frozenset({"hc", "control", "controls", "healthy", "con", "normal"})

_COLUMNS = ("image", "mask", "patient", "session", "group", "split")
_FLAIR = re.compile(r"^(?P<stem>sub-[A-Za-z0-9]+_.*?FLAIR)\.nii(\.gz)?$")


@dataclass(frozen=True)
class Record:
    """One image of a cohort and what is known about it.

    Attributes:
        subject: Unique name of this image within the cohort (patient and session).
        patient: The person; splits and statistics are by patient.
        session: Session label, or empty.
        group: ``control`` or ``patient``.
        image: NIfTI file of the FLAIR volume.
        mask: NIfTI file of the lesion mask; None for a declared control without one.
        split: Predefined split, or None.
    """

    subject: str
    patient: str
    session: str
    group: Literal["control", "patient"]
    image: Path
    mask: Path | None
    split: Split | None = None


@dataclass(frozen=True)
class Cohort:
    """The usable records of a source, and every problem found on the way."""

    source: Path
    layout: Layout
    records: tuple[Record, ...]
    problems: tuple[JsddpmError, ...]

    def require_clean(self) -> tuple[Record, ...]:
        """The records, or the first problem with the number of others."""
        if self.problems:
            first, more = self.problems[0], len(self.problems) - 1
            if not more:
                raise first
            others = f" (and {more} more: jsddpm cohort scan lists them)"
            raise JsddpmError(first.code, first.what + others, fix=first.fix, file=first.file, status=first.status)
        return self.records


def read_cohort(source: str | Path, *, layout: Layout = "auto") -> Cohort:
    """List the images of a source.

    Args:
        source: BIDS folder (``sub-*/[ses-*/]anat/*FLAIR.nii.gz`` with ``*_FLAIR_roi.nii.gz`` beside it and
            ``participants.tsv``), or a CSV/TSV manifest with columns ``image``, ``mask``, ``patient`` and, if wanted,
            ``session``, ``group``, ``split``; its paths are relative to the manifest.
        layout: ``auto`` decides by what the source is.

    Returns:
        Records in name order. Problems are collected, so that one call shows them all.

    Raises:
        JsddpmError: ``MISSING`` or ``LAYOUT`` (status 2) when there is nothing to read at all.
    """
    source = Path(source)
    if not source.exists():
        raise usage_error("MISSING", "no such file or folder", fix="give a BIDS folder or a CSV manifest", file=source)
    if layout == "auto":
        layout = "bids" if source.is_dir() else "manifest"
    if (layout == "bids" and not source.is_dir()) or (layout == "manifest" and source.is_dir()):
        raise usage_error("LAYOUT", f"is not a {layout} source", fix="give --layout, or another path", file=source)
    problems: list[JsddpmError] = []
    records = _bids(source, problems) if layout == "bids" else _manifest(source, problems)
    records = _check_unique(records, problems, source)
    _check_patient_splits(records, problems, source)
    if not records and not problems:
        problems.append(JsddpmError("EMPTY", "no FLAIR image found", fix="see the layouts in the README", file=source))
    return Cohort(source, layout, tuple(records), tuple(problems))


def write_manifest_rows(records: Iterable[Record]) -> list[dict[str, str]]:
    """Rows of the manifest that describes these records, with absolute paths."""
    return [
        {
            "image": str(r.image.resolve()),
            "mask": "" if r.mask is None else str(r.mask.resolve()),
            "patient": r.patient,
            "session": r.session,
            "group": r.group,
            "split": r.split or "",
        }
        for r in records
    ]


def _bids(root: Path, problems: list[JsddpmError]) -> list[Record]:
    groups = _participant_groups(root, problems)
    records: list[Record] = []
    for folder in sorted(p for p in root.glob("sub-*") if p.is_dir()):
        for anat in sorted([*folder.glob("anat"), *folder.glob("ses-*/anat")]):
            images = sorted((m["stem"], p) for p in anat.iterdir() if (m := _FLAIR.match(p.name)))
            session = "" if anat.parent == folder else anat.parent.name
            if len(images) != 1:
                names = ", ".join(p.name for _, p in images) or "none"
                problems.append(
                    JsddpmError(
                        "BIDS_IMAGES",
                        f"needs exactly one FLAIR image, found {names}",
                        fix="remove the others, or list the wanted ones in a CSV manifest",
                        file=anat,
                    )
                )
                continue
            stem, image = images[0]
            masks = sorted(anat.glob(f"{stem}_roi.nii*"))
            _add(
                records,
                problems,
                folder.name,
                session,
                groups.get(folder.name, ""),
                image,
                masks[0] if masks else None,
            )
    return records


def _participant_groups(root: Path, problems: list[JsddpmError]) -> dict[str, str]:
    path = root / "participants.tsv"
    if not path.exists():
        return {}
    return {row["participant_id"]: row.get("group", "") for row in _rows(path, ("participant_id",), problems)}


def _manifest(path: Path, problems: list[JsddpmError]) -> list[Record]:
    records: list[Record] = []
    for row in _rows(path, ("image", "patient"), problems):
        if not row["image"] or not row["patient"]:
            problems.append(
                JsddpmError("MANIFEST", f"row without image or patient: {row}", fix="fill it in", file=path)
            )
            continue
        split = row.get("split", "")
        if split and split not in SPLITS:
            problems.append(
                JsddpmError(
                    "SPLIT",
                    f"split {split!r} of {row['patient']}",
                    fix=f"one of {', '.join(SPLITS)}",
                    file=path,
                )
            )
            continue
        mask = path.parent / row["mask"] if row.get("mask") else None
        chosen = next((s for s in SPLITS if s == split), None)
        _add(
            records,
            problems,
            row["patient"],
            row.get("session", ""),
            row.get("group", ""),
            path.parent / row["image"],
            mask,
            chosen,
        )
    return records


def _rows(path: Path, needed: tuple[str, ...], problems: list[JsddpmError]) -> list[dict[str, str]]:
    """Rows of a CSV or TSV as text (007 stays 007), whatever its separator, line ends and byte-order mark."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        problems.append(JsddpmError("MANIFEST", f"cannot be read ({error})", fix="save it as UTF-8 CSV", file=path))
        return []
    first = text.split("\n", 1)[0]
    delimiter = max("\t;,", key=first.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter, restval="")
    names = [n.strip() for n in reader.fieldnames or []]
    if missing := [n for n in needed if n not in names]:
        problems.append(
            JsddpmError(
                "MANIFEST",
                f"lacks the column(s) {', '.join(missing)}",
                fix=f"columns: {', '.join(_COLUMNS)}",
                file=path,
            )
        )
        return []
    reader.fieldnames = names
    return [{k: (v or "").strip() for k, v in row.items() if isinstance(k, str)} for row in reader]


def _add(
    records: list[Record],
    problems: list[JsddpmError],
    patient: str,
    session: str,
    group: str,
    image: Path,
    mask: Path | None,
    split: Split | None = None,
) -> None:
    control = group.lower() in CONTROL_GROUPS
    for path in (image, mask):
        if path is not None and not path.exists():
            problems.append(JsddpmError("MISSING", "no such file", fix="restore it or remove its row", file=path))
            return
    if mask is None and not control:
        problems.append(
            JsddpmError(
                "MASK_MISSING",
                f"{patient} has no lesion mask and is not declared a control (group {group or 'not given'!r})",
                fix=f"add the mask, or declare the group ({', '.join(sorted(CONTROL_GROUPS))})",
                file=image,
            )
        )
        return
    subject = f"{patient}_{session}" if session else patient
    records.append(Record(subject, patient, session, "control" if control else "patient", image, mask, split))


def _check_unique(records: list[Record], problems: list[JsddpmError], source: Path) -> list[Record]:
    counts = Counter(r.subject for r in records)
    for subject in sorted(s for s, n in counts.items() if n > 1):
        problems.append(
            JsddpmError(
                "DUPLICATE",
                f"{subject} stands {counts[subject]} times",
                fix="give sessions, or remove one",
                file=source,
            )
        )
    return [r for r in records if counts[r.subject] == 1]


def _check_patient_splits(records: list[Record], problems: list[JsddpmError], source: Path) -> None:
    splits: dict[str, set[str]] = {}
    for r in records:
        splits.setdefault(r.patient, set()).add(r.split or "")
    for patient in sorted(p for p, s in splits.items() if len(s) > 1):
        named = ", ".join(sorted(s or "none" for s in splits[patient]))
        problems.append(
            JsddpmError(
                "PATIENT_SPLIT",
                f"{patient} stands in several splits ({named})",
                fix="one patient, one split",
                file=source,
            )
        )
