"""Through-plane consistency: whether slices of generated volumes fit together like those of patients.

Of every volume, and of every patient, the slice nearest the middle of each bin is taken, so that both sides are
compared over equal distances. A number of a slice and the next one (gradient, SSIM, continuation of a lesion) is then
compared by condition and by patient, see :mod:`jsddpm_eval.stats.shift`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jsddpm.binning import ZBinning
from jsddpm.errors import usage_error
from jsddpm.wording import counted
from jsddpm_eval.checks.base import Evidence, ShiftCheck
from jsddpm_eval.checks.decision import answer_of
from jsddpm_eval.functional.through_plane import lesion_continuity, plane_gradient, plane_ssim
from jsddpm_eval.results.specs import Answer
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.holm import holm_adjusted
from jsddpm_eval.stats.scale import Scale, Side
from jsddpm_eval.stats.shift import Shift, mean_shift

MARGIN = ShiftCheck.margin
"""Largest negligible difference in standard deviations of real slices, that of the checks of the verdict."""

_SCORES = {
    "plane_gradient": "mean change from a slice to the next, over the head",
    "plane_ssim": "SSIM of a slice and the next",
    "lesion_continuity": "share of a lesion that continues in a neighbouring slice",
}
_BATCH = 64


@dataclass(frozen=True)
class PlaneScore:
    """One number of neighbouring slices, generated less real.

    Attributes:
        name: Name of the number.
        definition: Its definition.
        answer: As in the verdict: ``off`` (a difference of at least the margin, with evidence that there is one),
            ``fine`` (its interval lies within the margin) or ``unknown``.
        real: Mean over patients' slices; None without any.
        generated: Mean over slices of generated volumes; None without any.
        shift: Difference in standard deviations of real slices of the same condition; None if it is undefined.
        interval: 95 % interval of the difference.
        p_value: Of no difference, corrected for all scores.
        patients: Number of real patients.
        volumes: Number of generated volumes.
        reason: Why it is undefined or unknown; empty otherwise.
    """

    name: str
    definition: str
    answer: Answer
    real: float | None = None
    generated: float | None = None
    shift: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    patients: int = 0
    volumes: int = 0
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def through_plane(real: SliceTable, generated: SliceTable) -> list[PlaneScore]:
    """Compare neighbouring slices of generated volumes with those of patients.

    Args:
        real: Slices of patients, with pixels and a binning.
        generated: Slices of volumes, with the same binning.

    Raises:
        JsddpmError: ``VOLUMES`` (status 2) when no volume has slices in two neighbouring bins; ``KIND`` (status 2) when
            the two are exchanged; ``BINNING`` or ``BINNING_MISMATCH`` (status 2) for slices without a binning, or with
            different ones; ``SLICES`` (status 2) for slices without pixels.
    """
    _require_comparable(real, generated)
    sides = [_neighbours(table) for table in (real, generated)]
    if not len(sides[1].lower):
        what = "no generated volume has slices in two neighbouring bins"
        raise usage_error("VOLUMES", what, fix="draw volumes with jsddpm sample RUN --volumes N")
    by_score = [_sides(side) for side in sides]
    shifts = {name: _shift(by_score[0][name], by_score[1][name], real.binning.n_bins) for name in _SCORES}  # type: ignore[union-attr]
    corrected = holm_adjusted({name: shift.p_value for name, shift in shifts.items() if shift is not None})
    return [_score(name, by_score[0][name], by_score[1][name], shifts[name], corrected.get(name)) for name in _SCORES]


def _require_comparable(real: SliceTable, generated: SliceTable) -> None:
    for table, kind in ((real, "real"), (generated, "generated")):
        if table.kind != kind:
            what = f"{kind} slices are expected instead of {table.kind} slices"
            raise usage_error("KIND", what, fix="give slices of patients first, then slices of volumes")
        if table.binning is None:
            raise usage_error("BINNING", f"the {kind} slices have no binning", fix="give a ZBinning")
        if not table.has_pixels:
            raise usage_error("SLICES", f"the {kind} slices have no pixels", fix="give their images")
    if real.binning is not None and generated.binning is not None:
        generated.binning.require_same(real.binning, mine="the generated slices", others="the real slices")


@dataclass(frozen=True)
class _Neighbours:
    """Places in a table of slices and of the next slice of the same unit, one a bin."""

    table: SliceTable
    lower: NDArray[np.intp]
    upper: NDArray[np.intp]


def _neighbours(table: SliceTable) -> _Neighbours:
    """One slice a unit and bin, the one nearest the bin's middle, paired with that of the next bin."""
    binning: ZBinning = table.binning  # type: ignore[assignment]
    middle = np.array([binning.centre(k) or 0.0 for k in range(binning.n_bins)])  # nothing lies in an empty bin
    z, bins, units = (v.numpy() for v in (table.z_index, table.z_bin, table.unit))
    nearest: dict[tuple[int, int], int] = {}
    for place in np.lexsort((z, np.abs(z - middle[bins]))):
        nearest.setdefault((int(units[place]), int(bins[place])), int(place))
    pairs = [(a, nearest[unit, k + 1]) for (unit, k), a in sorted(nearest.items()) if (unit, k + 1) in nearest]
    lower, upper = (np.array([pair[i] for pair in pairs], np.intp) for i in (0, 1))
    return _Neighbours(table, lower, upper)


