"""``metrics.csv`` of a run: the log of Lightning, written so that a full disk loses neither rows nor steps."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger
from lightning.pytorch.utilities import rank_zero_only

from jsddpm.errors import JsddpmError
from jsddpm.files import append_bytes, write_bytes


class RunLog(CSVLogger):
    """The CSV log of Lightning, which a failed write does not stop.

    Rows are appended; the file is written anew when there is another column, and after a failure.

    Args:
        folder: The run folder.
        rows: Rows of a run that is resumed.

    Attributes:
        failure: Why the last rows are not on the disk; None if they are.
    """

    def __init__(self, folder: Path, rows: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(folder, name="", version="")
        self.failure: JsddpmError | None = None
        self._written: list[Mapping[str, Any]] = []
        self._columns: list[str] = []
        if rows:
            self.experiment.metrics = list(rows)
            self.save()

    @rank_zero_only
    def save(self) -> None:
        """Write the rows since the last call, and those that could not be written before."""
        fresh, path = self.experiment.metrics, Path(self.experiment.metrics_file_path)
        if not fresh:
            return
        columns = sorted({*self._columns, *(name for row in fresh for name in row)})
        try:
            if self.failure is None and columns == self._columns and path.is_file():
                append_bytes(path, _lines(fresh, columns))
            else:
                write_bytes(path, _lines([{name: name for name in columns}, *self._written, *fresh], columns))
        except JsddpmError as error:
            self.failure = error
            return
        self.failure, self.experiment.metrics = None, []
        self._written += fresh
        self._columns = columns


def failure_of(loggers: Iterable[Logger]) -> JsddpmError | None:
    """Why ``metrics.csv`` is not complete on the disk; None if it is."""
    return next((log.failure for log in loggers if isinstance(log, RunLog)), None)


def _lines(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    stream = io.StringIO(newline="")
    csv.DictWriter(stream, columns).writerows(rows)
    return stream.getvalue().encode()
