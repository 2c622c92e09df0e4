"""Data that all selections of one slice table share: columns, pixel source and hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.binning import ZBinning
from jsddpm.slices.store import SliceStore
from jsddpm_eval.memo import Memo, digest
from jsddpm_eval.pixels import Pixels

BATCH = 256
"""Slices read at a time where a whole table is looked at."""

CONTENT = "content"
"""Column of :func:`content_of` the pixels, for a table without them."""

Kind = Literal["real", "generated"]


def origin_of(store: SliceStore, split: str) -> dict[str, Any]:
    """Provenance of the slices of a store, as plain values.

    Args:
        store: The store.
        split: Held-out split that validates networks, for real slices.
    """
    if store.kind == "real":
        known: dict[str, Any] = {"patients": len(np.unique(store.patients)), "held_out_split": split}
    else:
        known = {"slices": len(store.index)}
        recorded = ("sampling", "seed", "conditions", "coherence", "provenance")
        known |= {k: store.info[k] for k in recorded if k in store.info}
    return {"store": store.fingerprint} | known


def content_of(*arrays: Tensor | NDArray[Any]) -> Tensor:
    """A number for each row of the arrays that changes with every value, int64 ``(N,)``."""
    return torch.tensor([int(digest(*rows)[:15], 16) for rows in zip(*arrays, strict=True)], dtype=torch.int64)


@dataclass(eq=False)
class WholeTable:
    """Every slice of a table, column by column; see :class:`~jsddpm_eval.slice_table.SliceTable` for what they mean."""

    kind: Kind
    z_index: Tensor
    z_bin: Tensor
    pathology: Tensor
    patient: Tensor
    unit: Tensor
    held_out: Tensor
    in_split: Tensor
    patient_names: NDArray[np.str_]
    pixels: Pixels
    rows: NDArray[np.intp]
    has_pixels: bool
    has_masks: bool
    binning: ZBinning | None
    spacing: tuple[float, float, float]
    origin: dict[str, Any]
    names: Sequence[str] | None = None
    store: SliceStore | None = None
    columns: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.given = dict(self.columns)
        self.memo = Memo(cache(lambda: self.hash_pixels(list(self.given.values()))), self.hash_labels)

    def of(self, row: Tensor) -> WholeTable:
        """The same data of some rows alone.

        Args:
            row: Rows, int64 ``(n,)``.
        """
        named = ("z_index", "z_bin", "pathology", "patient", "unit", "held_out", "in_split")
        columns = {name: getattr(self, name)[row] for name in named}
        counts = {"slices": len(row)}
        if self.kind == "real" and "patients" in self.origin:
            counts = {"patients": len(columns["patient"].unique())}
        return replace(
            self, **columns, rows=self.rows[row.numpy()], origin=self.origin | counts,
            names=None if self.names is None else [self.names[k] for k in row.tolist()],
            columns={name: values[row] for name, values in self.given.items()},
        )  # fmt: skip

    def identity(self) -> dict[str, str]:
        """Digest of real slices that no store identifies, in any order: arrays, and selections of a store's slices."""
        if self.kind == "generated" or (self.store and len(self.rows) == len(self.store.select(binning=self.binning))):
            return {}
        return {"slices_digest": self.memo.once(("slices digest",), self._hash_slices)}

    def _hash_slices(self) -> str:
        content = torch.from_numpy(self.rows) if self.store is not None else self._content()
        labels = (self.z_index, self.z_bin, self.pathology, self.held_out, self.in_split)
        names = self.patient_names[self.patient.numpy()]
        columns = [v.numpy() for v in (content, *labels)]
        order = np.lexsort([*columns, names])
        source = "" if self.store is None else self.store.fingerprint
        return digest(source, self.spacing, *[v[order] for v in columns], *map(str, names[order]))

    def _content(self) -> Tensor:
        """:func:`content_of` the pixels of arrays; of the columns without pixels."""
        if CONTENT in self.given:
            return self.given[CONTENT]
        if not (self.has_pixels or self.has_masks):
            return content_of(np.zeros(len(self.rows)), *self.given.values())
        read = [self.pixels.images] * self.has_pixels + [self.pixels.masks] * self.has_masks
        parts = np.split(self.rows, range(BATCH, len(self.rows), BATCH))
        return torch.cat([content_of(*(pixels(rows) for pixels in read)) for rows in parts])

    def hash_pixels(self, columns: list[Tensor]) -> str:
        """Hash of a store's fingerprint and the selected rows, or of pixels and columns, read batch by batch."""
        if self.store is not None:
            return digest(self.store.fingerprint, self.rows)
        parts: list[str] = []
        for rows in np.split(self.rows, range(BATCH, len(self.rows), BATCH)):
            parts += [digest(self.pixels.images(rows))] if self.has_pixels else []
            parts += [digest(self.pixels.masks(rows))] if self.has_masks else []
        return digest(*parts, *columns)

    def hash_labels(self) -> str:
        """Hash of all other columns."""
        labels = (self.z_index, self.z_bin, self.pathology, self.patient, self.unit, self.held_out, self.in_split)
        return digest(self.spacing, *labels, *map(str, self.patient_names))
