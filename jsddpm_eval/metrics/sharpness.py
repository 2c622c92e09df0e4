"""Sharpness: fine detail and noise of generated slices, compared with real ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jsddpm_eval.features.appearance import appearance
from jsddpm_eval.functional.appearance import DETAIL
from jsddpm_eval.metrics.base import Context
from jsddpm_eval.metrics.shifts import ShiftMetric, shift_spec, variation

_HEADINGS = {
    "detail_low": ("coarse detail", "coarse detail",
                   "log power from 0.2 to 0.3 cycles per pixel less that from 0.12 to 0.2"),
    "detail_mid": ("fine detail", "fine detail",
                   "log power from 0.3 to 0.4 cycles per pixel less that from 0.2 to 0.3"),
    "detail_high": ("finer detail", "finer detail",
                    "log power from 0.4 to 0.5 cycles per pixel less that from 0.3 to 0.4"),
    "detail_corner": ("finest detail", "finest detail",
                      "log power from 0.5 to 0.71 cycles per pixel less that from 0.4 to 0.5"),
    "grain": ("grain", "grain inside the head",
              "log median difference of a pixel from its 3 x 3 surround, inside the head"),
    "background": ("background", "noise of the background",
                   "log mean difference of a pixel from its 3 x 3 surround, outside the head"),
    "detail_varied": ("fine detail, varied", "variation of fine detail",
                      "distance of fine detail from the median of the other samples, or of other patients' slices, "
                      "in SD"),
}  # fmt: skip
SPECS = tuple(
    shift_spec(name=name, heading=heading, label=label, definition=definition, group="sharpness",
               reading="Below 0: smoother than real slices; above: sharper or noisier, or more varied.",
               blind_to="faults of a few samples or of a small part of the slice, because each slice is one number")
    for name, (heading, label, definition) in _HEADINGS.items()
)  # fmt: skip


class Sharpness(ShiftMetric):
    """Fine detail and noise, and how much fine detail varies from slice to slice."""

    name = "sharpness"
    specs = SPECS
    needs = frozenset({"pixels"})
    distances = frozenset(("detail_varied",))

    def values(self, context: Context) -> tuple[Tensor, Tensor]:
        """See :func:`~jsddpm_eval.functional.appearance.detail`; the last one is a distance from other slices."""
        sides = [appearance(side, "detail") for side in (context.real, context.generated)]
        varied = variation([columns[:, DETAIL.index("detail_mid")] for columns in sides], context)
        real, generated = (
            torch.cat([columns, torch.from_numpy(np.abs(fine))[:, None]], 1)
            for columns, fine in zip(sides, varied, strict=True)
        )
        return real, generated


METRIC = Sharpness()
