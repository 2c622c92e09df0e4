"""Intensity: generated slices are brighter, darker, flatter or inverted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jsddpm_eval.checks.base import ShiftCheck, Words
from jsddpm_eval.results.specs import CheckSpec

_LEVEL = ("darker than real slices", "brighter than real slices")


class IntensityCheck(ShiftCheck):
    """Brightness of the head, its spread and its slopes."""

    spec = CheckSpec(
        name="intensity", heading="intensity", question="samples are as bright and as rich in contrast as real slices",
        rule="mean, spread, quantiles and slopes of brightness inside the head, relative to real slices; margin "
        f"{ShiftCheck.margin:g} SD",
    )  # fmt: skip
    words: ClassVar[Mapping[str, Words]] = {
        "intensity_mean": _LEVEL,
        "intensity_spread": ("with less contrast than real slices", "with more contrast than real slices"),
        "intensity_q10": ("darker in the dark than real slices", "brighter in the dark than real slices"),
        "intensity_q50": _LEVEL,
        "intensity_q90": _LEVEL,
        "intensity_top": _LEVEL,
        "intensity_front_back": ("brighter in front than real slices", "brighter at the back than real slices"),
        "intensity_left_right": ("brighter on the left than real slices", "brighter on the right than real slices"),
        "intensity_air": ("darker outside the head than real slices", "brighter outside the head than real slices"),
        "intensity_varied": (
            "of brightness that varies less from slice to slice than in real ones",
            "of brightness that varies more from slice to slice than in real ones",
        ),
        "intensity_tilted": (
            "of slopes of brightness that vary less from slice to slice than in real ones",
            "unevenly bright, in ways that vary from slice to slice",
        ),
        "intensity_rim": ("dark at the rim beside real slices", "bright at the rim beside real slices"),
    }


CHECK = IntensityCheck()
