"""What an evaluation left, read together for the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jsddpm_eval.panels import Panels
from jsddpm_eval.results import Results
from jsddpm_eval.tables import read_csv

Lesions = Sequence[Mapping[str, str]]
"""Rows of ``lesions.csv``."""


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation left that a report shows.

    Attributes:
        results: The results.
        panels: Example slices; None where there are none.
        lesions: Shapes of real and generated lesions; empty where there are none.
    """

    results: Results
    panels: Panels | None = None
    lesions: Lesions = ()

    @classmethod
    def read(cls, folder: str | Path) -> Evaluation:
        """Read an evaluation folder; all but ``results.json`` may be missing.

        Raises:
            JsddpmError: ``MISSING`` (status 2), ``RESULTS``, ``PANELS`` or ``TABLE`` (status 4).
        """
        folder = Path(folder)
        panels, lesions = folder / "panels.npz", folder / "lesions.csv"
        return cls(
            Results.read(folder / "results.json"),
            Panels.read(panels) if panels.is_file() else None,
            read_csv(lesions) if lesions.is_file() else (),
        )
