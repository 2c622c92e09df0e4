"""A figure of the measured generators: utility of their samples beside KID, and beside the masks that fit no border."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from jsddpm.files import write_bytes
from jsddpm_eval.selftest.fault import known_faults
from jsddpm_reports.figures import BLUE, GREY, INK, ORANGE, png, styled

_OF_MASKS = ("lesions", "masks", "pathology")
_KINDS = {
    "real slices as they are": (BLUE, "D"),
    "a fault of the images": (GREY, "o"),
    "a fault of lesions or masks": (ORANGE, "s"),
    "trained networks": (INK, "^"),
}
_PANELS = {
    "kid_radiomics": ("KID (radiomics), distance from its baseline", "log"),
    "lesion_borderless_share": ("share of masks without a border, distance from its baseline", "linear"),
}


def kind(name: str, family: str) -> str:
    """Which of the kinds a generator is, by its name and family.

    >>> kind("noise 0.05", "noise"), kind("masks_moved 3", "masks_moved"), kind("network 100 s, ddim 5", "4")
    ('a fault of the images', 'a fault of lesions or masks', 'trained networks')
    """
    if name.startswith("network"):
        return "trained networks"
    if family == "perfect":
        return "real slices as they are"
    return "a fault of lesions or masks" if known_faults()[family].family in _OF_MASKS else "a fault of the images"


@styled
def draw(generators: pd.DataFrame, correlations: pd.Series) -> Figure:
    """Mean Dice against each score, a point for each generator.

    Args:
        generators: ``generators.csv``.
        correlations: Rank correlation with Dice by score.
    """
    dice = generators[[name for name in generators if name.startswith("dice_")]].mean(axis=1)
    kinds = pd.Series(map(kind, generators["generator"], generators["family"]), index=generators.index)
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (score, (label, scale)) in zip(panels, _PANELS.items(), strict=True):
        for name, (colour, marker) in _KINDS.items():
            own = kinds == name
            axes.scatter(generators[score][own], dice[own], s=16, c=colour, marker=marker, linewidths=0, label=name)
        axes.set_xscale(scale)
        axes.set_xlabel(label)
        axes.set_title(f"rank correlation {correlations[score]:+.2f}", loc="left")
    panels[0].set_ylabel("Dice on new patients")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(_KINDS))
    return figure


def write(folder: Path) -> None:
    """Draw the figure of a folder's tables into ``dice.png``."""
    scores = pd.read_csv(folder / "scores.csv").set_index("score")["correlation"]
    write_bytes(folder / "dice.png", png(draw(pd.read_csv(folder / "generators.csv"), scores), dpi=150))
