"""A figure of the answers of all trials: which checks were off for which faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from jsddpm.files import write_bytes
from jsddpm_eval.checks.verdict import checks
from jsddpm_reports.figures import BLUE, INK, PAPER, png, styled

_DARK = 0.6  # share from which on the number in a cell is light


@styled
def answers(names: list[dict[str, Any]]) -> Figure:
    """The share of trials in which each check was off, fault by fault.

    Args:
        names: Rows of :func:`jsddpm_eval.selftest.summary.confusion`.
    """
    headings = {check.spec.name: check.spec.heading for check in checks()} | {"none": "no check"}
    shares = np.array([[row[name] for name in headings] for row in names])
    figure = Figure(figsize=(7.2, 0.7 + 0.27 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap=LinearSegmentedColormap.from_list("share", [PAPER, BLUE]), vmin=0, vmax=1, aspect="auto")
    for (i, j), share in np.ndenumerate(shares):
        if share:
            axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", color=PAPER if share >= _DARK else INK)
    axes.set_xticks(range(len(headings)), list(headings.values()), rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), [f"{headings.get(n['expected'], n['expected'])} ({n['trials']})" for n in names])
    axes.set_xlabel("check that is off, % of trials")
    axes.set_ylabel("check made for the fault (trials)")
    axes.tick_params(length=0)
    return figure


def write(names: list[dict[str, Any]], folder: Path) -> None:
    """Draw the figure into ``answers.png``."""
    write_bytes(folder / "answers.png", png(answers(names)))
