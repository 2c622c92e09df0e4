"""Lesion detector: how clearly images show a lesion, and whether it lies at the mask.

Small networks are trained on real slices to find lesions, each without one fold of patients. Predictions for real
slices come from the network that was not trained on their patient, so that they are a fair baseline.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm_eval.features.crossfit import FOLDS, Fold, readings
from jsddpm_eval.features.networks import kept_network, shrunk
from jsddpm_eval.memo import digest
from jsddpm_eval.metrics.base import Cell, Context
from jsddpm_eval.metrics.shifts import ShiftMetric, shift_spec
from jsddpm_eval.results.score import Score
from jsddpm_eval.slice_table import SliceTable

_VERSION = 1
_STEPS = 180
_WIDTHS = (12, 24, 48)
_REACH = 3  # pixels that slices are moved by in training
_TOP = 0.01  # share of a slice that speaks for it
_spec = partial(
    shift_spec, group="lesions",
    blind_to="lesions unlike those of the real patients from whom its networks learned",
)  # fmt: skip
CONTROL, SEEN, AGREEMENT = SPECS = (
    _spec(
        name="lesion_seen_control", heading="lesion in control", pathology=0,
        label="signs of a lesion in control images",
        definition="mean logit of lesion over the 1 % of a control image where networks are most certain of one",
        reading="Above 0: control images look more like lesions than real control slices do.",
    ),
    _spec(
        name="lesion_seen", heading="lesion seen", label="signs of a lesion in lesion images", pathology=1,
        definition="mean logit of lesion over the 1 % of a lesion image where networks are most certain of one",
        reading="Below 0: lesion images show less of a lesion than real ones.",
    ),
    _spec(
        name="lesion_agreement", heading="agreement", label="agreement of masks and signs of a lesion", pathology=1,
        definition="mean rank, 0 to 1, of the mask's pixels among all by logit of lesion",
        reading="Below 0: masks lie further from what looks like a lesion than in real slices.",
    ),
)  # fmt: skip


class LesionNetwork(nn.Module):
    """Finds lesions: convolutions down to an eighth of the slice, and up again to a half.

    Its input is the slice, divided by its mean, and its mirror image, because a healthy brain is nearly symmetric.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second, third = _WIDTHS
        self.down = nn.ModuleList(_block(a, b, 2) for a, b in ((2, first), (first, second), (second, third)))
        self.bridge = _block(third, third)
        self.side = nn.ModuleList(nn.Conv2d(width, width, 1) for width in (first, second))
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in ((second, first), (third, second)))
        self.up = nn.ModuleList(_block(width, width) for width in (first, second))
        self.head = nn.Conv2d(first, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of lesion of ``(N, H, W)`` images in [0, 1], float ``(N, h, w)`` at half the shrunk resolution."""
        x = shrunk(images)
        x = 0.25 * x / x.mean((1, 2), keepdim=True).clamp_min(1e-3)
        levels = [torch.stack([x, x.flip(-1)], 1)]
        for block in self.down:
            levels.append(block(levels[-1]))
        y = self.bridge(levels.pop())
        for level in (1, 0):
            side = self.side[level](levels[level + 1])
            above = F.interpolate(self.shrink[level](y), side.shape[-2:], mode="bilinear", align_corners=False)
            y = self.up[level](side + above)
        logits: Tensor = self.head(y)[:, 0]
        return logits


class LesionDetector(ShiftMetric):
    """Predictions of networks that find lesions, and their agreement with masks."""

    name = "lesion_detector"
    specs = SPECS
    needs = frozenset({"pixels", "masks", "training"})

    def values(self, context: Context) -> tuple[Tensor, Tensor]:
        """Certainty of control images, of lesion images, and agreement of the latter with their masks."""
        return _by_pathology(context.real, context), _by_pathology(context.generated, context)

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Shifts; undefined with too little training data."""
        real = context.real
        n_patients = [len(real.patient[real.pathology == kind].unique()) for kind in (0, 1)]
        if min(n_patients) < FOLDS:
            return self.undefined(cell, context, f"needs {FOLDS} patients with and without a lesion to learn from")
        return super().compute(cell, context)


METRIC = LesionDetector()


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())


