"""Best match: the similarity of generated slices to real ones of their bin, and to training slices in particular.

A generated slice is compared with every real slice of its bin, of either pathology: all of them, those trained on, and
held-out ones. The baseline is a real slice of the same condition among the other patients' slices.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from jsddpm.wording import agreeing, counted
from jsddpm_eval.functional.best_match import expected_best_match, pairwise_mse
from jsddpm_eval.functional.reconstruction import MIN_SIDE, psnr_of, ssim
from jsddpm_eval.functional.thinning import spread_places
from jsddpm_eval.metrics.base import NOTHING_GENERATED, Cell, Context, Metric
from jsddpm_eval.results.score import Baseline, Counts, Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.intervals import mean_spread

CEILING_DB = 96.3
"""PSNR of one step of the store's 16 bits: the highest value of two stored slices that are not equal."""

ONE_PIXEL = "copies that differ from their source in one pixel value"
"""What a count of exact copies cannot detect."""

_SHORTLIST = 4
_PROBES = 48
_BRUTE_FORCE = "float64 brute force, scikit-image | 1e-9 dB at 80 and at 100 dB"

_spec = partial(
    ScoreSpec, group="closeness", unit="dB", scope="cell",
    blind_to="mirrored, shifted or rotated copies, because slices are compared pixel by pixel",
)  # fmt: skip
MATCH = _spec(
    "best_match_psnr", "match", label="best match to real slices",
    definition="mean over generated slices of the PSNR to the nearest real slice of the bin; exact copies are counted "
    "instead",
    reading="PSNR in dB to the nearest real slice of the bin; the baseline is what a real slice reaches among other "
    "patients' slices. Above it means copying or smoothing; the copy gap tells which.",
    place="compact", verified=_BRUTE_FORCE,
)  # fmt: skip
TRAIN = _spec(
    "best_match_psnr_train", "training, dB", "the same among training slices", label="best match to training slices",
    verified=_BRUTE_FORCE,
)  # fmt: skip
HELD_OUT = _spec(
    "best_match_psnr_held_out", "held out, dB", "the same among held-out slices", label="best match to held-out slices",
    verified=_BRUTE_FORCE,
)  # fmt: skip
EQUAL = _spec(
    "best_match_psnr_equal", "equal numbers, dB",
    "expected best match among as many references m as every bin has: sum of s_(i) C(i-1, m-1) / C(M, m)",
    source="order statistics", label="best match at equal numbers", verified="all subsets | 1e-10",
)  # fmt: skip
COPIES = _spec(
    "exact_copies", "exact copies", "generated slices equal to a real slice of the bin", unit="slices",
    blind_to=ONE_PIXEL,
)  # fmt: skip
GAP = _spec(
    "copy_gap", "copy gap",
    "equal-count best match to training slices less that to held-out ones; PSNR capped at 96.3 dB, one step of 16 bits",
    reading="Best match to training slices less that to held-out ones, in dB at equal numbers; the baseline is what "
    "real training patients' slices show. A copier lies above.",
    place="compact", verified="its definition | 1e-6 dB",
)  # fmt: skip
SSIM = _spec(
    "best_match_ssim", "SSIM", "highest SSIM among the four nearest slices by PSNR", unit="",
    label="SSIM of the best match",
    verified="scikit-image over all pairs that PSNR shortlists | 1e-5",
)  # fmt: skip


