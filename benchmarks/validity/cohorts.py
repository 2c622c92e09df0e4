"""Cohorts on which the checks are judged: phantoms of several seeds, and a real one where it is at hand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jsddpm.binning import ZBinning
from jsddpm.cohort.phantom import make_phantom_cohort
from jsddpm.cohort.preprocess import Preprocessing
from jsddpm.cohort.sources import read_cohort
from jsddpm.csvfiles import to_csv
from jsddpm.files import make_directory, write_text
from jsddpm.runtime import cores
from jsddpm.slices.build import build_slice_cache
from jsddpm.slices.resplit import resplit
from jsddpm.slices.store import SliceStore
from jsddpm_eval.selftest.cohort import Cohort, Half, opened, paired

BUILD = Path(__file__).parents[2] / "build" / "validity"
REAL = "JSDDPM_REAL_COHORT"
BINS = 10
PHANTOMS = {"phantom-16+6": (16, 6), "phantom-40+14": (40, 14)}
"""Patients with a lesion, and controls."""

_SEEDS = {"A": (101, 102), "B": (203, 204)}
_SHAPE, _SPACING, _RANGE = (64, 64, 128), (3.0, 3.0, 1.25), (24, 93)
_REAL_SHAPE, _REAL_SPACING = (64, 64, 88), (3.75, 3.75, 1.75)


def names() -> list[str]:
    """Cohorts at hand."""
    return [*PHANTOMS, *(["real"] if os.environ.get(REAL) else [])]


def prepared(name: str, half: Half) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Opener of a cohort, its arguments, and its identity; missing stores are built.

    The patients of the two halves of a phantom have other seeds; those of the real cohort are divided.
    """
    if name == "real":
        store = _built(Path(os.environ[REAL]), "real", _REAL_SHAPE, _REAL_SPACING, "auto")
        opening = SliceStore(store)
        binning = ZBinning(opening.z_range, BINS, n_slices=opening.n_slices)
        return opened, (str(store), binning, 0, half), {"cohort": name, "half": half, "store": opening.fingerprint}
    if half == "both":
        raise SystemExit("a phantom has the halves A and B")
    lesions, controls = PHANTOMS[name]
    stores = [phantom_store(lesions, controls, _SEEDS[half][0]), phantom_store(40, 14, _SEEDS[half][1])]
    prints = [SliceStore(store).fingerprint for store in stores]
    return two_stores, tuple(map(str, stores)), {"cohort": name, "half": half, "stores": prints}


def two_stores(real: str, source: str) -> Cohort:
    """Every patient of one store is real, and the perfect generator draws from those of the other."""
    stores = [SliceStore(path) for path in (real, source)]
    binning = phantom_binning()
    ours, theirs = ((store, sorted(set(store.patients.tolist()))) for store in stores)
    return paired(ours, theirs, binning, seed=0)


def phantom_binning() -> ZBinning:
    """The bins of a phantom."""
    return ZBinning(_RANGE, BINS, n_slices=_SHAPE[2])


def phantom_store(lesions: int, controls: int, seed: int) -> Path:
    """Folder of the store of a phantom."""
    name = f"phantom-{lesions}+{controls}-{seed}"
    bids = BUILD / f"{name}-bids"
    make = partial(make_phantom_cohort, subjects=lesions + controls, controls=controls, seed=seed, jobs=cores())
    if not (BUILD / name).is_dir() and not bids.is_dir():
        BUILD.mkdir(parents=True, exist_ok=True)
        make(bids)
    return _built(bids, name, _SHAPE, _SPACING, _RANGE)


def with_splits(store: SliceStore, splits: Mapping[str, str], folder: Path) -> SliceStore:
    """A store in a folder whose patients have other splits; it is made where it is missing."""
    if not folder.is_dir():
        manifest = make_directory(folder.parent) / f"{folder.name}.csv"
        write_text(manifest, to_csv([{"patient": name, "split": split} for name, split in splits.items()]))
        resplit(store, manifest, folder)
    return SliceStore(folder)


def _built(bids: Path, name: str, shape: Any, spacing: Any, z_range: Any) -> Path:
    store = BUILD / name
    if not store.is_dir():
        BUILD.mkdir(parents=True, exist_ok=True)
        records = read_cohort(bids).require_clean()
        spec = Preprocessing(shape, spacing)
        build_slice_cache(records, store, spec=spec, z_range=z_range, jobs=cores(), resume=True)
    return store