def _by_pathology(table: SliceTable, context: Context) -> Tensor:
    """One column for each score; NaN for slices of the other pathology."""
    certainty, agreement = _readings(table, context).T
    lesion = table.pathology == 1
    return torch.stack(
        [certainty.where(~lesion, torch.nan), *(v.where(lesion, torch.nan) for v in (certainty, agreement))], 1
    )


def _readings(table: SliceTable, context: Context) -> Tensor:
    """Certainty and agreement of each slice, float64 ``(N, 2)``; agreement is NaN where the mask is empty."""
    return readings(
        table, context.real, partial(_fitted, context=context), _read, name="lesion",
        settings=(_VERSION, _STEPS, context.seed),
    )  # fmt: skip


def _fitted(fold: Fold, context: Context) -> LesionNetwork:
    return train_lesion_network(fold, seed=context.seed, folder=context.real.memo.folder)


def train_lesion_network(fold: Fold, *, seed: int, folder: Path | None = None) -> LesionNetwork:
    """Fit a :class:`LesionNetwork` to as many real slices with as without a lesion; same slices and seed, same network.

    Args:
        fold: The slices.
        seed: Seed of initial weights, order and augmentation; torch's global generator is not used.
        folder: Folder for its weights; None keeps none.
    """
    masks = fold.table.mapped(lambda batch: shrunk(batch.masks.float()))
    kinds = [torch.nonzero(fold.table.pathology == kind)[:, 0] for kind in (0, 1)]
    most = max(map(len, kinds))
    balanced = torch.cat([rows[torch.arange(most) % len(rows)] for rows in kinds])

    def loss(network: LesionNetwork, places: Tensor, draw: torch.Generator) -> Tensor:
        rows = balanced[places]
        mirror = torch.rand((len(rows), 1, 1), generator=draw) < 0.5
        step = torch.randint(-_REACH, _REACH + 1, (2,), generator=draw).tolist()
        pair = (torch.where(mirror, x[rows].flip(-1), x[rows]) for x in (fold.images, masks))
        images, truth = (torch.roll(x, step, dims=(1, 2)) for x in pair)
        logits = network(_augment(images, draw))
        truth = F.adaptive_avg_pool2d(truth[:, None], logits.shape[1:])[:, 0]
        share = torch.sigmoid(logits)
        overlap = (2 * (share * truth).sum((1, 2)) + 1) / ((share + truth).sum((1, 2)) + 1)
        by_pixel: Tensor = F.binary_cross_entropy_with_logits(logits, truth)
        by_slice: Tensor = 1 - overlap
        return by_pixel + 0.5 * by_slice.mean()

    return kept_network(
        LesionNetwork, loss, len(balanced), steps=_STEPS, seed=seed,
        name="lesion-network", settings=(_VERSION, digest(fold.images, masks, fold.table.pathology)), folder=folder,
    )  # fmt: skip


def _augment(images: Tensor, draw: torch.Generator) -> Tensor:
    """Vary blur and noise, in which generators may differ besides lesions."""
    blurred = images[:, None]
    for _ in range(2):
        blurred = F.avg_pool2d(blurred, 3, stride=1, padding=1)
    share, noise = torch.rand((2, len(images), 1, 1), generator=draw)
    mixed: Tensor = share * images + (1 - share) * blurred[:, 0]
    noisy: Tensor = mixed + 0.05 * noise * torch.empty_like(mixed).normal_(generator=draw)
    return noisy.clamp(0, 1)


def _read(network: LesionNetwork, batch: SliceTable) -> Tensor:
    maps = network(batch.images).double()
    masks = F.adaptive_avg_pool2d(batch.masks.double()[:, None], tuple(maps.shape[1:]))[:, 0].flatten(1)
    logits = maps.flatten(1)
    certainty = logits.topk(max(1, round(_TOP * logits.shape[1]))).values.mean(1)
    ranks = logits.argsort(1).argsort(1) / max(1, logits.shape[1] - 1)
    numbers: Tensor = torch.stack([certainty, (ranks * masks).sum(1) / masks.sum(1)], 1)
    return numbers
