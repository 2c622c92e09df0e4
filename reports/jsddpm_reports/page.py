"""The HTML report: one self-contained file that opens offline and escapes every name."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.files import write_text
from jsddpm_eval.panels import Panels
from jsddpm_eval.results import Cell, Results
from jsddpm_eval.utilization import verdict
from jsddpm_reports import figures, wording


def write_page(evaluation: str | Path, out: str | Path) -> Path:
    """Render ``report.html`` from an evaluation folder.

    Args:
        evaluation: Folder with ``results.json`` and, for the montage, ``panels.npz``.
        out: HTML file to write.

    Raises:
        JsddpmError: ``MISSING`` (status 2) or ``RESULTS`` (status 4) when the folder holds no readable results.
    """
    evaluation = Path(evaluation)
    results = Results.read(evaluation / "results.json")
    panels = Panels.read(evaluation / "panels.npz") if (evaluation / "panels.npz").is_file() else None
    write_text(out, render(results, panels))
    return Path(out)


def render(results: Results, panels: Panels | None) -> str:
    """The page's HTML."""
    pictures = {"utilization": figures.utilization_figure(results.utilization)}
    if results.cells():
        pictures["curves"] = figures.curves_figure(results)
    if panels is not None:
        pictures["montage"] = figures.montage_figure(panels, results)
        if panels.copies.shape[1]:
            pictures["copies"] = figures.copies_figure(panels)
    return (
        environment()
        .get_template("report.html")
        .render(
            headlines=wording.headlines(results),
            conclusion=results.verdict,
            verdict=verdict(results.utilization),
            pictures={name: embedded(figure) for name, figure in pictures.items()},
            columns=wording.COLUMNS,
            explanations=wording.EXPLANATIONS,
            bins=[_bin_row(cell, results) for cell in results.cells()],
            reconstruction=[
                _reconstruction_row(c) for c in results.reconstruction if c.timestep is not None and c.z_bin is None
            ],
            undefined=results.undefined(),
            provenance=json.dumps(results.provenance | {"binning": results.binning}, indent=2, ensure_ascii=False),
            binning=str(results.z_binning),
        )
    )


def environment() -> Environment:
    """The templates, escaping every name."""
    return Environment(
        loader=PackageLoader("jsddpm_reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def embedded(figure: Figure) -> str:
    """A figure's PNG in base64, for a page that needs no other file."""
    return base64.b64encode(figures.png(figure)).decode()


def _bin_row(cell: Cell, results: Results) -> dict[str, object]:
    scores = [(wording.score_of(cell, name)) for name in wording.COLUMNS]
    values = [
        {"value": v, "floor": f, "context": wording.context(s), "status": s.status if s else "undefined"}
        for s in scores
        for v, f in [wording.with_floor(s)]
    ]
    return {"label": wording.cell_label(cell, results), "scores": values}


def _reconstruction_row(cell: Cell) -> dict[str, object]:
    names = ("psnr", "ssim", "lesion_dice", "control_false_positive_pixels")
    scores = [cell.scores.get(n) for n in names]
    return {
        "timestep": cell.timestep,
        "pathology": "all" if cell.pathology is None else PATHOLOGY_NAMES[cell.pathology],
        "scores": [{"value": wording.number(s), "context": wording.context(s)} for s in scores],
    }
