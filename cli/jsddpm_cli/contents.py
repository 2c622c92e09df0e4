"""What a store contains: its origin, its slices, and notes on its subjects."""

from __future__ import annotations

from math import prod
from typing import Any

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.cohort.grid import lost_lesion_notes
from jsddpm.cohort.records import SPLITS
from jsddpm.cohort.subject import group_notes
from jsddpm.slices.store import SliceStore
from jsddpm.wording import counted, enumerated


def summary_of(store: SliceStore, n_bytes: int) -> list[str]:
    """Origin, size, z-range, split and reading of a store, a sentence each.

    Args:
        store: The store.
        n_bytes: Size of its files.
    """
    total, size, info = len(store.index), "x".join(map(str, store.size)), store.info
    people = f", {counted(len(store.subjects), 'subject')}" if store.kind == "real" else ""
    lines = [
        f"{store.kind} store {store.fingerprint}: {counted(total, 'slice')} of {size}{people}",
        f"{n_bytes / 2**20:.1f} MiB, {n_bytes / 1000 / total:.1f} kB per slice; written by {info.get('created_by')}",
        *range_of(store),
    ]
    if info.get("split"):
        lines.append("split: " + ", ".join(f"{k} {v}" for k, v in info["split"].items()))
    if geometry := info.get("preprocessing"):
        voxels, mm = ("x".join(f"{n:g}" for n in geometry[key]) for key in ("shape", "spacing"))
        low, high = geometry["window"]
        lines.append(f"volumes: {voxels} voxels of {mm} mm; percentiles {low:g} to {high:g} inside the brain")
    if reading := info.get("mask_reading"):
        lines.append(f"masks: {_mask_values(reading['labels'], reading['threshold'])}")
    return lines


def range_of(store: SliceStore) -> list[str]:
    """The z-range that a store proposes, and the rule; nothing if it proposes none."""
    if not store.z_range:
        return []
    proposal = store.info["z_range"]
    lesion = proposal["training_lesion_slices"]
    inside = "the store has no lesion slices of training patients"
    if lesion["all"]:
        inside = f"{lesion['inside']} of {lesion['all']} lesion slices of training patients lie inside"
    return [f"z-range {store.z_range[0]} to {store.z_range[1]}: {proposal['rule']}; {inside}"]


def _mask_values(labels: list[int], threshold: float | None) -> str:
    """Which mask values mean lesion.

    >>> _mask_values([], None), _mask_values([1, 4], None), _mask_values([], 0.5)
    ('values 0 and 1', 'values 1 and 4 mean lesion', 'values above 0.5 mean lesion')
    """
    if threshold is not None:
        return f"values above {threshold:g} mean lesion"
    if not labels:
        return "values 0 and 1"
    names = enumerated(list(map(str, labels)))
    return f"value {names} means lesion" if len(labels) == 1 else f"values {names} mean lesion"


def notes_of(store: SliceStore) -> list[tuple[str, str]]:
    """Subjects of a real store and the notes on them; a shared store contains none on its files."""
    if store.kind == "generated":
        return []
    lesion = {int(number) for number in store.index["subject"][store.index["pathology"] == 1]}
    return [
        (s["name"], text)
        for number, s in enumerate(store.subjects)
        for text in (
            *s.get("notes", ()),
            *lost_lesion_notes(*_volumes(s), prod(store.spacing)),
            *group_notes(s.get("group", ""), lesion=number in lesion),
        )
    ]


def _volumes(subject: dict[str, Any]) -> tuple[float, float]:
    """Lesion volumes of a subject in its mask and in the store, in mm^3; 0 where the store does not say."""
    volumes = subject.get("lesion_mm3") or {}
    return volumes.get("before", 0.0), volumes.get("after", 0.0)


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
