"""Slices made by any generator, read from PNG, npz, npy or NIfTI files listed in a table, into a generated store."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jsddpm import __version__
from jsddpm.binning import Condition, ZBinning
from jsddpm.checksums import sha256
from jsddpm.cohort.orientation import to_slices
from jsddpm.csvfiles import read_rows
from jsddpm.errors import JsddpmError, first_line, usage_error
from jsddpm.files import unreadable
from jsddpm.slices.arrays import other_size, read_npz
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store

_BATCH = 256


@dataclass(frozen=True)
class IntensityFormat:
    """What the numbers in the files mean.

    Args:
        value_range: Values that mean 0 and 1; None takes an integer type's own range, and [0, 1] for floats.
        mask_threshold: Mask values above it are lesion; None accepts masks of two values, the lower of them 0.
        image_key: Array of an ``.npz`` file that holds the image.
        mask_key: Array that holds the mask.
    """

    value_range: tuple[float, float] | None = None
    mask_threshold: float | None = None
    image_key: str = "image"
    mask_key: str = "mask"


def import_slices(
    table: str | Path,
    out: str | Path,
    *,
    binning: ZBinning,
    real: SliceStore,
    intensities: IntensityFormat | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Publish a generated store of the slices a table lists.

    Args:
        table: CSV or TSV with columns ``image``, ``pathology`` (0 or 1) and ``z`` (axial slice) or ``z_bin``; if
            wanted ``mask`` (else the image's own file, for npz), ``slice`` (position along the last axis of a NIfTI
            file, the first of an array; else the file holds one slice), ``seed`` and ``group`` (name of the generated
            volume the slice is part of; empty for a slice of its own). Paths are relative to the table. Without the
            column ``group``, slices of one NIfTI file are of one volume.
            Rows of pixels run from anterior to posterior, columns from left to right; NIfTI files say so themselves.
        out: New store folder.
        binning: The bins the slices were asked for.
        real: The real store they will be compared with; its size, spacing and number of slices apply.
        intensities: How numbers become intensities and lesions.
        progress: Called with (slices done, slices).

    Raises:
        JsddpmError: ``TABLE``, ``Z_INDEX`` and such for a bad row; ``SLICE_...`` for a file that cannot be used.
    """
    table = Path(table)
    reading = intensities or IntensityFormat()
    rows, conditions = _conditions(table, binning)
    volumes = _volumes(rows)
    groups = sorted(set(volumes) - {""})
    group_number = {name: number for number, name in enumerate(groups)}
    numbers: defaultdict[Condition, count[int]] = defaultdict(count)
    hashed = hashlib.sha256()
    with new_store(
        out,
        kind="generated",
        n_slices=real.n_slices,
        spacing=real.spacing,
        binning=binning.to_dict(),
        provenance={"imported": {"table": table.name, "sha256": sha256(table)}},
        created_by=f"jsddpm {__version__}",
        **({"groups": groups} if groups else {}),
    ) as writer:
        for start in range(0, len(rows), _BATCH):
            batch, asked = rows[start : start + _BATCH], conditions[start : start + _BATCH]
            pairs = [_read_pair(table.parent, row, reading, real.size, hashed) for row in batch]
            columns = {
                "z_index": [z for z, _ in asked],
                "pathology": [c.pathology for _, c in asked],
                "sample": [next(numbers[c]) for _, c in asked],
                "seed": [int(row.get("seed") or -1) for row in batch],
            }
            if groups:
                columns["group"] = [group_number.get(v, -1) for v in volumes[start : start + _BATCH]]
            image, mask = np.stack([i for i, _ in pairs]), np.stack([m for _, m in pairs])
            writer.add(Shard(f"imported-{start // _BATCH:04d}", image, mask, columns))
            if progress:
                progress(start + len(batch), len(rows))
        writer.info["provenance"]["imported"]["files_sha256"] = hashed.hexdigest()
    return Path(out)


def _conditions(table: Path, binning: ZBinning) -> tuple[list[dict[str, str]], list[tuple[int, Condition]]]:
    """The table's rows, and slice and condition of each."""
    rows = read_rows(table, ("image", "pathology"))
    if not rows or not ({"z", "z_bin"} & set(rows[0])):
        raise usage_error("TABLE", "lists no slice with z or z_bin", fix="columns: image, pathology, z", file=table)
    asked = []
    for number, row in enumerate(rows, 2):
        try:
            z = int(row["z"]) if row.get("z") else binning.representative(int(row["z_bin"]))
            condition = Condition(binning.index(z), int(row["pathology"]))
            condition.token(binning.n_bins)  # refuses another pathology
            asked.append((z, condition))
        except JsddpmError as error:
            raise JsddpmError(error.code, f"line {number}: {error.what}", fix=error.fix, file=table) from None
        except (ValueError, KeyError):
            given = f"z {row.get('z') or row.get('z_bin')!r}, pathology {row['pathology']!r}"
            raise JsddpmError("TABLE", f"line {number}: {given}", fix="give whole numbers", file=table) from None
    return rows, asked


