"""Lesion pixels of the masks of an import, and what only all its masks together show."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jsddpm.cohort.masks import MaskReading, mask_values, refuse_unused, whole_numbers
from jsddpm.errors import JsddpmError
from jsddpm.wording import first_numbers

_CURE = "select the values of lesions with --mask-threshold or --mask-label"


def lesion(array: NDArray[Any], reading: MaskReading, path: Path) -> NDArray[np.bool_]:
    """Lesion pixels of the mask of a slice.

    Args:
        array: The file's values.
        reading: Which of them mean lesion; without labels and threshold, a mask has the value 0 and one whole number.
        path: The file.

    Raises:
        JsddpmError: ``SLICE_MASK`` (status 3) when values are not finite, or those of lesions are not known.
    """
    if count := int(array.size - np.isfinite(array).sum()):
        what = f"{count} of {array.size} values of the mask are NaN or infinite"
        raise JsddpmError("SLICE_MASK", what, fix="repair the file, or leave it out", file=path)
    if reading.threshold is not None:
        return np.asarray(array > reading.threshold)
    whole = whole_numbers(array)
    if reading.labels and whole:
        return np.isin(array, reading.labels)
    values = np.unique(array)
    alone = len(values) == 1 and values[0] >= 0
    if not reading.labels and whole and (alone or (len(values) == 2 and values[0] == 0)):
        return np.asarray(array != 0)
    what = f"the mask has the values {first_numbers(values)}" + (" instead of whole labels" if reading.labels else "")
    raise JsddpmError("SLICE_MASK", what, fix=_CURE, file=path)


@dataclass
class MaskLog:
    """Values of all masks of an import, each with the first file that has it.

    Args:
        reading: Which values mean lesion.
        known: Whether the layout, not the user, says which values mean lesion.
    """

    reading: MaskReading
    known: bool = False
    _files: dict[float, Path] = field(default_factory=dict)
    _shown: bool = False

    def add(self, data: NDArray[Any], found: NDArray[np.bool_], path: Path) -> None:
        """Note the values of a mask, and whether a lesion was found in it."""
        for value in mask_values(data, self.reading):
            self._files.setdefault(value, path)
        self._shown |= bool(found.any())

    def refuse(self, *, asked: bool) -> None:
        """Refuse masks that differ in the value of lesions, and a reading that finds no lesion in any mask.

        Masks without any value above 0 are those of a generator that draws no lesions, and are accepted.

        Args:
            asked: Whether a slice is conditioned on a lesion, or its pathology taken from its mask.

        Raises:
            JsddpmError: ``SLICE_MASK`` or ``MASK_READING`` (status 3).
        """
        upper = sorted(value for value in self._files if value > 0)
        given = bool(self.reading.labels) or self.reading.threshold is not None
        if not given and len(upper) > 1:
            what = f"the masks have different values besides 0: {first_numbers(upper)}"
            cure = "select those of lesions with --mask-label; all of them: --mask-threshold 0"
            raise JsddpmError("SLICE_MASK", what, fix=cure, file=self._files[upper[1]])
        if upper and asked and not self._shown and not self.known:
            refuse_unused(self.reading, self._files)
