"""Copies: is a sample a real slice again, also mirrored, moved, brighter, blurred or bent?

Every sample is registered to the real slices of its bin and of the bins beside it, and so are real slices to those of
other patients: what no real patient comes near is a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm_eval.functional.copies import Nearness, nearest, pattern
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.results.score import Baseline, Counts, Score, Spread
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import UpperScale, by_unit, share_bound, share_interval, share_p_value
from jsddpm_eval.stats.limits import ALPHA, MIN_UNITS
from jsddpm_eval.stats.shift import Side, mean_shift

THRESHOLD = 3.5
"""Upper spreads above the median of real slices of other patients beyond which a sample is a copy."""

_PROBES = 32  # real slices of each bin whose nearness to other patients is known
_REACH = 4.0  # spreads at which one sample's say in the mean ends
_NEVER = 1e-12  # stands for the p-value 0 of what cannot be

_share = partial(
    ScoreSpec, group="closeness", unit="share", scope="levels", better="lower", source="registration, Clopper-Pearson",
    reading="Share of samples nearer to a real slice, once registered, than slices of other patients come.",
    verified="planted copies | all of them", hypothesis="samples are slices of new patients, one-sided",
)  # fmt: skip
SHARE = _share(
    name="copied_share", heading="copies", definition="share of samples nearer to a real slice of the bin or the bins "
    f"beside it than the median real slice is to other patients' by {THRESHOLD} upper spreads",
)  # fmt: skip
TRAIN = _share(name="copied_train_share", heading="copies, training", definition="the same, nearest a training slice")
HELD_OUT = _share(name="copied_held_out_share", heading="copies, held out", definition="the same, nearest a held-out")
EXACT = ScoreSpec(
    name="copied_exactly", heading="equal", definition="share of samples that equal a real slice and are not blank",
    group="closeness", unit="share", scope="levels", better="lower", hypothesis="no sample equals a real slice",
    verified="counting | 0",
)  # fmt: skip
CLOSENESS = ScoreSpec(
    name="copy_closeness", heading="closeness", group="closeness", unit="SD", scope="levels",
    definition="mean registered nearness to real slices less that of real slices to other patients', in upper spreads",
    reading="Above 0: samples come nearer to real slices than slices of other patients do.",
    source="Welch 1947; linearized by patient", verified="planted elastic copies",
    hypothesis="the mean over samples is that over slices of new patients, two-sided",
)  # fmt: skip


@dataclass(frozen=True)
class _Closest:
    """Nearness of every sample and of the real probes, in upper spreads of the probes of their bin.

    Attributes:
        score: Of samples, by row; NaN where there is no real slice near its bin.
        row: Nearest real row; -1 where there is none.
        exact: Whether it is equal.
        probe: Real rows that were probed.
        real: Their nearness to slices of other patients.
    """

    score: NDArray[np.float64]
    row: NDArray[np.int64]
    exact: NDArray[np.bool_]
    probe: NDArray[np.int64]
    real: NDArray[np.float64]


class Copies(Metric):
    """Share of samples that are copies, of training and of held-out slices."""

    name = "copies"
    specs = (SHARE, TRAIN, HELD_OUT, EXACT, CLOSENESS)
    needs = frozenset({"pixels"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Shares and mean nearness; every sample keeps its nearness and its nearest real slice."""
        closest = context.once(self.name, partial(_closest, context))
        rows = cell.generated.row.numpy()
        if cell.key == (None, None):
            context.record("copy_score", cell, torch.from_numpy(closest.score[rows]))
            nearest_row = torch.from_numpy(closest.row[rows]).double()
            context.record("copy_row", cell, nearest_row.masked_fill(nearest_row < 0, torch.nan))
        rows = rows[closest.row[rows] >= 0]
        counts = cell.counts._replace(n_generated=len(rows))
        if not len(rows):
            what = "no real slice near these bins" if len(cell.generated) else "nothing generated for this condition"
            return self.undefined(cell, context, what, cell.counts)
        exact = float(closest.exact[rows].mean())
        scores = {EXACT.name: Score.of(exact, counts, p_value=_NEVER if exact else 1.0)}
        people = context.real.patient.numpy()[closest.probe]
        if len(np.unique(people)) < MIN_UNITS:
            few = Score.undefined("needs real slices of 3 patients to know how near others come", cell.counts)
            return scores | {spec.name: few for spec in self.specs if spec is not EXACT}
        held = context.real.held_out.numpy()[closest.row[rows]]
        copied = closest.score[rows] > THRESHOLD
        bound = share_bound(closest.real > THRESHOLD, people, 1 - ALPHA)
        for spec, chosen in ((SHARE, copied), (TRAIN, copied & ~held), (HELD_OUT, copied & held)):
            count, total = by_unit(chosen, context.generated.unit.numpy()[rows])
            spread = Spread(share_interval(count, total))
            p_value = share_p_value(count, total, bound)
            scores[spec.name] = Score.of(
                float(chosen.mean()), counts, spread, Baseline(0.0, (0.0, bound)), p_value=p_value
            )
        scores[CLOSENESS.name] = _closeness(closest, rows, cell, context, counts)
        return scores


