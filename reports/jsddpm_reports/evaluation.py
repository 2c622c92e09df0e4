"""The files of an evaluation, read together for the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from jsddpm.anonymise import Codes
from jsddpm.checksums import read_recorded
from jsddpm.csvfiles import read_rows
from jsddpm.errors import integrity_error
from jsddpm_eval.privacy import privacy_statement, read_statement
from jsddpm_eval.results.anonymised import CODED, coded_panels, coded_results, coded_rows
from jsddpm_eval.results.panels import Panels
from jsddpm_eval.results.results import Results

Lesions = Sequence[Mapping[str, str]]
"""Rows of ``lesions.csv``."""

LESION_LABELS = ("origin", "slice", "patient", "z_bin")
"""Its columns that say which lesion a row is of; the others are numbers."""


@dataclass(frozen=True)
class Evaluation:
    """The files of an evaluation that a report shows.

    Attributes:
        results: The results.
        panels: Example slices; None where there are none.
        lesions: Shapes of real and generated lesions; empty where there are none.
        privacy: What is said of copies; None where nothing is.
    """

    results: Results
    panels: Panels | None = None
    lesions: Lesions = ()
    privacy: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, folder: str | Path) -> Evaluation:
        """Read an evaluation folder; all but ``results.json`` may be missing.

        Raises:
            JsddpmError: ``MISSING`` (status 2), ``TABLE`` (status 3 or 4), ``RESULTS``, ``PANELS``, ``JSON`` (4).
        """
        folder = Path(folder)
        panels, lesions = folder / "panels.npz", folder / "lesions.csv"
        return cls(
            Results.read(folder / "results.json"),
            Panels.read(panels) if panels.is_file() else None,
            _lesions(lesions) if lesions.is_file() else (),
            read_statement(folder),
        )

    def anonymised(self, codes: Codes) -> Evaluation:
        """The same with codes for patients; as it is where codes stand for them already.

        Raises:
            JsddpmError: ``KEY`` (status 2) for a patient without a code.
        """
        if CODED in self.results.provenance:
            return self
        results = coded_results(self.results, codes)
        copies = coded_rows(self.privacy["copies"] if self.privacy else [], codes)
        return Evaluation(
            results,
            self.panels and coded_panels(self.panels, codes),
            coded_rows(self.lesions, codes),
            self.privacy and privacy_statement(results, copies),
        )


def _lesions(path: Path) -> Lesions:
    read_recorded(path, "TABLE", "evaluate again")
    rows = read_rows(path, fix="evaluate again")
    for row in rows:
        missing = [name for name in LESION_LABELS if name not in row]
        wrong = [name for name, text in row.items() if name not in LESION_LABELS and not _is_number(text)]
        if missing or wrong:
            what = f"lacks the column {missing[0]}" if missing else f"{wrong[0]} {row[wrong[0]]!r} is not a number"
            raise integrity_error("TABLE", what, fix="evaluate again", file=path)
    return rows


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False
