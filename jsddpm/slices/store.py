"""Read a slice store: arrays per subject and one index, without bins; see :mod:`jsddpm.slices.layout`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jsddpm.binning import ZBinning, parse_pathology
from jsddpm.checksums import checksum_line, crc32_differs, sha256
from jsddpm.cohort.records import SPLITS, Split, split_number
from jsddpm.errors import JsddpmError, integrity_error, usage_error
from jsddpm.files import read_json, require_directory
from jsddpm.places import STORE_MARK
from jsddpm.publish import unfinished
from jsddpm.refusals import unreadable
from jsddpm.slices.description import REBUILD, check_description
from jsddpm.slices.layout import (
    GROUPED_DTYPE,
    INDEX_DTYPE,
    LEVELS,
    SCHEMA,
    VERSION,
    Kind,
    array_form,
    patient_of,
    sample_facts,
    unpack_masks,
)
from jsddpm.slices.rows import Rows, row_numbers
from jsddpm.wording import counted


class SliceStore:
    """A published store, opened for reading; arrays are memory-mapped.

    Description and index are compared with their checksums when the store is opened, and each slice with its CRC-32
    when it is first read.

    Args:
        path: The store folder.

    Attributes:
        index: Structured array (:data:`INDEX_DTYPE` or :data:`GROUPED_DTYPE`), one row per slice.
        subjects: Entries of ``store.json``, one per array pair.
        kind: Whether the slices are ``real`` or ``generated``.
        n_slices: Number of axial slices of the volumes, in which ``z_index`` counts.
        size: Pixels of a slice, ``(H, W)``.
        spacing: Distance of neighbouring rows, columns and slices, in mm.
        has_masks: Whether the store has masks; some generators make none.

    Raises:
        JsddpmError: ``STORE_...`` (status 4) when it is incomplete, of another version, or its files do not fit.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists() and unfinished(path).is_dir():
            parts = len(list(unfinished(path).glob("parts/*.json")))
            what = f"the build was interrupted after {counted(parts, 'subject')}"
            raise integrity_error("STORE_INCOMPLETE", what, fix="finish it with --resume", file=path)
        require_directory(path)
        if not (self.path / "store.json").is_file():
            cure = "build it with jsddpm cache build"
            raise integrity_error("STORE_INCOMPLETE", "does not contain store.json", fix=cure, file=path)
        self._opened: dict[tuple[int, str], NDArray[Any]] = {}
        self._intact: dict[tuple[int, str], NDArray[np.bool_]] = {}
        self.info = read_json(self.path / "store.json")
        if self.info.get("schema") != SCHEMA or self.info.get("version") != VERSION:
            found = f"{self.info.get('schema')} version {self.info.get('version')}"
            what = f"is {found} instead of {SCHEMA} version {VERSION}"
            raise integrity_error("STORE_VERSION", what, fix=REBUILD, file=path)
        self._check_description()
        described = check_description(self.info, self.path)
        self.subjects: list[dict[str, Any]] = self.info["subjects"]
        self.kind: Kind = described.kind
        self.has_masks = described.masks
        self.n_slices = described.n_slices
        (height, width), (row, column, z) = described.size, described.spacing
        self.size, self.spacing = (height, width), (row, column, z)
        self.index: NDArray[np.void] = self._load("index.npy")
        self._first_row = np.cumsum([0, *(s.slices for s in described.subjects)])
        self._check_index(len(described.groups))

    def of_kind(self, kind: Kind) -> SliceStore:
        """The store itself.

        Raises:
            JsddpmError: ``KIND`` (status 2) if its slices are of the other kind (``real``, ``generated``).
        """
        if self.kind != kind:
            raise usage_error("KIND", f"is a {self.kind} store", fix=f"give a {kind} store", file=self.path)
        return self

    @cached_property
    def fingerprint(self) -> str:
        """Hash of ``store.json``, which contains the checksums of all other files."""
        return sha256(self.path / "store.json")[:16]

    @cached_property
    def binning(self) -> ZBinning | None:
        """The binning that generated slices are conditioned on; None for a real store."""
        return ZBinning.from_dict(self.info["binning"]) if self.info.get("binning") else None

    @cached_property
    def patients(self) -> NDArray[np.str_]:
        """Patient of each index row."""
        names = np.array([patient_of(s) for s in self.subjects])
        return np.asarray(names[self.index["subject"]])

    @property
    def splits(self) -> dict[str, Split]:
        """Split of every patient with which a real store was built."""
        return {patient_of(s): s["split"] for s in self.subjects if "split" in s}

    @property
    def groups(self) -> NDArray[np.int32]:
        """Generated volume of each index row, as a position in ``store.json``'s ``groups``; -1 without a volume."""
        if "group" in (self.index.dtype.names or ()):
            return np.asarray(self.index["group"])
        return np.full(len(self.index), -1, np.int32)

    @property
    def z_range(self) -> tuple[int, int] | None:
        """The range of slices proposed when the store was built, or None; any other can be used."""
        proposed = self.info.get("z_range")
        return (int(proposed["range"][0]), int(proposed["range"][1])) if proposed else None

    def select(
        self, *, binning: ZBinning | None = None, split: str | None = None, pathology: int | str | None = None
    ) -> NDArray[np.intp]:
        """Index rows inside a binning's ``z_range``, of a split, of a pathology; arguments that are None select all.

        Raises:
            JsddpmError: ``SPLIT`` or ``PATHOLOGY`` if unknown, ``STORE_SLICES`` when the binning counts other slices.
        """
        keep = np.ones(len(self.index), bool)
        if binning is not None:
            if binning.n_slices != self.n_slices:
                what = f"the binning is for volumes of {binning.n_slices} slices, and the store has {self.n_slices}"
                cure = "set the binning's n_slices to the store's"
                raise usage_error("STORE_SLICES", what, fix=cure, file=self.path)
            z = self.index["z_index"]
            keep &= (z >= binning.z_range[0]) & (z <= binning.z_range[1])
        if split is not None:
            keep &= self.index["split"] == split_number(split)
        if pathology is not None:
            keep &= self.index["pathology"] == parse_pathology(pathology)
        return np.flatnonzero(keep)

    def tokens(self, rows: Rows, binning: ZBinning) -> NDArray[np.int64]:
        """Condition tokens of index rows (:data:`Rows`) inside a binning's range, int64 ``(n,)``."""
        picked = self.index[row_numbers(rows, len(self.index))]
        return np.asarray(binning.token(picked["z_index"], picked["pathology"]))

    def images(self, rows: Rows) -> NDArray[np.float32]:
        """Intensities in [0, 1] of index rows (:data:`Rows`), float32 ``(n, H, W)``."""
        return np.divide(self.levels(rows), np.float32(LEVELS), dtype=np.float32)

    def levels(self, rows: Rows) -> NDArray[np.uint16]:
        """Intensities of index rows (:data:`Rows`) as stored, uint16 ``(n, H, W)``; 65535 is 1."""
        rows = row_numbers(rows, len(self.index))
        out = np.zeros((len(rows), *self.size), np.uint16)
        for places, array, (top, bottom, left, right) in self._boxes(rows, "image"):
            out[places, top:bottom, left:right] = array
        return out

    def masks(self, rows: Rows) -> NDArray[np.bool_]:
        """Masks of index rows (:data:`Rows`), boolean ``(n, H, W)``."""
        rows = row_numbers(rows, len(self.index))
        out = np.zeros((len(rows), *self.size), bool)
        for places, packed, (top, bottom, left, right) in self._boxes(rows, "mask"):
            out[places, top:bottom, left:right] = unpack_masks(packed, bottom - top, right - left)
        return out

    def release(self) -> None:
        """Close the memory maps opened so far, so that the pages read no longer count as memory of this process."""
        self._opened.clear()

    def slice_name(self, row: int) -> str:
        """Readable name of an index row: ``sub-003 z 57``, or ``generated-0001 z 57 lesion sample 2``."""
        z, pathology, sample = sample_facts(self.index[row])
        name = f"{self.subjects[int(self.index['subject'][row])]['name']} z {z}"
        return f"{name} {pathology} sample {sample}" if self.kind == "generated" else name

    def verify(self) -> list[str]:
        """Compare every checksum; return a list of damage by subject and slice, empty if there is none."""
        bad = []
        for number, subject in enumerate(self.subjects):
            for kind, entry in subject["files"].items():
                path = self.path / entry["file"]
                if not path.is_file():
                    bad.append(f"{subject['name']} {kind}: missing")
                elif sha256(path) != entry["sha256"]:
                    bad.append(f"{subject['name']} {kind}: {self._damaged(number, kind)}")
        return bad

    def __reduce__(self) -> tuple[type[SliceStore], tuple[Path]]:
        """Pickle the path alone, because memory maps would be pickled as whole arrays; workers open the files."""
        return SliceStore, (self.path,)

    def _boxes(self, rows: NDArray[np.intp], kind: str) -> Iterator[tuple[NDArray[np.intp], NDArray[Any], list[int]]]:
        """Per subject: positions in the result of index rows inside its box, the stored part, rows and columns."""
        subject, row = self.index["subject"][rows], self.index["row"][rows]
        order = np.argsort(subject, kind="stable")
        edges = np.flatnonzero(np.diff(subject[order])) + 1
        for places in np.split(order, edges) if len(order) else ():
            number = int(subject[places[0]])
            first, end, *sides = self.subjects[number]["files"][kind]["box"]
            stored = row[places]
            inside = (stored >= first) & (stored < end)
            if inside.any():
                part = self._array(number, kind)[stored[inside] - first]
                self._check_slices(number, kind, stored[inside], part)
                yield places[inside], part, sides

    def _array(self, number: int, kind: str) -> NDArray[Any]:
        key = (number, kind)
        if key not in self._opened:
            entry = self.subjects[number]["files"][kind]
            array = self._load(entry["file"])
            dtype, shape = array_form(kind, entry["box"])
            if (array.dtype, array.shape) != (dtype, shape) or not array.flags.c_contiguous:
                raise self._damage(f"{entry['file']} holds {array.dtype} {array.shape}, not {dtype} {shape}")
            if (self.path / entry["file"]).stat().st_size != entry["bytes"]:
                raise self._damage(f"{entry['file']} has another length than it was written with")
            self._opened[key] = array
        return self._opened[key]

    def _check_slices(self, number: int, kind: str, rows: NDArray[np.int32], part: NDArray[Any]) -> None:
        """Compare a subject's slices with their CRC-32, unless this process has done so before."""
        intact = self._intact.setdefault((number, kind), np.zeros(self.subjects[number]["slices"], bool))
        new = np.flatnonzero(~intact[rows])
        if not len(new):
            return
        expected = self.index[f"{kind}_crc32"][self._first_row[number] + rows[new]].tolist()
        if differing := crc32_differs((part[i] for i in new), expected):
            z = int(self.index["z_index"][self._first_row[number] + rows[new[differing[0]]]])
            raise self._damage(f"{self.subjects[number]['name']} {kind}: slice z {z} differs from its checksum")
        intact[rows[new]] = True

    def _damaged(self, number: int, kind: str) -> str:
        """Which slices of a file that differs from its checksum are damaged."""
        rows = self.index[self.index["subject"] == number]
        first, end = self.subjects[number]["files"][kind]["box"][:2]
        try:
            array = self._load(self.subjects[number]["files"][kind]["file"])
            differing = crc32_differs(np.ascontiguousarray(array), rows[f"{kind}_crc32"][first:end].tolist())
            damaged = rows["z_index"][first:end][differing].tolist()
        except (JsddpmError, ValueError):
            return "its header"
        return f"slices z {damaged}" if damaged else "its header"

    def _check_description(self) -> None:
        path, expected = self.path / STORE_MARK, checksum_line(sha256(self.path / "store.json"), "store.json").encode()
        if not path.is_file() or path.read_bytes() != expected:
            raise self._damage(f"store.json does not fit {STORE_MARK}")

    def _check_index(self, groups: int) -> None:
        """Compare the index with its checksum, and its columns with the description."""
        index, subjects = self.index, len(self.subjects)
        if sha256(self.path / "index.npy") != self.info["index"]["sha256"]:
            raise self._damage("index.npy differs from its checksum")
        counts = np.diff(self._first_row)
        fits = index.dtype in (INDEX_DTYPE, GROUPED_DTYPE) and index.shape == (self._first_row[-1],)
        if fits:
            limits = {"z_index": (0, self.n_slices), "pathology": (0, 2), "split": (-1, len(SPLITS))}
            limits |= {"group": (-1, groups)} if "group" in (index.dtype.names or ()) else {}
            fits = all(index[c].min() >= low and index[c].max() < end for c, (low, end) in limits.items())
            fits = fits and np.array_equal(index["subject"], np.repeat(np.arange(subjects), counts))
            place = np.arange(len(index)) - np.repeat(self._first_row[:-1], counts)
            fits = fits and np.array_equal(index["row"], place)
        if not fits:
            what = "the index does not fit store.json"
            raise integrity_error("STORE_INDEX", what, fix=REBUILD, file=self.path)

    def _damage(self, what: str) -> JsddpmError:
        cure = f"{REBUILD}, or restore a copy; jsddpm cache verify lists all damage"
        return integrity_error("STORE_DAMAGED", what, fix=cure, file=self.path)

    def _load(self, name: str) -> NDArray[Any]:
        path = self.path / name
        try:
            loaded: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")  # refuses objects, decompresses nothing
            return loaded
        except FileNotFoundError:
            if path.is_file():  # NumPy asks for the working folder too
                raise usage_error("MISSING", "the working folder was removed", fix="change into another one") from None
            raise integrity_error("STORE_INCOMPLETE", f"{name} is missing", fix=REBUILD, file=self.path) from None
        except OSError as error:
            raise unreadable(error, path) from error
        except MemoryError:
            raise
        except Exception as error:  # a damaged header raises many types of errors
            raise self._damage(f"{name}: {error}") from error
