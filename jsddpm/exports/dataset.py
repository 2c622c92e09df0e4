"""A data set of one or more stores, published in a format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from jsddpm import __version__
from jsddpm.anonymise import Codes
from jsddpm.csvfiles import csv_bytes
from jsddpm.errors import usage_error
from jsddpm.exports.cases import Case, Unit, cases_of, refuse_equal_names, unit_of
from jsddpm.exports.folds import Fold, folds_of
from jsddpm.exports.formats import formats
from jsddpm.files import read_json, write_bytes, write_json
from jsddpm.progress import Progress
from jsddpm.publish import published_directory
from jsddpm.slices.anonymised import shareable_info
from jsddpm.slices.opened import Store, opened
from jsddpm.slices.store import SliceStore
from jsddpm.wording import counted


@dataclass(frozen=True)
class DataSet:
    """The content of a data set, which a format writes.

    Attributes:
        name: Name of the folder.
        description: One sentence on its content.
        modality: Modality of the images, such as ``FLAIR``.
        cases: Its cases, with unique names.
        folds: Folds by patient; empty if the format has none, or there is no real case.
        provenance: Provenance of its stores, as plain values without names of patients or files.
        skull_stripped: Whether the images show only the brain; a store does not record it.
        version: Version of the package.
    """

    name: str
    description: str
    modality: str
    cases: Sequence[Case]
    folds: Sequence[Fold]
    provenance: Mapping[str, Any]
    skull_stripped: bool = False
    version: str = __version__

    @property
    def distances(self) -> dict[float, int]:
        """Cases by the distance of their slices in mm, from the smallest."""
        found = Counter(round(float(np.linalg.norm(case.affine[:3, 2])), 2) for case in self.cases)
        return dict(sorted(found.items()))

    def write_origin(self, folder: Path) -> None:
        """Write ``cases.csv``, the cases and the samples or patients that they are, and ``provenance.json``."""
        write_bytes(folder / "cases.csv", csv_bytes([case.row() for case in self.cases]))
        write_json(folder / "provenance.json", self.provenance)


def export_stores(
    stores: Sequence[Store],
    out: str | Path,
    form: str,
    *,
    unit: Unit | None = None,
    z_range: tuple[int, int] | None = None,
    modality: str = "FLAIR",
    skull_stripped: bool = False,
    folds: int | None = None,
    seed: int = 0,
    codes: Sequence[Codes | None] = (),
    progress: Progress | None = None,
) -> DataSet:
    """Publish stores as a data set of another tool's format, or as plain files.

    Args:
        stores: Real and generated stores, or their folders, with slices of one size.
        out: New folder.
        form: Name of the format.
        unit: Unit of a case; None uses volumes if all slices belong to volumes, else slices.
        z_range: Inclusive range of slices to keep; None keeps whole volumes, and of single slices those that generated
            stores are conditioned on, or else that real stores propose for training.
        modality: Modality of the images, in letters and digits.
        skull_stripped: Whether the images show only the brain, which BIDS records.
        folds: Number of folds; None uses up to 5.
        seed: Seed of the folds.
        codes: Codes for each store's patients, or None; empty uses the names in the stores.
        progress: Called with (cases written, cases).

    Raises:
        JsddpmError: ``EXISTS``, ``CASES``, ``SPLIT``, ``KEY``, ``OPTION`` (status 2).
    """
    if form not in formats():
        raise usage_error("OPTION", f"there is no format {form!r}", fix=f"choose from {', '.join(formats())}")
    chosen, out, exported = formats()[form], Path(out), [opened(store) for store in stores]
    if not re.fullmatch(r"[A-Za-z0-9]{1,32}", modality):
        raise usage_error(
            "OPTION", f"--modality {modality!r} is not a name", fix="use letters and digits, such as FLAIR"
        )
    if len({store.size for store in exported}) > 1:
        sizes = ", ".join(sorted({"x".join(map(str, store.size)) for store in exported}))
        raise usage_error("CASES", f"the slices have several sizes: {sizes}", fix="export the stores separately")
    cases: list[Case] = []
    together, numbers = unit_of(exported), count(1)
    several = sum(store.kind == "generated" for store in exported) > 1
    for number, store in enumerate(exported):
        own = unit or (together if chosen.one_unit else unit_of([store]))
        prefix = f"synthetic{next(numbers)}" if several and store.kind == "generated" else "synthetic"
        of_store = codes[number] if codes else None
        slices_range = z_range or (_asked_range(exported) if own == "slices" else None)
        cases += cases_of(store, own, prefix=prefix, z_range=slices_range, codes=of_store)
    if not cases:
        raise usage_error("CASES", "no slice lies in the z-range", fix="give another --z-range")
    refuse_equal_names(cases)
    data = DataSet(
        name=out.name,
        description=_described(cases),
        modality=modality,
        skull_stripped=skull_stripped,
        cases=cases,
        folds=folds_of(cases, folds, seed=seed) if chosen.folds else (),
        provenance={
            "created_by": f"jsddpm {__version__}",
            "format": form,
            "stores": [{"fingerprint": store.fingerprint, **shareable_info(store)} for store in exported],
        },
    )
    done = count(1)
    with published_directory(out) as folder:
        chosen.write(data, folder, lambda: progress(next(done), len(cases)) if progress else None)
    return data


def is_export(folder: str | Path, store: SliceStore, form: str) -> bool:
    """Whether a folder is a data set that :func:`export_stores` has made of this store alone.

    Args:
        folder: The folder; it need not exist.
        store: The store.
        form: Name of the format.
    """
    path = Path(folder) / "provenance.json"
    if not path.is_file():
        return False
    record = read_json(path)
    stores = record.get("stores")
    prints = [s.get("fingerprint") for s in stores if isinstance(s, dict)] if isinstance(stores, list) else []
    return record.get("format") == form and prints == [store.fingerprint]


def _asked_range(stores: Sequence[SliceStore]) -> tuple[int, int] | None:
    """The range of slices of the stores, from the lowest to the highest; None if no store gives one."""
    conditioned = [store.binning.z_range for store in stores if store.binning is not None]
    ranges = conditioned or [store.z_range for store in stores if store.z_range is not None]
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None


def _described(cases: Sequence[Case]) -> str:
    real = [case for case in cases if not case.synthetic]
    patients = len({case.patient for case in real})
    parts = [f"{counted(len(real), 'case')} of {counted(patients, 'patient')}"] if real else []
    parts += [counted(len(cases) - len(real), "generated case")] if len(real) < len(cases) else []
    return f"{' and '.join(parts)}, preprocessed slices with lesion masks, intensities in [0, 1]."