def _volumes(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Name of the generated volume each slice is part of; empty for a slice of its own."""
    if "group" in rows[0]:
        return [row["group"] for row in rows]
    files = [Path(row["image"]).as_posix() for row in rows]
    shared = {file for file, slices in Counter(files).items() if slices > 1 and file.endswith((".nii", ".nii.gz"))}
    return [file if file in shared else "" for file in files]


def _read_pair(
    folder: Path, row: Mapping[str, str], reading: IntensityFormat, size: Sequence[int], hashed: Any
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    image_path = folder / row["image"]
    mask_path = folder / row["mask"] if row.get("mask") else image_path
    if mask_path == image_path and image_path.suffix != ".npz":
        raise JsddpmError("SLICE_MASK", "has no mask", fix="fill the column mask", file=image_path)
    position = int(row["slice"]) if row.get("slice") else None
    arrays = []
    for path, key in ((image_path, reading.image_key), (mask_path, reading.mask_key)):
        if not path.is_file():
            raise JsddpmError("MISSING", "no such file", fix="restore it or remove its row", file=path)
        array = _read_slice(path, key, position, size)
        if array.shape != tuple(size):
            raise other_size(array.shape, size, path)
        hashed.update(np.ascontiguousarray(array).tobytes())
        arrays.append(array)
    return _intensity(arrays[0], reading, image_path), _lesion(arrays[1], reading, mask_path)


def _read_slice(path: Path, key: str, position: int | None, size: Sequence[int]) -> NDArray[Any]:
    """One slice ``(H, W)`` of a file, in the file's own numbers."""
    try:
        if path.name.endswith((".nii", ".nii.gz")):
            from nibabel.orientations import apply_orientation, io_orientation

            from jsddpm.cohort.nifti import open_nifti

            volume = open_nifti(path, flat=True)
            stack = to_slices(apply_orientation(volume.data, io_orientation(volume.affine)))
        elif path.suffix == ".npz":
            stack = read_npz(path, key, size)
        elif path.suffix == ".npy":
            stack = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            with Image.open(path) as picture:
                if picture.mode not in ("1", "L", "I;16", "I"):
                    raise ValueError(f"has colours (mode {picture.mode})")
                if picture.size[::-1] != tuple(size):  # before it is unpacked
                    raise other_size(picture.size[::-1], size, path)
                stack = np.asarray(picture)
                stack = stack.astype(np.uint16) if picture.mode in ("I;16", "I") else stack
        stack = stack[None] if stack.ndim == 2 else stack
        if position is None and len(stack) != 1:
            raise ValueError(f"holds {len(stack)} slices and no column slice says which")
        return np.asarray(stack[position or 0])
    except PermissionError as error:
        raise unreadable(error, path) from error
    except (JsddpmError, MemoryError):
        raise
    except Exception as error:  # whatever a file that holds no such slices makes the readers raise
        cure = "write single-channel PNG, npz, npy or NIfTI files"
        raise JsddpmError("SLICE_FILE", f"cannot be used: {first_line(error)}", fix=cure, file=path) from error


def _intensity(array: NDArray[Any], reading: IntensityFormat, path: Path) -> NDArray[np.float32]:
    top = 1.0 if array.dtype.kind in "bf" else float(np.iinfo(array.dtype).max)
    low, high = reading.value_range or (0.0, top)
    if array.dtype.kind == "i" and reading.value_range is None:
        raise JsddpmError("SLICE_VALUES", "signed integers", fix="say what means 0 and 1: --value-range", file=path)
    scaled = (array.astype(np.float64) - low) / (high - low)
    if not (np.isfinite(scaled).all() and scaled.min() >= -1e-6 and scaled.max() <= 1 + 1e-6):
        what = f"values from {array.min():g} to {array.max():g} leave [{low:g}, {high:g}]"
        raise JsddpmError("SLICE_VALUES", what, fix="say what means 0 and 1: --value-range LO HI", file=path)
    return np.clip(scaled, 0, 1).astype(np.float32)


def _lesion(array: NDArray[Any], reading: IntensityFormat, path: Path) -> NDArray[np.bool_]:
    if reading.mask_threshold is not None:
        return np.asarray(array > reading.mask_threshold)
    values = np.unique(array)
    if len(values) > 2 or (len(values) == 2 and values[0] != 0) or (len(values) == 1 and values[0] < 0):
        listed = ", ".join(f"{v:g}" for v in values[:6])
        cure = "say which are lesion: --mask-threshold"
        raise JsddpmError("SLICE_MASK", f"mask values {listed}", fix=cure, file=path)
    return np.asarray(array != 0)
