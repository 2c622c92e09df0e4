"""What a store contains: its slices, and notes on its subjects."""

from __future__ import annotations

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.cohort.records import SPLITS
from jsddpm.cohort.subject import group_notes
from jsddpm.slices.store import SliceStore


def notes_of(store: SliceStore) -> list[tuple[str, str]]:
    """Subjects of a real store and the notes on them; a shared store contains none on its files."""
    if store.kind == "generated":
        return []
    lesion = {int(number) for number in store.index["subject"][store.index["pathology"] == 1]}
    return [
        (s["name"], text)
        for number, s in enumerate(store.subjects)
        for text in (*s.get("notes", ()), *group_notes(s.get("group", ""), lesion=number in lesion))
    ]


def slice_counts(store: SliceStore) -> dict[str, dict[str, int]]:
    """Slices of each split, and its patients; generated slices have none."""
    index = store.index
    counts = {}
    for number, name in [*enumerate(SPLITS), (-1, "generated")]:
        in_split = index["split"] == number
        if in_split.any():
            slices = {p: int((in_split & (index["pathology"] == k)).sum()) for k, p in enumerate(PATHOLOGY_NAMES)}
            people = {"patients": len(set(store.patients[in_split]))} if store.kind == "real" else {}
            counts[name] = people | slices
    return counts
