"""Faults that can be the cause of what other checks say. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jsddpm_eval.checks.base import Words
from jsddpm_eval.checks.outliers import BLANK
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Finding
from jsddpm_eval.stats.scale import REACH

_OF_EVERYTHING = ("collapsed", "copied")
"""Checks whose fault can be the cause of what any other check says."""
_MINORITY = "outliers"
_OF_IMAGES = ("intensity", "sharpness", "texture")
"""Checks of the whole image whose fault can be the cause of what is said of masks."""
_SEVERAL = 2.0
"""SD from which it can be."""
_SHARED = (*_OF_IMAGES, "outline")
_OF_MASKS = ("control_lesion", "lesion_contrast")
"""Checks of masks that read the image as well."""
_BESIDE_LESIONS = ("background", "intensity_air", "texture_peak")
"""Scores of whole images that no fault inside lesions follows from."""

Faults = Mapping[str, Sequence[Finding]]
Causes = dict[str, str]
"""What each of some checks found, in words."""


def causes_of_all(faults: Faults) -> Causes:
    """Faults that the other answers may follow from: copies, and a minority that moves means."""
    causes = {name: faults[name][0].kind for name in _OF_EVERYTHING if name in faults}
    return causes | minority(faults)


def minority(faults: Faults) -> Causes:
    """Outliers, if they are many enough to be the whole of what a mean shows, or are blank.

    A mean difference is a mean of numbers that are limited to :data:`~jsddpm_eval.stats.scale.REACH` in SD, so a share
    of odd samples moves it by at most the share times this limit.
    """
    found = faults.get(_MINORITY, [None])[0]
    if found is None or found.place != (None, None):
        return {}
    most = REACH * (found.interval or (0.0, 1.0))[1]
    means = [parts[0].interval for parts in faults.values() if parts[0].unit == "SD" and parts[0].interval]
    moved = any(min(map(abs, interval)) <= most for interval in means)
    return {_MINORITY: found.kind} if moved or (BLANK in found.kind and len(faults) > 1) else {}


def causes_of_masks(faults: Faults, cells: Sequence[Cell], words: Mapping[str, Mapping[str, Words]]) -> Causes:
    """Faults of whole images that are large at lesions, where checks of masks are off too.

    Args:
        faults: Findings of each check that is off, the largest place first.
        cells: Scores by place.
        words: Faults of each score below and above its margin, by check.
    """
    if not any(name in faults for name in _OF_MASKS):
        return {}
    kinds = {name: _at_lesions(faults[name][0], cells, words.get(name, {})) for name in _OF_IMAGES if name in faults}
    return {name: kind for name, kind in kinds.items() if kind}


def _at_lesions(finding: Finding, cells: Sequence[Cell], words: Mapping[str, Words]) -> str:
    """The largest fault of a check's scores that reaches lesions, in words; empty if none is large."""
    kinds = {finding.score: (abs(finding.value or 0.0), finding.kind)}
    for cell in cells:
        if cell.key == (*finding.place, None):
            values = {name: score.value for name, score in cell.scores.items() if name in words}
            kinds |= {n: (abs(v), words[n][int(v > 0)]) for n, v in values.items() if v is not None and n not in kinds}
    size, kind = max((found for name, found in kinds.items() if name not in _BESIDE_LESIONS), default=(0.0, ""))
    return kind if size >= _SEVERAL else ""


def shared_by_all(faults: Faults) -> bool:
    """Whether whole images are so far from real ones that no sample is near them, whatever outliers say."""
    return any(abs(faults[name][0].value or 0.0) >= _SEVERAL for name in _SHARED if name in faults)


def may_follow(what: str, causes: Causes) -> list[str]:
    """A sentence on what may follow from faults; none without one."""
    kinds = "; ".join(causes.values())
    one = "these faults" if "; " in kinds else "this fault"
    return [f"{what} may follow from {one}: {kinds}."] if causes else []
