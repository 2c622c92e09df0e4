"""Precision, recall, density, coverage, and signs of memorised training slices, from feature distances."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from jsddpm_eval.distances import FeaturePair
from jsddpm_eval.functional.neighbours import (
    NEIGHBOURS,
    authentic,
    copying_z,
    distances,
    expected_coverage,
    manifold,
)
from jsddpm_eval.jackknife import MIN_UNITS
from jsddpm_eval.results import Score
from jsddpm_eval.samples import Samples
from jsddpm_eval.uncertainty import one_per_patient, relabelled, wilson_interval

SHARES = ("precision", "recall", "density", "coverage")
_DRAWS = 10
_RELABELLINGS = 10
_LARGE = 500  # samples; of so many, one relabelling is as good as many


def manifold_scores(pair: FeaturePair, name: str, *, seed: int) -> dict[str, Score]:
    """Precision, recall, density and coverage with one real slice of each patient, beside what equals would reach.

    Neighbouring slices of one brain would make tiny balls; one slice per patient, drawn at random and averaged over
    draws, keeps real samples independent. The floor is the expectation between equals at these counts: 1 for density
    and Naeem et al.'s closed form for coverage; the mean over relabelled samples for precision and recall, and for all
    four when conditions are pooled.
    """
    owner = torch.unique(pair.patient, return_inverse=True)[1]
    people = int(owner.max()) + 1 if len(owner) else 0
    context = pair.context | {"n_real": people}
    if min(people, len(pair.made)) <= NEIGHBOURS:
        which = f"{people} patients" if people <= NEIGHBOURS else f"{len(pair.made)} generated slices"
        undefined = Score.undefined(f"{which}: none has {NEIGHBOURS} neighbours among the others", **context)
        return {f"{share}_{name}": undefined for share in SHARES}
    generator = torch.Generator().manual_seed(seed)
    found, expected = [], []
    for _ in range(_DRAWS):
        rows = one_per_patient(owner, generator)
        x = torch.cat([pair.real[rows], pair.made])
        between = distances(x, x)
        strata = None if pair.strata is None else torch.cat([pair.strata[0][rows], pair.strata[1]])
        count = _RELABELLINGS if len(x) < _LARGE else 1
        observed, *others = relabelled(len(rows), len(pair.made), strata, count, generator)
        found.append(_shares(between, observed))
        expected += [_shares(between, labels) for labels in others]
    values, floors = (torch.tensor(v, dtype=torch.float64).mean(0).tolist() for v in (found, expected))
    if pair.strata is None:
        floors[2], floors[3] = 1.0, expected_coverage(people, len(pair.made))
    return {
        f"{share}_{name}": Score(value=v, floor=f, unit="" if share == "density" else "share", **context)
        for share, v, f in zip(SHARES, values, floors, strict=True)
    }


def _shares(between: Tensor, real: Tensor) -> list[float]:
    a, b = torch.nonzero(real)[:, 0], torch.nonzero(~real)[:, 0]
    found = manifold(between[a][:, a], between[b][:, b], between[a][:, b])
    return [getattr(found, share) for share in SHARES]


def memorisation_scores(real: Samples, made: Samples, name: str, *, cells: int) -> dict[str, Score]:
    """C_T and authenticity of generated slices in one feature space.

    A cell is a condition; distances are to training slices of the same condition. The floors take real slices for
    generated ones: each training patient's slices without that patient, for C_T; held-out slices, for authenticity.

    Args:
        real: Real slices of one condition, or of all.
        made: The generated slices.
        name: Extractor.
        cells: Number of conditions.
    """
    held, train = real.where(real.held_out), real.where(~real.held_out)
    context = {"n_real": len(train), "n_generated": len(made), "n_patients": held.n_patients}
    near = [_Near.of(made, held, train, name, cell) for cell in range(cells)]
    near = [n for n in near if n.whole]
    if not near:
        undefined = Score.undefined("needs generated, held-out and training slices of one condition", **context)
        return {f"copying_z_{name}": undefined, f"authenticity_{name}": undefined}
    value = copying_z([n.made.min(1).values for n in near], [n.held.min(1).values for n in near])
    floors = [_left_out(near, patient) for patient in train.patient.unique()]
    known = [f for f in floors if f is not None]
    few = held.n_patients < MIN_UNITS
    told = {"status": "unreliable", "reason": f"{held.n_patients} held-out patients"} if few else {}
    floor = sum(known) / len(known) if known else None
    copying = Score(value=value, unit="z", floor=floor, **context, **told)
    return {f"copying_z_{name}": copying, f"authenticity_{name}": _authenticity(near, context)}


@dataclass(frozen=True)
class _Near:
    """Distances to the training slices of one condition: of generated, held-out and training slices."""

    made: Tensor
    held: Tensor
    train: Tensor
    patient: Tensor

    @classmethod
    def of(cls, made: Samples, held: Samples, train: Samples, name: str, cell: int) -> _Near:
        a, b, known = (s.features[name][s.token == cell] for s in (made, held, train))
        patient = train.patient[train.token == cell]
        return cls(distances(a, known), distances(b, known), distances(known, known), patient)

    @property
    def whole(self) -> bool:
        return min(len(self.made), len(self.held), len(self.train)) > 0


def _left_out(near: list[_Near], patient: Tensor) -> float | None:
    """C_T with a training patient's slices for generated ones."""
    made, held = [], []
    for n in near:
        others = n.patient != patient
        if others.any() and not others.all():
            made.append(n.train[~others][:, others].min(1).values)
            held.append(n.held[:, others].min(1).values)
    return copying_z(made, held) if made else None


def _authenticity(near: list[_Near], context: dict[str, int]) -> Score:
    shares = [
        torch.cat([authentic(side, n.train, n.patient) for n, side in parts]).double()
        for parts in ([(n, n.made) for n in near], [(n, n.held) for n in near])
    ]
    value = float(shares[0].mean())
    interval = wilson_interval(value, len(shares[0]))
    return Score(value=value, unit="share", floor=float(shares[1].mean()), interval=interval, **context)
