"""The layout of a slice store: its files and index columns. It has no bins; see :mod:`jsddpm.binning`.

A store folder::

    store.json                    what it is, its subjects, checksums of every other file
    store.json.sha256             checksum of store.json, as sha256sum writes it
    index.npy                     one row per slice (INDEX_DTYPE), in the order of the subjects' arrays
    arrays/NAME.image.npy         uint16 (d, h, w); value / 65535 is the intensity in [0, 1]
    arrays/NAME.mask.npy          uint8 (d, ceil(h * w / 8)): the mask's bits, row by row, first pixel in the high bit

Each array contains a box of the subject's slices (its ``box``: first and end slice, row, column); the slices are 0
outside of it. Real and generated stores differ only in ``kind`` and in their index (a generated slice has a seed and a
sample number, and the store a binning; the index of slices of generated volumes also has the volume).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jsddpm.binning import PATHOLOGY_NAMES

SCHEMA = "jsddpm-slice-store"
VERSION = 2
LEVELS = 65535

INDEX_DTYPE = np.dtype(
    [
        ("subject", "<i4"),  # position in store.json's subjects
        ("row", "<i4"),  # position among that subject's slices
        ("z_index", "<i4"),
        ("pathology", "i1"),  # 1 if the mask is not empty (real), or if conditioned on a lesion (generated)
        ("split", "i1"),  # position in SPLITS; -1 for generated slices
        ("lesion_pixels", "<i4"),
        ("brain_fraction", "<f4"),  # share of the slice inside the brain; NaN if not known
        ("sample", "<i4"),  # number of the sample within its condition; -1 for real slices
        ("seed", "<i8"),  # -1 for real slices
        ("image_crc32", "<u4"),
        ("mask_crc32", "<u4"),
    ]
)
GROUPED_DTYPE = np.dtype([*INDEX_DTYPE.descr, ("group", "<i4")])  # position in store.json's groups; -1 without a volume
"""The index of a generated store with volumes."""

Kind = Literal["real", "generated"]


def patient_of(subject: Mapping[str, Any]) -> str:
    """Patient of an entry of ``store.json``; an entry without a patient counts as its own."""
    return str(subject.get("patient", subject["name"]))


def image_digest(subject: Mapping[str, Any]) -> str:
    """What identifies the pixels of an entry of ``store.json``, in stores of other splits or names too."""
    return str(subject["files"]["image"]["sha256"])[:16]


def sample_facts(row: np.void) -> tuple[int, str, int]:
    """Position, pathology and number of an index row: together, they are those of one generated slice only.

    >>> row = np.zeros((), INDEX_DTYPE)
    >>> row["z_index"], row["pathology"], row["sample"] = 27, 1, 3
    >>> sample_facts(row[()])
    (27, 'lesion', 3)
    """
    return int(row["z_index"]), PATHOLOGY_NAMES[int(row["pathology"])], int(row["sample"])


def array_path(root: Path, name: str, kind: str) -> Path:
    """File of a subject's images or masks."""
    return root / "arrays" / f"{name}.{kind}.npy"


def array_form(kind: str, box: list[int]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of a subject's array in a file.

    >>> array_form("mask", [0, 3, 4, 9, 7, 12])
    (dtype('uint8'), (3, 4))
    """
    first, end, top, bottom, left, right = box
    h, w = bottom - top, right - left
    if kind == "image":
        return np.dtype("<u2"), (end - first, h, w)
    return np.dtype("u1"), (end - first, -(-h * w // 8))


def pack_masks(masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Bits of masks ``(n, h, w)``, uint8 ``(n, ceil(h * w / 8))``."""
    return np.packbits(masks.reshape(len(masks), -1), axis=1)


def bounding_box(used: NDArray[Any]) -> list[int]:
    """First and end slice, row and column of what is not zero in ``(n, H, W)``; one pixel if all values are 0."""
    planes = [used.any(axis=axes) for axes in ((1, 2), (0, 2), (0, 1))]
    edges = [np.flatnonzero(plane) for plane in planes]
    return [int(v) for edge in edges for v in ((edge[0], edge[-1] + 1) if len(edge) else (0, 1))]


def unpack_masks(packed: NDArray[Any], h: int, w: int) -> NDArray[np.bool_]:
    """Inverse of :func:`pack_masks`."""
    return np.unpackbits(packed, axis=1, count=h * w).view(bool).reshape(len(packed), h, w)
