"""Output, notes and progress of all commands: results go to stdout, everything else to stderr."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer
from rich.console import Console, RenderableType

from jsddpm.errors import printable
from jsddpm_cli.streams import strict_json

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


Format = Literal["table", "json"]
"""Format of a command's result."""

FormatOption = Annotated[Format, typer.Option("--format", help="table; or json: strict JSON alone on stdout.")]


_WIDTH = 100  # of an output that is no terminal
_POINTS = 200  # of a task whose times are kept, to estimate the time left
_TOGETHER = 1.0  # seconds within which steps count as finished together, as those of several processes are


def stdout_console() -> Console:
    """Console of stdout; its width is ``COLUMNS`` if that is a number above 0, or that of the terminal, or 100."""
    return Console(highlight=False, width=_width(sys.stdout), soft_wrap=False)


def _width(stream: TextIO) -> int | None:
    """Width of a console; None leaves it to Rich, which would print nothing where ``COLUMNS`` is 0."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) == 0:
        return shutil.get_terminal_size((_WIDTH, 0)).columns
    return None if given or stream.isatty() else _WIDTH


def note(message: str, *, unbroken: bool = False) -> None:
    """Print a message on stderr: one line, which is broken at blanks on a terminal.

    Args:
        message: The message; what is not printable in it is escaped.
        unbroken: Whether it is a command that a person may copy, which is never broken.
    """
    console = Console(stderr=True, highlight=False, width=_width(sys.stderr))
    _print_line(console, message, unbroken=unbroken or not console.is_terminal)


def _print_line(console: Console, text: str, *, unbroken: bool) -> None:
    console.print(printable(text), markup=False, emoji=False, soft_wrap=unbroken)


def command_line(*words: object) -> str:
    """A command that a person may copy into a shell: words with blanks are quoted.

    >>> command_line("jsddpm", "cache", "verify", "my store")
    "jsddpm cache verify 'my store'"
    """
    return shlex.join(map(str, words))


def say(text: str, end: str = "\n") -> None:
    """Print text on stdout unchanged."""
    sys.stdout.write(text + end)


def emit(
    renderable: RenderableType | None,
    value: object,
    how: Format | None,
    *,
    above: Sequence[str] = (),
    below: Sequence[str] = (),
) -> None:
    """Print a result on stdout: the renderable and sentences that belong to it, or strict JSON alone.

    Args:
        renderable: A table or another view; None prints the sentences alone.
        value: What JSON shows, the content of the sentences included.
        how: Format of the result; None prints nothing, for a step of a command that prints its own result.
        above: Sentences above the renderable, each on one line. It is broken at blanks on a terminal, and where
            ``COLUMNS`` gives a width.
        below: Sentences below it.
    """
    if how == "json":
        say(strict_json(value))
    if how != "table":
        return
    console = stdout_console()
    unbroken = not (console.is_terminal or os.environ.get("COLUMNS"))
    for line in above:
        _print_line(console, line, unbroken=unbroken)
    if renderable is not None:
        console.print(renderable)
    for line in below:
        _print_line(console, line, unbroken=unbroken)


class Tracker:
    """Progress of successive tasks: a bar with the time left on a terminal, else a line at every tenth.

    Args:
        title: Name of the task.
        bar: The bar of the terminal; None without a terminal.
    """

    def __init__(self, title: str, bar: Progress | None) -> None:
        self._bar = bar
        self._task: TaskID | None = None
        self._begin(title)

    def _begin(self, title: str) -> None:
        self.title, self._said = title, 0
        self._times: list[tuple[int, float]] = []
        self._since = -math.inf  # when the first of the steps that finished together did
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(title, total=None, values="")

    def part(self, title: str, done: int, total: int) -> None:
        """Report progress of a named part; a new name starts the next part."""
        if title != self.title:
            self._begin(title)
            if self._bar is None:
                note(title)
        if total > 1:
            self.update(done, total)

    def update(self, done: int, total: int, values: Mapping[str, float] | None = None) -> None:
        """Report progress, with the latest values worth showing."""
        text = "  ".join(f"{k} {v:.3g}" for k, v in (values or {}).items())
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, values=text)
            return
        point = (done, time.monotonic())
        if point[1] - self._since < _TOGETHER:
            self._times[-1] = point
        elif not self._times or done >= self._times[-1][0] + total / _POINTS:
            self._times.append(point)
            self._since = point[1]
        tenth = 10 * done // max(total, 1)
        if tenth > self._said:
            self._said = tenth
            seconds = _seconds_left([*self._times, point], total)
            left = "" if seconds is None else f"{seconds:.0f} s left"
            note("  ".join([f"{self.title}: {done} of {total}", *filter(None, [text, left])]))


def _seconds_left(times: Sequence[tuple[int, float]], total: int) -> float | None:
    """Seconds that the rest of a task will take, at the speed of the second half of what is done so far.

    The first steps are left out where there are others: they may train a network that all further steps share.

    >>> _seconds_left([(0, 0.0), (1, 100.0), (2, 101.0), (3, 102.0)], 10)
    7.0
    """
    done, now = times[-1]
    earlier = [point for point in times if point[0] < done]
    if not earlier:
        return None
    before, start = next((p for p in earlier if p[0] >= (earlier[0][0] + done) / 2), earlier[-1])
    return (now - start) / (done - before) * (total - done)


@contextmanager
def tracked(title: str) -> Iterator[Tracker]:
    """Show progress of the block on stderr."""
    console = Console(stderr=True, width=_width(sys.stderr))
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
