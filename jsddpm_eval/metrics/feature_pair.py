"""Features of the real and of the generated slices of a cell, with their conditions and units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.functional.frechet import effective_dimension
from jsddpm_eval.functional.thinning import evenly
from jsddpm_eval.memo import digest
from jsddpm_eval.results.score import Counts
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.intervals import numbered


@dataclass(frozen=True, eq=False)
class FeaturePair:
    """Features of real and of generated slices of one cell, in one feature space.

    Attributes:
        real: float64 ``(n, d)``.
        patient: Patients of the real slices in name order, int64 ``(n,)``.
        patient_names: Their names, ``(n,)``.
        generated: float64 ``(m, d)``.
        strata: Conditions of both sides where there are several.
        dimension: Effective dimension of the features, for the warning of a Frechet distance.
        rows: Places of the real slices in their table.
        units: Units of the generated slices, int64 ``(m,)``; None where each is one of its own.
    """

    real: Tensor
    patient: Tensor
    patient_names: np.ndarray[tuple[int], np.dtype[np.str_]]
    generated: Tensor
    strata: tuple[Tensor, Tensor] | None = None
    dimension: int = 0
    rows: Tensor | None = None
    units: Tensor | None = None

    @classmethod
    def of(cls, real: SliceTable, generated: SliceTable, space: FeatureSpace, n_bins: int) -> FeaturePair:
        """The features of two sets of slices, of the conditions that both have."""
        real, strata = space.reference(real), None
        generated_tokens = generated.token(n_bins).unique()
        both = generated_tokens[torch.isin(generated_tokens, real.token(n_bins))]
        if len(generated_tokens):
            real = real.where(torch.isin(real.token(n_bins), both))
        if len(generated_tokens) > 1:
            generated = generated.where(torch.isin(generated.token(n_bins), both))
        tokens = real.token(n_bins), generated.token(n_bins)
        if len(tokens[1].unique()) > 1:
            strata = tokens
        features = space.of(real), space.of(generated)
        return cls(
            features[0], real.patient, real.patient_names, features[1], strata, space.dimension, real.row,
            generated.unit,
        )  # fmt: skip

    def joint(self) -> FeaturePair:
        """Features with the condition beside them, as heavy as the features (FJD, DeVries et al. 2019, 1907.08175).

        A slice that looks real under the wrong condition is then far from the real ones of that condition.
        """
        if self.strata is None:
            raise ValueError("one condition has no joint distribution")
        present = torch.cat(self.strata).unique()  # a column that is 0 everywhere would only shrink the kernel
        one_hot = [(s[:, None] == present).double() for s in self.strata]
        alpha = torch.linalg.vector_norm(self.real, dim=1).mean()  # a one-hot vector has length 1
        real = torch.cat([self.real, alpha * one_hot[0]], 1)
        generated = torch.cat([self.generated, alpha * one_hot[1]], 1)
        return replace(self, real=real, generated=generated, dimension=effective_dimension(real))

    def thinned(self, most_real: int | None, most_generated: int) -> FeaturePair:
        """At most so many slices of either side, evenly spread over the conditions; every real slice when None."""
        most = most_real or len(self.real), most_generated
        real, generated = (evenly(c, count) for c, count in zip(self.conditions, most, strict=True))
        return replace(
            self, real=self.real[real], patient=self.patient[real], patient_names=self.patient_names[real],
            generated=self.generated[generated], units=self.unit[generated],
            strata=None if self.strata is None else (self.strata[0][real], self.strata[1][generated]),
        )  # fmt: skip

    @property
    def counts(self) -> Counts:
        """Counts, as scores carry them."""
        return Counts(len(self.real), len(self.generated), len(self.patient.unique()))

    @property
    def owner(self) -> Tensor:
        """Patient numbers without gaps, int64 ``(n,)``."""
        numbers: Tensor = torch.unique(self.patient, return_inverse=True)[1]
        return numbers

    @property
    def unit(self) -> Tensor:
        """Unit numbers of the generated slices without gaps, int64 ``(m,)``."""
        return torch.arange(len(self.generated)) if self.units is None else numbered(self.units)

    @property
    def conditions(self) -> tuple[Tensor, Tensor]:
        """Condition of each real and of each generated slice."""
        zeros = torch.zeros_like(self.patient), torch.zeros(len(self.generated), dtype=torch.int64)
        return self.strata or zeros

    @property
    def shares(self) -> Tensor:
        """Generated slices of each condition."""
        return self.conditions[1].bincount(minlength=int(self.conditions[0].max()) + 1)

    @property
    def halves(self) -> str:
        """All that :func:`kid_between_halves` depends on, beside the feature space and the seed, as a key."""
        return digest(self.rows, self.shares)
