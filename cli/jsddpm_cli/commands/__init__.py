"""The commands: a module here declares one, or a group of them, as ``app``, and its place in the help as ``ORDER``.

A module is found by its file; it imports nothing heavy at its top, so that ``jsddpm --help`` stays instant.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def apps() -> list[typer.Typer]:
    """The commands of every module, in the order of their ``ORDER``: that of the work."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return [module.app for module in sorted(modules, key=lambda module: module.ORDER)]
