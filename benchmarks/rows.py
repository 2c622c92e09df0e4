"""Measured rows, kept in a CSV file: what the file holds is not measured again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jsddpm.files import make_directory, write_text


class Rows:
    """The rows of a CSV file; after each addition the file and the table are the same, as a later run reads them.

    Args:
        file: The file, whose folder is made.
        text: Columns of texts, of which an empty one is a value.

    Attributes:
        table: The rows.
    """

    def __init__(self, file: Path, text: Sequence[str] = ()) -> None:
        self._file, self._text = make_directory(file.parent) / file.name, list(text)
        self.table = self._read() if file.is_file() else pd.DataFrame()

    def _read(self) -> pd.DataFrame:
        table = pd.read_csv(self._file, dtype=dict.fromkeys(self._text, str))
        return table.fillna({name: "" for name in self._text if name in table})

    def has(self, key: Mapping[str, Any]) -> bool:
        """Whether there is a row with these values."""
        return len(self.table) > 0 and bool((self.table[list(key)] == pd.Series(key)).all(axis=1).any())

    def add(self, *rows: Mapping[str, Any]) -> None:
        """Append rows, and write them."""
        together = pd.concat([self.table, pd.DataFrame(rows)], ignore_index=True)
        write_text(self._file, together.to_csv(index=False, float_format="%.6g"))
        self.table = self._read()
