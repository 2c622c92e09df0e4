"""Cohorts of known answer, as slice tables."""

from __future__ import annotations

import numpy as np
import torch

from jsddpm.binning import ZBinning
from jsddpm_eval.evaluation import evaluate_in_detail
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.memo import digest
from jsddpm_eval.slice_table import SliceTable

BINNING = ZBinning((0, 9), 2, n_slices=10)
MEANS = Extractor("rows", lambda x: x.mean(2).double(), {}, standardize=True)


class World:
    """Patients with their own pattern, slices scattered around it, in two bins of one pathology."""

    def __init__(self, seed=0, patients=10, slices=3, size=(16, 14)):
        self.rng, self.size = np.random.default_rng(seed), size
        own = np.repeat(self.rng.random((patients, 1, *size)), 2 * slices, axis=1)
        self.image = torch.from_numpy((0.7 * own + 0.3 * self.rng.random(own.shape)).reshape(-1, *size)).float()
        self.patient = torch.arange(patients).repeat_interleave(2 * slices)
        self.z_bin = (torch.arange(len(self.image)) // slices) % 2
        self.held_out = self.patient >= patients * 2 // 3
        self._kept = ("", None)

    def new(self, count):
        """Slices of new patients, in bin 0."""
        image = 0.7 * self.rng.random((count, *self.size)) + 0.3 * self.rng.random((count, *self.size))
        return torch.from_numpy(image).float()

    def real(self):
        return SliceTable.from_arrays(
            self.image, z_bin=self.z_bin, pathology=torch.zeros_like(self.z_bin), patient=self.patient,
            held_out=self.held_out, binning=BINNING,
        )  # fmt: skip

    def _real(self):
        """The same table until a slice or a label changes: what one evaluation computes of it serves the next."""
        key = digest(self.image, self.z_bin, self.patient, self.held_out)
        if key != self._kept[0]:
            self._kept = key, self.real()
        return self._kept[1]

    def evaluation(self, made, z_bin=None, features=(MEANS,), metrics=None):
        """Everything, in detail; the slices were asked for bin 0 when nothing else is said."""
        asked = torch.zeros(len(made), dtype=torch.int64) if z_bin is None else z_bin
        generated = SliceTable.from_arrays(made, z_bin=asked, pathology=torch.zeros_like(asked), binning=BINNING)
        return evaluate_in_detail(self._real(), generated, metrics, features)

    def scores(self, made, features=(MEANS,), metrics=None):
        """Scores of bin 0, and of each slice."""
        detail = self.evaluation(made, features=features, metrics=metrics)
        cell = next(c for c in detail.results.generation if (c.z_bin, c.pathology) == (0, 0))
        return cell.scores, detail.per_slice
