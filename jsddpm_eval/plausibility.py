"""Anatomical plausibility and obedience: is a generated slice where, and what, it was asked to be?

A small network regresses ``z_index`` from real training slices; its error on held-out real slices stands beside what
it says of generated ones, so a reader can judge the judge.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm.binning import CONTROL, LESION, ZBinning
from jsddpm_eval.results import Score
from jsddpm_eval.uncertainty import Z95

_STEPS = 400
_BATCH = 32
_SIDE = 64  # larger slices are averaged down to this


class ZRegressor(nn.Module):
    """Slice position from its image, as a fraction of the training range.

    Trained with random mirroring, gain, noise and blur, so that it reads anatomy rather than texture or brightness.

    Args:
        z_range: Inclusive range of the positions, in slices.
    """

    def __init__(self, z_range: tuple[int, int]) -> None:
        super().__init__()
        self.middle, self.extent = (z_range[0] + z_range[1]) / 2, max(1.0, (z_range[1] - z_range[0]) / 2)
        widths = (1, 16, 32, 64)
        blocks: list[nn.Module] = []
        for a, b in pairwise(widths):
            blocks += [nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
        self.body = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Linear(4 * widths[-1], 1)

    def forward(self, images: Tensor) -> Tensor:
        """Predicted ``z_index`` of ``(N, H, W)`` images in [0, 1], float ``(N,)``."""
        height, width = images.shape[1:]
        small = F.adaptive_avg_pool2d(images[:, None], (min(height, _SIDE), min(width, _SIDE)))
        prediction: Tensor = self.head(self.body(small))[:, 0]
        return prediction * self.extent + self.middle


def train_z_regressor(images: Tensor, z_index: Tensor, z_range: tuple[int, int], *, seed: int) -> ZRegressor:
    """Fit a :class:`ZRegressor` to real training slices; the same data and seed give the same network.

    Args:
        images: float32 ``(N, H, W)`` in [0, 1].
        z_index: int64 ``(N,)``.
        z_range: Range of the positions.
        seed: Seed of initial weights, order and augmentation; torch's global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ZRegressor(z_range)
        optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=_STEPS)
        for _ in range(_STEPS):
            chosen = torch.randint(len(images), (_BATCH,))
            error = network(_augment(images[chosen])) - z_index[chosen]
            loss = (error / network.extent).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _augment(images: Tensor) -> Tensor:
    mirrored = torch.where(torch.rand(len(images), 1, 1) < 0.5, images.flip(-1), images)
    blurred = F.avg_pool2d(mirrored[:, None], 3, stride=1, padding=1)[:, 0]
    share = torch.rand(len(images), 1, 1)
    gain = 1 + 0.3 * (torch.rand(len(images), 1, 1) - 0.5)
    mixed = gain * (share * mirrored + (1 - share) * blurred)
    return (mixed + 0.03 * torch.randn_like(mixed)).clamp(0, 1)


@torch.no_grad()
def predict_z(network: ZRegressor, images: Tensor) -> Tensor:
    """Predicted positions, in batches, float ``(N,)``."""
    return torch.cat([network(part) for part in images.split(256)])


def position_scores(
    predicted: Tensor, z_bin: Tensor, binning: ZBinning, *, real_error: float | None, real_count: int
) -> dict[str, Score]:
    """How far generated slices lie from the bin asked for.

    Args:
        predicted: Positions read off the generated slices.
        z_bin: Bins asked for.
        binning: The binning.
        real_error: Mean absolute error of the same network on held-out real slices, in slices.
        real_count: Number of those slices.

    Returns:
        ``z_error_bins``: mean distance to the bin's middle in bin widths, its floor the network's own error on held-out
        real slices; ``z_error_chance_bins``: the same with the conditions shuffled (all pairings).
    """
    lo, hi = binning.z_range
    width = (hi - lo + 1) / binning.n_bins
    used = [k for k in range(binning.n_bins) if binning.slices(k)]
    middle = torch.tensor(
        [(binning.slices(k)[0] + binning.slices(k)[-1]) / 2 if k in used else 0.0 for k in range(binning.n_bins)]
    )
    context = {"unit": "bins", "n_generated": len(predicted), "n_real": real_count}
    error = (predicted - middle[z_bin]).abs() / width
    chance = (predicted[:, None] - middle[z_bin][None]).abs().mean() / width
    floor = None if real_error is None else real_error / width
    return {
        "z_error_bins": Score(value=float(error.mean()), floor=floor, **context),
        "z_error_chance_bins": Score(value=float(chance), **context),
    }


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
            scores[name] = Score(value=share, unit="share", n_generated=n, interval=_wilson(share, n))
        else:
            scores[name] = Score.undefined("nothing of this kind was generated", unit="share", n_generated=0)
    return scores


def _wilson(share: float, n: int, z: float = Z95) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
