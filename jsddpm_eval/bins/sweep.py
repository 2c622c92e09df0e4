"""Compare several numbers of bins over one range, and recommend one by rules. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jsddpm.binning import ZBinning
from jsddpm.slices.store import SliceStore
from jsddpm.wording import counted
from jsddpm_eval.bins.condition_counts import condition_counts
from jsddpm_eval.bins.utilization import scheme_utilization
from jsddpm_eval.stats.limits import MIN_PATIENTS

MIN_SLICES = 2


def bin_sweep(
    z_range: tuple[int, int], choices: Sequence[int], n_slices: int = 128, store: SliceStore | None = None
) -> dict[str, Any]:
    """Local binnings of one range side by side.

    The recommendation is the largest number of bins that keeps every bin used, at least :data:`MIN_SLICES` slices in
    each, and, with a store, at least :data:`~jsddpm_eval.stats.limits.MIN_PATIENTS` patients in every condition. If
    none does, it is the one with the largest share of conditions that have as many, then the fewest bins. A number of
    bins of which some have no slice is never recommended.

    Args:
        z_range: Inclusive range in slices.
        choices: Numbers of bins to compare.
        n_slices: Number of slices of the volume; a store's number takes precedence.
        store: Counts patients per condition and gives thicknesses in mm.

    Returns:
        Plain values for JSON: ``choices`` (one entry each), ``recommended`` (null if every choice has bins without a
        slice) and its ``reason``.

    >>> bin_sweep((24, 93), [5, 10, 50])["recommended"], bin_sweep((24, 93), [100])["recommended"]
    (10, None)
    """
    entries = [_entry(z_range, n, store.n_slices if store else n_slices, store) for n in sorted(set(choices))]
    best, reason = _recommended(entries, z_range, with_patients=store is not None)
    return {"z_range": list(z_range), "choices": entries, "recommended": best, "reason": reason}


def _recommended(
    entries: list[dict[str, Any]], z_range: tuple[int, int], *, with_patients: bool
) -> tuple[int | None, str]:
    """The recommended number of bins and its reason in words."""
    used = [e for e in entries if e["bins_used"] == e["n_bins"]]
    if not used:
        most = counted(z_range[1] - z_range[0] + 1, "bin")
        return None, f"none: every choice has bins without a slice; the range has slices for {most} at most"
    good = [e for e in used if e["slices_per_bin"][0] >= MIN_SLICES]
    supported = [e for e in good if not with_patients or e["cells_assessable"] == e["cells"]]
    if supported:
        best = supported[-1]
        reason = f"the most bins with every bin used, at least {MIN_SLICES} slices in each"
        reason += f" and at least {MIN_PATIENTS} patients in every condition" if with_patients else ""
    else:
        best = max(good or used, key=lambda e: (e.get("cells_assessable", 0) / e["cells"], -e["n_bins"]))
        few = f"only {best.get('cells_assessable')} of {best['cells']} conditions have {MIN_PATIENTS} patients"
        short = few if with_patients else ""
        reason = f"no choice satisfies every rule; {short or 'it leaves the fewest bins with too few slices'}"
    return best["n_bins"], f"{counted(best['n_bins'], 'bin')}: {reason}"


def _entry(z_range: tuple[int, int], n_bins: int, n_slices: int, store: SliceStore | None) -> dict[str, Any]:
    binning = ZBinning(z_range, n_bins, "local", n_slices, allow_empty_bins=True)
    use = scheme_utilization(binning)
    entry: dict[str, Any] = {
        "n_bins": n_bins,
        "bins_used": use["bins_used"],
        "utilization": use["utilization"],
        "slices_per_bin": [min(use["counts"]), max(use["counts"])],
        "cells": 2 * n_bins,
    }
    if store is not None:
        cells = condition_counts(store, binning)
        n_patients = [c["patients"]["all"] for c in cells]
        entry |= {
            "mm_per_bin": [count * store.spacing[2] for count in entry["slices_per_bin"]],
            "patients_per_cell": [min(n_patients), max(n_patients)],
            "cells_assessable": sum(c["assessable"] for c in cells),
            "cells_without_training": sum(c["slices"]["train"] == 0 for c in cells),
        }
    return entry
