"""Where a score lies relative to its yardstick: the rule behind every mark and colour of the reports. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # read where words are made at once, before anything heavy is needed
    from jsddpm_eval.results import Score


@dataclass(frozen=True)
class Standing:
    """A score beside the same score between real slices.

    Attributes:
        side: -1 below, 0 like real slices, 1 above.
        certain: Whether the score's whole interval lies on that side; never for 0.
    """

    side: int
    certain: bool = False


def standing(score: Score) -> Standing | None:
    """Where a score lies: like real slices when it is within the band of its floor.

    A floor without a band counts as met when the score's interval covers it. None without a value or a floor.

    >>> from jsddpm_eval.results import Score
    >>> standing(Score(value=5.0, interval=(3, 7), floor=1.0, floor_interval=(0, 2)))
    Standing(side=1, certain=True)
    """
    if score.value is None or score.floor is None:
        return None
    low, high = score.floor_interval or (score.floor, score.floor)
    first, last = score.interval or (score.value, score.value)
    covered = score.floor_interval is None and first <= score.floor <= last
    if covered or low <= score.value <= high:
        return Standing(0)
    side = 1 if score.value > high else -1
    certain = score.interval is not None and (first > high if side > 0 else last < low)
    return Standing(side, certain)
