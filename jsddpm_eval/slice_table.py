"""Tables of real or generated slices, with all facts that an evaluation needs.

Pixels remain in an array or in a store's files, and are read for a selection of rows, so memory depends on the largest
selection. Values of every slice (features, shapes) are columns, which are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.binning import ZBinning
from jsddpm.cohort.records import split_number
from jsddpm.errors import usage_error
from jsddpm.slices.imported import Facts, IntensityFormat, read_generated
from jsddpm.slices.opened import Store, opened
from jsddpm_eval import labels
from jsddpm_eval.functional.thinning import evenly
from jsddpm_eval.pixels import ArrayPixels, Values, as_images, as_masks, require_lengths
from jsddpm_eval.settled import settled
from jsddpm_eval.whole_table import BATCH, WholeTable, origin_of


class SliceTable:
    """Real or generated slices, one per row; made by :meth:`from_arrays`, :meth:`from_store` or :meth:`from_files`.

    Its columns are read-only: a change of one would not change what depends on it.

    Attributes:
        kind: ``real`` or ``generated``.
        z_index: Slice positions, int64 ``(N,)``; for generated slices the requested position.
        z_bin: Bins, int64 ``(N,)``; for generated slices those they are conditioned on.
        pathology: 0 control, 1 lesion, int64 ``(N,)``; for generated slices what they are conditioned on.
        patient: Patient numbers in name order, int64 ``(N,)``; -1 for generated slices.
        unit: Independent unit, int64 ``(N,)``: the patient of a real slice; the volume of a generated slice, or the
            slice itself without a volume. Only equality of these numbers has a meaning.
        held_out: Real slices the generator was not trained on, boolean ``(N,)``.
        in_split: Slices of the held-out split, of which a network's reconstruction is scored, boolean ``(N,)``.
        row: Row in the whole table, int64 ``(N,)``; :meth:`where` keeps it.
        has_pixels: Whether images can be read.
        has_masks: Whether masks can be read.
        size: ``(H, W)`` of the slices; (0, 0) without images and masks.
        spacing: Pixel size and slice distance ``(row, column, z)`` in mm.
        binning: The binning; None if only bins are known.
        store: Their store, if there is one.
        memo: Values of the whole table, which all evaluations share; of a selection, take those of :meth:`rooted`.
    """

    def __init__(self, whole: WholeTable, row: Tensor) -> None:
        self._whole, self.row = whole, row
        self.kind, self.binning, self.spacing = whole.kind, whole.binning, whole.spacing
        self.store, self.memo = whole.store, whole.memo
        self.has_pixels, self.has_masks, self.size = whole.has_pixels, whole.has_masks, whole.pixels.size
        self.z_index, self.z_bin, self.pathology = whole.z_index[row], whole.z_bin[row], whole.pathology[row]
        self.patient, self.unit = whole.patient[row], whole.unit[row]
        self.held_out, self.in_split = whole.held_out[row], whole.in_split[row]

    @classmethod
    @settled()
    def from_arrays(
        cls,
        images: Values | None,
        masks: Values | None = None,
        *,
        pathology: Values | Sequence[str],
        z_bin: Values | None = None,
        z_index: Values | None = None,
        patient: Sequence[object] | Values | None = None,
        group: Sequence[object] | Values | None = None,
        held_out: Values | None = None,
        binning: ZBinning | None = None,
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
        names: Sequence[str] | None = None,
        columns: Mapping[str, Tensor] | None = None,
    ) -> SliceTable:
        """Slices in memory.

        Args:
            images: ``(N, H, W)`` or ``(N, 1, H, W)`` floats in [0, 1]; None if the columns contain all that is needed.
                float32 arrays and boolean masks are not copied, so do not change them afterwards.
            masks: Their lesion masks, booleans or 0 and one whole number; scores that need masks are undefined without.
            pathology: 0, False or control; 1, True or lesion; for generated slices what they are conditioned on.
            z_bin: Bins, ``(N,)``; needed without ``z_index``, and the same if both are given.
            z_index: Slice positions, ``(N,)``; ``binning`` turns them into bins.
            patient: Patients of real slices, names or numbers, ``(N,)``; None for generated slices.
            group: Volumes of generated slices, names or numbers, ``(N,)``: slices of one volume depend on each other,
                like those of one patient. None (or NaN, or a negative number) for a slice without a volume; None if
                all slices are independent.
            held_out: Whether the generator never saw these real slices, boolean ``(N,)``; None if it may have seen any.
            binning: The bins. Without it bins count from 0 to the largest of either table, each one slice thick.
            spacing: Pixel size and slice distance ``(row, column, z)`` in mm; real and generated slices have the same.
            names: Readable names of the slices.
            columns: Columns already computed, by key.

        Raises:
            JsddpmError: ``SLICES`` (status 2) naming what does not fit.

        >>> table = SliceTable.from_arrays(np.zeros((2, 16, 16)), z_bin=[0, 1], pathology=[0, 0], patient=["a", "b"])
        >>> len(table), table.kind, table.patient.tolist()
        (2, 'real', [0, 1])
        >>> stack = SliceTable.from_arrays(None, z_bin=[0, 1, 1], pathology=[0, 0, 0], group=["a", "a", "b"])
        >>> len(stack), stack.n_units
        (3, 2)
        """
        kinds = labels.as_pathology(pathology)
        count = len(kinds)
        position, bins = labels.as_places(z_index, z_bin, binning)
        numbers, patient_names = labels.as_patients(patient, count)
        units = labels.as_units(group, numbers, real=patient is not None)
        held = labels.as_held_out(held_out, numbers, patient_names, real=patient is not None)
        picture, mask = None if images is None else as_images(images), None if masks is None else as_masks(masks)
        named, given = labels.as_names(names), labels.as_columns(columns)
        lengths: dict[str, Sized | None] = {"z_index" if z_bin is None else "z_bin": bins, "z_index": position}
        lengths |= {"held_out": held, "images": picture, "masks": mask, "names": named, **given}
        require_lengths(count, lengths)
        whole = WholeTable(
            "generated" if patient is None else "real", position, bins, kinds, numbers, units, held, held,
            patient_names, ArrayPixels(picture, mask), np.arange(count), picture is not None, mask is not None, binning,
            labels.as_spacing(spacing), {"slices": count}, named, columns=given,
        )  # fmt: skip
        return cls(whole, torch.arange(count))

    @classmethod
    @settled()
    def from_store(
        cls, store: Store, binning: ZBinning | None = None, *, split: str = "test",
        only: Sequence[str] | None = None,
    ) -> SliceTable:  # fmt: skip
        """The slices of a store inside a binning's range; their pixels stay in its files.

        Args:
            store: Store or its folder.
            binning: The bins; None uses those of a generated store.
            split: Held-out split (``val`` or ``test``) of which a network's reconstruction is scored. Slices of the
                training split count as training slices of the generator, all others as held out.
            only: Splits whose slices are used; None uses all.

        Raises:
            JsddpmError: ``BINNING`` (status 2) for a real store without a binning, ``STORE_SLICES`` when it is for
                other volumes, ``SPLIT`` for an unknown split.
        """
        store = opened(store)
        chosen = binning or store.binning
        if chosen is None:
            raise usage_error("BINNING", "is a real store, which has no bins", fix="give a ZBinning", file=store.path)
        rows = np.sort(np.concatenate([store.select(binning=chosen, split=part) for part in only or (None,)]))
        index, real = store.index[rows], store.kind == "real"
        position = torch.from_numpy(index["z_index"].astype(np.int64))
        divided = torch.from_numpy(index["split"].astype(np.int64))
        numbers, patient_names = labels.as_patients(store.patients[rows] if real else None, len(rows))
        units = labels.as_units(None if real else store.groups[rows], numbers, real=real)
        whole = WholeTable(
            "real" if real else "generated", position, torch.as_tensor(chosen.index(position)),
            torch.from_numpy(index["pathology"].astype(np.int64)), numbers, units,
            real & (divided != split_number("train")), real & (divided == split_number(split)), patient_names, store,
            rows, True, store.has_masks, chosen, store.spacing, origin_of(store, split), store=store,
        )  # fmt: skip
        return cls(whole, torch.arange(len(rows)))

    @classmethod
    def from_files(
        cls,
        source: str | Path,
        real: Store,
        binning: ZBinning,
        *,
        layout: str = "auto",
        intensities: IntensityFormat | None = None,
        facts: Facts | None = None,
    ) -> SliceTable:
        """Slices or volumes of any generator, in memory; ``jsddpm cache import`` makes a store of them.

        Args:
            source: File or folder; see :func:`~jsddpm.slices.imported.import_slices`.
            real: Real store for the comparison.
            binning: The bins.
            layout: Name of a layout; ``auto`` uses the only one that fits.
            intensities: How values are mapped to intensities and lesions.
            facts: Facts that the files do not contain.
        """
        store = opened(real)
        read = read_generated(source, binning=binning, real=store, intensities=intensities, facts=facts, layout=layout)
        grouped = any(read.group)
        number = {name: i for i, name in enumerate(sorted({*read.group} - {""}))}
        return cls.from_arrays(
            read.images, read.masks if len(read.masks) else None, pathology=read.pathology, z_index=read.z_index,
            group=[number.get(name, -1) for name in read.group] if grouped else None, binning=binning,
            spacing=store.spacing,
        )  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        return SliceTable, (self._whole, self.row)

    def __len__(self) -> int:
        return len(self.row)

    def __repr__(self) -> str:
        of_patients = f" of {self.n_patients} patients" if self.kind == "real" else ""
        size = "{}x{}".format(*self.size) if self.has_pixels else "without pixels"
        return f"SliceTable({len(self)} {self.kind} slices{of_patients}, {size})"

    def where(self, keep: Values | slice) -> SliceTable:
        """The slices selected by a boolean mask, row numbers, a slice, or one row number.

        Raises:
            JsddpmError: ``SLICES`` (status 2) for a mask of another length, rows that do not exist, or anything else.
        """
        return SliceTable(self._whole, self.row[labels.as_rows(keep, len(self))])

    def rooted(self) -> SliceTable:
        """The slices of this selection as a table of their own, with rows from 0, and without the other slices."""
        if len(self) == len(self._whole.rows) and torch.equal(self.row, torch.arange(len(self))):
            return self
        return self._apart

    @cached_property
    def _apart(self) -> SliceTable:  # kept with the selection, for its next evaluation
        return SliceTable(self._whole.of(self.row), torch.arange(len(self)))

    def spread(self, most: int) -> SliceTable:
        """At most ``most`` of the slices, evenly spread over the conditions and within them."""
        return self.where(evenly(self.token(int(self.z_bin.max()) + 1), most)) if len(self) > most else self

    @property
    def origin(self) -> dict[str, Any]:
        """Provenance of the slices of the whole table, as plain values."""
        return self._whole.origin | self._whole.identity() | self._whole.aside()

    @property
    def n_patients(self) -> int:
        """Number of patients of the real slices."""
        return len(self.patient[self.patient >= 0].unique())

    @property
    def n_units(self) -> int:
        """Number of patients of real slices; of volumes and single slices of generated ones."""
        return len(self.unit.unique())

    @property
    def patient_names(self) -> NDArray[np.str_]:
        """Patient of each real slice, ``(N,)``."""
        names: NDArray[np.str_] = self._whole.patient_names[self.patient.numpy()]
        return names

    @property
    def index_rows(self) -> NDArray[np.intp]:
        """Rows of the store's index, or of the arrays, ``(N,)``."""
        rows: NDArray[np.intp] = self._whole.rows[self.row.numpy()]
        return rows

    def token(self, n_bins: int) -> Tensor:
        """Condition tokens ``pathology * n_bins + z_bin``, int64 ``(N,)``."""
        return self.pathology * n_bins + self.z_bin

    def name(self, place: int) -> str:
        """Readable name of a slice of this selection."""
        return self._whole.name(int(self.row[place]))

    @cached_property
    def images(self) -> Tensor:
        """Intensities, float32 ``(N, H, W)`` in [0, 1]; read once, kept as long as this selection."""
        return self._read(self._whole.pixels.images)

    @cached_property
    def masks(self) -> Tensor:
        """Lesion masks, boolean ``(N, H, W)``; read once, kept as long as this selection."""
        return self._read(self._whole.pixels.masks)

    @settled()
    def _read(self, read: Callable[[NDArray[np.intp]], NDArray[Any]]) -> Tensor:
        pixels = torch.from_numpy(read(self.index_rows))
        if self.store is not None:
            self.store.release()
        return pixels

    def column(
        self, key: str, compute: Callable[[SliceTable], Tensor], *, settings: str = "", version: str | None = None
    ) -> Tensor:
        """A value, or a row of values, of each slice; computed once for the whole table, batch by batch.

        Args:
            key: Name of the column, used in file names; columns of other functions may have the same.
            compute: Function of a batch of this table that returns float64 or boolean ``(n, ...)``.
            settings: Other settings that affect the values.
            version: Text to be changed with every change of the function; a folder keeps the values under it. A column
                without one is kept in memory only, for this function; jsddpm's own functions need none.
        """
        every = SliceTable(self._whole, torch.arange(len(self._whole.rows)))
        return self._whole.column(key, compute, settings, version, lambda: every.mapped(compute))[self.row]

    def mapped(self, compute: Callable[[SliceTable], Tensor]) -> Tensor:
        """``compute`` of every slice of this selection, batch by batch; an empty batch without slices."""
        return torch.cat([compute(self.where(rows)) for rows in torch.arange(len(self)).split(BATCH)])
