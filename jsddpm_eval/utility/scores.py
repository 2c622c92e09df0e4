"""Segmentation quality by patient: stored counts, and the scores computed from them. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jsddpm_eval.functional.lesion_matching import Matching, f1, matched
from jsddpm_eval.real_slices import Masks, Rows, Slices

Record = Mapping[str, Any]
"""Stored counts of a patient: ``patient`` (number), ``bins`` (``[bin, TP, FP, FN]`` in pixels, where any is not 0),
``lesions`` (``[voxels, found]``), ``false`` (predicted lesions that are none)."""


@dataclass(frozen=True)
class ScoreKind:
    """A score of a patient.

    Attributes:
        name: Its name.
        heading: Its heading in tables.
        better: Which direction is better.
        definition: What it is.
        of: The score of a record; None where it is not defined.
    """

    name: str
    heading: str
    better: str
    definition: str
    of: Callable[[Record], float | None]

    def to_dict(self) -> dict[str, str]:
        """Its description as plain values."""
        return {"name": self.name, "heading": self.heading, "better": self.better, "definition": self.definition}


def records(slices: Slices, rows: Rows, predicted: Masks) -> list[dict[str, Any]]:
    """The stored counts of every patient of some slices.

    Args:
        slices: All slices.
        rows: Those that were segmented, ``(n,)``.
        predicted: Their segmentations, boolean ``(n, H, W)``.
    """
    by_patient = []
    for patient in np.unique(slices.patient[rows]):
        places = np.flatnonzero(slices.patient[rows] == patient)
        truth, predicted_lesions, bins = slices.masks[rows[places]], predicted[places], slices.z_bin[rows[places]]
        volume = slices.volume[rows[places]]
        matchings = [_matching(slices, rows, predicted, places[volume == number]) for number in np.unique(volume)]
        counts = [
            [
                int(k),
                *(
                    int(part[bins == k].sum())
                    for part in (truth & predicted_lesions, predicted_lesions & ~truth, truth & ~predicted_lesions)
                ),
            ]
            for k in np.unique(bins)
        ]
        by_patient.append({
            "patient": int(patient), "bins": [row for row in counts if any(row[1:])],
            "lesions": [[size, int(hit)] for m in matchings for size, hit in zip(m.sizes, m.found, strict=True)],
            "false": sum(matching.false for matching in matchings),
        })  # fmt: skip
    return by_patient


def _matching(slices: Slices, rows: Rows, predicted: Masks, places: Rows) -> Matching:
    """Lesions of one volume, with its slices at their positions; missing slices are empty."""
    z_index = slices.z_index[rows[places]]
    depth = z_index - z_index.min()
    truth, found = np.zeros((2, int(depth.max()) + 1, *predicted.shape[1:]), bool)
    truth[depth], found[depth] = slices.masks[rows[places]], predicted[places]
    return matched(truth, found)


def dice(record: Record, z_bin: int | None = None) -> float | None:
    """Dice of a patient, over all slices or those of a bin; None without a lesion there.

    >>> dice({"bins": [[0, 1, 0, 1], [2, 1, 1, 0]]})
    0.6666666666666666
    """
    rows = [row for row in record["bins"] if z_bin in (None, row[0])]
    hits, false, missed = (sum(row[i] for row in rows) for i in (1, 2, 3))
    return 2 * hits / (2 * hits + false + missed) if hits + missed else None


def lesion_f1(record: Record) -> float | None:
    """F1 of a patient's lesions; None without a lesion."""
    hits = sum(hit for _, hit in record["lesions"])
    return f1(hits, len(record["lesions"]), record["false"]) if record["lesions"] else None


def found_share(record: Record, sizes: tuple[float, float] = (0.0, float("inf"))) -> float | None:
    """Share of a patient's lesions that were found, of all or of those with ``sizes[0] < voxels <= sizes[1]``.

    >>> found_share({"lesions": [[4, 1], [9, 0]]}, (0, 4))
    1.0
    """
    hits = [hit for voxels, hit in record["lesions"] if sizes[0] < voxels <= sizes[1]]
    return sum(hits) / len(hits) if hits else None


def missed_share(record: Record) -> float | None:
    """Share of a patient's lesions that were missed; None without a lesion."""
    share = found_share(record)
    return None if share is None else 1 - share


def false_lesions(record: Record) -> float:
    """Predicted lesions that are none."""
    return float(record["false"])


SCORES = (
    ScoreKind("dice", "Dice", "higher", "Dice coefficient of a patient's voxels inside the bins", dice),
    ScoreKind(
        "lesion_f1", "lesion F1", "higher",
        "F1 of a patient's lesions; one is found where a predicted lesion overlaps it by an IoU of at least 0.1",
        lesion_f1,
    ),
    ScoreKind("missed", "missed", "lower", "share of a patient's lesions that are not found", missed_share),
    ScoreKind("false_lesions", "false lesions", "lower", "predicted lesions that match no true one", false_lesions),
)  # fmt: skip
PRIMARY = SCORES[0]
"""The score that answers rest on."""
