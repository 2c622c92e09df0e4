"""Where a cohort comes from: a BIDS tree, an nnU-Net or BraTS folder, or a manifest, read into one list of records."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from jsddpm.cohort.layouts import bids, brats, manifest, nnunet
from jsddpm.cohort.records import Found, Record, Selection
from jsddpm.errors import JsddpmError, usage_error

Layout = Literal["bids", "nnunet", "brats", "manifest"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
_READERS = {"bids": bids.read, "nnunet": nnunet.read, "brats": brats.read, "manifest": manifest.read}


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


def read_cohort(source: str | Path, *, layout: str = "auto", selection: Selection | None = None) -> Cohort:
    """List the images of a source.

    Args:
        source: Folder in BIDS, nnU-Net or BraTS layout, or a CSV/TSV manifest; see :mod:`jsddpm.cohort.layouts`.
        layout: One of :data:`LAYOUTS`; ``auto`` decides by what the source is.
        selection: Which images are meant where there are several.

    Returns:
        Records in name order. Problems are collected, so that one call shows them all.

    Raises:
        JsddpmError: ``MISSING`` or ``LAYOUT`` (status 2) when there is nothing to read at all.
    """
    source = Path(source)
    if not source.exists():
        raise usage_error("MISSING", "no such file or folder", fix="give a cohort folder or a manifest", file=source)
    chosen = _layout_of(source) if layout == "auto" else next((known for known in LAYOUTS if known == layout), None)
    if chosen is None or (chosen == "manifest") == source.is_dir():
        raise usage_error("LAYOUT", f"is no {layout} source", fix="give --layout, or another path", file=source)
    found = Found(source)
    _READERS[chosen](source, found, selection or Selection())
    _check_unique(found)
    _check_patients(found)
    if not found.records and not found.problems:
        found.problem("EMPTY", f"no image found (layout {chosen})", fix="see the layouts in docs/how-to/own-cohort.md")
    return Cohort(source, chosen, tuple(found.records), tuple(found.problems))


def _layout_of(source: Path) -> Layout:
    if not source.is_dir():
        return "manifest"
    if (source / "imagesTr").is_dir():
        return "nnunet"
    if any(source.glob("sub-*")) or not brats.case_folders(source):
        return "bids"
    return "brats"


def _check_unique(found: Found) -> None:
    """Names must differ, in more than their case: they become file names, also on disks that ignore it."""
    counts = Counter(r.subject.casefold() for r in found.records)
    repeated = [r for r in found.records if counts[r.subject.casefold()] > 1]
    for subject in sorted({r.subject.casefold() for r in repeated}):
        names = sorted({r.subject for r in repeated if r.subject.casefold() == subject})
        what = f"{' and '.join(names)} stands {counts[subject]} times"
        found.problem("DUPLICATE", what, fix="give sessions, or remove one")
    found.records[:] = [r for r in found.records if counts[r.subject.casefold()] == 1]


def _check_patients(found: Found) -> None:
    """A patient has one split and one spelling: ``7`` and ``007`` would be parted by any split."""
    splits: dict[str, set[str]] = {}
    spellings: dict[str, set[str]] = {}
    for r in found.records:
        splits.setdefault(r.patient, set()).add(r.split or "")
        key = re.sub(r"\d+", lambda digits: str(int(digits[0])), r.patient.casefold())
        spellings.setdefault(key, set()).add(r.patient)
    for patient in sorted(p for p, s in splits.items() if len(s) > 1):
        named = ", ".join(sorted(s or "none" for s in splits[patient]))
        found.problem("PATIENT_SPLIT", f"{patient} stands in several splits ({named})", fix="one patient, one split")
    for names in sorted(sorted(s) for s in spellings.values() if len(s) > 1):
        what = f"{' and '.join(names)} look like one patient"
        found.problem("PATIENT_NAME", what, fix="write one person's name in one way, two persons' clearly apart")
