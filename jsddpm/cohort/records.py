"""Records of a cohort, one per image, and the problems found while a source is read."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from jsddpm.cohort.fetched import not_fetched
from jsddpm.csvfiles import refuse_outside
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.refusals import unreadable

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Group = Literal["control", "patient"]
CONTROL_GROUPS = frozenset({"hc", "control", "controls", "healthy", "con", "normal"})
_LONGEST_NAME = 255 - len(".image.npy")  # a subject's name is that of its files in a store
MANIFEST_COLUMNS = ("image", "mask", "brain", "patient", "session", "group", "split")


def split_number(split: str) -> int:
    """Position of a split in :data:`SPLITS`, as in the index of a store.

    Raises:
        JsddpmError: ``SPLIT`` (status 2) when it is unknown.
    """
    if split not in SPLITS:
        raise usage_error("SPLIT", f"unknown split {split!r}", fix=f"use one of {', '.join(SPLITS)}")
    return SPLITS.index(split)


@dataclass(frozen=True)
class Record:
    """One image of a cohort and what is known about it.

    Attributes:
        subject: Unique name of this image within the cohort (patient and session).
        patient: Name of the patient, the unit of splits and statistics.
        session: Session label, or empty.
        group: ``control`` or ``patient``.
        image: NIfTI file of the FLAIR volume.
        mask: NIfTI file of the lesion mask; None for a declared control without one.
        split: Predefined split, or None.
        brain: NIfTI file of a brain mask on the image's grid, or None to estimate the region.
        note: How the image was chosen among several.
    """

    subject: str
    patient: str
    session: str
    group: Group
    image: Path
    mask: Path | None
    split: Split | None = None
    brain: Path | None = None
    note: str = ""


@dataclass(frozen=True)
class Selection:
    """Which images of a source to use.

    Attributes:
        modality: BIDS suffix, BraTS file suffix or nnU-Net channel (name or number), in any case.
        entities: BIDS entities an image must have, such as ``{"acq": "T2sel"}``.
        run: Which image to use if several differ in ``run`` alone; ``refuse`` uses none.
        controls: Shell patterns of patients who are controls although no table says so.
        root: Folder that files named in a table must lie in; the table's own when None.
    """

    modality: str = "flair"
    entities: dict[str, str] = field(default_factory=dict)
    run: Literal["refuse", "first", "last"] = "refuse"
    controls: tuple[str, ...] = ()
    root: Path | None = None

    def is_control(self, patient: str) -> bool:
        """Whether a pattern names this patient."""
        return any(fnmatch.fnmatchcase(patient, pattern) for pattern in self.controls)


@dataclass
class LayoutReport:
    """The records and problems of a source, collected while its layout is read.

    Attributes:
        source: The source.
        records: Records found so far.
        problems: Problems found so far.
        notes: Notes on the whole source.
        root: Folder that must contain every file, links followed; None allows any.
        no_groups: Why the source gives no groups, for the message of a patient without a mask.
    """

    source: Path
    records: list[Record] = field(default_factory=list)
    problems: list[JsddpmError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    root: Path | None = None
    no_groups: str = "no group is given"

    def problem(self, code: str, what: str, *, fix: str, file: Path | None = None) -> None:
        """Add a problem."""
        self.problems.append(JsddpmError(code, what, fix=fix, file=file or self.source))

    def can_read(self, folder: Path) -> bool:
        """Whether a folder can be read; if not, add a problem (status 5), because ``glob`` would skip it silently."""
        try:
            next(folder.iterdir(), None)
        except PermissionError as error:
            self.problems.append(unreadable(error, folder))
            return False
        return True

    def add(
        self,
        patient: str,
        image: Path,
        mask: Path | None,
        *,
        session: str = "",
        group: str = "",
        control: bool = False,
        split: Split | None = None,
        brain: Path | None = None,
        note: str = "",
        why: str = "",
    ) -> None:
        """Add one image, unless a file is missing or a patient has no mask.

        Args:
            patient: See :class:`Record`.
            image: See :class:`Record`.
            mask: See :class:`Record`.
            session: See :class:`Record`.
            group: The patient's group, in the words of the source.
            control: Whether the patient is declared a control otherwise.
            split: See :class:`Record`.
            brain: See :class:`Record`.
            note: See :class:`Record`.
            why: Why the patient may have no mask or group, for the message of a patient without a mask.
        """
        for path in (image, mask, brain):
            if path is not None and not path.exists():
                missing = JsddpmError("MISSING", "no such file", fix="restore it or remove its row", file=path)
                self.problems.append(not_fetched(path) or missing)
                return
            if path is not None and self.root is not None:
                try:
                    refuse_outside(path, self.root)
                except JsddpmError as error:
                    self.problems.append(error)
                    return
        control = control or group.lower() in CONTROL_GROUPS
        if mask is None and not control:
            why = why or (f"group {group!r}" if group else self.no_groups)
            what = f"{patient} has no lesion mask and is not declared a control ({why})"
            cure = (
                f"add the mask, or declare a control with --controls or a group ({', '.join(sorted(CONTROL_GROUPS))})"
            )
            self.problem("MASK_MISSING", what, fix=cure, file=image)
            return
        subject = f"{patient}_{session}" if session else patient
        if reason := _unusable(subject):
            cure = f"choose a name without / and of at most {_LONGEST_NAME} bytes in UTF-8"
            self.problem("SUBJECT_NAME", f"{subject[:80]!r} {reason}", fix=cure, file=image)
            return
        kind: Group = "control" if control else "patient"
        self.records.append(Record(subject, patient, session, kind, image, mask, split, brain, note))


def _unusable(subject: str) -> str:
    """Why a name cannot be used for files on every disk; empty if it can."""
    if any(c in subject for c in "/\\\0"):
        return "contains a path separator or NUL"
    try:
        length = len(subject.encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    return f"has {length} bytes" if length > _LONGEST_NAME else ""


def manifest_rows(records: Iterable[Record]) -> list[dict[str, str]]:
    """Rows of the manifest (:data:`MANIFEST_COLUMNS`) that describes these records, with absolute paths."""

    def cell(value: Path | str | None) -> str:
        return str(value.resolve()) if isinstance(value, Path) else value or ""

    return [{name: cell(getattr(r, name)) for name in MANIFEST_COLUMNS} for r in records]


def spelling(patient: str) -> str:
    """A name without differences in case, leading zeros, Unicode form, invisible characters, and blanks before digits.

    A number is the same with and without ``.0``. Other blanks and characters stay, because they may tell persons apart.

    >>> spelling("Sub 007"), spelling("1.0"), spelling("sub-1_1"), spelling("sub-11")
    ('sub7', '1', 'sub-1_1', 'sub-11')
    """
    shown = "".join(c for c in unicodedata.normalize("NFKC", patient) if unicodedata.category(c) != "Cf")
    plain = re.sub(r"(?<=[^\W\d_])\s+(?=\d)", "", shown.strip().casefold())
    plain = re.sub(r"^(\d+)\.0+$", r"\1", plain)
    return re.sub(r"\d+", lambda digits: str(int(digits[0])), plain)
