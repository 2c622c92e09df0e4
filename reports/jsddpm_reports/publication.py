"""The figures of an evaluation: the page shows them, and they are saved for print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from jsddpm.files import make_directory, write_bytes
from jsddpm_reports.columns import main_columns
from jsddpm_reports.curves import curve_columns, curves_figure, diversity_columns, reconstruction_figure
from jsddpm_reports.distributions import confusion_figure, lesions_figure
from jsddpm_reports.evaluation import Evaluation
from jsddpm_reports.figures import pdf, png
from jsddpm_reports.heatmap import heatmap_figure
from jsddpm_reports.montage import copies_figure, montage_figure
from jsddpm_reports.utilization import utilization_figure

FORMATS: dict[str, Callable[[Figure], bytes]] = {"png": lambda figure: png(figure, dpi=300), "pdf": pdf}
"""What figures are saved as."""


def charts(evaluation: Evaluation) -> dict[str, tuple[Figure, str]]:
    """Every chart the evaluation has something for, with its text alternative."""
    results = evaluation.results
    found = {
        "utilization": (utilization_figure(results.utilization), "Slices of each bin under local and global binning")
    }
    if curve_columns(results):
        found["curves"] = (curves_figure(results, curve_columns(results)), "Scores by bin; every value is in the table")
    if diversity_columns(results):
        found["diversity"] = (curves_figure(results, diversity_columns(results)), "Variety between seeds by bin")
    if any(map(sum, results.confusion)):
        found["confusion"] = (confusion_figure(results), "Samples by bin asked for and bin read off")
    if evaluation.lesions:
        found["lesions"] = (lesions_figure(evaluation.lesions, results), "Shapes of real and generated lesions")
    if any(c.timestep is not None for c in results.reconstruction):
        found["reconstruction"] = (reconstruction_figure(results), "Exact reconstruction by timestep")
    return found


def figures(evaluation: Evaluation) -> dict[str, Figure]:
    """The charts, the table of scores, the montage and the nearest pairs, by name."""
    results, panels = evaluation.results, evaluation.panels
    found = {name: figure for name, (figure, _) in charts(evaluation).items()}
    if main_columns(results):
        found["heatmap"] = heatmap_figure(results, main_columns(results))
    if panels is not None:
        found["montage"] = montage_figure(panels, results)
        if panels.copies.shape[1]:
            found["copies"] = copies_figure(panels)
    return found


def write_figures(evaluation: str | Path, folder: str | Path, formats: Sequence[str] = tuple(FORMATS)) -> list[Path]:
    """Save every figure of an evaluation at print size, the same bytes for the same evaluation.

    PNG is of 300 dpi; PDF has its fonts embedded.

    Args:
        evaluation: Evaluation folder.
        folder: Where the files go.
        formats: Any of :data:`FORMATS`.

    Raises:
        JsddpmError: As :meth:`Evaluation.read`.
    """
    folder = make_directory(folder)
    written = []
    for name, figure in figures(Evaluation.read(evaluation)).items():
        for form in formats:
            write_bytes(folder / f"{name}.{form}", FORMATS[form](figure))
            written.append(folder / f"{name}.{form}")
    return written
