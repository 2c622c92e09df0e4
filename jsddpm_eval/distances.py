"""FID and KID of generated against real features, with interval, floor and permutation p-value by patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jsddpm_eval.functional.frechet import effective_dimension, frechet_distance
from jsddpm_eval.functional.kernel import KernelTable
from jsddpm_eval.results import Score
from jsddpm_eval.samples import Samples
from jsddpm_eval.uncertainty import (
    Floor,
    distance_fields,
    jackknife_fields,
    patient_halves,
    patient_halves_floor,
    permutation_p,
)

HALVINGS = 200
_MAX_UNITS = 100
_WORK = 2e11  # multiplications of all resamples of a Frechet distance; beyond it there is no interval and no floor


@dataclass(frozen=True)
class FeaturePair:
    """Features of real and of generated slices of one cell, from one extractor.

    Attributes:
        real: float64 ``(n, d)``.
        patient: Patients of the real slices, int64 ``(n,)``.
        made: float64 ``(m, d)``, independent samples.
        weights: Weights of the real slices that give them the generated mix of conditions; None for one condition.
        strata: Conditions of both sides where there are several.
        dimension: Effective dimension of the features, for the warning of a Frechet distance.
    """

    real: Tensor
    patient: Tensor
    made: Tensor
    weights: Tensor | None = None
    strata: tuple[Tensor, Tensor] | None = None
    dimension: int = 0

    @classmethod
    def of(cls, real: Samples, made: Samples, name: str, dimension: int = 0) -> FeaturePair:
        """The features of two sets of slices; with several conditions, those both have, weighed alike."""
        if len(made.token.unique()) > 1:
            both = made.token.unique()[torch.isin(made.token.unique(), real.token)]
            real, made = (s.where(torch.isin(s.token, both)) for s in (real, made))
        strata, weights = None, None
        if len(made.token.unique()) > 1:
            strata = (real.token, made.token)
            size = int(made.token.max()) + 1
            weights = (made.token.bincount(minlength=size) / real.token.bincount(minlength=size))[real.token].double()
        return cls(real.features[name], real.patient, made.features[name], weights, strata, dimension)

    def joint(self) -> FeaturePair:
        """Features with the condition beside them, as heavy as the features (FJD, DeVries et al. 2019, 1907.08175).

        A slice that looks real under the wrong condition is then far from the real ones of that condition.
        """
        if self.strata is None:
            raise ValueError("one condition has no joint distribution")
        size = int(max(s.max() for s in self.strata)) + 1
        one_hot = [torch.nn.functional.one_hot(s, size).double() for s in self.strata]
        alpha = torch.linalg.vector_norm(self.real, dim=1).mean()  # a one-hot vector has length 1
        real, made = (torch.cat([x, alpha * c], 1) for x, c in zip((self.real, self.made), one_hot, strict=True))
        return replace(self, real=real, made=made, dimension=effective_dimension(real))

    @property
    def context(self) -> dict[str, int]:
        """Counts, as scores carry them."""
        return {"n_real": len(self.real), "n_generated": len(self.made), "n_patients": len(self.patient.unique())}


def distance_scores(pair: FeaturePair, name: str, *, seed: int) -> dict[str, Score]:
    """``fid_NAME`` and ``kid_NAME``."""
    smaller = min(len(pair.real), len(pair.made))
    if smaller < 2:
        which = "real" if len(pair.real) < 2 else "generated"
        undefined = Score.undefined(f"needs at least 2 {which} slices", **pair.context)
        return {f"fid_{name}": undefined, f"kid_{name}": undefined}
    return {f"fid_{name}": _fid(pair, seed), f"kid_{name}": _kid(pair, seed)}


def _fid(pair: FeaturePair, seed: int) -> Score:
    smaller = min(len(pair.real), len(pair.made))
    ones = torch.ones(max(len(pair.real), len(pair.made)), 1, dtype=torch.float64)
    weights = ones[: len(pair.real)] if pair.weights is None else pair.weights[:, None].double()
    real, made = torch.cat([pair.real, weights], dim=1), torch.cat([pair.made, ones[: len(pair.made)]], dim=1)

    def statistic(x: Tensor, y: Tensor) -> float:
        """Distance of feature rows that carry their weight in the last column."""
        return frechet_distance(x[:, :-1], y[:, :-1], x[:, -1], y[:, -1])

    told: dict[str, Any] = {}
    if smaller <= pair.dimension:
        reason = f"{smaller} slices, the features have {pair.dimension} effective dimensions"
        told = {"status": "unreliable", "reason": f"{reason}: biased upwards, compare with the floor only"}
    names = pair.patient.numpy().astype(str)
    size = len(pair.real) + len(pair.made)
    spread: dict[str, Any] = {}
    floor = None
    if 80 * size * pair.real.shape[1] * min(pair.real.shape[1], size) < _WORK:
        spread = jackknife_fields(statistic, real, names, made)
        floor = patient_halves_floor(statistic, real, names, count=len(pair.made), seed=seed)
    if spread:
        spread["interval"] = max(0.0, spread["interval"][0]), spread["interval"][1]  # no distance is negative
    return Score(value=statistic(real, made), **spread, **Floor.fields(floor), **told, **pair.context)


def _kid(pair: FeaturePair, seed: int) -> Score:
    found = kid_estimate(pair)
    if found.value is None:
        return found
    owner = torch.unique(pair.patient, return_inverse=True)[1]
    p = permutation_p(pair.real, owner, pair.made, strata=pair.strata, seed=seed)
    return found.model_copy(update={"p_value": p, **Floor.fields(_kid_floor(pair, seed))})


def kid_estimate(pair: FeaturePair) -> Score:
    """Kernel distance with its interval and what each patient and sample adds to it; no floor, no p-value."""
    names, owner = torch.unique(pair.patient, return_inverse=True)
    people, blocks = len(names), min(len(pair.made), _MAX_UNITS)
    if people < 2:
        return Score.undefined("slices of one patient have no independent pairs", **pair.context)
    total = people + blocks
    table = KernelTable.build(
        torch.cat([pair.real, pair.made]),
        torch.cat([owner, people + torch.arange(len(pair.made)) % blocks]),
        torch.arange(total) < people,
        torch.cat([_weights(pair), torch.ones(len(pair.made))]),
    )
    real = torch.arange(total) < people
    value = float(table.distance(real[None], ~real[None]))
    patients, samples = (
        table.distance(real & without, ~real & without).tolist()
        for without in (_without(0, people, total), _without(people, total, total))
    )
    spread = distance_fields(value, dict(zip(map(str, names.tolist()), patients, strict=True)), samples)
    return Score(value=value, **spread, **pair.context)


def _kid_floor(pair: FeaturePair, seed: int) -> Floor | None:
    owner = torch.unique(pair.patient, return_inverse=True)[1]
    people, thin, weights = int(owner.max()) + 1, _thinned(pair, seed), _weights(pair)
    half = patient_halves(people, HALVINGS, seed)
    if not len(half):
        return None
    table = KernelTable.build(
        torch.cat([pair.real, pair.real[thin]]),
        torch.cat([owner, people + owner[thin]]),
        torch.ones(2 * people, dtype=torch.bool),
        torch.cat([weights, weights[thin]]),
    )
    empty = torch.zeros_like(half)
    return Floor.of(table.distance(torch.cat([half, empty], 1), torch.cat([empty, ~half], 1)).numpy())


def _weights(pair: FeaturePair) -> Tensor:
    return torch.ones(len(pair.real)) if pair.weights is None else pair.weights


def _thinned(pair: FeaturePair, seed: int) -> Tensor:
    """Rows of real slices thinned so that half of the patients have about as many as were generated."""
    share = min(1.0, 2 * len(pair.made) / len(pair.real))
    order = np.random.default_rng(seed).permutation(len(pair.real))
    return torch.from_numpy(np.sort(order[: max(2, round(share * len(order)))]))


def _without(first: int, last: int, total: int) -> Tensor:
    """Rows that leave out one unit of a range each, boolean ``(last - first, total)``."""
    kept = torch.ones((last - first, total), dtype=torch.bool)
    kept[torch.arange(last - first), torch.arange(first, last)] = False
    return kept
