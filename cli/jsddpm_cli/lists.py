"""Options that take several values, as a shell's pattern gives them: ``--baseline runs/global-*``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jsddpm_cli.help import Command


def repeated(arguments: Sequence[str], options: Sequence[str]) -> Iterator[str]:
    """Arguments with the name of an option before each of its values.

    >>> list(repeated(["a", "--baseline", "b", "c", "--all"], ["--baseline"]))
    ['a', '--baseline', 'b', '--baseline', 'c', '--all']
    >>> list(repeated(["--bins=5", "10"], ["--bins"]))
    ['--bins=5', '--bins', '10']
    """
    current, fresh = None, False
    for position, argument in enumerate(arguments):
        if argument == "--":
            yield from arguments[position:]
            return
        if argument.startswith("-"):
            name, equals, _ = argument.partition("=")
            current, fresh = name if name in options else None, not equals
        elif current is not None and not fresh:
            yield current
        fresh = fresh and argument.startswith("-")
        yield argument


def with_lists(*options: str) -> type[Command]:
    """Class of a command whose repeatable options also take several values at once."""

    class WithLists(Command):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            return super().parse_args(ctx, list(repeated(args, options)))

    return WithLists
