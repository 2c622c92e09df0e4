"""Measured rows, kept in a CSV file: what the file holds is not measured again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jsddpm.files import make_directory, write_text


class Rows:
    """The rows of ``NAME.csv`` of a folder, beside which a Markdown table of them stands.

    Args:
        out: The folder, which is made.
        name: Name of the CSV file, without its ending.
        keys: Columns that identify a row.
        page: Name of the Markdown file.
        table: Its content.
    """

    def __init__(
        self, out: Path, name: str, keys: Sequence[str], page: str, table: Callable[[pd.DataFrame], str]
    ) -> None:
        self._file, self._page = make_directory(out) / f"{name}.csv", out / page
        self._keys, self._table = list(keys), table
        self._rows = pd.read_csv(self._file) if self._file.is_file() else pd.DataFrame()

    def __contains__(self, key: Sequence[Any]) -> bool:
        return bool(len(self._rows)) and list(key) in self._rows[self._keys].values.tolist()

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row, and the table anew."""
        self._rows = pd.concat([self._rows, pd.DataFrame([row])], ignore_index=True)
        write_text(self._file, self._rows.to_csv(index=False, float_format="%.6g"))
        write_text(self._page, self._table(self._rows))
        print(self._rows.tail(1).to_string(), flush=True)
