"""Lesion copies: whether the lesion of a sample is that of a real patient, also in another brain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm_eval.functional.lesion_copies import LEAST, Lesions, nearest_lesion, windows
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.metrics.copies import clearly, copied_share
from jsddpm_eval.metrics.nearness import other_patients, threshold
from jsddpm_eval.metrics.persons import alike
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import UpperScale
from jsddpm_eval.stats.limits import MIN_UNITS

_PROBES = 32  # real lesion slices of each bin whose nearness to other patients is known
_SIZES = 4  # groups of as many real lesions by area: small ones correlate by chance

SHARE = ScoreSpec(
    name="lesions_copied_share", heading="lesions copied", group="closeness", unit="share", scope="levels",
    label="share of copied lesions",
    better="lower", pathology=1, source="registration, Clopper-Pearson", verified="planted copies | all of them",
    definition="share of lesions whose image inside the mask is nearer to a real lesion of the bin or the bins beside "
    "it than the median real lesion of its size is to other patients', by the threshold of copied_share; masks of at "
    f"least {LEAST} pixels",
    reading="Share of samples whose lesion is that of a real patient, in another brain or in its own.",
    hypothesis="lesions are those of new patients, one-sided",
    blind_to=f"lesions of fewer than {LEAST} pixels, and many lesions that are rotated by ten degrees or more",
)  # fmt: skip


@dataclass(frozen=True)
class _Copies:
    """Nearest real lesion of each generated row, in upper spreads of real lesions of its size; NaN and -1 without one.

    Attributes:
        score: Nearness to the nearest real lesion.
        row: Its real row.
        beyond: Whether the real probes are beyond the threshold for lesions of other patients.
        people: Patients of the probes.
        threshold: Beyond which a lesion is a copy.
    """

    score: NDArray[np.float64]
    row: NDArray[np.int64]
    beyond: NDArray[np.bool_]
    people: NDArray[np.int64]
    threshold: float

    @property
    def known(self) -> bool:
        """Whether enough patients were probed to know how near others come."""
        return len(np.unique(self.people)) >= MIN_UNITS

    @property
    def copied(self) -> NDArray[np.bool_]:
        """Whether each lesion is a copy: the one flag that shares, lists and ``per_slice.csv`` read."""
        return self.known & (self.score > self.threshold)


class LesionCopies(Metric):
    """Share of lesions that are copies."""

    name = "lesion_copies"
    specs = (SHARE,)
    needs = frozenset({"pixels", "masks"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """The share; every sample keeps whether its lesion is a copy, its nearness, and the nearest real slice."""
        copies = context.once(self.name, partial(_copies, context))
        rows = cell.generated.row.numpy()
        if cell.z_bin is None:
            context.record("lesion_copy_score", cell, torch.from_numpy(copies.score[rows] / copies.threshold))
            nearest = torch.from_numpy(copies.row[rows]).double()
            flags = torch.from_numpy(copies.copied[rows]).double()
            for name, values in (("lesion_copy_row", nearest), ("lesion_copied", flags)):
                context.record(name, cell, values.masked_fill(nearest < 0, torch.nan))
        rows = rows[np.isfinite(copies.score[rows])]
        if not len(rows):
            return self.undefined(cell, context, f"no lesions of {LEAST} pixels here, or no real ones near by")
        if not copies.known:
            return self.undefined(cell, context, "needs real lesions of 3 patients to know how near others come")
        units = context.generated.unit.numpy()[rows]
        counts = cell.counts._replace(n_generated=len(rows))
        clear = clearly(copies.score[rows] / copies.threshold)
        return {SHARE.name: copied_share(copies.copied[rows], clear, units, copies.beyond, copies.people, counts)}


METRIC = LesionCopies()


def _copies(context: Context) -> _Copies:
    real, generated, bins = context.real, context.generated, context.binning.n_bins
    same = alike(context)
    key = ("lesion copies", context.binning.fingerprint, _PROBES, *same.pairs)
    among = other_patients(real, same.pairs)
    known = real.memo.values(key, lambda: _probed(real, bins, among).ravel()).reshape(-1, 3)
    probe, area, null = known[:, 0].astype(np.int64), known[:, 1], known[:, 2]
    near, place, size = _over_bins(generated, real, bins)
    score = np.full(len(near), np.nan)
    patients = same.person[real.patient.numpy()[probe]]
    limit, beyond = threshold(len(np.unique(patients))), np.zeros(len(probe), bool)
    if len(probe):
        edges = np.quantile(area, np.arange(1, _SIZES) / _SIZES)
        of_real, of_generated = (np.searchsorted(edges, a, "right") for a in (area, size))
        scale, has_reference = UpperScale.fit(null, of_real, _SIZES), place >= 0
        score[has_reference] = scale(near[has_reference], of_generated[has_reference])
        beyond = scale(null, of_real) > limit
    return _Copies(score, place, beyond, patients, limit)


def _probed(real: SliceTable, bins: int, among: Tensor) -> NDArray[np.float64]:
    """Row, area and nearness to lesions of other patients, of some real lesions of each bin, ``(n, 3)``."""
    lesions = real.where(real.pathology == 1)
    probes = real.where(torch.cat([lesions.where(lesions.z_bin == k).spread(_PROBES).row for k in range(bins)]))
    near, place, area = _over_bins(probes, real, bins, among)
    return np.stack([probes.row.numpy(), area, near], 1)[place >= 0]


def _over_bins(
    queries: SliceTable, real: SliceTable, bins: int, among: Tensor | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Nearness to real lesions of the bin and the two beside it, their real rows (-1 for none), and areas, ``(n,)``."""
    near, place = np.full(len(queries), np.nan), np.full(len(queries), -1)
    area = np.zeros(len(queries))

    @lru_cache(maxsize=3)  # every bin is beside two others
    def of_real(k: int) -> tuple[SliceTable, Lesions]:
        return _of_lesions(real.where((real.z_bin == k) & (real.pathology == 1)))

    for k in range(bins):
        of_bin = torch.nonzero((queries.z_bin == k) & (queries.pathology == 1))[:, 0]
        around, lesions = zip(*map(of_real, (k - 1, k, k + 1)), strict=True)
        rows, patients = (torch.cat([getattr(table, name) for table in around]) for name in ("row", "patient"))
        theirs = Lesions(*map(torch.cat, zip(*lesions, strict=True)))
        mine, ours = _of_lesions(queries.where(of_bin))
        of_bin = of_bin[torch.isin(queries.where(of_bin).row, mine.row)]
        allowed = None if among is None else among[mine.patient[:, None], patients[None]]
        if allowed is not None:
            some = allowed.any(1)
            of_bin, ours, allowed = of_bin[some], Lesions(*(v[some] for v in ours)), allowed[some]
        if not len(of_bin) or not len(rows):
            continue
        value, index = nearest_lesion(ours, theirs, allowed)
        at = of_bin.numpy()
        near[at], place[at], area[at] = value.numpy(), rows[index].numpy(), ours.area.numpy()
    return near, place, area


def _of_lesions(table: SliceTable) -> tuple[SliceTable, Lesions]:
    """The slices whose masks are large enough, and their windows."""

    def cut(batch: SliceTable) -> Tensor:
        lesions = windows(batch.images, batch.masks)
        flat = [v.flatten(1) for v in (lesions.images, lesions.masks, lesions.area[:, None])]
        return torch.cat(flat, 1)

    columns = table.mapped(cut)
    large = columns[:, -1] >= LEAST
    pixels = (columns.shape[1] - 1) // 2
    side = math.isqrt(pixels)
    images, masks = (v.reshape(-1, side, side) for v in columns[large, :-1].split(pixels, 1))
    return table.where(large), Lesions(images, masks, columns[large, -1])
