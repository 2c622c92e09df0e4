"""Many blank slices: files that are empty, or values that were all clipped."""

from __future__ import annotations

from jsddpm.wording import agreeing, counted, percentage
from jsddpm_eval.blanks import blank, most, usual_share
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
    chance = share_p_value(count, total, most(expected, reference.real.n_patients))
    if count / total - expected <= _FEW or chance >= CHANCE:
        return []
    n = int(flags.sum())
    what = f"{n} of {counted(len(flags), 'slice')} {agreeing(n, 'is', 'are')} blank, of real slices of their bins "
    cure = "look for empty files, and for a range (--value-range) that clips every value"
    return [Suspicion("blank", f"{what}{percentage(expected)}", cure)]
