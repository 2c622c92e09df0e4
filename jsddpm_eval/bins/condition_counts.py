"""Slices and patients of a store for each condition of a binning, by split. Torch-free."""

from __future__ import annotations

from typing import Any

import numpy as np

from jsddpm.binning import Condition, ZBinning
from jsddpm.cohort.records import SPLITS
from jsddpm.slices.store import SliceStore
from jsddpm_eval.stats.limits import MIN_PATIENTS


def condition_counts(store: SliceStore, binning: ZBinning) -> list[dict[str, Any]]:
    """Slices and patients of each condition, in token order.

    Returns:
        Per condition ``z_bin``, ``pathology``, ``slices`` and ``patients`` (each by split, and ``all``), and
        ``assessable``: whether at least :data:`MIN_PATIENTS` patients have such a slice, because fewer cannot be halved
        and compared.

    Raises:
        JsddpmError: ``STORE_SLICES`` when the binning is for other volumes.
    """
    rows = store.select(binning=binning)
    index, patients = store.index[rows], store.patients[rows]
    tokens = store.tokens(rows, binning)
    cells = []
    for token in range(2 * binning.n_bins):
        condition = Condition.from_token(token, binning.n_bins)
        here = tokens == token
        parts = {name: here & (index["split"] == s) for s, name in enumerate(SPLITS)} | {"all": here}
        counts_of = {name: len(np.unique(patients[keep])) for name, keep in parts.items()}
        cells.append(
            {
                "z_bin": condition.z_bin,
                "pathology": condition.pathology,
                "slices": {name: int(keep.sum()) for name, keep in parts.items()},
                "patients": counts_of,
                "assessable": counts_of["all"] >= MIN_PATIENTS,
            }
        )
    return cells


def brain_profile(store: SliceStore) -> list[float | None]:
    """Mean share of each axial slice inside the brain, over all subjects; None if it was not estimated."""
    z, fraction = store.index["z_index"], store.index["brain_fraction"]
    known = np.isfinite(fraction)
    total = np.bincount(z[known], fraction[known], minlength=store.n_slices)
    count = np.bincount(z[known], minlength=store.n_slices)
    return [float(t / c) if c else None for t, c in zip(total, count, strict=True)]
