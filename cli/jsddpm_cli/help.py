"""The help of commands, in the words of :mod:`jsddpm_cli.usage`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from jsddpm_cli.console import stdout_console
from jsddpm_cli.messages import refuse_empty
from jsddpm_cli.usage import Parameter, parameters

_HELP = Parameter("--help", False, False, "", "Show this message and exit.")
_COMPLETION = ("install_completion", "show_completion")
"""Options that typer adds to the first command alone."""


class Command(TyperCommand):
    """A command whose help says what its arguments and options take, and which takes no empty values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The words of the command line, none of which is empty: a path would be the working folder."""
        refuse_empty(args)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """``[OPTIONS]`` and the arguments; those that may be left out stand in brackets."""
        arguments = [p for p in _parameters(self) if p.is_argument]
        return ["[OPTIONS]", *(p.name if p.required else f"[{p.name}]" for p in arguments)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        _show(self, ctx)


class Group(TyperGroup):
    """A group of commands with the same kind of help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, with the first sentences of each command."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        _show(self, ctx, [(name, (c.help or "").partition("\n\n")[0]) for name, c in found if c and not c.hidden])


def _parameters(command: Any) -> list[Parameter]:
    callback = command.callback and inspect.unwrap(command.callback)
    completion = [p for p in command.params if p.name in _COMPLETION]
    options = [Parameter(p.opts[0], False, False, "", p.help) for p in completion]
    return [*(parameters(callback) if callback else ()), *options, _HELP]


def _show(command: Any, ctx: Any, commands: Sequence[tuple[str, str]] = ()) -> None:
    """Print usage, paragraphs, arguments, options, commands and the example."""
    console = stdout_console()
    usage = f"Usage: {ctx.command_path} {' '.join(command.collect_usage_pieces(ctx))}"
    for paragraph in (usage, *(command.help or "").split("\n\n")):
        console.print(Padding(Text(paragraph), (1, 1, 0, 1)))
    console.print()
    taken = _parameters(command)
    panels: list[tuple[str, list[tuple[str, RenderableType]]]] = [
        ("Arguments", [(p.name, _described(p)) for p in taken if p.is_argument]),
        ("Options", [(p.name, _described(p)) for p in taken if not p.is_argument]),
        ("Commands", [(name, Text(text)) for name, text in commands]),
    ]
    for title, rows in panels:
        if rows:
            table = Table.grid(padding=(0, 2), expand=True)
            table.add_column(style="bold cyan", no_wrap=True)
            table.add_column(ratio=1)
            for name, text in rows:
                table.add_row(Text(name), text)
            console.print(Panel(table, title=title, title_align="left", border_style="dim"))
    if command.epilog:
        console.print(Padding(Text(command.epilog), (1, 1)))


def _described(parameter: Parameter) -> RenderableType:
    """Meaning and default; of several lines, each has a dash."""
    end = Text()
    if parameter.required:
        end.append(" [required]", style="red")
    if parameter.default:
        end.append(f" [default: {parameter.default}]", style="dim")
    *lines, last = parameter.meaning.split("\n")
    if not lines:
        return Text(last) + end
    items = Table.grid(padding=(0, 1))
    for line in (*map(Text, lines), Text(last) + end):
        items.add_row("-", line)
    return items
