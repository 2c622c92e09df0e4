"""Example slices for the report's montage: real beside generated, condition by condition. Torch-free."""

from __future__ import annotations

import zipfile
from dataclasses import MISSING, dataclass, field, fields, replace
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
        real_name: Names of the real examples, ``(conditions, examples)``; empty where there is none, or in files of
            earlier versions.
        generated_name: Names of the generated ones.
        copies_name: Names of the pairs, ``(2, pairs)``.
        copies_psnr: PSNR of the pairs in dB, float64 ``(pairs,)``; infinite for an exact copy.
    """

    real_image: NDArray[np.uint8]
    real_mask: NDArray[np.bool_]
    real_count: NDArray[np.int64]
    generated_image: NDArray[np.uint8]
    generated_mask: NDArray[np.bool_]
    generated_count: NDArray[np.int64]
    copies: NDArray[np.uint8] = field(default_factory=lambda: np.empty((2, 0, 0, 0), np.uint8))
    real_name: NDArray[np.str_] = field(default_factory=lambda: np.empty((0, 0), np.str_))
    generated_name: NDArray[np.str_] = field(default_factory=lambda: np.empty((0, 0), np.str_))
    copies_name: NDArray[np.str_] = field(default_factory=lambda: np.empty((2, 0), np.str_))
    copies_psnr: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @classmethod
    def collect(
        cls,
        real: SliceStore,
        generated: SliceStore,
        nearest: NDArray[np.int64] | None = None,
        psnr: NDArray[np.float64] | None = None,
    ) -> Panels:
        """The middle slice of each bin of the first patients, beside the first seeds of every condition.

        Args:
            real: Real store.
            generated: Generated store.
            nearest: Index rows of generated slices and of their nearest training slices, ``(2, n)``, nearest first.
            psnr: PSNR of these pairs in dB, ``(n,)``.
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
        panels = cls(
            *_gather(real, real_rows), *_gather(generated, made_rows),
            real_name=_names(real, real_rows), generated_name=_names(generated, made_rows),
        )  # fmt: skip
        if nearest is None:
            return panels
        pairs = [(s, rows[:_PAIRS]) for s, rows in zip((generated, real), nearest, strict=True)]
        return replace(
            panels,
            copies=np.rint(np.stack([s.images(rows) for s, rows in pairs]) * 255).astype(np.uint8),
            copies_name=np.array([[s.slice_name(int(r)) for r in rows] for s, rows in pairs], np.str_),
            copies_psnr=np.empty(0) if psnr is None else psnr[:_PAIRS].astype(np.float64),
        )

    def write(self, path: str | Path) -> None:
        """Write a compressed ``.npz``."""
        with atomic_open(path) as stream:
            np.savez_compressed(stream, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def read(cls, path: str | Path) -> Panels:
        """Read :meth:`write`'s file, or one of an earlier version, which lacks the names."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(
                    **{f.name: arrays[f.name] for f in fields(cls) if f.name in arrays or f.default_factory is MISSING}
                )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise integrity_error("PANELS", f"cannot be read ({error})", fix="evaluate again", file=path) from error


def _one_per_patient(store: SliceStore, rows: NDArray[np.intp], z: int) -> NDArray[np.intp]:
    """Rows nearest to ``z``, of different patients."""
    order = rows[np.argsort(np.abs(store.index["z_index"][rows] - z), kind="stable")]
    _, first = np.unique(store.patients[order], return_index=True)
    return order[np.sort(first)][:_REAL_EXAMPLES]


def _names(store: SliceStore, rows: list[NDArray[np.intp]]) -> NDArray[np.str_]:
    names = [[store.slice_name(int(r)) for r in chosen] for chosen in rows]
    most = max(map(len, names))
    return np.array([own + [""] * (most - len(own)) for own in names], np.str_)


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
