"""Write slice stores atomically, with checksums and read-only."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jsddpm.checksums import checksum_line, read_sealed, sha256, write_sealed
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.files import (
    array_bytes,
    json_bytes,
    make_directory,
    make_read_only,
    parse_array,
    parse_json,
    read_json,
    write_array,
    write_json,
    write_text,
)
from jsddpm.places import STORE_MARK
from jsddpm.publish import publish_shared, published_directory, resumable_directory, shared_directory
from jsddpm.slices import layout

BUILD_ONLY = "build"
"""Key of a subject's entry that is needed while a store is built, and is not part of the store."""

_ADDED = {"schema", "version", "size", "index", "subjects"}  # entries of store.json that no plan contains
_PARTS = "parts"  # index rows and entry of each finished subject, while a resumable store is filled


@dataclass(frozen=True)
class Shard:
    """Slices of one subject, or one batch of generated slices, to be written.

    Attributes:
        name: File name stem, unique in the store.
        image: Intensities in [0, 1], ``(n, H, W)``.
        mask: Lesion mask, ``(n, H, W)``, boolean.
        rows: Values of index columns, each of length n or scalar.
        info: Entry of this subject in ``store.json`` (``patient``, ``session``, ``group``, ``split``, ...).
    """

    name: str
    image: NDArray[np.float32]
    mask: NDArray[np.bool_]
    rows: dict[str, Any]
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """A shard on disk: its index rows (``subject`` still 0) and its entry for ``store.json``."""

    rows: NDArray[np.void]
    entry: dict[str, Any]


def write_shard(root: Path, shard: Shard) -> Written:
    """Write one shard's arrays into a store folder being built.

    Raises:
        JsddpmError: ``SLICE_VALUES`` when an intensity is not finite or leaves [0, 1]; ``SLICE_SHAPE``.
    """
    image, mask = shard.image, shard.mask
    if image.shape != mask.shape or image.ndim != 3:
        raise usage_error(
            "SLICE_SHAPE",
            f"image {image.shape} and mask {mask.shape} are not two stacks",
            fix="give two (n, H, W) arrays",
        )
    if not (np.isfinite(image).all() and image.min(initial=0) >= 0 and image.max(initial=0) <= 1):
        raise JsddpmError(
            "SLICE_VALUES", f"{shard.name} has values outside [0, 1]", fix="scale the images to [0, 1]", file=root
        )
    levels = np.rint(image * np.float32(layout.LEVELS)).astype("<u2")
    rows = np.zeros(len(image), layout.GROUPED_DTYPE if "group" in shard.rows else layout.INDEX_DTYPE)
    rows["row"] = np.arange(len(image))
    rows["lesion_pixels"] = mask.sum(axis=(1, 2))
    rows["brain_fraction"], rows["split"], rows["sample"], rows["seed"] = np.nan, -1, -1, -1
    for name, values in shard.rows.items():
        rows[name] = values
    files = {}
    make_directory(root / "arrays")
    for kind, full in (("image", levels), ("mask", mask)):
        first, end, top, bottom, left, right = box = layout.bounding_box(full)
        inside = full[first:end, top:bottom, left:right]
        array = np.ascontiguousarray(inside) if kind == "image" else layout.pack_masks(inside)
        rows[f"{kind}_crc32"][first:end] = [zlib.crc32(a) for a in array]
        path = layout.array_path(root, shard.name, kind)
        write_array(path, array)
        count = path.stat().st_size
        files[kind] = {"file": f"arrays/{path.name}", "box": box, "bytes": count, "sha256": sha256(path)}
    size = list(image.shape[1:])
    return Written(rows, {"name": shard.name, "slices": len(image), "size": size, **shard.info, "files": files})


@contextmanager
def new_store(
    out: str | Path, *, kind: layout.Kind, n_slices: int, spacing: Sequence[float], **info: Any
) -> Iterator[StoreWriter]:
    """Build a store that is published at ``out``, read-only, when the block ends.

    Args:
        out: New folder.
        kind: ``real`` or ``generated``.
        n_slices: Number of axial slices of the volume, in which ``z_index`` counts.
        spacing: ``(row, column, z)`` in mm.
        info: Further entries of ``store.json`` (preprocessing, binning, provenance).
    """
    with published_directory(out) as root:
        writer = StoreWriter(root, _head(kind, n_slices, spacing, info))
        yield writer
        writer.finish()


@contextmanager
def resumable_store(
    out: str | Path, *, kind: layout.Kind, n_slices: int, spacing: Sequence[float], resume: bool, **info: Any
) -> Iterator[StoreWriter]:
    """Like :func:`new_store`, but what was written survives an interruption.

    With ``resume``, :func:`finished` returns the shards that :func:`mark_finished` recorded before. All arguments given
    here are the plan, which must not change in between.
    """
    head = _head(kind, n_slices, spacing, info)
    with resumable_directory(out, head, resume=resume) as root:
        writer = StoreWriter(root, head)
        yield writer
        writer.finish()


