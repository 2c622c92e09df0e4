"""The scores of a bin x pathology cell as columns of a table: their order, headings and how to read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jsddpm_eval.results import Cell, Results, Score

_OBEDIENCE = "obedience"
_FIRST = {
    "best_match_psnr": ("closeness", "match", "PSNR in dB to the nearest real slice of the bin; the yardstick is what "
                        "a real slice reaches among the other patients' slices. Far above it means copying."),
    "copy_gap": ("closeness", "copy gap", "Best match to training slices less that to held-out ones, in dB at equal "
                 "numbers; the yardstick is what real training patients' slices show. A copier lies above."),
    "diversity_rmse": ("variety", "RMSE", "Mean RMSE between samples of different seeds; the yardstick is real slices "
                       "of different patients. Far below it means collapse."),
    "diversity_ssim": ("variety", "1 − SSIM", "Mean of 1 − SSIM between seeds; the yardstick as for RMSE."),
    "kid_{space}": ("feature distance", "KID", "Kernel distance of features, all samples, unbiased; the yardstick is "
                    "real against real, patients halved. Negative means no difference seen."),
    "fid_{space}": ("feature distance", "FID", "Fréchet distance of the same features, biased upwards with few samples "
                    "(marked ~): compare with its yardstick only."),
    "z_error_bins": ("place", "z error", "Distance in bin widths between the bin asked for and the position a small "
                     "network reads off the sample; the yardstick is its error on held-out real slices."),
    "brain_shape": ("place", "outline", "Overlap (Dice) of the brain outline with that of most real slices of the bin; "
                    "the yardstick is a real slice against the other patients' outline."),
    _OBEDIENCE: ("lesions", "obeys", "Share of samples with an empty mask for control, with a lesion for lesion."),
    "lesion_mmd": ("lesions", "shape", "Kernel distance of area, count, eccentricity, solidity and place of the "
                   "lesions; the yardstick is real against real, patients halved."),
    "coupling_contrast": ("lesions", "coupling", "Contrast of the image at the own mask less that at other samples' "
                          "masks; the yardstick is what real slices show. Near 0: mask and image do not belong "
                          "together."),
}  # fmt: skip
_FURTHER = {
    "best_match_psnr_train": ("closeness", "training, dB"),
    "best_match_psnr_held_out": ("closeness", "held out, dB"),
    "best_match_psnr_equal": ("closeness", "equal numbers, dB"),
    "best_match_ssim": ("closeness", "SSIM"),
    "exact_copies": ("closeness", "exact copies"),
    "diversity_ms_ssim": ("variety", "1 − MS-SSIM"),
    "diversity_{space}": ("variety", "distance"),
    "vendi_{space}": ("variety", "Vendi"),
    "precision_{space}": ("neighbourhood", "precision"),
    "recall_{space}": ("neighbourhood", "recall"),
    "density_{space}": ("neighbourhood", "density"),
    "coverage_{space}": ("neighbourhood", "coverage"),
    "copying_z_{space}": ("neighbourhood", "copying, C_T"),
    "authenticity_{space}": ("neighbourhood", "authenticity"),
    "z_error_slices": ("place", "z error, slices"),
    "z_error_mm": ("place", "z error, mm"),
    "lesion_area": ("lesion shapes", "area, mm²"),
    "lesion_count": ("lesion shapes", "number"),
    "lesion_eccentricity": ("lesion shapes", "eccentricity"),
    "lesion_solidity": ("lesion shapes", "solidity"),
    "lesion_row": ("lesion shapes", "row, mm"),
    "lesion_column": ("lesion shapes", "column, mm"),
}
LESION_SHAPES = (*(name for name, (group, _) in _FURTHER.items() if group == "lesion shapes"), "lesion_mmd")
"""Scores of the lesions' shape, one by one and together."""

_COMPACT = ("best_match_psnr", "copy_gap", "diversity_rmse", "kid_{space}", "z_error_bins", _OBEDIENCE)


@dataclass(frozen=True)
class Column:
    """One column of a per-bin table.

    Attributes:
        score: Name of the score, or ``obedience`` for the one of two that a condition has.
        heading: What stands above it.
        space: Feature space, empty where the score needs none.
        group: What it tells about.
        explanation: How to read it; empty for scores of the second table.
    """

    score: str
    heading: str
    space: str = ""
    group: str = ""
    explanation: str = ""

    @property
    def label(self) -> str:
        """The heading where no group stands above it, with its feature space."""
        return " ".join(filter(None, (self.group * (self.group == "variety"), self.heading, self.space)))

    def of(self, cell: Cell) -> Score | None:
        """The score of a cell; None where it has no such score."""
        if self.score != _OBEDIENCE:
            return cell.scores.get(self.score)
        name = {0: "control_empty", 1: "lesion_present"}.get(-1 if cell.pathology is None else cell.pathology)
        return None if name is None else cell.scores.get(name)


def feature_spaces(results: Results) -> list[str]:
    """Feature spaces the results hold, in the order they were asked for."""
    found = dict.fromkeys(n.removeprefix("kid_") for c in results.generation for n in c.scores if n.startswith("kid_"))
    return [name for name in found if not (name.startswith("joint_") and name.removeprefix("joint_") in found)]


def main_columns(results: Results) -> list[Column]:
    """The columns a reader needs first, for every feature space."""
    spread = (
        Column(score, heading, space, group, explanation)
        for name, (group, heading, explanation) in _FIRST.items()
        for score, space in _spread(name, results)
    )
    return [column for column in spread if _present(column, results)]


def further_columns(results: Results) -> list[Column]:
    """All other scores of the cells; one without a heading of its own goes by its name."""
    shown = {c.score for c in main_columns(results)} | {"control_empty", "lesion_present"}
    named = [
        Column(score, heading, space, group)
        for name, (group, heading) in _FURTHER.items()
        for score, space in _spread(name, results)
    ]
    known = {c.score for c in named}
    others = dict.fromkeys(n for c in results.cells() for n in c.scores if n not in known)
    return [
        c
        for c in [*named, *(Column(n, n, group="other") for n in others)]
        if c.score not in shown and _present(c, results)
    ]


def compact_columns(results: Results) -> list[Column]:
    """The columns that fit a terminal."""
    wanted = {score for name in _COMPACT for score, _ in _spread(name, results)}
    return [c for c in main_columns(results) if c.score in wanted]


def _spread(name: str, results: Results) -> Iterator[tuple[str, str]]:
    """A name of the tables above for every feature space."""
    for space in feature_spaces(results) if "{space}" in name else [""]:
        yield name.format(space=space), space


def _present(column: Column, results: Results) -> bool:
    return any(column.of(cell) is not None for cell in results.cells())
