"""The z-range that a store proposes for training, from the slices of its training patients."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jsddpm.binning import ZBinning
from jsddpm.cohort.records import Split
from jsddpm.errors import usage_error

RequestedRange = tuple[int, int] | Literal["auto"]
AUTO_SHARE = 0.25
"""An automatic z-range contains the slices whose mean brain area is at least this share of the largest."""
GIVEN = "given"
"""The rule of a range that the user gave."""


def check_request(requested: RequestedRange, n_slices: int, splits: Collection[Split]) -> None:
    """Refuse a range that no slice could make valid.

    Args:
        requested: First and last slice, or ``auto``.
        n_slices: Slices of a volume.
        splits: The splits that patients have.

    Raises:
        JsddpmError: ``Z_RANGE`` (status 2).
    """
    if requested != "auto":
        ZBinning(requested, 1, n_slices=n_slices)
    elif "train" not in splits:
        what = "an automatic z-range comes from training patients, and there is none"
        raise usage_error("Z_RANGE", what, fix="give --z-range LO HI")


def proposed_range(rows: NDArray[np.void], requested: RequestedRange, n_slices: int) -> dict[str, Any]:
    """Entry of ``store.json`` on the proposed range: the range, its rule, and the lesion slices inside of it.

    Args:
        rows: Index rows of the training patients; at least one for ``auto``.
        requested: First and last slice, or ``auto``.
        n_slices: Slices of a volume.
    """
    if requested == "auto":
        profile = np.bincount(rows["z_index"], rows["brain_fraction"], minlength=n_slices)
        used = np.flatnonzero(profile >= AUTO_SHARE * profile.max())
        lo, hi = int(used[0]), int(used[-1])
        rule = f"mean brain area of the training patients at least {AUTO_SHARE:.0%} of its largest"
    else:
        (lo, hi), rule = requested, GIVEN
    lesion = rows["z_index"][rows["pathology"] == 1]
    inside = int(((lesion >= lo) & (lesion <= hi)).sum())
    return {"range": [lo, hi], "rule": rule, "training_lesion_slices": {"inside": inside, "all": len(lesion)}}
