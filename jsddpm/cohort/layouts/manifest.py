"""A CSV or TSV table of images, masks and patients; what ``jsddpm cohort scan --out`` writes."""

from __future__ import annotations

import csv
from pathlib import Path

from jsddpm.cohort.records import MANIFEST_COLUMNS, SPLITS, Found, Selection


def read(path: Path, found: Found, selection: Selection) -> None:
    """Columns ``image`` and ``patient``, and if wanted ``mask``, ``brain``, ``session``, ``group``, ``split``.

    Paths are relative to the manifest.
    """
    for row in table_rows(path, ("image", "patient"), found):
        if not row["image"] or not row["patient"]:
            found.problem("MANIFEST", f"row without image or patient: {row}", fix="fill it in")
            continue
        named = row.get("split", "")
        split = next((s for s in SPLITS if s == named), None)
        if named and split is None:
            found.problem("SPLIT", f"split {named!r} of {row['patient']}", fix=f"one of {', '.join(SPLITS)}")
            continue
        mask, brain = (path.parent / row[k] if row.get(k) else None for k in ("mask", "brain"))
        found.add(
            row["patient"],
            path.parent / row["image"],
            mask,
            session=row.get("session", ""),
            group=row.get("group", ""),
            control=selection.is_control(row["patient"]),
            split=split,
            brain=brain,
        )


def table_rows(path: Path, needed: tuple[str, ...], found: Found) -> list[dict[str, str]]:
    """Rows of a CSV or TSV as text (007 stays 007), whatever its separator, line ends and byte-order mark."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        found.problem("MANIFEST", f"cannot be read ({error})", fix="save it as UTF-8 CSV", file=path)
        return []
    first = text.split("\n", 1)[0]
    delimiter = max("\t;,", key=first.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter, restval="")
    names = [n.strip() for n in reader.fieldnames or []]
    if missing := [n for n in needed if n not in names]:
        columns = ", ".join(dict.fromkeys((*needed, *MANIFEST_COLUMNS))) if "image" in needed else ", ".join(needed)
        found.problem("MANIFEST", f"lacks the column(s) {', '.join(missing)}", fix=f"columns: {columns}", file=path)
        return []
    reader.fieldnames = names
    return [{k: (v or "").strip() for k, v in row.items() if isinstance(k, str)} for row in reader]
