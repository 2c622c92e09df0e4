"""The commands: a module here declares one, or a group of them, as ``app``, and its place in the help as ``ORDER``.

A module is found by its file; it imports nothing heavy at its top, so that ``jsddpm --help`` stays instant.
"""

from __future__ import annotations

from importlib import import_module
from inspect import getdoc
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def apps() -> list[typer.Typer]:
    """The commands of every module, in the order of their ``ORDER``: that of the work."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    found = [module.app for module in sorted(modules, key=lambda module: module.ORDER)]
    for command in (command for app in found for command in app.registered_commands):
        command.help = _paragraphs(getdoc(command.callback) or "")
    return found


def _paragraphs(text: str) -> str:
    """Text with each paragraph on one line: the help is broken into lines where the terminal is."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
