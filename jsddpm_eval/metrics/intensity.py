"""Intensity: brightness of generated slices and its spread, compared with real ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jsddpm_eval.features.appearance import appearance
from jsddpm_eval.functional.appearance import INTENSITY
from jsddpm_eval.metrics.base import Context
from jsddpm_eval.metrics.shifts import ShiftMetric, shift_spec, variation

_HEADINGS = {
    "mean": ("mean", "mean brightness",
             "mean inside the head"),
    "spread": ("head contrast", "contrast of the head",
               "standard deviation inside the head"),
    "q10": ("dark", "dark tones",
            "10th percentile inside the head"),
    "q50": ("median", "median brightness",
            "median inside the head"),
    "q90": ("bright", "bright tones",
            "90th percentile inside the head"),
    "top": ("brightest", "brightest pixels",
            "99.5th percentile inside the head"),
    "front_back": ("front to back", "slope of brightness to the back",
                   "slope of brightness from front to back"),
    "left_right": ("left to right", "slope of brightness to the right",
                   "slope of brightness from left to right"),
    "rim": ("rim", "brightness of the rim",
            "mean of the outer less that of the inner half of the head"),
    "air": ("air", "brightness of the air",
            "log mean outside the head"),
    "varied": ("brightness, varied", "variation of brightness",
               "distance of the mean inside the head from the median of the other samples, or of other patients' "
               "slices, in SD"),
    "tilted": ("slopes, varied", "variation of the slopes of brightness",
               "distance of both slopes from the medians of the other samples, or of other patients' slices, in SD"),
}  # fmt: skip
SPECS = tuple(
    shift_spec(name=f"intensity_{name}", heading=heading, label=label, definition=definition, group="intensity",
               reading="Above 0: brighter, or more of it, than in real slices.",
               blind_to="local faults that leave mean, percentiles and slopes of the head unchanged")
    for name, (heading, label, definition) in _HEADINGS.items()
)  # fmt: skip


class Intensity(ShiftMetric):
    """Brightness of the head, and how much it varies from slice to slice."""

    name = "intensity"
    specs = SPECS
    needs = frozenset({"pixels"})
    distances = frozenset(("intensity_varied", "intensity_tilted"))

    def values(self, context: Context) -> tuple[Tensor, Tensor]:
        """See :func:`~jsddpm_eval.functional.appearance.intensity`; the last two are distances from other slices."""
        sides = [appearance(side, "intensity") for side in (context.real, context.generated)]
        names = ("mean", "front_back", "left_right")
        varied = [variation([c[:, INTENSITY.index(name)] for c in sides], context) for name in names]
        real, generated = (
            torch.cat([columns, torch.from_numpy(np.stack([np.abs(mean), np.hypot(*slopes)], 1))], 1)
            for columns, mean, *slopes in zip(sides, *varied, strict=True)
        )
        return real, generated


METRIC = Intensity()
