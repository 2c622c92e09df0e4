"""Arrays in the folder that evaluations share, compared with their checksums when they are read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jsddpm.checksums import read_sealed, write_sealed
from jsddpm.errors import JsddpmError, integrity_error
from jsddpm.files import array_bytes, parse_array

FORMAT = 2
"""Part of the names of files; files of another format are ignored."""

Arrays = Mapping[str, NDArray[Any]]


def write_table(path: Path, table: NDArray[Any]) -> None:
    """Write one array, as ``.npy``."""
    write_sealed(path, array_bytes(table))


def read_table(path: Path, code: str) -> NDArray[Any]:
    """The array of :func:`write_table`.

    Raises:
        JsddpmError: ``code`` (status 4) when the file is not the one that was written.
    """
    data = _sound(path, code)
    try:
        return parse_array(data)
    except (ValueError, EOFError) as error:
        raise _damaged(path, code, str(error)) from error


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays by name, as ``.npz``."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    write_sealed(path, stream.getvalue())


def read_arrays(path: Path, code: str) -> dict[str, NDArray[Any]]:
    """The arrays of :func:`write_arrays`.

    Raises:
        JsddpmError: ``code`` (status 4) when the file is not the one that was written.
    """
    data = _sound(path, code)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, code, str(error)) from error


def _sound(path: Path, code: str) -> bytes:
    data = read_sealed(path)
    if data is None:
        raise _damaged(path, code, "it differs from its checksum")
    return data


def _damaged(path: Path, code: str, reason: str) -> JsddpmError:
    return integrity_error(code, f"cannot be read ({reason})", fix="remove it", file=path)
