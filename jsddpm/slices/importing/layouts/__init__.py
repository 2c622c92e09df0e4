"""How generators leave their samples: each module here declares one :class:`ImportLayout` as ``LAYOUT``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from jsddpm.errors import JsddpmError, usage_error
from jsddpm.slices.importing.items import Facts, Found


@dataclass(frozen=True)
class ImportLayout:
    """One way samples lie on disk.

    Attributes:
        name: What ``layout`` and ``--layout`` call it.
        help: One line that says which files it means.
        matches: Whether a file or folder that exists is laid out so.
        read: Lists what lies there; refuses, naming the file, what it cannot use.
        general: Whether it is a kind of file rather than one tool's habit: it counts only where no tool's layout fits.
    """

    name: str
    help: str
    matches: Callable[[Path], bool]
    read: Callable[[Path, Facts], Found]
    general: bool = False


@cache
def import_layouts() -> dict[str, ImportLayout]:
    """Every layout by its name.

    >>> {"table", "volumes", "nnunet"} <= set(import_layouts())
    True
    """
    declared: list[ImportLayout] = [import_module(f"{__name__}.{m.name}").LAYOUT for m in iter_modules(__path__)]
    return {layout.name: layout for layout in sorted(declared, key=lambda layout: (layout.general, layout.name))}


def layout_of(source: Path, name: str = "auto") -> ImportLayout:
    """The layout of that name, or with ``auto`` the only one that fits.

    Raises:
        JsddpmError: ``MISSING`` or ``LAYOUT`` (status 2): there is nothing, no layout of that name, it does not fit,
            or several do; ``EMPTY`` (status 3) when none does.
    """
    if not source.exists():
        raise usage_error("MISSING", "no such file or folder", fix="correct the path", file=source)
    every = import_layouts()
    if name != "auto":
        if name not in every:
            raise usage_error("LAYOUT", f"unknown layout {name!r}", fix=f"use one of auto, {', '.join(every)}")
        if not every[name].matches(source):
            fix = f"choose another --layout, or use its names: {every[name].help}"
            raise usage_error("LAYOUT", f"does not have the layout {name}", fix=fix, file=source)
        return every[name]
    fitting = [layout for layout in every.values() if layout.matches(source)]
    fitting = [layout for layout in fitting if not layout.general] or fitting
    if not fitting:
        what = f"none of the layouts fits ({', '.join(every)})"
        raise JsddpmError(
            "EMPTY", what, fix="list the slices in a table with the columns image, z and pathology", file=source
        )
    if len(fitting) > 1:
        what = f"has several layouts: {' and '.join(layout.name for layout in fitting)}"
        raise usage_error("LAYOUT", what, fix="choose one with --layout", file=source)
    return fitting[0]