class BestMatch(Metric):
    """Similarity to real slices of the bin, and to training slices in particular."""

    name = "best_match"
    specs = (MATCH, TRAIN, HELD_OUT, EQUAL, COPIES, GAP, SSIM)
    needs = frozenset({"pixels"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Scores of one condition; matches and the nearest training slice are recorded for every generated slice."""
        real, generated = cell.real_bin, cell.generated
        counts = Counts(len(real), len(generated), real.n_patients)
        if not len(real) or not len(generated):
            missing = "no real slice in this bin" if len(generated) else NOTHING_GENERATED
            return self.undefined(cell, context, missing, counts)
        psnr = psnr_of(pairwise_mse(generated.images, real.images), data_range=1.0)
        _record(psnr, cell, context)
        count, of_bin = context.least_equal_count, replace(cell, pathology=None)  # both pathologies share the distances
        baselines = context.baseline(of_bin, self.name, count, compute=lambda: _baselines(real, count))
        matches = [Baseline.of(b) for b in baselines.reshape(2, -1)[cell.pathology or 0].tolist()]
        held, capped = real.held_out, psnr.clamp(max=CEILING_DB)
        scores = {
            spec.name: _closest(psnr, cell, among, baseline, counts)
            for spec, among, baseline in zip(
                (MATCH, TRAIN, HELD_OUT), (torch.ones_like(held), ~held, held), matches[:3], strict=True
            )
        }
        scores[EQUAL.name] = _equal(capped, cell, count, matches[3], counts)
        scores[COPIES.name] = Score.of(float(torch.isinf(psnr).any(1).sum()), counts)
        scores[GAP.name] = _copy_gap(capped, cell, matches[4], counts)
        scores[SSIM.name] = _match_ssim(psnr, cell, matches[5], counts)
        return scores


METRIC = BestMatch()


def _record(psnr: Tensor, cell: Cell, context: Context) -> None:
    held = cell.real_bin.held_out
    context.record("best_match_psnr", cell, psnr.max(1).values)
    for name, among in (("train", ~held), ("held_out", held)):
        if among.any():
            best = psnr[:, among].max(1)
            context.record(f"{name}_psnr", cell, best.values)
            if name == "train":
                context.record("train_row", cell, cell.real_bin.row[among][best.indices])


def _closest(psnr: Tensor, cell: Cell, among: Tensor, baseline: Baseline, counts: Counts) -> Score:
    """Mean best match over the slices that are not exact copies; copies are excluded and reported in the reason."""
    counts = counts._replace(n_real=int(among.sum()), n_patients=len(cell.real_bin.patient[among].unique()))
    if not among.any():
        return Score.undefined("no such real slice in this bin", counts)
    values = psnr[:, among].max(1).values
    copies = torch.isinf(values)
    rest = values[~copies]
    exact = int(copies.sum())
    verb = agreeing(exact, "is an exact copy of a real one", "are exact copies of real ones")
    reason = f"{exact} of {counted(len(values), 'generated slice')} {verb}"
    if not len(rest):
        return Score.undefined(reason, counts, baseline.baseline)
    unreliable = f"{reason}, left out of the mean" if copies.any() else None
    spread = mean_spread(rest, units=cell.generated.unit[~copies], pairs=not exact)
    return Score.of(float(rest.mean()), counts, spread, baseline, unreliable=unreliable)


def _equal(psnr: Tensor, cell: Cell, count: int, baseline: Baseline, counts: Counts) -> Score:
    """Expected best match among a number of real slices that every bin has."""
    counts = counts._replace(n_real=count)
    if count < 1:
        return Score.undefined("a bin has slices of one patient only: no equal count", counts)
    values = expected_best_match(psnr, count)
    return Score.of(float(values.mean()), counts, mean_spread(values, units=cell.generated.unit), baseline)


def _copy_gap(psnr: Tensor, cell: Cell, baseline: Baseline, counts: Counts) -> Score:
    """Expected best match to training slices less that to held-out ones, at equal count."""
    held, count = cell.real_bin.held_out, _gap_count(cell.real_bin)
    counts = counts._replace(n_real=count)
    if count < 1:
        which = "trained on" if held.any() else "held out"
        return Score.undefined(f"no real slice of this bin was {which}", counts)
    gap = expected_best_match(psnr[:, ~held], count) - expected_best_match(psnr[:, held], count)
    return Score.of(float(gap.mean()), counts, mean_spread(gap, units=cell.generated.unit), baseline)


def _match_ssim(psnr: Tensor, cell: Cell, baseline: Baseline, counts: Counts) -> Score:
    """Highest SSIM among the nearest slices by PSNR."""
    if min(cell.real_bin.size) < MIN_SIDE:
        return Score.undefined(f"slices are smaller than the window of {MIN_SIDE} pixels", counts)
    values = _shortlisted_ssim(cell.generated.images, psnr, cell.real_bin.images)
    return Score.of(float(values.mean()), counts, mean_spread(values, units=cell.generated.unit), baseline)


def _shortlisted_ssim(images: Tensor, psnr: Tensor, real: Tensor) -> Tensor:
    if not len(images):
        return torch.empty(0)
    best = psnr.topk(min(_SHORTLIST, psnr.shape[1]), dim=1)
    rows = torch.arange(len(images)).repeat_interleave(best.indices.shape[1])
    parts = zip(rows.split(256), best.indices.flatten().split(256), strict=True)
    scores = torch.cat([ssim(images[i], real[j], data_range=1.0) for i, j in parts]).reshape(best.indices.shape)
    return scores.masked_fill(best.values == -torch.inf, -1.0).max(1).values


# The real side ------------------------------------------------------------------------------------------------


def _gap_count(real: SliceTable) -> int:
    """Equal count of training and held-out references for any slice."""
    held = real.held_out
    counts = real.patient[~held].unique(return_counts=True)[1]
    trained = int((~held).sum())
    return min(int(held.sum()), trained - int(counts.max()) if len(counts) > 1 else trained)


def _among(real: SliceTable) -> Tensor:
    """PSNR of every real against every real slice of a bin, -inf within a patient, float64 ``(M, M)``."""
    among = psnr_of(pairwise_mse(real.images, real.images), data_range=1.0).clamp(max=CEILING_DB)
    among[real.patient[:, None] == real.patient[None]] = -torch.inf
    return among


def _baselines(real: SliceTable, count: int) -> list[float]:
    """Values of real slices of a bin: those of the controls, then those with a lesion."""
    among = _among(real)
    return [value for kind in (0, 1) for value in _baselines_of(real, among, torch.eq(real.pathology, kind), count)]


def _baselines_of(real: SliceTable, among: Tensor, probes: Tensor, count: int) -> list[float]:
    """Values of some real slices of a bin, in the order of the scores; NaN if there are none to compare."""
    held = real.held_out
    pairs = ((torch.ones_like(held), torch.ones_like(held)), (~held, ~held), (held, ~held))
    closest = [_best_among_others(among[probes & judges][:, keep]) for keep, judges in pairs]
    equal = [
        expected_best_match(among[rows][:, others], count)
        for rows, others in _by_patient(real, probes)
        if 1 <= count <= int(others.sum())
    ]
    gap_count = _gap_count(real)
    gaps = [
        expected_best_match(among[rows][:, others & ~held], gap_count)
        - expected_best_match(among[rows][:, held], gap_count)
        for rows, others in _by_patient(real, probes & ~held)
        if 1 <= gap_count <= int((others & ~held).sum())
    ]
    similarity = _ssim_among_others(real, among, probes) if min(real.size) >= MIN_SIDE else torch.empty(0)
    return [*closest, *(float(torch.cat(v).mean()) if v else torch.nan for v in (equal, gaps)), _mean(similarity)]


def _best_among_others(values: Tensor) -> float:
    best = values.max(1).values if values.numel() else values.new_empty(0)
    return _mean(best[torch.isfinite(best)])


def _ssim_among_others(real: SliceTable, among: Tensor, probes: Tensor) -> Tensor:
    chosen = torch.nonzero(probes)[:, 0]
    chosen = chosen[spread_places(len(chosen), _PROBES)]
    rows = among[chosen]
    alone = torch.isinf(rows).all(1) if len(rows) else torch.empty(0, dtype=torch.bool)
    return _shortlisted_ssim(real.images[chosen[~alone]], rows[~alone], real.images)


def _by_patient(real: SliceTable, probes: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Per patient: its slices among the probes, and the slices of all others, both boolean."""
    return [(probes & (real.patient == p), real.patient != p) for p in real.patient[probes].unique()]


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else torch.nan
