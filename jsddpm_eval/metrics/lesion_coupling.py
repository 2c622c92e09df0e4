"""Lesion coupling: do a generated image and its lesion mask belong together?"""

from __future__ import annotations

import numpy as np
import torch

from jsddpm_eval.functional.morphology import contrasts, has_ring
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.results.score import Baseline, Counts, Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.intervals import mean_spread

_PERMUTATIONS = 999

CONTRAST = ScoreSpec(
    name="coupling_contrast", heading="coupling", group="lesions", unit="intensity", pathology=1, scope="cell",
    place="main",
    definition="lesion less ring of 3 pixels with the slice's own mask, less the mean over the other samples' masks of "
    "the bin; permutation p",
    reading="Contrast of the image at the own mask less that at other samples' masks; the baseline is what real slices "
    "show. Near 0: mask and image do not belong together.",
    hypothesis="masks could as well be swapped within the bin, two-sided", verified="loops | 1e-6",
)  # fmt: skip


class LesionCoupling(Metric):
    """Lesion-to-surround contrast with the own mask, less that with the other samples' masks.

    A lesion that is drawn into the mask but not into the image has no excess. Masks that are empty, or leave no pixel
    around them, are left out.
    """

    name = "lesion_coupling"
    specs = (CONTRAST,)
    needs = frozenset({"pixels", "masks"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Mean excess; the baseline is the excess of real slices over other patients' masks."""
        generated = cell.generated.where(has_ring(cell.generated.masks)) if len(cell.generated) else cell.generated
        counts = Counts(len(cell.real), len(generated), cell.real.n_patients)
        if len(generated) < 2:
            left_out = len(cell.generated) - len(generated)
            reason = f"{len(generated)} generated slices with a lesion: no masks to swap"
            reason += f" ({left_out} masks are empty or fill the slice)" if left_out else ""
            return {CONTRAST.name: Score.undefined(reason, counts)}
        matrix = contrasts(generated.images, generated.masks)
        diagonal, n = matrix.diagonal(), len(matrix)
        excess = (n * diagonal - matrix.sum(1)) / (n - 1)
        rng = np.random.default_rng(context.seed)
        orders = torch.from_numpy(rng.random((_PERMUTATIONS, n)).argsort(axis=1))
        swapped = matrix[torch.arange(n)[None], orders].mean(1)
        far = (swapped - matrix.mean()).abs() >= (diagonal.mean() - matrix.mean()).abs() - 1e-12
        p = (1 + int(far.sum())) / (1 + _PERMUTATIONS)
        real = context.baseline(cell, CONTRAST.name, compute=lambda: _real_excess(cell.real)).tolist()
        baseline = Baseline(real[0] if real else None)
        return {CONTRAST.name: Score.of(float(excess.mean()), counts, mean_spread(excess), baseline, p_value=p)}


METRIC = LesionCoupling()


def _real_excess(real: SliceTable) -> list[float]:
    """Mean excess of real slices over other patients' masks; empty where there are no two patients."""
    if not len(real):
        return []
    real = real.where(has_ring(real.masks))
    others = real.patient[:, None] != real.patient[None]
    if not others.any():
        return []
    matrix = contrasts(real.images, real.masks)
    keep = others.any(1)
    swapped = (matrix * others).sum(1)[keep] / others.sum(1)[keep]
    return [float((matrix.diagonal()[keep] - swapped).mean())]
