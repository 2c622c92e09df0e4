"""The commands: a module declares a command, or a group, as ``app``, and its position in the help as ``ORDER``.

A module is found by its file. It imports nothing heavy at its top, so that ``jsddpm --help`` is fast.
"""

from __future__ import annotations

from inspect import getdoc
from typing import TYPE_CHECKING

from jsddpm.registry import modules
from jsddpm_cli.help import Command, Group

if TYPE_CHECKING:
    import typer


def apps() -> list[typer.Typer]:
    """The commands of every module, in the order of their ``ORDER``: that of the work."""
    typers = [module.app for module in sorted(modules(__name__), key=lambda module: module.ORDER)]
    for app in typers:
        app.info.cls = Group
        for command in app.registered_commands:
            command.help = _paragraphs(getdoc(command.callback) or "")
            if not issubclass(command.cls, Command):
                command.cls = Command
    return typers


def _paragraphs(text: str) -> str:
    """Text with each paragraph on one line, because the help is wrapped at the width of the terminal."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
