"""Arrays in files of other programs: headers are checked before any data is read."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from jsddpm.errors import JsddpmError

MAX_ARRAY_BYTES = 1 << 30
"""Size of the largest array that is read."""


def read_npz(path: Path, key: str, size: Sequence[int]) -> NDArray[Any]:
    """Read one array of an ``.npz`` file: a slice ``(H, W)``, or a stack ``(n, H, W)``, also with one channel.

    Args:
        path: The ``.npz`` file.
        key: Name of the array.
        size: Required ``(H, W)``.

    Raises:
        JsddpmError: ``SLICE_SHAPE`` (status 3) when its slices have another size.
        ValueError: When it contains Python objects, or more than :data:`MAX_ARRAY_BYTES`. Other errors of NumPy and
            zipfile are raised for a file that is damaged or lacks the array.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as stream:
        shape, dtype = _promised(stream)
        if dtype.hasobject:
            raise ValueError("contains Python objects")
        plain = without_channel(shape)
        if len(plain) not in (2, 3) or plain[-2:] != tuple(size):
            raise other_size(shape, size, path)
        needed = int(np.prod([float(n) for n in shape])) * dtype.itemsize
        if needed > MAX_ARRAY_BYTES:
            raise ValueError(f"{key} needs {needed / 2**30:.3g} GiB: write fewer slices to a file")
    with np.load(path, allow_pickle=False) as arrays:
        array: NDArray[Any] = arrays[key]
    return array.reshape(plain)


def without_channel(shape: Sequence[int]) -> tuple[int, ...]:
    """Shape of a stack of slices without its axis of one channel, ``(n, 1, H, W)`` or ``(n, H, W, 1)``.

    >>> without_channel((9, 1, 48, 40)), without_channel((9, 48, 40, 1)), without_channel((9, 48, 40))
    ((9, 48, 40), (9, 48, 40), (9, 48, 40))
    """
    if len(shape) == 4 and 1 in (shape[1], shape[3]):
        return (shape[0], *(shape[2:] if shape[1] == 1 else shape[1:3]))
    return tuple(shape)


def npz_forms(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of every array of an ``.npz`` file, according to their headers.

    Raises:
        ValueError: When it is damaged. Other errors of NumPy and zipfile are raised too.
    """
    forms = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as stream:
                    forms[name.removesuffix(".npy")] = _promised(stream)
    return forms


def other_size(shape: Sequence[int], size: Sequence[int], path: Path) -> JsddpmError:
    """The error for slices that do not have the size of a store."""
    what = f"has the shape {tuple(shape)}, and slices of the store have {tuple(size)}"
    cure = "export slices of that size"
    if len(shape) == 3 and tuple(shape[:2]) == tuple(size):
        cure = "write the slices along the first axis: numpy.moveaxis(images, -1, 0)"
    return JsddpmError("SLICE_SHAPE", what, fix=cure, file=path)


def _promised(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type in the header of an ``.npy`` stream."""
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype
