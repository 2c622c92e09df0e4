"""Best-match scores: how close generated slices come to real ones of their bin, and to training slices above all.

A generated slice is compared with every real slice of its bin, of either pathology: all of them, those trained on, and
held-out ones. The yardstick is a real slice of the same condition among the other patients' slices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from jsddpm_eval.functional.best_match import expected_best_match, pairwise_mse, psnr_of
from jsddpm_eval.functional.reconstruction import ssim
from jsddpm_eval.results import Score
from jsddpm_eval.samples import Samples
from jsddpm_eval.uncertainty import mean_fields

CEILING_DB = 96.3
"""PSNR of one step of the store's 16 bits: what two stored slices can reach without being equal."""

_SHORTLIST = 4
_PROBES = 48
UNIT = {"unit": "dB"}
_UNITS = {
    "best_match_psnr": "dB",
    "best_match_psnr_train": "dB",
    "best_match_psnr_held_out": "dB",
    "exact_copies": "slices",
    "best_match_psnr_equal": "dB",
    "copy_gap": "dB",
    "best_match_ssim": "",
}


@dataclass(frozen=True)
class Reference:
    """The real slices of one bin and how they match each other.

    Attributes:
        real: The slices, of either pathology.
        among: PSNR of every real against every real slice, -inf within a patient, float64 ``(M, M)``.
    """

    real: Samples
    among: Tensor

    @classmethod
    def of(cls, real: Samples) -> Reference:
        """Compare the real slices of a bin with each other."""
        among = psnr_of(pairwise_mse(real.image, real.image), data_range=1.0).clamp(max=CEILING_DB)
        among[real.patient[:, None] == real.patient[None]] = -torch.inf
        return cls(real, among)

    def gap_count(self) -> int:
        """References of both kinds, trained on and held out, that any slice can be compared with at equal count."""
        held = self.real.held_out
        counts = self.real.patient[~held].unique(return_counts=True)[1]
        trained = int((~held).sum())
        return min(int(held.sum()), trained - int(counts.max()) if len(counts) > 1 else trained)


def equal_count(patient: Tensor) -> int:
    """Real slices of a bin left to any of them when its own patient is put aside, from their patients."""
    counts = patient.unique(return_counts=True)[1]
    return len(patient) - int(counts.max()) if len(counts) else 0


@dataclass(frozen=True)
class Matches:
    """Matches of the generated slices of one condition.

    Attributes:
        scores: Scores of the cell.
        per_slice: ``best_match_psnr``, ``train_psnr``, ``train_row``, ``held_out_psnr`` of each slice, ``(N,)``; rows
            are :attr:`Samples.row` of the nearest training slice; NaN, and row -1, where there is none.
    """

    scores: dict[str, Score]
    per_slice: dict[str, Tensor]


def match_scores(made: Samples, reference: Reference, token: int, count: int) -> Matches:
    """Best-match scores of one condition.

    Args:
        made: Its generated slices.
        reference: The real slices of its bin.
        token: The condition.
        count: References that every bin can offer, for the expectation that compares bins.
    """
    real = reference.real
    context = {"n_real": len(real), "n_generated": len(made), "n_patients": real.n_patients}
    if not len(real) or not len(made):
        missing = "no real slice in this bin" if len(made) else "nothing generated for this condition"
        return Matches({n: Score.undefined(missing, unit=u, **context) for n, u in _UNITS.items()}, {})
    psnr = psnr_of(pairwise_mse(made.image, real.image), data_range=1.0)
    probes = real.token == token
    trained, whole = ~real.held_out, torch.ones_like(real.held_out)
    scores = {}
    for name, among, judges in (("", whole, whole), ("_train", trained, trained), ("_held_out", ~trained, trained)):
        inside = context | {"n_real": int(among.sum()), "n_patients": len(real.patient[among].unique())}
        if not among.any():
            scores[f"best_match_psnr{name}"] = Score.undefined("no such real slice in this bin", unit="dB", **inside)
            continue
        floor = _among_others(reference.among[probes & judges][:, among])
        scores[f"best_match_psnr{name}"] = _mean_psnr(psnr[:, among].max(1).values, floor, inside)
    capped = psnr.clamp(max=CEILING_DB)
    copies = int(torch.isinf(psnr).any(1).sum())
    scores["exact_copies"] = Score(value=float(copies), unit="slices", **context)
    scores["best_match_psnr_equal"] = _equal(capped, reference, probes, count, context)
    scores["copy_gap"] = _copy_gap(capped, reference, probes, context)
    scores["best_match_ssim"] = _match_ssim(made.image, psnr, reference, probes, context)
    return Matches(scores, _per_slice(psnr, real))


def _per_slice(psnr: Tensor, real: Samples) -> dict[str, Tensor]:
    found = {"best_match_psnr": psnr.max(1).values}
    for name, among in {"train": ~real.held_out, "held_out": real.held_out}.items():
        best = psnr[:, among].max(1) if among.any() else None
        found[f"{name}_psnr"] = torch.full((len(psnr),), torch.nan) if best is None else best.values
        if name == "train":
            rows = real.row[among]
            found["train_row"] = torch.full((len(psnr),), -1) if best is None else rows[best.indices]
    return found


def _mean_psnr(values: Tensor, floor: float | None, context: Mapping[str, int]) -> Score:
    """Mean over the slices that are no exact copies; copies are said, not averaged."""
    copies = torch.isinf(values)
    rest = values[~copies]
    reason = f"{int(copies.sum())} of {len(values)} generated slices are exact copies of real ones"
    if not len(rest):
        return Score.undefined(reason, **UNIT, **context, floor=floor)
    told = {"status": "unreliable", "reason": f"{reason}, left out of the mean"} if copies.any() else {}
    return Score(value=float(rest.mean()), **mean_fields(rest), floor=floor, **UNIT, **context, **told)


def _among_others(values: Tensor) -> float | None:
    """Mean best match of real slices among other patients' slices; None where there are none."""
    best = values.max(1).values if values.numel() else values.new_empty(0)
    best = best[torch.isfinite(best)]
    return float(best.mean()) if len(best) else None


def _equal(psnr: Tensor, reference: Reference, probes: Tensor, count: int, context: Mapping[str, int]) -> Score:
    """Expected best match among as many real slices as every bin can offer."""
    context = dict(context) | {"n_real": count}
    if count < 1:
        return Score.undefined("a bin has slices of one patient only: no equal count", **UNIT, **context)
    values = expected_best_match(psnr, count)
    floors = [
        expected_best_match(reference.among[rows][:, others], count)
        for rows, others in _by_patient(reference.real, probes)
        if int(others.sum()) >= count
    ]
    floor = float(torch.cat(floors).mean()) if floors else None
    return Score(value=float(values.mean()), **mean_fields(values), floor=floor, **UNIT, **context)


def _copy_gap(psnr: Tensor, reference: Reference, probes: Tensor, context: Mapping[str, int]) -> Score:
    """Expected best match to training slices less that to held-out ones, at equal count.

    The floor is the gap of training patients' own slices, other training patients against held-out ones: what a
    slice nobody copied shows.
    """
    real, held = reference.real, reference.real.held_out
    count = reference.gap_count()
    context = dict(context) | {"n_real": count}
    if count < 1:
        which = "trained on" if held.any() else "held out"
        return Score.undefined(f"no real slice of this bin was {which}", **UNIT, **context)
    gap = expected_best_match(psnr[:, ~held], count) - expected_best_match(psnr[:, held], count)
    floors = [
        expected_best_match(reference.among[rows][:, others & ~held], count)
        - expected_best_match(reference.among[rows][:, held], count)
        for rows, others in _by_patient(real, probes & ~held)
        if int((others & ~held).sum()) >= count
    ]
    floor = float(torch.cat(floors).mean()) if floors else None
    return Score(value=float(gap.mean()), **mean_fields(gap), floor=floor, **UNIT, **context)


def _by_patient(real: Samples, probes: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Per patient: its slices among the probes, and everybody else's slices, both boolean."""
    return [(probes & (real.patient == p), real.patient != p) for p in real.patient[probes].unique()]


def _match_ssim(
    images: Tensor, psnr: Tensor, reference: Reference, probes: Tensor, context: Mapping[str, int]
) -> Score:
    """Highest SSIM among the nearest slices by PSNR."""
    if min(images.shape[1:]) < 11:
        return Score.undefined("slices are smaller than the window of 11 pixels", **context)
    real = reference.real.image
    values = _shortlisted_ssim(images, psnr, real)
    chosen = torch.nonzero(probes)[:, 0]
    chosen = chosen[:: max(1, -(-len(chosen) // _PROBES))]
    among = reference.among[chosen]
    alone = torch.isinf(among).all(1) if len(among) else torch.empty(0, dtype=torch.bool)
    others = _shortlisted_ssim(real[chosen[~alone]], among[~alone], real)
    floor = float(others.mean()) if len(others) else None
    return Score(value=float(values.mean()), **mean_fields(values), floor=floor, **context)


def _shortlisted_ssim(images: Tensor, psnr: Tensor, real: Tensor) -> Tensor:
    if not len(images):
        return torch.empty(0)
    best = psnr.topk(min(_SHORTLIST, psnr.shape[1]), dim=1)
    rows = torch.arange(len(images)).repeat_interleave(best.indices.shape[1])
    parts = zip(rows.split(256), best.indices.flatten().split(256), strict=True)
    scores = torch.cat([ssim(images[i], real[j], data_range=1.0) for i, j in parts]).reshape(best.indices.shape)
    return scores.masked_fill(best.values == -torch.inf, -1.0).max(1).values
