"""Lesion form: mean size, outline and position of generated lesions and their spread, compared with real ones."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm_eval.features.appearance import appearance
from jsddpm_eval.functional.appearance import OUTLINE
from jsddpm_eval.functional.lesion_contrast import filled_head
from jsddpm_eval.functional.morphology import log_roughness
from jsddpm_eval.metrics.base import Context
from jsddpm_eval.metrics.lesion_shape import shape_column
from jsddpm_eval.metrics.shifts import ShiftMetric, shift_spec
from jsddpm_eval.slice_table import SliceTable

Array = NDArray[np.float64]

_TINY = 1e-3  # least distance from the others' mean, so that one that lies on it has a logarithm
_HEADINGS = {
    "size": ("log size", "log lesion size",
             "log area in pixels"),
    "parts": ("log parts", "log number of parts",
              "log number of connected parts"),
    "elongation": ("elongation", "elongation of lesions",
                   "eccentricity of the largest part"),
    "solidity": ("solid", "solidity of lesions",
                 "share of the largest part's convex hull that it fills"),
    "roughness": ("roughness", "roughness of outlines",
                  "log of perimeter squared over 4 pi times the area of the largest part"),
    "outside": ("outside", "share of the mask outside the head",
                "share of the mask outside the head; images without a head are left out"),
    "height": ("height", "height of lesions in the head",
               "row of the mask's centre less that of the head, in slice heights; images without a head are left out"),
    "side": ("side", "side of lesions in the head",
             "column of the mask's centre less that of the head, in slice widths; images without a head are left out"),
    "apart": ("apart", "distance between lesions",
              "log distance of the centre from the mean centre of other patients' lesions of the bin (of "
              "other samples' for generated ones)"),
    "size_apart": ("sizes apart", "difference between lesion sizes",
                   "log distance of the log area from the mean of the others', as for the centre"),
}  # fmt: skip
SPECS = tuple(
    shift_spec(name=f"form_{name}", heading=heading, label=label, definition=definition, group="lesion shapes",
               reading="Above 0: more of it than in real lesions.", pathology=1,
               blind_to="images without the lesion that the mask shows")
    for name, (heading, label, definition) in _HEADINGS.items()
)  # fmt: skip


class LesionForm(ShiftMetric):
    """Size, outline and position of lesions; empty masks are left out (see obedience)."""

    name = "lesion_form"
    specs = SPECS
    needs = frozenset({"pixels", "masks"})

    def values(self, context: Context) -> tuple[Tensor, Tensor]:
        """Size, outline and position of the lesions, one column for each spec."""
        return _forms(context.real, context), _forms(context.generated, context)


METRIC = LesionForm()


def _forms(table: SliceTable, context: Context) -> Tensor:
    area, parts, eccentricity, solidity, row, column = shape_column(table).numpy().T
    in_pixels = area / (table.spacing[0] * table.spacing[1])
    size = np.log(in_pixels)
    forms = table.column("lesion-form", _form)
    head = appearance(table, "outline")
    shown = (head[:, OUTLINE.index("area")] > 0).numpy()  # without a head a lesion has no place in it
    places = []
    for axis, centre, name in ((0, row, "row"), (1, column, "column")):
        side = table.size[axis]
        middle = (side - 1) / 2
        places.append((centre / table.spacing[axis] + middle) / side - head[:, OUTLINE.index(name)].numpy())
    lesion = (table.pathology == 1).numpy() & np.isfinite(size)
    group, unit = table.token(context.binning.n_bins).numpy(), table.unit.numpy()
    centres = np.stack(places, 1)
    apart = [
        distance_from_others(v, group, unit, known) for v, known in ((centres, lesion & shown), (size[:, None], lesion))
    ]
    columns = [
        size, np.log(parts), eccentricity, solidity, *forms.numpy().T,
        *(np.where(shown, place, np.nan) for place in places),
        *(np.log(distance + _TINY) for distance in apart),
    ]  # fmt: skip
    return torch.from_numpy(np.where(lesion[:, None], np.stack(columns, 1), np.nan))


def distance_from_others(
    values: Array, group: NDArray[np.int64], unit: NDArray[np.int64], known: NDArray[np.bool_]
) -> Array:
    """Distance of each slice's values from the mean over slices of other units of its group, ``(N,)``.

    The mean of few others varies more than that of many: the distance is divided by the factor by which that raises
    its root mean square between independent units, so that it does not depend on counts.

    Args:
        values: ``(N, d)``.
        group: Group of each slice, ``(N,)``.
        unit: Unit of each slice, ``(N,)``.
        known: Slices that take part, ``(N,)``; NaN for others, and where there is no other unit.

    >>> line, one = np.array([[0.0], [3.0], [5.0]]), np.zeros(3, np.int64)
    >>> distance_from_others(line, one, np.arange(3), np.ones(3, bool)).round(2)  # 4, 0.5 and 3.5 over root 1.5
    array([3.27, 0.41, 2.86])
    """
    distance = np.full(len(values), np.nan)
    for g in np.unique(group[known]):
        rows = np.flatnonzero(known & (group == g))
        owner = np.unique(unit[rows], return_inverse=True)[1]
        slices = np.bincount(owner)
        if len(slices) < 2:
            continue
        sums = np.stack([np.bincount(owner, column) for column in values[rows].T], 1)
        others = len(rows) - slices
        mean = (sums.sum(0) - sums) / others[:, None]
        squares = ((slices**2).sum() - slices**2) / others**2
        distance[rows] = np.linalg.norm(values[rows] - mean[owner], axis=1) / np.sqrt(1 + squares[owner])
    return distance


def _form(batch: SliceTable) -> Tensor:
    """Roughness, and share outside the head; NaN where a mask is empty, and the share where there is no head."""
    images, masks = batch.images.numpy(), batch.masks.numpy()
    area, inside = masks.sum((1, 2)), filled_head(images)
    outside = (masks & ~inside).sum((1, 2))
    share = np.divide(outside, area, out=np.full(len(masks), np.nan), where=(area > 0) & inside.any((1, 2)))
    return torch.from_numpy(np.stack([log_roughness(masks), share], 1))
