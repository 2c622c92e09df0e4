"""Read a source of any layout into one list of records; see :mod:`jsddpm.cohort.layouts`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jsddpm.cohort.layouts import Layout, layouts
from jsddpm.cohort.patients import duplicate_problems, duplicates, patient_problems, refuse_mixed_patients
from jsddpm.cohort.records import LayoutReport, Record, Selection
from jsddpm.cohort.visits import visit_notes
from jsddpm.errors import JsddpmError, first_of, usage_error
from jsddpm.refusals import unreadable


@dataclass(frozen=True)
class Cohort:
    """The usable records of a source, the name of its layout, all problems, and notes on the whole cohort."""

    source: Path
    layout: str
    records: tuple[Record, ...]
    problems: tuple[JsddpmError, ...]
    notes: tuple[str, ...] = ()

    def require_clean(self) -> tuple[Record, ...]:
        """The records, or the first problem with the number of others."""
        if self.problems:
            raise first_of(self.problems, ": jsddpm cohort scan lists them")
        return self.records

    def without_bad(self) -> tuple[Record, ...]:
        """The usable records; problems of others are ignored.

        Raises:
            JsddpmError: The first problem when no record is left; ``PATIENT_NAME``, ``PATIENT_SPLIT``, because a
                program cannot decide which images of a patient to leave out.
        """
        refuse_mixed_patients(self.records)
        return self.records or self.require_clean()


def read_cohort(source: str | Path, *, layout: str = "auto", selection: Selection | None = None) -> Cohort:
    """List the images of a source.

    Args:
        source: Folder or file in one of the layouts (:func:`jsddpm.cohort.layouts.layouts`).
        layout: Name of a layout; ``auto`` takes the first that matches.
        selection: Which images to use.

    Returns:
        Records in name order. Problems are collected, so that one call shows them all.

    Raises:
        JsddpmError: ``MISSING`` or ``LAYOUT`` (status 2), ``EMPTY`` (status 3) when there is nothing to read;
            ``NOT_READABLE`` (status 5) for a folder that may not be read.
    """
    source = Path(source)
    if not source.exists():
        raise usage_error("MISSING", "no such file or folder", fix="give a cohort folder or a manifest", file=source)
    report = LayoutReport(source)
    try:
        chosen = _layout_of(source, layout)
        chosen.read(source, report, selection or Selection())
    except PermissionError as error:
        raise unreadable(error, error.filename or source) from error
    report.problems += duplicate_problems(report.records)
    twice = {r.subject for same in duplicates(report.records) for r in same}
    report.records[:] = [r for r in report.records if r.subject not in twice]
    report.problems += patient_problems(report.records)
    if not report.records and not report.problems:
        report.problem(
            "EMPTY", f"no image was found (layout {chosen.name})", fix=f"use the layout's names: {chosen.help}"
        )
    report.notes += visit_notes(r.patient for r in report.records)
    return Cohort(source, chosen.name, tuple(report.records), tuple(report.problems), tuple(report.notes))


def _layout_of(source: Path, name: str) -> Layout:
    """The layout of that name, if the source has it; with ``auto``, the first that matches."""
    if name != "auto" and name not in layouts():
        raise usage_error("LAYOUT", f"unknown layout {name!r}", fix=f"use one of auto, {', '.join(layouts())}")
    for layout in layouts().values():
        if name in ("auto", layout.name) and layout.matches(source):
            return layout
    if name == "auto":
        what = f"none of the layouts fits ({', '.join(layouts())})"
        raise JsddpmError("EMPTY", what, fix="see the layouts in docs/how-to/own-cohort.md", file=source)
    fix = f"choose another --layout, or use its names: {layouts()[name].help}"
    raise usage_error("LAYOUT", f"does not have the layout {name}", fix=fix, file=source)
