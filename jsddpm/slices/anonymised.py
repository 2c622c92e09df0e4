"""A store to share: the same slices, with codes for their patients and without names of source files."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jsddpm.anonymise import Codes, coded_parts
from jsddpm.files import link_or_copy, make_directory
from jsddpm.publish import published_directory
from jsddpm.slices.layout import array_path
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import StoreWriter, Written

_SAYS = (
    "kind", "n_slices", "spacing", "z_range", "preprocessing", "mask_reading", "binning", "conditions", "sampling",
    "coherence", "seed", "created_by", "masks",
)  # fmt: skip
_PARTS_SAY = {
    "split": ("val", "test", "seed"),
    "provenance": ("training_store", "training_seed", "step", "weights", "ancestors"),
}
_SAYS_OF_SUBJECT = ("slices", "group", "split", "affine", "window", "lesion_mm3", "brain")


def shareable_info(store: SliceStore) -> dict[str, Any]:
    """Entries of ``store.json`` on the whole store that name neither a patient nor a file."""
    info = _picked(store.info, _SAYS)
    info |= {part: _picked(store.info[part], says) for part, says in _PARTS_SAY.items() if part in store.info}
    if imported := store.info.get("provenance", {}).get("imported"):
        info["provenance"]["imported"] = _picked(imported, ("layout",))
    return info


def anonymised_store(store: SliceStore, codes: Codes, out: str | Path) -> Path:
    """Publish a store with codes for patients, sessions and images, which shares the arrays of the first store.

    Subjects are in the order of their codes. Names and checksums of source files, notes on them, and the names of
    tables and generated volumes are left out. Pixels, positions and splits are the same.

    Args:
        store: Real or generated store.
        codes: Codes of its patients; not used for a generated store, which has no patients.
        out: New store folder.

    Raises:
        JsddpmError: ``EXISTS`` (status 2); ``KEY`` (status 2) for an image without a code.
    """
    real = store.kind == "real"
    names = [codes.image(str(s["name"])) if real else str(s["name"]) for s in store.subjects]
    info = shareable_info(store)
    groups = _shuffled(len(store.info.get("groups", ())))
    info |= {"groups": [f"volume-{number:04d}" for number in range(len(groups))]} if len(groups) else {}
    with published_directory(out) as root:
        make_directory(root / "arrays")
        writer = StoreWriter(root, info)
        for number in sorted(range(len(names)), key=names.__getitem__):
            rows = np.array(store.index[store.index["subject"] == number])
            if len(groups):
                rows["group"] = np.where(rows["group"] < 0, -1, groups[rows["group"]])
            entry = {"name": names[number], "size": list(store.size)} | _picked(
                store.subjects[number], _SAYS_OF_SUBJECT
            )
            entry |= dict(zip(("patient", "session"), coded_parts(names[number]), strict=True)) if real else {}
            writer.written.append(Written(rows, entry | {"files": _linked(store, number, root, names[number])}))
        writer.finish()
    return Path(out)


def _linked(store: SliceStore, number: int, root: Path, name: str) -> dict[str, Any]:
    """A subject's arrays under another name."""
    files = {}
    for kind, file in store.subjects[number]["files"].items():
        path = array_path(root, name, kind)
        link_or_copy(store.path / file["file"], path)
        files[kind] = file | {"file": path.relative_to(root).as_posix()}
    return files


def _picked(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _shuffled(count: int) -> NDArray[np.int32]:
    """Numbers in random order, because volumes are numbered in the order of their names."""
    numbers = list(range(count))
    secrets.SystemRandom().shuffle(numbers)
    return np.array(numbers, np.int32)
