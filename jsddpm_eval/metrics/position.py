"""Position: is a generated slice where in the brain it was asked to be?

A small network regresses ``z_index`` from real training slices; its error on held-out real slices stands beside what
it says of generated ones, so a reader can judge the judge.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm.binning import ZBinning
from jsddpm_eval.features.networks import SliceNetwork, kept_network, mirrored
from jsddpm_eval.features.training import TrainingSlices
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.results.score import Baseline, Counts, Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.stats.intervals import mean_spread

_VERSION = 1
_STEPS = 400
_MOST_PAIRED = 2000  # samples paired with each other's bins for chance; with more, evenly spread ones
_READ = "distance of the position a small network reads off to the middle of the bin asked for, in"
_spec = partial(ScoreSpec, group="place", better="lower", axis_from_zero=True, verified="closed form | 1e-12")
BINS = _spec(
    "z_error_bins", "z error", f"{_READ} bin widths", unit="bins", place="compact",
    reading="Distance in bin widths between the bin asked for and the position a small network reads off the sample; "
    "the baseline is its error on held-out real slices.",
    headline="position error", headline_reading="bin widths; chance {z_error_chance_bins}, baseline {baseline}",
)  # fmt: skip
SLICES = _spec("z_error_slices", "z error, slices", f"{_READ} slices", unit="slices")
MILLIMETRES = _spec("z_error_mm", "z error, mm", f"{_READ} mm", unit="mm")
CHANCE = _spec(
    "z_error_chance_bins", "z error by chance", f"{_READ} bin widths, over all pairings of samples and bins",
    unit="bins", scope="pooled", place="hidden", better=None,
)  # fmt: skip


class ZRegressor(SliceNetwork):
    """Slice position from its image, in slices of the volume.

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


class Position(Metric):
    """How far generated slices lie from the bin asked for."""

    name = "position"
    specs = (BINS, SLICES, MILLIMETRES, CHANCE)
    needs = frozenset({"pixels", "training"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Mean distance to the bin's middle; the baseline is the network's error on held-out real slices."""
        held_out = context.real.where(context.real.in_split)
        counts = Counts(len(held_out), len(cell.generated))
        if not (~context.real.held_out).any():
            return self.undefined(cell, context, "no real slice to learn positions from was trained on", counts)
        if not len(cell.generated):
            return self.undefined(cell, context, "nothing generated for this condition", counts)
        network = _network(context)
        predicted = cell.generated.column("z-predicted", lambda b: predict_z(network, b.images), settings=_key(context))
        if cell.z_bin is None:
            context.record("z_predicted", cell, predicted)
            context.confusion = position_confusion(predicted, cell.generated.z_bin, context.binning)

        def real_error() -> list[float]:
            reading = held_out.mapped(lambda batch: predict_z(network, batch.images))
            return [float((reading - held_out.z_index).abs().mean())] if len(held_out) else []

        errors = context.real.memo.values((self.name, _key(context)), real_error).tolist()
        lo, hi = context.binning.z_range
        width, middle = (hi - lo + 1) / context.binning.n_bins, middles(context.binning)
        distance = (predicted - middle[cell.generated.z_bin]).abs().double()
        every = slice(None, None, max(1, -(-len(predicted) // _MOST_PAIRED)))
        asked = middle[cell.generated.z_bin]
        chance = (predicted[every, None] - asked[None, every]).abs().mean() / width
        scores = {CHANCE.name: Score.of(float(chance), counts)}
        for spec, scale in ((BINS, 1 / width), (SLICES, 1.0), (MILLIMETRES, context.real.spacing[2])):
            baseline = Baseline(errors[0] * scale if errors else None)
            value = float(distance.mean() * scale)
            scores[spec.name] = Score.of(value, counts, mean_spread(distance * scale), baseline)
        return scores


METRIC = Position()


def _key(context: Context) -> str:
    slices = TrainingSlices.of(context.real)
    return f"{_VERSION} {_STEPS} {context.seed} {context.binning.z_range} {slices.digest}"


def _network(context: Context) -> ZRegressor:
    def make() -> ZRegressor:
        slices = TrainingSlices.of(context.real)
        return train_z_regressor(slices, context.binning.z_range, seed=context.seed, folder=context.real.memo.folder)

    return context.real.memo.once(("z regressor", context.seed, context.binning.z_range), make)


def train_z_regressor(
    slices: TrainingSlices, z_range: tuple[int, int], *, seed: int, folder: Path | None = None
) -> ZRegressor:
    """Fit a :class:`ZRegressor` to real training slices; the same slices and seed give the same network.

    Args:
        slices: The slices.
        z_range: Range of the positions.
        seed: Seed of initial weights, order and augmentation; torch's global generator is left as it was.
        folder: Where its weights are kept and read back from; nowhere when None.
    """
    images, z_index = slices.images, slices.z_index

    def loss(network: ZRegressor, rows: Tensor) -> Tensor:
        error: Tensor = (network(_augment(images[rows])) - z_index[rows]) / network.extent
        return error.square().mean()

    return kept_network(
        lambda: ZRegressor(z_range), loss, len(images), steps=_STEPS, seed=seed,
        name="z-regressor", settings=(_VERSION, z_range, slices.digest), folder=folder,
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
    """Predicted positions, float ``(N,)``."""
    return network(images)  # type: ignore[no-any-return]


def position_confusion(predicted: Tensor, z_bin: Tensor, binning: ZBinning) -> list[list[int]]:
    """Samples by bin asked for (rows) and nearest bin of the position read off (columns)."""
    used = [k for k in range(binning.n_bins) if binning.slices(k)]
    nearest = torch.tensor(used)[(predicted[:, None] - middles(binning)[used][None]).abs().argmin(1)]
    counts = torch.zeros((binning.n_bins,) * 2, dtype=torch.int64)
    counts.index_put_((z_bin, nearest), torch.ones_like(nearest), accumulate=True)
    return [[int(v) for v in row] for row in counts]


def middles(binning: ZBinning) -> Tensor:
    """Mean position of the slices of each bin; 0 for an empty one."""
    parts = [binning.slices(k) for k in range(binning.n_bins)]
    return torch.tensor([(p[0] + p[-1]) / 2 if p else 0.0 for p in parts])
