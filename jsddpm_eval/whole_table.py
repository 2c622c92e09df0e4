"""Data that all selections of one slice table share: columns, pixel source and hashes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.binning import ZBinning
from jsddpm.slices.store import SliceStore
from jsddpm_eval.functions import identity, name_of, version_of
from jsddpm_eval.memo import InMemory, Memo, digest
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
        if redraws := [s["redrawn"] for s in store.subjects if "redrawn" in s]:
            known["redrawn"] = sum(redraws)
    return {"store": store.fingerprint} | known


def content_of(*arrays: Tensor | NDArray[Any]) -> Tensor:
    """A number for each row of the arrays that changes with every value, int64 ``(N,)``."""
    return torch.tensor([int(digest(*rows)[:15], 16) for rows in zip(*arrays, strict=True)], dtype=torch.int64)


def given_column(key: str, settings: str) -> str:
    """Name under which a table is given a column with these settings, in place of computing it.

    >>> given_column("radiomics", "v1"), given_column("content", "")
    ('radiomics v1', 'content')
    """
    return f"{key} {settings}".rstrip()


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
    computed: dict[object, Tensor] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.memo = Memo(self.hash_pixels, self.hash_labels)

    def __reduce__(self) -> tuple[Any, ...]:  # what is computed stays with this process
        return WholeTable, tuple(getattr(self, each.name) for each in fields(self) if each.init)

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
            columns={name: values[row] for name, values in self.columns.items()},
        )  # fmt: skip

    def name(self, row: int) -> str:
        """Readable name of a row."""
        if self.store is not None:
            return self.store.slice_name(int(self.rows[row]))
        return f"{self.kind} slice {row}" if self.names is None else str(self.names[row])

    def column(
        self,
        key: str,
        function: Callable[..., Tensor],
        settings: str,
        version: str | None,
        compute: Callable[[], Tensor],
    ) -> Tensor:
        """A column that was given by key and settings, or else one of a function, computed once.

        Args:
            key: Name of the column.
            function: The function of slices.
            settings: Other settings that affect the values.
            version: Version of the function; see :func:`~jsddpm_eval.functions.version_of`.
            compute: Computes the column of all rows.
        """
        if (given := given_column(key, settings)) in self.columns:
            return self.columns[given]
        named, kept = name_of(function), version_of(function, version)
        place = (key, named, settings, identity(function) if kept is None else kept)
        if place not in self.computed:
            parts = (named, settings, InMemory() if kept is None else kept)
            self.computed[place] = self.memo.table(key, parts, len(self.rows), compute)
        return self.computed[place]

    def identity(self) -> dict[str, str]:
        """Digest of real slices that no store identifies, in any order: arrays, and selections of a store's slices."""
        if self.kind == "generated" or (self.store and len(self.rows) == len(self.store.select(binning=self.binning))):
            return {}
        return {"slices_digest": self.memo.once(("slices digest",), self._hash_slices)}

    def aside(self) -> dict[str, int]:
        """Number of real patients that the generator was not trained on."""
        return {} if self.kind == "generated" else {"held_out_patients": len(self.patient[self.held_out].unique())}

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
        if CONTENT in self.columns:
            return self.columns[CONTENT]
        if not (self.has_pixels or self.has_masks):
            return content_of(np.zeros(len(self.rows)), *self.columns.values())
        read = [self.pixels.images] * self.has_pixels + [self.pixels.masks] * self.has_masks
        parts = np.split(self.rows, range(BATCH, len(self.rows), BATCH))
        return torch.cat([content_of(*(pixels(rows) for pixels in read)) for rows in parts])

    def hash_pixels(self) -> str:
        """Hash of a store's fingerprint and the selected rows, or of pixels and columns, read batch by batch."""
        if self.store is not None:
            return digest(self.store.fingerprint, self.rows)
        parts: list[str] = []
        for rows in np.split(self.rows, range(BATCH, len(self.rows), BATCH)):
            parts += [digest(self.pixels.images(rows))] if self.has_pixels else []
            parts += [digest(self.pixels.masks(rows))] if self.has_masks else []
        return digest(*parts, *self.columns.values())

    def hash_labels(self) -> str:
        """Hash of all other columns."""
        labels = (self.z_index, self.z_bin, self.pathology, self.patient, self.unit, self.held_out, self.in_split)
        return digest(self.spacing, *labels, *map(str, self.patient_names))
