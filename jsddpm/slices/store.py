"""The slice store: arrays per subject, one index, no bins.

Layout of a store folder::

    store.json                    what it is, its subjects, checksums of every other file
    index.npy                     one row per slice (INDEX_DTYPE), in the order of the subjects' arrays
    arrays/NAME.image.npy         uint16 (n, H, W); value / 65535 is the intensity in [0, 1]
    arrays/NAME.mask.npy          uint8 (n, H, W), 0 or 1

Real and generated stores differ only in ``kind`` and in what the index knows (a generated slice has a seed and a
sample number, and the store a binning). ``z_index`` is stored, bins never: see :mod:`jsddpm.binning`.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jsddpm.binning import ZBinning
from jsddpm.cohort.sources import SPLITS
from jsddpm.errors import JsddpmError, integrity_error, usage_error
from jsddpm.files import (
    atomic_open,
    make_read_only,
    published_directory,
    read_json,
    require_directory,
    sha256,
    write_json,
)

SCHEMA = "jsddpm-slice-store"
VERSION = 1
LEVELS = 65535

INDEX_DTYPE = np.dtype(
    [
        ("subject", "<i4"),  # position in store.json's subjects
        ("row", "<i4"),  # position in that subject's arrays
        ("z_index", "<i4"),
        ("pathology", "i1"),  # 1 where the mask is not empty (real), or as asked for (generated)
        ("split", "i1"),  # position in SPLITS; -1 for generated slices
        ("lesion_pixels", "<i4"),
        ("brain_fraction", "<f4"),  # share of the slice inside the estimated brain; NaN where not estimated
        ("sample", "<i4"),  # number of the sample within its condition; -1 for real slices
        ("seed", "<i8"),  # -1 for real slices
        ("image_crc32", "<u4"),
        ("mask_crc32", "<u4"),
    ]
)
Kind = Literal["real", "generated"]


@dataclass(frozen=True)
class Shard:
    """One subject's (or one batch of generated) slices, ready to be written.

    Attributes:
        name: File name stem, unique in the store.
        image: Intensities in [0, 1], ``(n, H, W)``.
        mask: Lesion mask, ``(n, H, W)``, boolean.
        rows: Values of index columns, each of length n or scalar.
        info: What ``store.json`` says of this subject (``patient``, ``session``, ``group``, ``split``, ...).
    """

    name: str
    image: NDArray[np.float32]
    mask: NDArray[np.bool_]
    rows: dict[str, Any]
    info: dict[str, Any] = field(default_factory=dict)


def write_shard(root: Path, shard: Shard) -> tuple[NDArray[np.void], dict[str, Any]]:
    """Write one shard's arrays below a store folder being built.

    Returns:
        Its index rows (``subject`` still 0) and its entry for ``store.json``.

    Raises:
        JsddpmError: ``SLICE_VALUES`` (status 6) when an intensity is not finite or leaves [0, 1].
    """
    image, mask = shard.image, shard.mask
    if image.shape != mask.shape or image.ndim != 3:
        raise usage_error("SLICE_SHAPE", f"image {image.shape} and mask {mask.shape}", fix="give two (n, H, W) arrays")
    if not (np.isfinite(image).all() and image.min(initial=0) >= 0 and image.max(initial=0) <= 1):
        raise JsddpmError("SLICE_VALUES", f"{shard.name} leaves [0, 1]", fix="scale the images to [0, 1]", file=root)
    stored = {
        "image": np.rint(image * np.float32(LEVELS)).astype("<u2"),
        "mask": mask.astype(np.uint8),
    }
    rows = np.zeros(len(image), INDEX_DTYPE)
    rows["row"] = np.arange(len(image))
    rows["lesion_pixels"] = mask.sum(axis=(1, 2))
    rows["brain_fraction"], rows["split"], rows["sample"], rows["seed"] = np.nan, -1, -1, -1
    for name, values in shard.rows.items():
        rows[name] = values
    files = {}
    (root / "arrays").mkdir(exist_ok=True)
    for kind, array in stored.items():
        rows[f"{kind}_crc32"] = [zlib.crc32(a.tobytes()) for a in array]
        path = root / "arrays" / f"{shard.name}.{kind}.npy"
        with atomic_open(path) as stream:
            np.lib.format.write_array(stream, array, allow_pickle=False)
        files[kind] = {"file": f"arrays/{path.name}", "bytes": path.stat().st_size, "sha256": sha256(path)}
    return rows, {"name": shard.name, "slices": len(image), **shard.info, "files": files}


@contextmanager
def new_store(
    out: str | Path, *, kind: Kind, n_slices: int, spacing: Sequence[float], **info: Any
) -> Iterator[StoreWriter]:
    """Build a store that appears at ``out``, complete and read-only, when the block ends.

    Args:
        out: New folder; never overwritten.
        kind: ``real`` or ``generated``.
        n_slices: Axial slices of the volume that ``z_index`` counts in.
        spacing: ``(row, column, z)`` in mm.
        info: Further entries of ``store.json`` (preprocessing, binning, provenance).
    """
    with published_directory(out) as root:
        writer = StoreWriter(root)
        yield writer
        rows, subjects = writer.collect()
        with atomic_open(root / "index.npy") as stream:
            np.lib.format.write_array(stream, rows, allow_pickle=False)
        size = np.load(root / subjects[0]["files"]["image"]["file"], mmap_mode="r", allow_pickle=False).shape[1:]
        write_json(
            root / "store.json",
            {
                "schema": SCHEMA,
                "version": VERSION,
                "kind": kind,
                "size": list(size),
                "n_slices": n_slices,
                "spacing": [float(s) for s in spacing],
                "index": {"file": "index.npy", "rows": len(rows), "sha256": sha256(root / "index.npy")},
                **info,
                "subjects": subjects,
            },
        )
        for path in (root / "store.json", root / "index.npy", *(root / "arrays").iterdir()):
            make_read_only(path)


class StoreWriter:
    """Collects shards; see :func:`new_store`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._written: list[tuple[NDArray[np.void], dict[str, Any]]] = []

    def add(self, shard: Shard) -> None:
        """Write a shard in this process."""
        self.register(*write_shard(self.root, shard))

    def register(self, rows: NDArray[np.void], entry: dict[str, Any]) -> None:
        """Take over a shard that :func:`write_shard` wrote below :attr:`root`, in another process perhaps."""
        self._written.append((rows, entry))

    def collect(self) -> tuple[NDArray[np.void], list[dict[str, Any]]]:
        """All index rows and subject entries, in the order registered."""
        if not any(len(rows) for rows, _ in self._written):
            raise JsddpmError("STORE_EMPTY", "no slice to store", fix="see the problems listed above", file=self.root)
        for number, (rows, _) in enumerate(self._written):
            rows["subject"] = number
        return np.concatenate([rows for rows, _ in self._written]), [entry for _, entry in self._written]


