"""Read one slice of a file in a store's orientation, and its intensities in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jsddpm.cohort.orientation import to_slices
from jsddpm.errors import JsddpmError, first_line, usage_error
from jsddpm.refusals import unreadable
from jsddpm.slices.arrays import other_size, read_npz, without_channel
from jsddpm.slices.importing.items import STORE_AXES, IntensityFormat
from jsddpm.slices.importing.pairs import NIFTI, has_ending
from jsddpm.wording import percentage

MOST_CLIPPED = 0.05
"""Largest share of an image's values that are clipped to the range; with more, the range must be wrong."""

_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}
_GREY = ("1", "L", "I;16", "I;16L", "I;16B", "I;16N", "I", "F")
_NUMBERS = "biuf"  # kinds of NumPy's types
_PHOTOMETRIC = 262  # tag of TIFF; Pillow inverts what has 0 for white only up to 8 bits
_EXACT = ("PNG", "TIFF")  # formats that keep every value, whatever the name of the file says


def read_slice(path: Path, key: str, position: int | None, size: Sequence[int], axes: str = STORE_AXES) -> NDArray[Any]:
    """One slice ``(H, W)`` of a file, with the file's values and in a store's orientation.

    Args:
        path: PNG, TIF, npz, npy or NIfTI file.
        key: Name of the array in an ``.npz`` file.
        position: Index in a stack; None for a file of one slice.
        size: Required ``(H, W)``.
        axes: Directions of rows and columns; not needed for a NIfTI file.

    Raises:
        JsddpmError: ``MISSING``, ``SLICE_FILE``, ``SLICE_SHAPE`` (status 3), ``NOT_READABLE`` (status 5).
    """
    if not path.is_file():
        raise JsddpmError("MISSING", "no such file", fix="restore it or remove its row", file=path)
    turned = tuple(size) if axes[0] in "PA" else tuple(size)[::-1]
    try:
        stack = _stack(path, key, turned, path.stat().st_mtime_ns)
        if position is None and len(stack) != 1:
            raise ValueError(f"holds {len(stack)} slices and nothing says which")
        array = np.asarray(stack[position or 0])
    except PermissionError as error:
        raise unreadable(error, path) from error
    except (JsddpmError, MemoryError):
        raise
    except Exception as error:  # any error of the readers on a file without such slices
        cure = "write single-channel PNG, TIF, npz, npy or NIfTI files"
        raise JsddpmError("SLICE_FILE", f"cannot be used: {first_line(error)}", fix=cure, file=path) from error
    if array.dtype.kind not in _NUMBERS:
        cure = "write floats, integers or booleans"
        raise JsddpmError("SLICE_FILE", f"holds values of the type {array.dtype}", fix=cure, file=path)
    array = array if has_ending(path, NIFTI) else upright(array, axes)
    if array.shape != tuple(size):
        raise other_size(array.shape, size, path)
    return array


def check_axes(axes: str, count: int) -> str:
    """Directions in capitals: two for slices, three for volumes, one along each direction of the body.

    Raises:
        JsddpmError: ``AXES`` (status 2).

    >>> check_axes("lps", 3)
    'LPS'
    """
    letters = axes.upper()
    pairs = {frozenset((c, _OPPOSITE.get(c, c))) for c in letters}
    if len(letters) != count or len(pairs) != count or not set(letters) <= set("RLAPSI" if count == 3 else "RLAP"):
        cure = (
            "give the directions of rows and columns, such as PR"
            if count == 2
            else "give three directions, such as LPS"
        )
        raise usage_error("AXES", f"--axes {axes} are not directions of the body", fix=cure)
    return letters


