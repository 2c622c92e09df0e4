"""A CSV or TSV table of images, masks and patients, as ``jsddpm cohort scan --out`` writes it."""

from __future__ import annotations

from pathlib import Path

from jsddpm.cohort.layouts import Layout
from jsddpm.cohort.records import MANIFEST_COLUMNS, SPLITS, LayoutReport, Selection
from jsddpm.csvfiles import read_rows
from jsddpm.errors import JsddpmError


def _read(path: Path, report: LayoutReport, selection: Selection) -> None:
    """Columns ``image`` and ``patient``; optional ``mask``, ``brain``, ``session``, ``group``, ``split`` (in any case).

    A note names other columns, which are not read. Paths are relative to the manifest, and must stay in its folder
    unless another is given.
    """
    report.root = selection.root or path.parent
    try:
        cure = "a cohort is a folder or a table: give one of them, the table as UTF-8 CSV"
        rows = read_rows(path, ("image", "patient"), code="MANIFEST", fix=cure)
    except JsddpmError as error:
        report.problems.append(error)
        return
    names = list(rows[0]) if rows else []
    if unread := [name for name in names if name not in MANIFEST_COLUMNS]:
        columns = f"{', '.join(unread)} (read are {', '.join(MANIFEST_COLUMNS)})"
        report.notes.append(f"columns that are not read: {columns}")
    if absent := [name for name in ("mask", "group") if name not in names]:
        report.no_groups = f"the table has no column {' or '.join(absent)}; it has {', '.join(names)}"
    for row in rows:
        if not row["image"] or not row["patient"]:
            report.problem("MANIFEST", f"a row has no image or no patient: {row}", fix="complete the row")
            continue
        named = row.get("split", "")
        split = next((s for s in SPLITS if s == named.lower()), None)
        if named and split is None:
            report.problem(
                "SPLIT", f"{row['patient']} has the unknown split {named!r}", fix=f"use one of {', '.join(SPLITS)}"
            )
            continue
        mask, brain = (path.parent / row[k] if row.get(k) else None for k in ("mask", "brain"))
        image, patient, control = path.parent / row["image"], row["patient"], selection.is_control(row["patient"])
        session, group = row.get("session", ""), row.get("group", "")
        report.add(patient, image, mask, session=session, group=group, control=control, split=split, brain=brain)


LAYOUT = Layout(
    name="manifest",
    help="CSV or TSV table with columns image, mask and patient",
    matches=Path.is_file,
    read=_read,
    order=40,
)
