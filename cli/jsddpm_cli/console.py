"""What commands share: output, notes, progress. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, RenderableType

if TYPE_CHECKING:
    from rich.progress import Progress


class Format(StrEnum):
    """How a command prints its result."""

    table = "table"
    json = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="table, or json: strict JSON alone on stdout")]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """``| head`` is no error."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141)


def out() -> Console:
    """Console of stdout; 100 columns when it is no terminal."""
    return _Console(highlight=False, width=None if sys.stdout.isatty() else 100, soft_wrap=False)


def note(message: str) -> None:
    """A line on stderr, for people."""
    Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(message)


def emit(renderable: RenderableType, value: object, how: Format) -> None:
    """Print a result: the renderable, or strict JSON alone."""
    if how is Format.json:
        typer.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))
    else:
        out().print(renderable)


class Tracker:
    """Progress of one task: a bar with time left on a terminal, a line every tenth otherwise.

    Args:
        title: What is being done.
    """

    def __init__(self, title: str, bar: Progress | None) -> None:
        self.title, self._bar, self._start, self._said = title, bar, time.monotonic(), 0
        self._task = bar.add_task(title, total=None, values="") if bar else None

    def update(self, done: int, total: int, values: Mapping[str, float] | None = None) -> None:
        """Report progress, with the latest values worth showing."""
        text = "  ".join(f"{k} {v:.3g}" for k, v in (values or {}).items())
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, values=text)
            return
        tenth = 10 * done // max(total, 1)
        if tenth > self._said:
            self._said = tenth
            left = (time.monotonic() - self._start) / done * (total - done)
            note(f"{self.title}: {done} of {total}{'  ' + text if text else ''}  {left:.0f} s left")


@contextmanager
def tracked(title: str) -> Iterator[Tracker]:
    """Show progress of the block on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Tracker(title, None)
        return
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}"), bars.BarColumn(bar_width=20), bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[values]}"), bars.TimeElapsedColumn(), bars.TextColumn("left"),
        bars.TimeRemainingColumn(),
    )  # fmt: skip
    with bars.Progress(*columns, console=console, transient=True) as bar:
        yield Tracker(title, bar)


def jobs_or_all(jobs: int | None) -> int:
    """The number of processes asked for, or one per core."""
    return jobs or len(os.sched_getaffinity(0))