def upright(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """Turn a slice so that rows point to posterior and columns to the right.

    >>> upright(np.array([[1, 2], [3, 4]]), "RA").tolist()  # rows led to the right, columns to anterior
    [[2, 4], [1, 3]]
    """
    if axes[0] in "RL":
        array, axes = array.T, axes[::-1]
    return np.ascontiguousarray(array[:: 1 if axes[0] == "P" else -1, :: 1 if axes[1] == "R" else -1])


def intensity(
    array: NDArray[Any], reading: IntensityFormat, path: Path, *, volume: bool = False
) -> NDArray[np.float32]:
    """Intensities in [0, 1].

    Args:
        array: The file's values.
        reading: Their meaning.
        path: The file.
        volume: Whether they are those of a whole volume, which can be windowed.

    Raises:
        JsddpmError: ``SLICE_VALUES`` (status 3) when values are not finite, or lie outside of their range.
    """
    cure = "give the values that are mapped to 0 and 1: --value-range LO HI"
    cure += "; or window each volume as the real ones were: --window" if volume else ""
    top = 1.0 if array.dtype.kind in "bf" else float(np.iinfo(array.dtype).max)
    low, high = reading.value_range or (0.0, top)
    if array.dtype.kind == "i" and reading.value_range is None:
        raise JsddpmError("SLICE_VALUES", "holds signed integers", fix=cure, file=path)
    if count := int(array.size - np.isfinite(array).sum()):
        what = f"{count} of {array.size} values are NaN or infinite"
        raise JsddpmError("SLICE_VALUES", what, fix="repair the file, or leave it out", file=path)
    scaled = (array.astype(np.float64) - low) / (high - low)
    beyond = float(((scaled < -1e-6) | (scaled > 1 + 1e-6)).mean())
    if beyond > (MOST_CLIPPED if reading.clip else 0):
        what = f"values from {array.min():g} to {array.max():g} lie outside [{low:g}, {high:g}]"
        what += f" ({percentage(beyond)} of all)"
        if 0 < beyond <= MOST_CLIPPED:
            cure += "; or clip these few: --clip"
        raise JsddpmError("SLICE_VALUES", what, fix=cure, file=path)
    return np.clip(scaled, 0, 1).astype(np.float32)


@lru_cache(maxsize=2)  # one for the image and one for the mask: neighbouring slices lie in one file
def _stack(path: Path, key: str, size: tuple[int, int], _changed: int) -> NDArray[Any]:
    """All slices of a file, ``(n, H, W)``."""
    if has_ending(path, NIFTI):
        from nibabel.orientations import apply_orientation, io_orientation

        from jsddpm.cohort.nifti import open_nifti

        volume = open_nifti(path, flat=True)
        if not volume.oriented:
            what = "its header contains no affine (both codes are 0), so directions of rows and columns are unknown"
            cure = "write its affine into the header, or give an npy file and --axes"
            raise JsddpmError("SLICE_FILE", what, fix=cure, file=path)
        stack = to_slices(apply_orientation(volume.data, io_orientation(volume.affine)))
    elif has_ending(path, (".npz",)):
        stack = read_npz(path, key, size)
    elif has_ending(path, (".npy",)):
        stack = np.load(path, mmap_mode="r", allow_pickle=False)
        stack = stack.reshape(without_channel(stack.shape))
    else:
        stack = _picture(path, size)
    return stack[None] if stack.ndim == 2 else stack


def _picture(path: Path, size: tuple[int, int]) -> NDArray[Any]:
    """The pages of a picture, one grey channel each; colour pictures with equal channels count as grey."""
    with Image.open(path) as picture:
        if picture.size[::-1] != size:  # checked before it is decompressed
            raise other_size(picture.size[::-1], size, path)
        if picture.format not in _EXACT:
            raise ValueError(f"is a {picture.format} file, and only {' and '.join(_EXACT)} are read")
        pages = []
        for page in range(getattr(picture, "n_frames", 1)):
            picture.seek(page)
            grey = picture.mode in _GREY
            if getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == 0 and picture.mode not in ("1", "L"):
                raise ValueError("has 0 for white (photometric interpretation 0), which is read of 8 bits only")
            if not grey and any(";16" in str(tile.args) for tile in picture.tile):  # Pillow would keep 8 of the 16 bits
                raise ValueError(f"has 16 bits a channel (mode {picture.mode}), which is read for one channel only")
            array = np.asarray(picture if grey else picture.convert("RGBA"))
            if array.ndim == 3:
                if (array[..., 3] != 255).any() or (array[..., :3] != array[..., :1]).any():
                    raise ValueError(f"has colours (mode {picture.mode})")
                array = array[..., 0]
            pages.append(_native(array))
    return np.stack(pages)


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """Values in the byte order of the machine; of wider integers as uint16, the type of a PNG file, if they fit."""
    if array.dtype.kind in "iu" and array.dtype.itemsize > 1 and array.min() >= 0 and array.max() <= 65535:
        return array.astype(np.uint16)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
