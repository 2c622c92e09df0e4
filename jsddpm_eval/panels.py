"""Example slices for the report's montage: real beside generated, condition by condition. Torch-free."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jsddpm.binning import Condition
from jsddpm.errors import integrity_error, usage_error
from jsddpm.files import atomic_open
from jsddpm.slices.store import SliceStore

_REAL_EXAMPLES = 2
_MAX_SEEDS = 8
_PAIRS = 12


@dataclass(frozen=True)
class Panels:
    """Examples of each condition, in token order.

    Attributes:
        real_image: uint8 ``(conditions, examples, H, W)``, 0..255 for [0, 1]; of different patients where possible.
        real_mask: boolean, likewise.
        real_count: int64 ``(conditions,)``: how many of the examples there are.
        generated_image: uint8 ``(conditions, seeds, H, W)``.
        generated_mask: boolean, likewise.
        generated_count: int64 ``(conditions,)``.
        copies: uint8 ``(2, pairs, H, W)``: the generated slices nearest to a training slice, nearest first, and those
            training slices.
    """

    real_image: NDArray[np.uint8]
    real_mask: NDArray[np.bool_]
    real_count: NDArray[np.int64]
    generated_image: NDArray[np.uint8]
    generated_mask: NDArray[np.bool_]
    generated_count: NDArray[np.int64]
    copies: NDArray[np.uint8] = field(default_factory=lambda: np.empty((2, 0, 0, 0), np.uint8))

    @classmethod
    def collect(cls, real: SliceStore, generated: SliceStore, nearest: NDArray[np.int64] | None = None) -> Panels:
        """The middle slice of each bin of the first patients, beside the first seeds of every condition.

        Args:
            real: Real store.
            generated: Generated store.
            nearest: Index rows of generated slices and of their nearest training slices, ``(2, n)``, nearest first.
        """
        binning = generated.binning
        if binning is None:
            raise usage_error(
                "STORES",
                "the generated store has no binning",
                fix="give a generated store",
                file=generated.path,
            )
        inside = real.select(binning=binning)
        bins = binning.index(real.index["z_index"][inside].astype(np.int64))
        made_bins = binning.index(generated.index["z_index"].astype(np.int64))
        real_rows, made_rows = [], []
        for token in range(2 * binning.n_bins):
            condition = Condition.from_token(token, binning.n_bins)
            own = inside[(bins == condition.z_bin) & (real.index["pathology"][inside] == condition.pathology)]
            slices = binning.slices(condition.z_bin)
            real_rows.append(_one_per_patient(real, own, slices[len(slices) // 2] if slices else 0))
            wanted = (made_bins == condition.z_bin) & (generated.index["pathology"] == condition.pathology)
            rows = np.flatnonzero(wanted)
            made_rows.append(rows[np.argsort(generated.index["sample"][rows], kind="stable")][:_MAX_SEEDS])
        panels = cls(*_gather(real, real_rows), *_gather(generated, made_rows))
        if nearest is None:
            return panels
        sides = [s.images(rows[:_PAIRS]) for s, rows in zip((generated, real), nearest, strict=True)]
        return replace(panels, copies=np.rint(np.stack(sides) * 255).astype(np.uint8))

    def write(self, path: str | Path) -> None:
        """Write a compressed ``.npz``."""
        with atomic_open(path) as stream:
            np.savez_compressed(stream, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def read(cls, path: str | Path) -> Panels:
        """Read :meth:`write`'s file."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(**{f.name: arrays[f.name] for f in fields(cls)})
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise integrity_error("PANELS", f"cannot be read ({error})", fix="evaluate again", file=path) from error


def _one_per_patient(store: SliceStore, rows: NDArray[np.intp], z: int) -> NDArray[np.intp]:
    """Rows nearest to ``z``, of different patients."""
    order = rows[np.argsort(np.abs(store.index["z_index"][rows] - z), kind="stable")]
    _, first = np.unique(store.patients[order], return_index=True)
    return order[np.sort(first)][:_REAL_EXAMPLES]


def _gather(
    store: SliceStore, rows: list[NDArray[np.intp]]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int64]]:
    counts = np.array([len(r) for r in rows], dtype=np.int64)
    image = np.zeros((len(rows), max(int(counts.max()), 1), *store.size), np.uint8)
    mask = np.zeros(image.shape, bool)
    for i, chosen in enumerate(rows):
        if len(chosen):
            image[i, : len(chosen)] = np.rint(store.images(chosen) * 255)
            mask[i, : len(chosen)] = store.masks(chosen)
    return image, mask, counts
