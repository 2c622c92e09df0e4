"""Precision, recall, density, coverage, and signs of memorised training slices, from feature distances."""

from __future__ import annotations

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
from jsddpm_eval.results import Score
from jsddpm_eval.samples import Samples
from jsddpm_eval.uncertainty import MIN_UNITS, one_per_patient, relabelled, wilson_interval

SHARES = ("precision", "recall", "density", "coverage")
_DRAWS = 10
_RELABELLINGS = 10


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
        observed, *others = relabelled(len(rows), len(pair.made), strata, _RELABELLINGS, generator)
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
    parts = [(s.features[name], s.token) for s in (made, held, train)]
    measured = _copying(parts[0], parts[1], parts[2], cells)
    if measured is None:
        undefined = Score.undefined("needs generated, held-out and training slices of one condition", **context)
        return {f"copying_z_{name}": undefined, f"authenticity_{name}": undefined}
    values = []
    for patient in train.patient.unique():
        own, rest = (
            (train.features[name][k], train.token[k]) for k in (train.patient == patient, train.patient != patient)
        )
        value = _copying(own, parts[1], rest, cells)
        if value is not None:
            values.append(value)
    floor = sum(values) / len(values) if values else None
    few = held.n_patients < MIN_UNITS
    told = {"status": "unreliable", "reason": f"{held.n_patients} held-out patients"} if few else {}
    copying = Score(value=measured, unit="z", floor=floor, **context, **told)
    return {f"copying_z_{name}": copying, f"authenticity_{name}": _authenticity(parts, train, context, cells)}


def _authenticity(parts: list[tuple[Tensor, Tensor]], train: Samples, context: dict[str, int], cells: int) -> Score:
    shares = []
    for features, token in parts[:2]:
        found = []
        for cell in range(cells):
            own, known = features[token == cell], train.token == cell
            if len(own) and len(train.patient[known].unique()) > 1:
                found.append(authentic(own, parts[2][0][known], train.patient[known]))
        shares.append(torch.cat(found).double() if found else torch.empty(0))
    if not len(shares[0]):
        return Score.undefined("training slices of one patient only", unit="share", **context)
    value = float(shares[0].mean())
    floor = float(shares[1].mean()) if len(shares[1]) else None
    interval = wilson_interval(value, len(shares[0]))
    return Score(value=value, unit="share", floor=floor, interval=interval, **context)


def _copying(
    made: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor], train: tuple[Tensor, Tensor], cells: int
) -> float | None:
    """C_T over conditions; None where none holds all three kinds of slices."""
    nearest: list[list[Tensor]] = [[], []]
    for cell in range(cells):
        known = train[0][train[1] == cell]
        for kept, (features, token) in zip(nearest, (made, held), strict=True):
            own = features[token == cell]
            kept.append(distances(own, known).min(1).values if len(own) and len(known) else torch.empty(0))
    if not any(len(a) and len(b) for a, b in zip(*nearest, strict=True)):
        return None
    return copying_z(*nearest)