def _sides(pairs: _Neighbours) -> dict[str, Side]:
    """Every number with condition and unit: of a pair, those of its lower slice; of a lesion, its own."""
    table, n_bins = pairs.table, pairs.table.binning.n_bins  # type: ignore[union-attr]
    tokens, units = table.token(n_bins).numpy(), table.unit.numpy()
    gradient, similarity = [], []
    for start in range(0, len(pairs.lower), _BATCH):
        lower, upper = (
            table.where(torch.from_numpy(part[start : start + _BATCH])).images for part in (pairs.lower, pairs.upper)
        )
        gradient.append(plane_gradient(lower, upper))
        similarity.append(plane_ssim(lower, upper))
    where = (tokens[pairs.lower], units[pairs.lower])
    numbers = {
        name: Side(torch.cat(values).numpy() if values else np.zeros(0), *where)
        for name, values in (("plane_gradient", gradient), ("plane_ssim", similarity))
    }
    numbers["lesion_continuity"] = _lesions(pairs, tokens, units)
    return {name: side.where(np.isfinite(side.values)) for name, side in numbers.items()}


def _lesions(pairs: _Neighbours, tokens: NDArray[np.int64], units: NDArray[np.int64]) -> Side:
    """Continuity of the lesion of every slice that has one and a neighbour."""
    table = pairs.table
    if not (table.has_masks and len(pairs.lower)):
        return Side(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    above, below = dict(zip(pairs.lower, pairs.upper, strict=True)), dict(zip(pairs.upper, pairs.lower, strict=True))
    places = np.array(sorted({*above, *below}), np.intp)
    masks = table.where(torch.from_numpy(places)).masks
    number = {int(place): i for i, place in enumerate(places)}
    rows = [i for i in range(len(places)) if bool(masks[i].any())]
    none = torch.zeros_like(masks[0])
    beside = [
        torch.stack([masks[number[int(side[places[i]])]] if places[i] in side else none for i in rows])
        if rows
        else masks[:0]
        for side in (below, above)
    ]
    values = lesion_continuity(masks[rows], *beside).numpy() if rows else np.zeros(0)
    return Side(values, tokens[places[rows]], units[places[rows]])


def _shift(real: Side, generated: Side, n_bins: int) -> Shift | None:
    if not len(real.values) or not len(generated.values):
        return None
    scale = Scale.fit(real, 2 * n_bins)
    known = np.isfinite(scale.centre[generated.condition])
    return mean_shift(scale(real), scale(generated.where(known)))


def _score(name: str, real: Side, generated: Side, shift: Shift | None, p_value: float | None) -> PlaneScore:
    span: tuple[float, float] | None
    means = [float(side.values.mean()) if len(side.values) else None for side in (real, generated)]
    if shift is None or p_value is None:
        n_patients, volumes = (len(np.unique(side.unit)) for side in (real, generated))
        there = f"{counted(n_patients, 'patient')}, {counted(volumes, 'volume')}"
        what = f"needs 3 patients and 3 volumes with the same conditions: {there}"
        answer: Answer = "unknown"
        span, counts, reason = None, (n_patients, volumes), what
    else:
        span = shift.interval
        evidence = Evidence(name, shift.value, span, p_value, (-MARGIN, MARGIN), ("less", "more"))
        answer = answer_of(evidence, p_value)
        needed = f"fine if it lies within {-MARGIN:g} to {MARGIN:g}; more patients or volumes would narrow it"
        counts, reason = (shift.patients, shift.units), needed if answer == "unknown" else ""
    return PlaneScore(
        name=name, definition=_SCORES[name], answer=answer, real=means[0], generated=means[1],
        shift=None if shift is None else shift.value, interval=span, p_value=p_value, patients=counts[0],
        volumes=counts[1], reason=reason,
    )  # fmt: skip
