"""Lesion contrast: whether the image shows a lesion at the mask, with the same border."""

from __future__ import annotations

import torch
from torch import Tensor

from jsddpm_eval.functional.lesion_contrast import CONTRAST, mask_contrast
from jsddpm_eval.metrics.base import Cell, Context
from jsddpm_eval.metrics.shifts import ShiftMetric, shift_spec, side_of
from jsddpm_eval.results.score import Counts, Score, Spread
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.scale import Side
from jsddpm_eval.stats.shift import both_shifts, closest_to_null

_HEADINGS = {
    "contrast": ("lesion contrast", "lesion contrast",
                 "mean inside the mask less that of the ring of 3 pixels around it",
                 "lesions are darker, compared with their surround, than real ones, so bright lesions stand out less; "
                 "above: brighter"),
    "step": ("edge", "contrast at the border of lesions",
             "mean of the mask's outermost pixels less that of the pixels that touch it",
             "the border of lesions is darker, compared with the pixels around it, than that of real ones; above: "
             "brighter"),
    "within": ("core less rim", "core of lesions beside their rim",
               "mean of the mask's other pixels less that of its outermost ones",
               "the core of lesions is darker, compared with their rim, than that of real ones; above: brighter"),
    "beyond": ("around", "surroundings of lesions",
               "mean of the pixels that touch the mask less that of the rest of the ring",
               "the pixels that touch lesions are darker, compared with those further out, than at real ones; above: "
               "brighter"),
    "texture": ("texture", "texture of lesions",
                "log standard deviation inside the mask",
                "lesions are smoother inside than real ones; above: rougher"),
}  # fmt: skip
_BLIND = "faults of some samples, such as exchanged masks, if the contrast of real lesions varies much"
SPECS = tuple(
    shift_spec(name=f"lesion_{name}", heading=heading, label=label, group="lesions", pathology=1,
               definition=f"{definition}, in standard deviations of the head outside the mask",
               reading=f"Below 0: {below}.", blind_to=_BLIND,
               place="main" if name == "contrast" else "further")
    for name in CONTRAST
    for heading, label, definition, below in [_HEADINGS[name]]
)  # fmt: skip
_KEPT = ("contrast", "step")
KEPT = tuple(
    ScoreSpec(name=f"lesion_{name}_kept", heading=f"{_HEADINGS[name][0]} kept", group="lesions", pathology=1,
              label=f"share of the {_HEADINGS[name][1]} that is kept",
              scope="levels", place="hidden", verified="closed form | 1e-9", blind_to=_BLIND,
              definition=f"mean {name} as a share of that of real slices of the same conditions; "
              "undefined where the interval of the latter holds 0")
    for name in _KEPT
)  # fmt: skip


class LesionContrast(ShiftMetric):
    """Contrast and border of the image at the mask; empty masks are left out (see obedience)."""

    name = "lesion_contrast"
    specs = (*SPECS, *KEPT)
    needs = frozenset({"pixels", "masks"})

    def values(self, context: Context) -> tuple[Tensor, Tensor]:
        """Contrast of lesion slices; each kept share uses the column of its contrast."""
        return _of_lesions(context.real), _of_lesions(context.generated)

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Shifts, and what is kept of the mean of real slices."""
        scores = super().compute(cell, context)
        sides = [(_of_lesions(table).numpy(), table) for table in (cell.real, cell.generated)]
        for i, spec in enumerate(KEPT, len(SPECS)):
            score = scores.get(spec.name)
            if score is not None and score.value is not None:
                real, generated = (side_of(t, values[:, i], context, by_row=False) for values, t in sides)
                scores[spec.name] = _kept(real, generated, score)
        return scores


METRIC = LesionContrast()


def contrast_columns(table: SliceTable) -> Tensor:
    """:data:`~jsddpm_eval.functional.lesion_contrast.CONTRAST` of each slice, float64; NaN without a lesion mask."""
    return table.column("lesion-contrast", _contrast)


def _of_lesions(table: SliceTable) -> Tensor:
    """Contrast of lesion slices, then the columns of the kept shares; NaN for control slices."""
    columns = contrast_columns(table)
    columns = torch.cat([columns, columns[:, [CONTRAST.index(name) for name in _KEPT]]], 1)
    return columns.where((table.pathology == 1)[:, None], torch.nan)


def _kept(real: Side, generated: Side, counted: Score) -> Score:
    """Mean of the generated side over that of the real one; undefined where the latter may be 0.

    Both means weigh patients, or slices, alike; of the two weightings that of the shift counts. The interval is that of
    a ratio of independent means (delta method).
    """
    counts = Counts(counted.n_real, counted.n_generated, counted.n_patients)
    none = Side(0 * generated.values, generated.condition, generated.unit)
    shifts = both_shifts(real, generated)
    shift = closest_to_null(shifts)
    to_none = both_shifts(real, none)[shifts.index(shift)]
    if to_none.interval[0] <= 0 <= to_none.interval[1]:
        return Score.undefined("real lesions may have none of it", counts)
    mean = -to_none.value
    kept = 1 + shift.value / mean
    of_generated = shift.error**2 - shift.real_error**2
    quantile = shift.half_width / shift.error if shift.error else 0.0  # no scatter: the ratio has no error
    half = quantile * (of_generated + (kept * shift.real_error) ** 2) ** 0.5 / abs(mean)
    return Score.of(kept, counts, Spread((kept - half, kept + half)))


def _contrast(batch: SliceTable) -> Tensor:
    """Contrast of lesion slices with a mask, ``(N, len(CONTRAST))``; NaN for others."""
    columns = torch.full((len(batch), len(CONTRAST)), torch.nan, dtype=torch.float64)
    has_mask = (batch.pathology == 1) & batch.masks.flatten(1).any(1)
    columns[has_mask] = torch.from_numpy(mask_contrast(batch.images[has_mask].numpy(), batch.masks[has_mask].numpy()))
    return columns
