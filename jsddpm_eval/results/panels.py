"""Example slices for the report's montage: real beside generated, condition by condition. Torch-free."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jsddpm.binning import Condition
from jsddpm.checksums import read_recorded, write_recorded
from jsddpm.errors import integrity_error

if TYPE_CHECKING:
    from torch import Tensor

    from jsddpm_eval.slice_table import SliceTable

_REAL_EXAMPLES = 2
_MAX_SEEDS = 8
_PAIRS = 12


@dataclass(frozen=True)
class Panels:
    """Examples of each condition, in token order.

    Attributes:
        real_image: uint8 ``(conditions, examples, H, W)``, 0..255 for [0, 1]; of different patients where possible.
        real_mask: boolean, likewise.
        real_count: int64 ``(conditions,)``: number of examples.
        generated_image: uint8 ``(conditions, seeds, H, W)``; 0 where there are masks without images.
        generated_mask: boolean, likewise.
        generated_count: int64 ``(conditions,)``.
        copies: uint8 ``(2, pairs, H, W)``: the generated slices nearest to a real slice once registered, nearest first,
            and those real slices.
        real_name: Names of the real examples, ``(conditions, examples)``; empty without an example.
        generated_name: Names of the generated ones.
        copies_name: Names of the pairs, ``(2, pairs)``.
        copies_nearness: Nearness of the pairs, float64 ``(pairs,)``: above 1 a copy, infinite if both are equal.
    """

    real_image: NDArray[np.uint8]
    real_mask: NDArray[np.bool_]
    real_count: NDArray[np.int64]
    generated_image: NDArray[np.uint8]
    generated_mask: NDArray[np.bool_]
    generated_count: NDArray[np.int64]
    copies: NDArray[np.uint8]
    real_name: NDArray[np.str_]
    generated_name: NDArray[np.str_]
    copies_name: NDArray[np.str_]
    copies_nearness: NDArray[np.float64]

    @classmethod
    def collect(cls, real: SliceTable, generated: SliceTable, nearest: Tensor, nearness: Tensor) -> Panels:
        """Collect the middle slice of each bin of the first patients, and the first seeds of every condition.

        Args:
            real: Real slices.
            generated: Generated slices.
            nearest: Generated slices and their nearest real slices, ``(2, n)``, nearest first.
            nearness: Nearness of these pairs, ``(n,)``.
        """
        binning = generated.binning or real.binning
        n_bins = binning.n_bins if binning else 1 + int(max(t.z_bin.max() for t in (real, generated)))
        real_parts, generated_parts = [], []
        for token in range(2 * n_bins):
            condition = Condition.from_token(token, n_bins)
            sides = (
                t.where((t.z_bin == condition.z_bin) & (t.pathology == condition.pathology)) for t in (real, generated)
            )
            real_cell, generated_cell = sides
            slices = binning.slices(condition.z_bin) if binning else range(condition.z_bin, condition.z_bin + 1)
            real_parts.append(_one_per_patient(real_cell, slices[len(slices) // 2] if slices else 0))
            generated_parts.append(generated_cell.where(slice(_MAX_SEEDS)))
        pairs = [t.where(rows[:_PAIRS]) for t, rows in zip((generated, real), nearest, strict=True)]
        copies = np.stack([_bytes(t) for t in pairs]) if nearest.shape[1] else np.zeros((2, 0, *_size(real)), np.uint8)
        equal = (copies[0] == copies[1]).all((1, 2))
        return cls(
            *_gathered(real_parts), *_gathered(generated_parts), copies, _names(real_parts), _names(generated_parts),
            _names(pairs), np.where(equal, np.inf, nearness[:_PAIRS].double().numpy()),
        )  # fmt: skip

    def write(self, path: str | Path) -> None:
        """Write a compressed ``.npz``."""
        stream = io.BytesIO()
        np.savez_compressed(stream, **{f.name: getattr(self, f.name) for f in fields(self)})
        write_recorded(path, stream.getvalue())

    @classmethod
    def read(cls, path: str | Path) -> Panels:
        """Read the file of :meth:`write`.

        Raises:
            JsddpmError: ``PANELS`` (status 4) when it is damaged.
        """
        data = read_recorded(path, "PANELS", "evaluate again")
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return cls(**{f.name: arrays[f.name] for f in fields(cls)})
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise integrity_error("PANELS", f"cannot be read ({error})", fix="evaluate again", file=path) from error


def _one_per_patient(table: SliceTable, z: int) -> SliceTable:
    """The slices nearest to ``z``, of different patients."""
    order = np.argsort(np.abs(table.z_index.numpy() - z), kind="stable")
    _, first = np.unique(table.patient.numpy()[order], return_index=True)
    return table.where(table.z_index.new_tensor(order[np.sort(first)][:_REAL_EXAMPLES]))


def _bytes(table: SliceTable) -> NDArray[np.uint8]:
    if not table.has_pixels:
        return np.zeros((len(table), *_size(table)), np.uint8)
    scaled: NDArray[np.uint8] = np.rint(table.images.numpy() * 255).astype(np.uint8)
    return scaled


def _size(table: SliceTable) -> tuple[int, int]:
    """Size of the slices; (1, 1) without images and masks."""
    return table.size if table.has_pixels or table.has_masks else (1, 1)


def _names(parts: list[SliceTable]) -> NDArray[np.str_]:
    names = [[table.name(i) for i in range(len(table))] for table in parts]
    most = max(map(len, names))
    return np.array([row + [""] * (most - len(row)) for row in names], np.str_).reshape(len(names), most)


def _gathered(parts: list[SliceTable]) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int64]]:
    counts = np.array([len(table) for table in parts], dtype=np.int64)
    image = np.zeros((len(parts), max(int(counts.max()), 1), *_size(parts[0])), np.uint8)
    mask = np.zeros(image.shape, bool)
    for i, table in enumerate(parts):
        if len(table):
            image[i, : len(table)] = _bytes(table)
            if table.has_masks:
                mask[i, : len(table)] = table.masks.numpy()
    return image, mask, counts
