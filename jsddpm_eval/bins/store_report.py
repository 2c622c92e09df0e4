"""The bins report of a store: utilization, counts and patients per condition, the smallest detectable difference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jsddpm.binning import ZBinning
from jsddpm.progress import Progress
from jsddpm.slices.store import SliceStore
from jsddpm.wording import counted
from jsddpm_eval.bins.condition_counts import brain_profile, condition_counts
from jsddpm_eval.bins.sweep import bin_sweep
from jsddpm_eval.checks.levels import single_level
from jsddpm_eval.features.appearance import appearance
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.limits import MIN_PATIENTS, MIN_UNITS
from jsddpm_eval.stats.power import POWER, detectable
from jsddpm_eval.stats.scale import REACH, Scale, Side
from jsddpm_eval.stats.shift import mean_shift

SAMPLES = 16
"""Default number of generated slices per condition for the smallest detectable difference."""

_NOTHING = "not even"


def store_report(
    store: SliceStore,
    binning: ZBinning,
    *,
    samples: int = SAMPLES,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Counts and the smallest detectable difference in each condition of a store.

    The smallest detectable difference is that of the tests of an evaluation, at their levels, for means of appearance
    (detail, texture, intensity, outline), in standard deviations of real slices.

    Args:
        store: A real store.
        binning: The local binning.
        samples: Number of generated slices per condition.
        progress: Called with (conditions done, conditions).

    Returns:
        Plain values for JSON: ``fingerprint`` of the store, ``patients`` (their number), ``spacing_z_mm``,
        ``min_patients`` (fewer in a condition cannot be assessed), ``samples``, ``power`` of the smallest detectable
        difference, ``brain_profile`` as :func:`~jsddpm_eval.bins.condition_counts.brain_profile` gives it, ``cells`` as
        :func:`~jsddpm_eval.bins.condition_counts.condition_counts` gives them, each with ``minimum_detectable``
        (``median`` and ``largest`` over the columns compared; null with a ``reason``), ``whole``, the same for all
        conditions together, and ``fewer_bins``: where most detect nothing, the most bins of which every condition has
        ``min_patients`` patients (:func:`~jsddpm_eval.bins.sweep.bin_sweep`); else, and where none has, null.
    """
    table = SliceTable.from_store(store, binning)
    columns, tokens = appearance(table).numpy(), table.token(binning.n_bins).numpy()
    patients = table.patient.numpy()
    every = range(2 * binning.n_bins)
    cells = condition_counts(store, binning)
    for token, cell in enumerate(cells):
        cell |= _smallest(columns, tokens, patients, [token], samples, single_level("condition", binning.n_bins))
        if progress:
            progress(token + 1, len(cells))
    whole = _smallest(columns, tokens, patients, list(every), samples, single_level("whole", binning.n_bins))
    return {
        "fingerprint": store.fingerprint,
        "patients": len(np.unique(store.patients)),
        "spacing_z_mm": store.spacing[2],
        "min_patients": MIN_PATIENTS,
        "samples": samples,
        "power": POWER,
        "brain_profile": brain_profile(store),
        "cells": cells,
        "whole": whole,
        "fewer_bins": _fewer(store, binning, cells),
    }


def _fewer(store: SliceStore, binning: ZBinning, cells: list[dict[str, Any]]) -> int | None:
    blind = sum(not c["assessable"] or str(c["reason"]).startswith(_NOTHING) for c in cells)
    if 2 * blind <= len(cells) or binning.n_bins == 1:
        return None
    sweep = bin_sweep(binning.z_range, range(1, binning.n_bins), store=store)
    best = next(e for e in sweep["choices"] if e["n_bins"] == sweep["recommended"])
    return best["n_bins"] if best["cells_assessable"] == best["cells"] else None


def _smallest(
    columns: NDArray[np.float64],
    tokens: NDArray[np.int64],
    patients: NDArray[np.int64],
    conditions: list[int],
    samples: int,
    level: float,
) -> dict[str, Any]:
    """Smallest detectable shift in the slices of some conditions, over all columns, for samples like real slices."""
    here = np.isin(tokens, conditions)
    n_patients = len(np.unique(patients[here]))
    if n_patients < MIN_PATIENTS:
        reason = f"{counted(n_patients, 'patient')}: at least {MIN_PATIENTS} are needed"
        return {"minimum_detectable": None, "reason": reason}
    planned_bins = np.repeat(np.unique(tokens[here]), samples)
    planned = Side(np.zeros(len(planned_bins)), planned_bins, np.arange(len(planned_bins)))
    smallest = []
    for column in columns.T:
        real = Side(column[here], tokens[here], patients[here])
        shift = mean_shift(Scale.fit(real, int(tokens.max(initial=0)) + 1)(real), planned)
        if shift is not None:
            smallest.append(detectable(shift.error, shift.freedom, level))
    if not smallest:
        return {"minimum_detectable": None, "reason": f"{counted(samples, 'sample')}: at least {MIN_UNITS} are needed"}
    if np.median(smallest) > REACH:
        return {
            "minimum_detectable": None,
            "reason": f"{_NOTHING} a shift of {REACH:g} standard deviations would be seen",
        }
    return {
        "minimum_detectable": {"median": float(np.median(smallest)), "largest": float(np.max(smallest))},
        "reason": None,
    }