METRIC = Copies()


def _closeness(closest: _Closest, rows: NDArray[np.int64], cell: Cell, context: Context, counts: Counts) -> Score:
    """Mean nearness of the samples less that of the real probes of the same bins."""
    table, bins = context.real, context.generated.z_bin.numpy()
    real = Side(np.clip(closest.real, -_REACH, _REACH), table.z_bin.numpy()[closest.probe],
                table.patient.numpy()[closest.probe])  # fmt: skip
    made = Side(np.clip(closest.score[rows], -_REACH, _REACH), bins[rows], context.generated.unit.numpy()[rows])
    shift = mean_shift(real, made)
    if shift is None:
        return Score.undefined("needs 3 patients and 3 samples of the same bins", cell.counts)
    counts = counts._replace(n_real=None, n_generated=shift.samples, n_patients=None)
    band = Baseline(0.0, (-shift.half_width, shift.half_width))
    return Score.of(shift.value, counts, Spread(shift.interval), band, p_value=max(shift.p_value, _NEVER))


def _closest(context: Context) -> _Closest:
    real, bins = context.real, context.binning.n_bins
    key = ("copies", context.binning.fingerprint, _PROBES)
    known = real.memo.values(key, lambda: _probed(real, bins).ravel()).reshape(-1, 3)
    probe, null = known[:, 0].astype(np.int64), known[:, 1:]
    near = _over_bins(context.generated, real, bins, others=False)
    row = near.place.numpy()
    score = np.full(len(row), np.nan)
    found = row >= 0
    of_bin, asked = real.z_bin.numpy()[probe], context.generated.z_bin.numpy()
    reached, of_real = [], []
    for values, among in zip((near.whole.numpy(), near.blocks.numpy()), null.T, strict=True):
        if len(probe):
            scale = UpperScale.fit(among, of_bin, bins)
            reached.append(scale(values[found], asked[found]))
            of_real.append(scale(among, of_bin))
    if reached:
        score[found] = np.max(reached, 0)
    beyond = np.max(of_real, 0) if of_real else np.empty(0)
    return _Closest(score, row, near.exact.numpy(), probe, beyond)


def _probed(real: SliceTable, bins: int) -> NDArray[np.float64]:
    """Row, and nearness to slices of other patients, of some real slices of each bin, ``(n, 3)``."""
    kept = [real.where(real.z_bin == k).spread(_PROBES).row for k in range(bins)]
    probes = real.where(torch.cat(kept))
    near = _over_bins(probes, real, bins, others=True)
    found = near.place >= 0
    table = torch.stack([probes.row.double(), near.whole, near.blocks], 1)[found]
    return np.asarray(table.numpy())


def _over_bins(queries: SliceTable, real: SliceTable, bins: int, *, others: bool) -> Nearness:
    """Nearness of every query to real slices of its bin and the two beside it; the index is a real row, -1 for none."""
    count = len(queries)
    whole, blocks = (torch.full((count,), torch.nan, dtype=torch.float64) for _ in range(2))
    index, exact = torch.full((count,), -1, dtype=torch.int64), torch.zeros(count, dtype=torch.bool)
    held: dict[int, tuple[SliceTable, Tensor]] = {}
    for k in range(bins):
        asked = torch.nonzero(queries.z_bin == k)[:, 0]
        if not len(asked):
            continue
        near = [b for b in (k - 1, k, k + 1) if 0 <= b < bins]
        held = {b: held.get(b) or _with_pattern(real.where(real.z_bin == b)) for b in near}
        tables, patterns = zip(*held.values(), strict=True)
        rows, images = torch.cat([t.row for t in tables]), torch.cat([t.images for t in tables])
        mine = queries.where(asked)
        allowed = mine.patient[:, None] != torch.cat([t.patient for t in tables])[None] if others else None
        if allowed is not None:
            some = allowed.any(1)
            asked, mine, allowed = asked[some], mine.where(some), allowed[some]
        if not len(rows) or not len(asked):
            continue
        of_mine = pattern(mine.images)
        found = nearest(mine.images, images, (of_mine, torch.cat(patterns)), allowed)
        whole[asked], blocks[asked] = found.whole, found.blocks
        index[asked], exact[asked] = rows[found.place], found.exact
    return Nearness(whole, blocks, index, exact)


def _with_pattern(table: SliceTable) -> tuple[SliceTable, Tensor]:
    return table, pattern(table.images)
