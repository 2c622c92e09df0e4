"""Tables of results: CSV text safe to open in a spreadsheet, and data frames. Torch-free."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsddpm.errors import integrity_error

if TYPE_CHECKING:
    import pandas

    from jsddpm_eval.results import Results


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    r"""CSV text of rows with equal keys; a cell a spreadsheet would run as a formula is neutralised.

    >>> to_csv([{"name": "=1+1", "value": -2.5}])
    "name,value\r\n'=1+1,-2.5\r\n"
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else [])
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {k: f"'{v}" if isinstance(v, str) and v[:1] in tuple("=+-@\t\r") else v for k, v in row.items()}
        )
    return stream.getvalue()


def read_csv(path: str | Path) -> list[dict[str, str]]:
    """Rows of a CSV file with headings, as text.

    Raises:
        JsddpmError: ``TABLE`` (status 4) when it is no such file.
    """
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise integrity_error("TABLE", f"cannot be read ({error})", fix="evaluate again", file=path) from error
    if any(None in row or None in row.values() for row in rows):
        raise integrity_error("TABLE", "has rows of unequal length", fix="evaluate again", file=path)
    return rows


def to_frame(results: Results) -> pandas.DataFrame:
    """Every score of an evaluation as a tidy table, one row per cell and score, for notebooks.

    Args:
        results: What ``Results.read("results.json")`` gives.
    """
    import pandas

    return pandas.DataFrame(list(results.rows()))
