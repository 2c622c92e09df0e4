"""Search copies of training slices among samples at every check, with held-out slices as the baseline.

:mod:`jsddpm_eval.metrics.copies` does the same in an evaluation, for all real slices. Here only held-out patients give
the nearness of slices of other patients to training slices, so that the search is cheap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from jsddpm_eval.functional.copies import MEASURES
from jsddpm_eval.metrics.copies import clearly, copied_share
from jsddpm_eval.metrics.nearness import NearnessScale, nearest_by_bin, probed, threshold
from jsddpm_eval.results.score import Counts, Score
from jsddpm_eval.slice_table import SliceTable

_PROBES = 12  # held-out slices of each bin whose nearness to training slices is known
_SEARCHED = 40  # samples of a check that are searched, 0.1 s of a core each; of more, evenly spread ones
_MOST = 1000  # training slices of each bin that are searched; of more, evenly spread ones


@dataclass(frozen=True, eq=False)
class CopySearch:
    """The data for the comparison of samples.

    Attributes:
        train: Training slices.
        bins: Number of bins.
        scale: Nearness of slices of held-out patients to them.
        probe: Nearness of the held-out probes in upper spreads, ``(n,)``.
        people: Their patients, ``(n,)``.
    """

    train: SliceTable
    bins: int
    scale: NearnessScale
    probe: NDArray[np.float64]
    people: NDArray[np.int64]

    @classmethod
    def of(cls, real: SliceTable, bins: int) -> CopySearch | None:
        """Compare held-out slices with the training slices of a table, once; None if no bin has both.

        Args:
            real: Slices of training and of held-out patients.
            bins: Number of bins.
        """
        of_bin = [real.where(~real.held_out & (real.z_bin == k)).spread(_MOST).row for k in range(bins)]
        train = real.where(torch.isin(real.row, torch.cat(of_bin)))
        key = ("held-out beside training slices", MEASURES, _PROBES, _MOST, bins)
        known = real.memo.values(key, lambda: _probed(real, train, bins).ravel()).reshape(-1, 1 + len(MEASURES))
        if not len(known):
            return None
        place, null = np.searchsorted(real.row.numpy(), known[:, 0].astype(np.int64)), known[:, 1:]
        z_bin, patients = real.z_bin.numpy()[place], real.patient.numpy()[place]
        scale = NearnessScale.fit(null, z_bin, bins)
        return cls(train, bins, scale, scale(null, z_bin).max(0), patients)

    @property
    def limit(self) -> float:
        """Nearness beyond which a slice counts as a copy."""
        return threshold(len(np.unique(self.people)))

    @property
    def baseline(self) -> float:
        """Share of the held-out probes that would count as copies."""
        return float((self.probe > self.limit).mean())

    def __call__(self, samples: SliceTable) -> Score:
        """Share of samples that are copies of training slices; the p-value tests "no more than for new patients"."""
        places = torch.linspace(0, len(samples) - 1, min(len(samples), _SEARCHED))
        samples = samples.where(places.round().long())
        near = nearest_by_bin(samples, self.train, self.bins)
        has_reference = (near.place[:, 0] >= 0).numpy()
        if not has_reference.any():
            return Score.undefined("no training slice near these bins")
        measures = near.measures.double().numpy()[has_reference]
        reached = self.scale(measures, samples.z_bin.numpy()[has_reference]).max(0)
        exact = near.exact.numpy()[has_reference]
        copied, clear = ((flags | exact) for flags in (reached > self.limit, clearly(reached / self.limit)))
        beyond, units = self.probe > self.limit, samples.unit.numpy()[has_reference]
        counts = Counts(len(self.train), int(has_reference.sum()), len(np.unique(self.people)))
        return copied_share(copied, copied & clear, units, beyond, self.people, counts)


def _probed(real: SliceTable, train: SliceTable, bins: int) -> NDArray[np.float64]:
    """Row, and nearness to training slices, of some held-out slices of each bin, ``(n, 6)``."""
    of_bin = [real.where(real.held_out & (real.z_bin == k)).spread(_PROBES).row for k in range(bins)]
    return probed(real.where(torch.isin(real.row, torch.cat(of_bin))), train, bins)
