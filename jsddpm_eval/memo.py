"""Values computed once for the slices of a table: by key in memory, and in a folder that evaluations share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from jsddpm.errors import integrity_error, usage_error
from jsddpm.files import make_directory
from jsddpm.places import refuse_store
from jsddpm_eval.array_files import FORMAT, read_arrays, read_table, write_arrays, write_table
from jsddpm_eval.functions import code

Value = TypeVar("Value")


class InMemory(str):
    """A part of a key that means the same in this process only: values of such a key are not written to a folder."""


_MOST_HELD = 1 << 26  # bytes of objects that are kept only for speed


def digest(*parts: object) -> str:
    """24 characters that change with every value: of arrays and tensors their shapes and bytes, else the text."""
    content = hashlib.sha256()
    for part in parts:
        if isinstance(part, (Tensor, np.ndarray)):
            array = np.ascontiguousarray(part.numpy() if isinstance(part, Tensor) else part)
            content.update(f"{array.dtype} {array.shape}".encode())
            content.update(array.data)
        else:
            content.update(f"{part!r};".encode())
    return content.hexdigest()[:24]


class Memo:
    """Values and tables of one set of slices.

    Keys name settings, not slices: a selection has its own only once it is rooted
    (:meth:`~jsddpm_eval.slice_table.SliceTable.rooted`).

    Args:
        pixels: Hash of the slices' pixels, computed only with a folder.
        labels: Hash of their other properties.
    """

    def __init__(self, pixels: Callable[[], str], labels: Callable[[], str]) -> None:
        self._pixels, self._labels = pixels, labels
        self._values: dict[str, NDArray[np.float64]] = {}
        self._objects: dict[object, object] = {}
        self.folder: Path | None = None
        self._changed, self._held = False, 0

    def keep_in(self, folder: str | Path | None) -> None:
        """Read the values of earlier evaluations from a folder, and write tables there from now on; nowhere if None.

        Raises:
            JsddpmError: ``BASELINES`` (status 4) when a file there is damaged; ``EXISTS`` (status 2) for a folder in a
                store; ``OPTION`` (status 2) for what is no path.
        """
        if folder is not None:
            if not isinstance(folder, str | PathLike) or not str(folder):
                cure = "name a folder, or give None, which writes nothing"
                raise usage_error("OPTION", f"the folder of features {folder!r} is no path", fix=cure)
            refuse_store(folder)
        self.folder = None if folder is None else make_directory(folder)
        if self.folder is not None and self._file().is_file():
            self._values |= read_arrays(self._file(), "BASELINES")

    def save(self) -> None:
        """Write the values for the next evaluation."""
        if self.folder is not None and self._changed:
            write_arrays(self._file(), self._values)
            self._changed = False

    def values(self, key: tuple[object, ...], compute: Callable[[], ArrayLike]) -> NDArray[np.float64]:
        """A list of numbers computed from the slices, float64; computed if it is not known.

        Args:
            key: All settings besides the slices that affect the numbers.
            compute: Function that computes them.
        """
        name = digest(*key)
        if any(isinstance(part, InMemory) for part in key):
            return self.once((name,), lambda: np.atleast_1d(np.asarray(compute(), dtype=np.float64)))
        if name not in self._values:
            self._values[name] = np.atleast_1d(np.asarray(compute(), dtype=np.float64))
            self._changed = True
        return self._values[name]

    def once(self, key: tuple[object, ...], compute: Callable[[], Value]) -> Value:
        """Any object computed from the slices, kept only in memory."""
        if key not in self._objects:
            self._objects[key] = compute()
        return self._objects[key]  # type: ignore[return-value]

    def room(self, key: tuple[object, ...], size: int) -> bool:
        """Whether an object of this size may be kept: it is already, or all of them remain below a limit."""
        if key not in self._objects and self._held + size <= _MOST_HELD:
            self._held += size
            return True
        return key in self._objects

    def table(self, name: str, key: tuple[object, ...], count: int, compute: Callable[[], Tensor]) -> Tensor:
        """A row for each slice, float64 or boolean ``(count, ...)``, kept in a file of the folder.

        Args:
            name: Beginning of the file's name.
            key: All settings besides the slices that affect the rows.
            count: Number of slices.
            compute: Function that computes the rows.

        Raises:
            JsddpmError: ``FEATURES`` (status 4) when a kept table is damaged.
        """
        if self.folder is None or any(isinstance(part, InMemory) for part in key):
            return compute()
        path = self.folder / f"{name}-{digest(self._hash_of_pixels, *key, FORMAT)}.npy"
        if not path.is_file():
            table = compute()
            write_table(path, table.numpy())
            return table
        table = torch.from_numpy(read_table(path, "FEATURES"))
        if len(table) != count:
            raise integrity_error("FEATURES", f"has the wrong shape {tuple(table.shape)}", fix="remove it", file=path)
        return table

    @cached_property
    def _hash_of_pixels(self) -> str:
        return self._pixels()

    def _file(self) -> Path:
        if self.folder is None:
            raise RuntimeError("a memo without a folder has no file")
        return self.folder / f"baselines-{digest(self._hash_of_pixels, self._labels(), code(), FORMAT)}.npz"
