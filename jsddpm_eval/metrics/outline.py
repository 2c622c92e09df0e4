"""Outline: whether the brain of a generated slice has the shape of real ones of its bin."""

from __future__ import annotations

import torch
from torch import Tensor

from jsddpm.cohort.brain import estimate_brain
from jsddpm_eval.metrics.base import NOTHING_GENERATED, Cell, Context, Metric
from jsddpm_eval.results.score import Counts, Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.baseline import mean_baseline
from jsddpm_eval.stats.intervals import mean_spread

_ATLAS_SLICES = 100

SHAPE = ScoreSpec(
    name="brain_shape", heading="outline", group="place", better="higher", scope="cell", place="main",
    definition="Dice of the brain outline with the bin's atlas (brain in more than half of the real slices); samples "
    "without a brain are left out where the atlas has none",
    reading="Overlap (Dice) of the brain outline with that of most real slices of the bin; the baseline is a real "
    "slice against the other patients' outline.",
    verified="closed form | 1e-12",
    blind_to="faults inside the outline, because only outlines are compared",
)  # fmt: skip


def brain_masks(images: Tensor) -> Tensor:
    """Estimated brain of each slice, boolean ``(N, H, W)``."""
    masks = [torch.from_numpy(estimate_brain(image)) for image in images.numpy()]
    return torch.stack(masks) if masks else torch.empty(images.shape, dtype=torch.bool)


class Outline(Metric):
    """Overlap of brain outlines with the atlas of their bin: where most real slices have brain."""

    name = "outline"
    specs = (SHAPE,)
    needs = frozenset({"pixels"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Mean overlap; the baseline is each real slice against the atlas without its patient."""
        real = cell.real_bin.spread(_ATLAS_SLICES)
        counts = Counts(len(real), len(cell.generated), real.n_patients)
        if not len(cell.generated) or not len(real):
            missing = "no real slice in this bin" if len(cell.generated) else NOTHING_GENERATED
            return self.undefined(cell, context, missing, counts)
        stored = real.memo.values((SHAPE.name, context.binning.fingerprint, cell.z_bin), lambda: _outlines(real))
        area = real.size[0] * real.size[1]
        atlas, others = torch.from_numpy(stored[:area]).reshape(real.size) > 0.5, torch.from_numpy(stored[area:])
        overlap = _dice(brain_masks(cell.generated.images), atlas)
        defined = torch.isfinite(overlap)
        counts = counts._replace(n_generated=int(defined.sum()))
        baseline = mean_baseline(others[torch.isfinite(others)])
        if not defined.any():
            none = "neither the samples nor most real slices of the bin show a brain"
            return {SHAPE.name: Score.undefined(none, counts, baseline.baseline)}
        overlap = overlap[defined]
        spread = mean_spread(overlap, units=cell.generated.unit[defined], pairs=bool(defined.all()))
        return {SHAPE.name: Score.of(float(overlap.mean()), counts, spread, baseline)}


METRIC = Outline()


def _outlines(real: SliceTable) -> Tensor:
    """Share of the real slices of a bin with brain at each pixel, then each one's overlap with the other patients'."""
    masks, patients = brain_masks(real.images), real.patient
    overlaps = [
        _dice(masks[patients == p], masks[patients != p].double().mean(0) > 0.5)
        for p in patients.unique()
        if (patients != p).any()
    ]
    return torch.cat([masks.double().mean(0).flatten(), *overlaps])


def _dice(masks: Tensor, atlas: Tensor) -> Tensor:
    """Dice of each mask with the atlas; NaN where both are empty."""
    total = masks.flatten(1).sum(1) + atlas.sum()
    overlap = (masks & atlas).flatten(1).sum(1)
    return torch.where(total > 0, 2 * overlap.double() / total, torch.nan)
