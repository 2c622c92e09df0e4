"""Control lesion: images generated as control show a lesion, whatever their masks say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jsddpm_eval.checks.base import ShiftCheck, Words
from jsddpm_eval.results.specs import CheckSpec


class ControlLesion(ShiftCheck):
    """Lesions that a network finds in control images."""

    spec = CheckSpec(
        name="control_lesion", heading="lesion in control", question="control images are free of lesions",
        rule="mean certainty of a network that finds lesions, on control images, compared with real ones of "
        f"patients it was not trained on; margin {ShiftCheck.margin:g} SD",
        pathology=0,
    )  # fmt: skip
    words: ClassVar[Mapping[str, Words]] = {"lesion_seen_control": ("", "control images that show a lesion")}


CHECK = ControlLesion()
