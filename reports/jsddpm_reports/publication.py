"""The figures of an evaluation: the page shows them, and they are saved for print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from jsddpm.files import make_directory
from jsddpm_reports.curves import curve_columns, curves_figure, reconstruction_figure, variety_columns
from jsddpm_reports.distributions import confusion_figure, lesions_figure
from jsddpm_reports.evaluation import Evaluation
from jsddpm_reports.figures import pdf, png
from jsddpm_reports.montage import copies_figure, montage_figure
from jsddpm_reports.outputs import write_output
from jsddpm_reports.utilization import utilization_figure

FORMATS: dict[str, Callable[[Figure], bytes]] = {"png": lambda figure: png(figure, dpi=300), "pdf": pdf}
"""What figures are saved as."""


def charts(evaluation: Evaluation) -> dict[str, tuple[Figure, str]]:
    """Every chart the evaluation has something for, with its text alternative."""
    results = evaluation.results
    figures = {
        "utilization": (utilization_figure(results.utilization), "Slices of each bin under local and global binning")
    }
    if curve_columns(results):
        figures["curves"] = (
            curves_figure(results, curve_columns(results)),
            "Scores by bin; every value is in the table",
        )
    if variety_columns(results):
        figures["variety"] = (curves_figure(results, variety_columns(results)), "Variety between seeds by bin")
    if any(map(sum, results.confusion)):
        figures["confusion"] = (confusion_figure(results), "Samples by the bin of their condition and the bin read off")
    if evaluation.lesions:
        figures["lesions"] = (lesions_figure(evaluation.lesions, results), "Shapes of real and generated lesions")
    if any(c.timestep is not None for c in results.reconstruction):
        figures["reconstruction"] = (reconstruction_figure(results), "Exact reconstruction by timestep")
    return figures


def write_figures(evaluation: str | Path, folder: str | Path, formats: Sequence[str] = tuple(FORMATS)) -> list[Path]:
    """Save an evaluation's charts, montage and nearest pairs at print size, the same bytes for the same evaluation.

    PNG is of 300 dpi; PDF has its fonts embedded.

    Args:
        evaluation: Evaluation folder.
        folder: Where the files go.
        formats: Any of :data:`FORMATS`.

    Raises:
        JsddpmError: As :meth:`Evaluation.read`; ``EXISTS`` (status 2) when the folder lies in a store, or another
            file is there.
    """
    folder = make_directory(folder)
    read = Evaluation.read(evaluation)
    figures = {name: figure for name, (figure, _) in charts(read).items()}
    if read.panels is not None:
        figures["montage"] = montage_figure(read.panels, read.results)
        if read.panels.copies.shape[1]:
            figures["copies"] = copies_figure(read.panels)
    written = []
    for name, figure in figures.items():
        for form in formats:
            write_output(folder / f"{name}.{form}", FORMATS[form](figure))
            written.append(folder / f"{name}.{form}")
    return written
