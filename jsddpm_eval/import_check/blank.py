"""Many blank slices: files that are empty, or values that were all clipped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from jsddpm.wording import agreeing, counted, percentage
from jsddpm_eval.blanks import blank, blank_bound, usual_share
from jsddpm_eval.import_check.suspicion import CHANCE, RealReference, Suspicion
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import by_unit, share_p_value

_FEW = 0.02
"""Largest share of blank slices, beyond that of real ones, without a warning."""


def blanks(reference: RealReference, generated: SliceTable) -> list[Suspicion]:
    """A suspicion if more slices are blank than real ones of the same conditions."""
    flags = blank(generated)
    expected = float(usual_share(reference.real, generated, reference.binning.n_bins).mean())
    count, total = by_unit(flags, generated.unit.numpy())
    chance = share_p_value(count, total, blank_bound(expected, reference.real.n_patients))
    if expected == 0:  # the other test counts a volume as the share of its slices, which hides a part of every volume
        chance = min(chance, _of_units(flags, generated.unit.numpy(), reference.real.n_patients))
    if count / total - expected <= _FEW or chance >= CHANCE:
        return []
    n = int(flags.sum())
    what = f"{n} of {counted(len(flags), 'slice')} {agreeing(n, 'is', 'are')} blank, of real slices of their bins "
    cure = "look for empty files, and for a range (--value-range) that clips every value"
    return [Suspicion("blank", f"{what}{percentage(expected)}", cure)]


def _of_units(flags: NDArray[np.bool_], unit: NDArray[np.int64], patients: int) -> float:
    """Chance that no patient has a blank slice if patients are like samples or volumes (Fisher's exact test).

    Args:
        flags: Whether each generated slice is blank, ``(M,)``.
        unit: Sample or volume of each, ``(M,)``.
        patients: Number of patients, without a blank slice.

    >>> flags, volume = np.tile([True, False], 9), np.arange(9).repeat(2)  # nine volumes, half of each blank
    >>> 1 / _of_units(flags, volume, 14)  # the ways to choose 9 of 23
    817190.0
    """
    with_blank, units = len(np.unique(unit[flags])), len(np.unique(unit))
    return float(hypergeom.pmf(with_blank, units + patients, units, with_blank))
