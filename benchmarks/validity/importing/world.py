"""A division of a store's patients, its samples, and what becomes of them when they are imported."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.validity.importing.faults import ImportFault
from benchmarks.validity.importing.forms import Form
from benchmarks.validity.importing.samples import Samples
from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm.slices.store import SliceStore
from jsddpm_eval.import_check.check import ImportCheck
from jsddpm_eval.memo import digest
from jsddpm_eval.selftest.cohort import Cohort, divided
from jsddpm_eval.slice_table import SliceTable

BINS, SLICES, VOLUMES = 10, 160, 20
_SAME = 2e-3  # of an intensity: what a change of format may round


@dataclass(frozen=True, eq=False)
class Side:
    """Real patients in some bins, and those whom a perfect generator shows.

    Attributes:
        store: Every patient.
        binning: The bins.
        seed: Seed of the division.
    """

    store: SliceStore
    binning: ZBinning
    seed: int
    _known: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def cohort(self) -> Cohort:
        return divided(self.store, self.binning, seed=self.seed)

    @cached_property
    def check(self) -> ImportCheck:
        return ImportCheck(self.cohort.table, self.binning)

    def names(self, table: SliceTable) -> list[str]:
        """Names of the suspicions of a set; of an equal set they are not computed again."""
        units = np.unique(table.unit.numpy(), return_inverse=True)[1]
        key = digest(table.images, table.z_bin, table.pathology, units, *([table.masks] if table.has_masks else []))
        if key not in self._known:
            self._known[key] = [s.name for s in self.check.suspicions(table)]
        return self._known[key]


@dataclass(frozen=True, eq=False)
class World:
    """A division of a store's patients.

    Attributes:
        binned: With bins.
        pooled: With one bin, for generators that know none.
        slices: Samples of the perfect generator.
        volumes: Whole volumes of its patients.
    """

    binned: Side
    pooled: Side
    slices: Samples
    volumes: Samples

    def side(self, form: Form) -> Side:
        """What samples of this form are compared with."""
        return self.binned if form.binned else self.pooled

    def samples(self, form: Form) -> Samples:
        """The samples of a perfect generator of this form."""
        return form.chosen(self.volumes if form.volumes else self.slices)


def world(path: Path, seed: int, bins: int = BINS, slices: int = SLICES, volumes: int = VOLUMES) -> World:
    """A division by its seed.

    Args:
        path: A real store.
        seed: Seed of the division and of the samples.
        bins: Number of bins.
        slices: Number of slices, as many in every condition.
        volumes: Number of volumes.
    """
    store = SliceStore(path)
    z_range = store.z_range or (0, store.n_slices - 1)
    binned, pooled = (Side(store, ZBinning(z_range, n, n_slices=store.n_slices), seed) for n in (bins, 1))
    rng = np.random.default_rng(seed)
    return World(binned, pooled, drawn(binned, rng, slices), whole_volumes(binned, rng, volumes))


def drawn(side: Side, rng: np.random.Generator, slices: int = SLICES) -> Samples:
    """Slices that a perfect generator shows."""
    of_draw = side.cohort.world(slices // (2 * side.binning.n_bins), rng)
    made = of_draw.perfect
    return Samples(
        made.images, made.masks, np.asarray(of_draw.slices.z_index[of_draw.draw]), np.asarray(made.z_bin),
        np.asarray(made.pathology), side.store.spacing, side.binning.n_bins,
    )  # fmt: skip


def whole_volumes(side: Side, rng: np.random.Generator, count: int = VOLUMES) -> Samples:
    """Volumes of the patients whom a perfect generator shows."""
    store, cohort = side.store, side.cohort
    sources = sorted({cohort.names[p] for p in np.unique(cohort.slices.patient[cohort.source])})
    found = [np.flatnonzero(store.patients == n)[: store.n_slices] for n in sorted(rng.permutation(sources)[:count])]
    rows = np.concatenate([np.empty(0, np.intp), *found])
    z = np.tile(np.arange(store.n_slices), len(found))
    masks = store.masks(rows)
    bins = np.asarray(side.binning.index(np.clip(z, *side.binning.z_range)))
    pathology = masks.any(axis=(1, 2)).astype(np.int64)
    return Samples(
        store.images(rows), masks, z, bins, pathology, store.spacing, side.binning.n_bins, depth=store.n_slices
    )


def imported(at: World, form: Form, made: Samples, folder: Path) -> SliceTable:
    """The set that the files of a form are imported as."""
    source, side = form.write(folder / "made", made), at.side(form)
    try:
        return SliceTable.from_files(source, side.store, side.binning, facts=form.given(made), intensities=form.reading)
    finally:
        shutil.rmtree(folder / "made")


def outcome(
    at: World, form: Form, fault: ImportFault, faithful: SliceTable, seed: int, folder: Path
) -> tuple[str, list[str]]:
    """What becomes of a planted fault, and the code of the refusal or the names of suspicions.

    Args:
        at: The division.
        form: How samples are written.
        fault: The fault.
        faithful: The imported set without a fault.
        seed: Seed of the fault.
        folder: Place of files, which are removed.
    """
    before = at.samples(form)
    made = fault.plant(before, np.random.default_rng(seed))
    if form.declared and not made.swapped and _shows(made) == _shows(before):
        return "no effect", []
    try:
        table = imported(at, form, made, folder)
    except JsddpmError as error:
        return "refused", [error.code]
    if same(table, faithful):
        return "no effect", []
    side = at.side(form)
    names = side.names(table)
    if names:
        return ("named" if set(names) & set(fault.called) else "named otherwise"), names
    untold = fault.question and any(fault.question in said for said in side.check.untold(table))
    return ("declared undetermined" if untold else "missed"), []


def same(table: SliceTable, other: SliceTable) -> bool:
    """Whether an evaluation reads the same of two sets, but for rounding."""
    columns = ("z_bin", "pathology", *(["masks"] if table.has_masks else []))
    return len(table) == len(other) and (
        all(bool((getattr(table, name) == getattr(other, name)).all()) for name in columns)
        and float((table.images - other.images).abs().max()) < _SAME
    )


def _shows(made: Samples) -> tuple[object, ...]:
    """Everything of samples but their masks."""
    return made.spacing, made.declared, digest(made.images, made.z, made.z_bin)
