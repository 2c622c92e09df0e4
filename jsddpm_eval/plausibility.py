"""Anatomical plausibility and obedience: is a generated slice where, and what, it was asked to be?

A small network regresses ``z_index`` from real training slices; its error on held-out real slices stands beside what
it says of generated ones, so a reader can judge the judge.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm.binning import CONTROL, LESION, ZBinning
from jsddpm.cohort.preprocess import estimate_brain
from jsddpm_eval.features.cache import kept_network
from jsddpm_eval.networks import SliceNetwork, fit, mirrored, shrunk
from jsddpm_eval.results import Score
from jsddpm_eval.uncertainty import mean_fields, wilson_interval

_VERSION = 1
_STEPS = 400


class ZRegressor(SliceNetwork):
    """Slice position from its image, as a fraction of the training range.

    Trained with random mirroring, gain, noise and blur, so that it reads anatomy rather than texture or brightness.

    Args:
        z_range: Inclusive range of the positions, in slices.
    """

    def __init__(self, z_range: tuple[int, int]) -> None:
        super().__init__(1)
        self.middle, self.extent = (z_range[0] + z_range[1]) / 2, max(1.0, (z_range[1] - z_range[0]) / 2)

    def forward(self, images: Tensor) -> Tensor:
        """Predicted ``z_index`` of ``(N, H, W)`` images in [0, 1], float ``(N,)``."""
        prediction: Tensor = super().forward(images)[:, 0]
        return prediction * self.extent + self.middle


def train_z_regressor(
    images: Tensor, z_index: Tensor, z_range: tuple[int, int], *, seed: int, folder: Path | None = None
) -> ZRegressor:
    """Fit a :class:`ZRegressor` to real training slices; the same data and seed give the same network.

    Args:
        images: float32 ``(N, H, W)`` in [0, 1].
        z_index: int64 ``(N,)``.
        z_range: Range of the positions.
        seed: Seed of initial weights, order and augmentation; torch's global generator is left as it was.
        folder: Where its weights are kept and read back from; nowhere when None.
    """
    images = shrunk(images)

    def loss(network: ZRegressor, rows: Tensor) -> Tensor:
        error: Tensor = (network(_augment(images[rows])) - z_index[rows]) / network.extent
        return error.square().mean()

    def make() -> ZRegressor:
        return ZRegressor(z_range)

    return kept_network(
        make, lambda: fit(make, loss, len(images), steps=_STEPS, seed=seed),
        "z-regressor", (_VERSION, _STEPS, seed, z_range), (images, z_index), folder,
    )  # fmt: skip


def _augment(images: Tensor) -> Tensor:
    flipped = mirrored(images)
    blurred = F.avg_pool2d(flipped[:, None], 3, stride=1, padding=1)[:, 0]
    share = torch.rand(len(images), 1, 1)
    gain = 1 + 0.3 * (torch.rand(len(images), 1, 1) - 0.5)
    mixed = gain * (share * flipped + (1 - share) * blurred)
    return (mixed + 0.03 * torch.randn_like(mixed)).clamp(0, 1)


@torch.no_grad()
def predict_z(network: ZRegressor, images: Tensor) -> Tensor:
    """Predicted positions, in batches, float ``(N,)``."""
    return torch.cat([network(part) for part in images.split(256)])


def position_scores(
    predicted: Tensor, z_bin: Tensor, binning: ZBinning, *, real_error: float | None, real_count: int, spacing: float
) -> dict[str, Score]:
    """How far generated slices lie from the bin asked for.

    Args:
        predicted: Positions read off the generated slices.
        z_bin: Bins asked for.
        binning: The binning.
        real_error: Mean absolute error of the same network on held-out real slices, in slices.
        real_count: Number of those slices.
        spacing: Distance of two slices in mm.

    Returns:
        ``z_error_bins``, ``z_error_slices``, ``z_error_mm``: mean distance to the bin's middle, the floor the network's
        own error on held-out real slices; ``z_error_chance_bins``: the same with the conditions shuffled (all
        pairings).
    """
    lo, hi = binning.z_range
    width = (hi - lo + 1) / binning.n_bins
    middle = _middles(binning)
    context = {"n_generated": len(predicted), "n_real": real_count}
    error = (predicted - middle[z_bin]).abs().double()
    chance = (predicted[:, None] - middle[z_bin][None]).abs().mean() / width
    scores = {"z_error_chance_bins": Score(value=float(chance), unit="bins", **context)}
    for unit, scale in {"bins": 1 / width, "slices": 1.0, "mm": spacing}.items():
        floor = None if real_error is None else real_error * scale
        scores[f"z_error_{unit}"] = Score(
            value=float(error.mean() * scale), unit=unit, floor=floor, **mean_fields(error * scale), **context
        )
    return scores


def position_confusion(predicted: Tensor, z_bin: Tensor, binning: ZBinning) -> list[list[int]]:
    """Samples by bin asked for (rows) and nearest bin of the position read off (columns)."""
    used = [k for k in range(binning.n_bins) if binning.slices(k)]
    middle = _middles(binning)[used]
    nearest = torch.tensor(used)[(predicted[:, None] - middle[None]).abs().argmin(1)]
    counts = torch.zeros((binning.n_bins,) * 2, dtype=torch.int64)
    counts.index_put_((z_bin, nearest), torch.ones_like(nearest), accumulate=True)
    return [[int(v) for v in row] for row in counts]


def _middles(binning: ZBinning) -> Tensor:
    parts = [binning.slices(k) for k in range(binning.n_bins)]
    return torch.tensor([(p[0] + p[-1]) / 2 if p else 0.0 for p in parts])


def brain_masks(images: Tensor) -> Tensor:
    """Estimated brain of each slice, boolean ``(N, H, W)``."""
    found = [torch.from_numpy(estimate_brain(image)) for image in images.numpy()]
    return torch.stack(found) if found else torch.empty(images.shape, dtype=torch.bool)


def shape_score(made: Tensor, real: Tensor, patients: Tensor) -> Score:
    """Overlap (Dice) of generated brain outlines with the atlas of their bin: where most real slices have brain.

    Args:
        made: Brain masks of the generated slices of a bin, boolean ``(N, H, W)``.
        real: Brain masks of its real slices.
        patients: Their patient numbers; the floor is each real slice against the atlas without its patient.
    """
    context = {"n_real": len(real), "n_generated": len(made), "n_patients": len(patients.unique())}
    if not len(made) or not len(real):
        missing = "no real slice in this bin" if len(made) else "nothing generated for this condition"
        return Score.undefined(missing, **context)
    overlap = _dice(made, real.double().mean(0) > 0.5)
    floors = [
        _dice(real[patients == p], real[patients != p].double().mean(0) > 0.5)
        for p in patients.unique()
        if (patients != p).any()
    ]
    floor = float(torch.cat(floors).mean()) if floors else None
    return Score(value=float(overlap.mean()), **mean_fields(overlap), floor=floor, **context)


def _dice(masks: Tensor, atlas: Tensor) -> Tensor:
    total = masks.flatten(1).sum(1) + atlas.sum()
    overlap = (masks & atlas).flatten(1).sum(1)
    return torch.where(total > 0, 2 * overlap.double() / total, 1.0)


def obedience_scores(mask: Tensor, pathology: Tensor) -> dict[str, Score]:
    """Does the mask obey the pathology asked for?

    Args:
        mask: Generated masks, boolean ``(N, H, W)``.
        pathology: Pathology asked for, ``(N,)``.

    Returns:
        ``control_empty``: share of control samples with an empty mask; ``lesion_present``: share of lesion samples with
        at least one lesion pixel; undefined where nothing of that kind was generated.
    """
    drawn = mask.flatten(1).any(dim=1)
    wanted = {"control_empty": (CONTROL, ~drawn), "lesion_present": (LESION, drawn)}
    scores = {}
    for name, (kind, obeyed) in wanted.items():
        chosen = obeyed[pathology == kind]
        n = len(chosen)
        if n:
            share = float(chosen.double().mean())
            scores[name] = Score(value=share, unit="share", n_generated=n, interval=wilson_interval(share, n))
        else:
            scores[name] = Score.undefined("nothing of this kind was generated", unit="share", n_generated=0)
    return scores