class SliceStore:
    """A published store, opened for reading; arrays are memory-mapped.

    Args:
        path: The store folder.

    Attributes:
        index: Structured array (:data:`INDEX_DTYPE`), one row per slice.
        subjects: Entries of ``store.json``, one per array pair.

    Raises:
        JsddpmError: ``STORE_...`` (status 4) when it is incomplete, of another version, or its files do not fit.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = require_directory(path)
        if not (self.path / "store.json").is_file():
            raise integrity_error(
                "STORE_INCOMPLETE", "holds no store.json", fix="build it with jsddpm cache build", file=path
            )
        self.info = read_json(self.path / "store.json")
        if self.info.get("schema") != SCHEMA or self.info.get("version") != VERSION:
            found = f"{self.info.get('schema')} version {self.info.get('version')}"
            raise integrity_error(
                "STORE_VERSION",
                f"is {found}, not {SCHEMA} version {VERSION}",
                fix="build it again",
                file=path,
            )
        self.subjects: list[dict[str, Any]] = self.info["subjects"]
        self.index: NDArray[np.void] = self._load("index.npy")
        if self.index.dtype != INDEX_DTYPE or len(self.index) != self.info["index"]["rows"]:
            raise integrity_error(
                "STORE_INDEX", "the index does not fit store.json", fix="build the store again", file=path
            )

    kind = property(lambda self: str(self.info["kind"]))
    n_slices = property(lambda self: int(self.info["n_slices"]))
    size = property(lambda self: (int(self.info["size"][0]), int(self.info["size"][1])))
    spacing = property(lambda self: tuple(float(s) for s in self.info["spacing"]))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of ``store.json``, which holds the checksum of everything else."""
        return hashlib.sha256((self.path / "store.json").read_bytes()).hexdigest()[:16]

    @cached_property
    def binning(self) -> ZBinning | None:
        """The binning a generated store was asked for; None for a real store, which has none."""
        return ZBinning.from_dict(self.info["binning"]) if self.info.get("binning") else None

    @cached_property
    def patients(self) -> NDArray[np.str_]:
        """Patient of each index row."""
        names = np.array([s.get("patient", s["name"]) for s in self.subjects])
        return np.asarray(names[self.index["subject"]])

    @cached_property
    def _arrays(self) -> dict[str, list[NDArray[Any]]]:
        return {k: [self._load(s["files"][k]["file"]) for s in self.subjects] for k in ("image", "mask")}

    def select(
        self, *, binning: ZBinning | None = None, split: str | None = None, pathology: int | None = None
    ) -> NDArray[np.intp]:
        """Index rows inside a binning's ``z_range``, of a split, of a pathology; all that are not given.

        Raises:
            JsddpmError: ``SPLIT`` for an unknown split, ``STORE_SLICES`` when the binning counts other slices.
        """
        keep = np.ones(len(self.index), bool)
        if binning is not None:
            if binning.n_slices != self.n_slices:
                raise usage_error(
                    "STORE_SLICES",
                    f"the binning is for volumes of {binning.n_slices} slices, the store has {self.n_slices}",
                    fix="set the binning's n_slices to the store's",
                    file=self.path,
                )
            z = self.index["z_index"]
            keep &= (z >= binning.z_range[0]) & (z <= binning.z_range[1])
        if split is not None:
            if split not in SPLITS:
                raise usage_error("SPLIT", f"unknown split {split!r}", fix=f"one of {', '.join(SPLITS)}")
            keep &= self.index["split"] == SPLITS.index(split)
        if pathology is not None:
            keep &= self.index["pathology"] == pathology
        return np.flatnonzero(keep)

    def tokens(self, rows: NDArray[np.intp], binning: ZBinning) -> NDArray[np.int64]:
        """Condition tokens of index rows inside a binning's range, int64 ``(len(rows),)``."""
        picked = self.index[rows]  # the columns are narrow: a token may not fit into theirs
        tokens: NDArray[np.int64] = binning.token(
            picked["z_index"].astype(np.int64), picked["pathology"].astype(np.int64)
        )
        return tokens

    def images(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Intensities in [0, 1] of index rows, float32 ``(len(rows), H, W)``."""
        return self._gather("image", rows).astype(np.float32) / np.float32(LEVELS)

    def masks(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Masks of index rows, boolean ``(len(rows), H, W)``."""
        return self._gather("mask", rows).astype(bool)

    def slice_name(self, row: int) -> str:
        """Readable name of an index row, such as ``sub-003 z 57``."""
        entry = self.index[row]
        name = self.subjects[int(entry["subject"])]["name"]
        return f"{name} sample {entry['sample']}" if self.kind == "generated" else f"{name} z {entry['z_index']}"

    def verify(self) -> list[str]:
        """Compare every checksum; a list of what is damaged, naming subject and slice, empty when all is well."""
        bad = []
        if sha256(self.path / "index.npy") != self.info["index"]["sha256"]:
            bad.append("index.npy differs from its checksum")
        for number, subject in enumerate(self.subjects):
            rows = self.index[self.index["subject"] == number]
            for kind, entry in subject["files"].items():
                if sha256(self.path / entry["file"]) == entry["sha256"]:
                    continue
                array = self._load(entry["file"])
                damaged = [
                    int(r["z_index"]) for r in rows if zlib.crc32(array[r["row"]].tobytes()) != int(r[f"{kind}_crc32"])
                ]
                where = f"slices z {damaged}" if damaged else "its header"
                bad.append(f"{subject['name']} {kind}: {where}")
        return bad

    def _gather(self, kind: str, rows: NDArray[np.intp]) -> NDArray[Any]:
        picked = self.index[rows]
        arrays = self._arrays[kind]
        out = np.empty((len(rows), *self.size), arrays[0].dtype)
        for subject in np.unique(picked["subject"]):
            here = picked["subject"] == subject
            out[here] = arrays[subject][picked["row"][here]]
        return out

    def _load(self, name: str) -> NDArray[Any]:
        path = self.path / name
        try:
            loaded: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
            return loaded
        except FileNotFoundError:
            raise integrity_error(
                "STORE_INCOMPLETE", f"{name} is missing", fix="build the store again", file=self.path
            ) from None
        except (ValueError, OSError, EOFError) as error:
            raise integrity_error(
                "STORE_DAMAGED", f"{name}: {error}", fix="build the store again", file=self.path
            ) from error
