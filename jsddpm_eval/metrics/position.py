"""Position: whether a generated slice has the axial position it is conditioned on.

Small networks regress ``z_index`` on real slices, each without one fold of patients. Predictions for real slices, by
the network that was not trained on their patient, are the baseline, which also shows the error of the networks.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm.binning import ZBinning
from jsddpm_eval.features.crossfit import FOLDS, Fold, readings
from jsddpm_eval.features.networks import SliceNetwork, kept_network, mirrored
from jsddpm_eval.functional.thinning import spread_places
from jsddpm_eval.memo import digest
from jsddpm_eval.metrics.base import NOTHING_GENERATED, Cell, Context, Metric
from jsddpm_eval.metrics.shifts import shift_score
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.intervals import mean_spread
from jsddpm_eval.stats.scale import Side
from jsddpm_eval.stats.shift import in_common, mean_shift

_VERSION = 2
_STEPS = 400
_MOST_PAIRED = 2000  # samples paired with each other's bins for chance; with more, evenly spread ones
_READ = "distance of the position that small networks predict from the middle of the requested bin, in"
_WHERE = "; conditions without real slices of two patients are left out"
_SAME = "the mean over generated slices is that over real slices of the same conditions, two-sided"
_spec = partial(
    ScoreSpec, group="place", scope="levels", axis_from_zero=True, verified="closed form | 1e-12",
    blind_to="small shifts of some samples, because the predicted position has an error of its own",
)  # fmt: skip
BINS = _spec(
    "z_error_bins", "z error", f"{_READ} bin widths{_WHERE}", unit="bins", place="compact", better="lower",
    hypothesis=_SAME,
    label="position error",
    reading="Distance in bin widths between the requested bin and the position that small networks predict; the "
    "baseline is the same of real slices of patients the networks have not seen.",
    headline="position error", headline_reading="bin widths; chance {z_error_chance_bins}, baseline {baseline}",
)  # fmt: skip
SLICES = _spec(
    "z_error_slices", "z error, slices", f"{_READ} slices{_WHERE}", unit="slices", better="lower", hypothesis=_SAME,
    label="position error",
)  # fmt: skip
MILLIMETRES = _spec(
    "z_error_mm", "z error, mm", f"{_READ} mm{_WHERE}", unit="mm", better="lower", hypothesis=_SAME,
    label="position error",
)  # fmt: skip
OFFSET = _spec(
    "z_offset_bins", "z offset", f"predicted position less the middle of the requested bin, in bin widths{_WHERE}",
    unit="bins", hypothesis=_SAME, label="position offset",
    reading="Above the baseline: slices of higher bins than requested; below: of lower ones.",
    blind_to="shifts upwards and downwards that cancel out",
)  # fmt: skip
PULL = _spec(
    "z_pull_bins", "z pull", f"offset towards the middle of the range, in bin widths{_WHERE}", unit="bins",
    hypothesis=_SAME, label="pull to the middle",
    reading="Far above the baseline: the requested bin is ignored.",
    blind_to="a shift of all bins in one direction, which cancels out",
)  # fmt: skip
CHANCE = ScoreSpec(
    "z_error_chance_bins", "z error by chance", f"{_READ} bin widths, over all pairings of samples and bins", "place",
    unit="bins", scope="pooled", place="hidden", verified="closed form | 1e-12",
    blind_to="wrong positions, because it is the error of random pairings, for comparison",
)  # fmt: skip


class ZRegressor(SliceNetwork):
    """Slice position from its image, in slices of the volume.

    Trained with random mirroring, gain, noise and blur, so that it depends on anatomy, not on texture or brightness.

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
    """Distance and direction of generated slices from the requested bin, compared with real ones of the bin."""

    name = "position"
    specs = (BINS, SLICES, MILLIMETRES, OFFSET, PULL, CHANCE)
    needs = frozenset({"pixels", "training"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Means over the samples; the baselines are the same means over real slices of the same conditions."""
        if context.real.n_patients < FOLDS:
            return self.undefined(cell, context, f"needs {FOLDS} patients to learn positions from")
        if not len(cell.generated):
            return self.undefined(cell, context, NOTHING_GENERATED)
        predicted = context.once((self.name, "read"), partial(_readings, context))
        sides = {"real": cell.real, "generated": cell.generated}
        offset = {side: _offset(predicted[side], table, context.binning) for side, table in sides.items()}
        pull = {side: _towards_middle(offset[side], table, context.binning) for side, table in sides.items()}
        if cell.z_bin is None and cell.pathology is None:
            read = predicted["generated"][cell.generated.row]
            context.record("z_predicted", cell, read)
            context.confusion = position_confusion(read, cell.generated.z_bin, context.binning)
        width = context.binning.width
        distance = {side: values.abs() for side, values in offset.items()}
        scores = {CHANCE.name: _chance(predicted["generated"], cell, context, width)}
        for spec, values, scale in (
            (BINS, distance, 1 / width), (SLICES, distance, 1.0), (MILLIMETRES, distance, context.real.spacing[2]),
            (OFFSET, offset, 1 / width), (PULL, pull, 1 / width),
        ):  # fmt: skip
            scores[spec.name] = _mean_beside_real({side: v * scale for side, v in values.items()}, cell, context)
        return scores


METRIC = Position()


def _mean_beside_real(values: dict[str, Tensor], cell: Cell, context: Context) -> Score:
    """Mean of the samples, with the mean of real slices and the band of a perfect generator's mean.

    Both are over the conditions that have real slices; where too few do, the mean is over all samples and stands alone.
    """
    tables = {"real": cell.real, "generated": cell.generated}
    n_bins = context.binning.n_bins
    real, generated = (
        Side(values[side].numpy(), table.token(n_bins).numpy(), table.unit.numpy()) for side, table in tables.items()
    )
    shift = mean_shift(real, generated)
    if shift is None:
        made = values["generated"]
        return Score.of(float(made.mean()), cell.counts, mean_spread(made, units=cell.generated.unit))
    common = torch.from_numpy(in_common(real, generated))
    made = values["generated"][common]
    spread = mean_spread(made, units=cell.generated.unit[common])
    return shift_score(shift, spread, baseline=float(made.mean()) - shift.value)


def _readings(context: Context) -> dict[str, Tensor]:
    """Predicted positions of all slices, float64 by row of the whole table; NaN for rows that are not evaluated."""
    positions: dict[str, Tensor] = {}
    for table in (context.real, context.generated):
        values = readings(
            table, context.real, partial(_fitted, context=context), _read, name="z",
            settings=(_VERSION, _STEPS, context.seed, context.binning.z_range),
        )  # fmt: skip
        positions[table.kind] = torch.full((int(table.row.max()) + 1,), torch.nan, dtype=torch.float64)
        positions[table.kind][table.row] = values.double()
    return positions


def _fitted(fold: Fold, context: Context) -> ZRegressor:
    return train_z_regressor(fold, context.binning.z_range, seed=context.seed, folder=context.real.memo.folder)


def train_z_regressor(fold: Fold, z_range: tuple[int, int], *, seed: int, folder: Path | None = None) -> ZRegressor:
    """Fit a :class:`ZRegressor` to real slices; the same slices and seed give the same network.

    Args:
        fold: The slices.
        z_range: Range of the positions.
        seed: Seed of initial weights, order and augmentation; torch's global generator is not used.
        folder: Folder for its weights; None keeps none.
    """
    images, z_index = fold.images, fold.table.z_index

    def loss(network: ZRegressor, rows: Tensor, draw: torch.Generator) -> Tensor:
        error: Tensor = (network(_augment(images[rows], draw)) - z_index[rows]) / network.extent
        return error.square().mean()

    return kept_network(
        lambda: ZRegressor(z_range), loss, len(images), steps=_STEPS, seed=seed,
        name="z-regressor", settings=(_VERSION, z_range, digest(images, z_index)),
        folder=folder,
    )  # fmt: skip


def _augment(images: Tensor, draw: torch.Generator) -> Tensor:
    flipped = _moved(mirrored(images, draw), draw)
    blurred = F.avg_pool2d(flipped[:, None], 3, stride=1, padding=1)[:, 0]
    share = torch.rand((len(images), 1, 1), generator=draw)
    gain = 1 + 0.3 * (torch.rand((len(images), 1, 1), generator=draw) - 0.5)
    mixed = gain * (share * flipped + (1 - share) * blurred)
    return (mixed + 0.03 * torch.empty_like(mixed).normal_(generator=draw)).clamp(0, 1)


def _moved(images: Tensor, draw: torch.Generator) -> Tensor:
    """The batch moved by up to 3 pixels in the plane, which does not change z."""
    shifts = torch.randint(-3, 4, (2,), generator=draw).tolist()
    return torch.roll(images, shifts, dims=(1, 2))


def _read(network: ZRegressor, batch: SliceTable) -> Tensor:
    predicted: Tensor = network(batch.images)
    return predicted.double()


def _offset(predicted: Tensor, table: SliceTable, binning: ZBinning) -> Tensor:
    return predicted[table.row] - middles(binning).double()[table.z_bin]


def _towards_middle(offset: Tensor, table: SliceTable, binning: ZBinning) -> Tensor:
    centre = sum(binning.z_range) / 2
    return offset * torch.sign(centre - middles(binning).double()[table.z_bin])


def _chance(predicted: Tensor, cell: Cell, context: Context, width: float) -> Score:
    read, requested = predicted[cell.generated.row], middles(context.binning)[cell.generated.z_bin]
    chosen = spread_places(len(read), _MOST_PAIRED)
    chance = (read[chosen, None] - requested[None, chosen]).abs().mean() / width
    return Score.of(float(chance), cell.counts)


def position_confusion(predicted: Tensor, z_bin: Tensor, binning: ZBinning) -> list[list[int]]:
    """Samples by requested bin (rows) and nearest bin of the predicted position (columns)."""
    used = [k for k in range(binning.n_bins) if binning.slices(k)]
    nearest = torch.tensor(used)[(predicted[:, None] - middles(binning)[used][None]).abs().argmin(1)]
    counts = torch.zeros((binning.n_bins,) * 2, dtype=torch.int64)
    counts.index_put_((z_bin, nearest), torch.ones_like(nearest), accumulate=True)
    return [[int(v) for v in row] for row in counts]


def middles(binning: ZBinning) -> Tensor:
    """Mean position of the slices of each bin; 0 for an empty one."""
    return torch.tensor([binning.centre(k) or 0.0 for k in range(binning.n_bins)])
