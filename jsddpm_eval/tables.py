"""Tables as CSV text, safe to open in a spreadsheet. Torch-free."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence


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
