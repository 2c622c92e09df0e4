"""An audit of a network's memory: a view for the terminal, a figure of patients, and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsddpm.files import write_text

if TYPE_CHECKING:  # the terminal's view stays without matplotlib
    from matplotlib.figure import Figure
    from rich.console import RenderableType

HEADINGS = ("noise", "timestep", "attack", "95% interval")

_SIDES = ("training", "held-out")
_WIDTH = 80


def audit_view(values: Mapping[str, Any]) -> RenderableType:
    """The audit in the terminal: what it says, and the attack at each noise level.

    Args:
        values: Content of ``audit.json``.
    """
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    from jsddpm_reports.terminal import results_table

    def panel(title: str, lines: Sequence[str]) -> RenderableType:
        return Panel(Text("\n".join(lines)), title=title, title_align="left", width=_WIDTH)

    statement = panel(f"membership: {values['answer']}", values["sentences"])
    limits = panel("what it does not show", values["limits"])
    return Group(statement, results_table(HEADINGS, level_rows(values)), limits)


def level_rows(values: Mapping[str, Any]) -> list[list[str]]:
    """One row for each noise level: the noise, its timestep, the attack's area and its interval."""
    return [
        [f"{level['noise']:.2f}", str(level["timestep"]), *_cells(level)]
        for level in values["levels"]
    ]  # fmt: skip


def _cells(area: Mapping[str, Any]) -> list[str]:
    if "area" not in area:
        return ["–", ""]
    low, high = area["interval"]
    return [f"{area['area']:.2f}", f"{low:.2f} to {high:.2f}"]


def control_rows(values: Mapping[str, Any]) -> list[list[str]]:
    """One row for what the areas are set beside: the attack, the plain loss, the references, divisions of one group."""
    if values["attack"] is None:
        return []
    control = values["control"]
    rows = [
        ["attack", *_cells(values["attack"])],
        ["the network's error as it is", *_cells(values["attack"]["without_calibration"])],
        ["a filter that has not seen the patient", *_cells(control["filter"])],
    ]
    if control["network"] is not None:
        rows.append(["the reference network", *_cells(control["network"])])
    for name in ("training", "held_out"):
        if control[f"{name}_divisions"] is not None:
            low, high = control[f"{name}_divisions"]["interval"]
            rows.append([f"halves of the {name.replace('_', '-')} patients alone", "0.50", f"{low:.2f} to {high:.2f}"])
    return rows


def patients_figure(values: Mapping[str, Any]) -> Figure:
    """Scores of every patient, training beside held-out: of the attack, then of each noise level."""
    from jsddpm_reports.figures import BLUE, GREY, GREY_SOFT, ORANGE, small_charts, styled

    patients = values["by_patient"]
    panels = [("all levels", values["attack"], [p["score"] for p in patients])]
    for i, level in enumerate(values["levels"]):
        panels.append((f"noise {level['noise']:.2f}", level, [p["scores"][i] for p in patients]))

    @styled
    def draw() -> Figure:
        figure, grid = small_charts(len(panels), 1.5, 0.2, sharey=True)
        for axes, (title, area, scores) in zip(grid, panels, strict=True):
            axes.axhline(0, color=GREY, linewidth=0.6)
            for place, (side, colour, marker) in enumerate(zip(_SIDES, (ORANGE, BLUE), ("s", "o"), strict=True)):
                heights = sorted(s for s, p in zip(scores, patients, strict=True) if p["of"] == side)
                offsets = [place + 0.5 * ((k + 0.5) / len(heights) - 0.5) for k in range(len(heights))]
                axes.plot(offsets, heights, marker, color=colour, markersize=2.5, linestyle="")
            axes.set_title(f"{title}: area {area['area']:.2f}", loc="left")
            axes.set_xlim(-0.6, 1.6)
            axes.set_xticks([0, 1], _SIDES)
            axes.grid(axis="y", color=GREY_SOFT, linewidth=0.5)
        grid[0].set_ylabel("score [SD]")
        return figure

    return draw()


def write_audit_page(values: Mapping[str, Any], out: str | Path) -> None:
    """Write the audit as one self-contained HTML file.

    Args:
        values: Content of ``audit.json``.
        out: HTML file.
    """
    write_text(out, render_audit(values))


def render_audit(values: Mapping[str, Any]) -> str:
    """The page's HTML."""
    from jsddpm_reports.document import inlined, rendered
    from jsddpm_reports.figures import svg

    picture = None
    if values["attack"] is not None:
        picture = inlined(svg(patients_figure(values), "patients", "Scores of training and held-out patients"))
    return rendered(
        "audit.html",
        audit=values,
        picture=picture,
        headings=HEADINGS,
        levels=level_rows(values),
        controls=control_rows(values),
        people=sorted(values["by_patient"], key=lambda p: -(p["score"] or 0)),
    )