@contextmanager
def shared_store(
    out: str | Path,
    names: Sequence[str],
    *,
    share: tuple[int, int],
    kind: layout.Kind,
    n_slices: int,
    spacing: Sequence[float],
    **info: Any,
) -> Iterator[Path | None]:
    """The folder of a store that several processes fill; the last to finish publishes it.

    None if ``out`` is the published store of the same settings already: nothing is left to do.

    Args:
        out: New folder.
        names: Every shard the store will have, in order; each is written with :func:`write_shard` and
            :func:`mark_finished`.
        share: This process's number and how many there are.
        kind: ``real`` or ``generated``.
        n_slices: Number of axial slices of the volume, in which ``z_index`` counts.
        spacing: ``(row, column, z)`` in mm.
        info: Further entries of ``store.json``.
    """
    head = _head(kind, n_slices, spacing, info)

    def finish(root: Path) -> bool:
        parts = [finished(root, name) for name in names]
        writer = StoreWriter(root, head)
        writer.written = [part for part in parts if part is not None]
        if len(writer.written) < len(names):
            return False
        writer.finish()
        return True

    with ExitStack() as stack:
        try:
            root = stack.enter_context(shared_directory(out, head, part=str(share[0])))
        except JsddpmError as error:
            if error.code != "EXISTS" or not _published_with(Path(out), head):
                raise
            root = None
        yield root
        if root is not None:
            publish_shared(out, finish)


def _published_with(out: Path, head: dict[str, Any]) -> bool:
    """Whether a folder is a published store with these entries, and no others but those that ``finish`` adds."""
    file = out / "store.json"
    info = read_json(file) if file.is_file() else {}
    return {k: v for k, v in info.items() if k not in _ADDED} == parse_json(json_bytes(head), file)


def _head(kind: layout.Kind, n_slices: int, spacing: Sequence[float], info: dict[str, Any]) -> dict[str, Any]:
    """Entries of ``store.json`` before any slice is written."""
    return {"kind": kind, "n_slices": n_slices, "spacing": [float(s) for s in spacing], **info}


class StoreWriter:
    """Collects shards; see :func:`new_store`.

    Attributes:
        root: Folder being filled.
        info: Entries of ``store.json``; more may be added before the block ends.
    """

    def __init__(self, root: Path, info: dict[str, Any]) -> None:
        self.root, self.info = root, info
        self.written: list[Written] = []

    def add(self, shard: Shard) -> None:
        """Write a shard in this process."""
        self.written.append(write_shard(self.root, shard))

    def discard(self) -> None:
        """Remove all files written, if no other attempt could use them."""
        for folder in ("arrays", _PARTS):
            shutil.rmtree(self.root / folder, ignore_errors=True)

    def finish(self) -> None:
        """Write the index and ``store.json``, and remove files that only a resumed build needs.

        Arrays of a subject that an interrupted build wrote, and that the cohort no longer has, are removed as well.

        Raises:
            JsddpmError: ``STORE_EMPTY``; ``SLICE_SHAPE`` when shards differ in size.
        """
        if not any(len(w.rows) for w in self.written):
            raise JsddpmError(
                "STORE_EMPTY", "there is no slice to store", fix="solve the problems listed above", file=self.root
            )
        sizes = {tuple(w.entry.pop("size")) for w in self.written}
        if len(sizes) > 1:
            raise usage_error("SLICE_SHAPE", f"the slices have several sizes {sorted(sizes)}", fix="make them equal")
        for number, part in enumerate(self.written):
            part.rows["subject"] = number
            part.entry.pop(BUILD_ONLY, None)
        rows = np.concatenate([w.rows for w in self.written])
        write_array(self.root / "index.npy", rows)
        index = {"file": "index.npy", "rows": len(rows), "sha256": sha256(self.root / "index.npy")}
        head = {"schema": layout.SCHEMA, "version": layout.VERSION, "size": list(sizes.pop()), **self.info}
        write_json(self.root / "store.json", head | {"index": index, "subjects": [w.entry for w in self.written]})
        write_text(self.root / STORE_MARK, checksum_line(sha256(self.root / "store.json"), "store.json"))
        arrays = {self.root / entry["file"] for w in self.written for entry in w.entry["files"].values()}
        for left_over in set((self.root / "arrays").iterdir()) - arrays:
            left_over.unlink()
        for path in (self.root / "store.json", self.root / STORE_MARK, self.root / "index.npy", *arrays):
            make_read_only(path)
        shutil.rmtree(self.root / _PARTS, ignore_errors=True)


def mark_finished(root: Path, written: Written) -> None:
    """Record a shard of a resumable store as finished; its entry is written last."""
    parts = make_directory(root / _PARTS)
    write_sealed(parts / f"{written.entry['name']}.npy", array_bytes(written.rows))
    write_sealed(parts / f"{written.entry['name']}.json", json_bytes(written.entry))


def finished(root: Path, name: str) -> Written | None:
    """A finished shard of a resumable store whose files are intact, or None."""
    parts = [root / _PARTS / f"{name}{ending}" for ending in (".json", ".npy")]
    described, rows = (read_sealed(part) if part.is_file() else None for part in parts)
    if described is None or rows is None:
        return None
    entry = parse_json(described, parts[0])
    for file in entry["files"].values():
        path = root / file["file"]
        if not path.is_file() or sha256(path) != file["sha256"]:
            return None
    return Written(parse_array(rows), entry)
