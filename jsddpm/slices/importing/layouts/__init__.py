"""Layouts of samples of generators: each module declares one :class:`ImportLayout` as ``LAYOUT``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jsddpm.errors import JsddpmError, usage_error
from jsddpm.registry import modules
from jsddpm.slices.importing.items import Facts, Listing


@dataclass(frozen=True)
class ImportLayout:
    """A layout of samples on disk.

    Attributes:
        name: Name for ``layout`` and ``--layout``.
        help: One line that names its files.
        matches: Whether an existing file or folder has this layout.
        read: Lists the items; an error names a file that cannot be used.
        general: Whether many tools write it, rather than one; it is used if no tool's layout fits.
    """

    name: str
    help: str
    matches: Callable[[Path], bool]
    read: Callable[[Path, Facts], Listing]
    general: bool = False


_UNREAD = (".jpg", ".jpeg", ".dcm", ".h5", ".hdf5", ".mat", ".pt", ".bmp", ".webp", ".mha", ".nrrd")
"""Kinds of files that generators write, and that no layout reads."""


@cache
def import_layouts() -> dict[str, ImportLayout]:
    """All layouts by name.

    >>> {"table", "volumes", "nnunet"} <= set(import_layouts())
    True
    """
    declared: list[ImportLayout] = [module.LAYOUT for module in modules(__name__)]
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
        cure = "list the slices in a table with the columns image, z and pathology"
        if unread := _unread(source):
            what, cure = f"contains {unread} files, which are not read", "convert them to PNG, npz or NIfTI"
        raise JsddpmError("EMPTY", what, fix=cure, file=source)
    if len(fitting) > 1:
        what = f"has several layouts: {' and '.join(layout.name for layout in fitting)}"
        raise usage_error("LAYOUT", what, fix="choose one with --layout", file=source)
    return fitting[0]


def _unread(source: Path) -> str:
    """The first kind of :data:`_UNREAD` files of a source; empty if it has none."""
    there = [source] if source.is_file() else sorted(source.rglob("*"))
    return next((p.suffix.lower() for p in there if p.suffix.lower() in _UNREAD and p.is_file()), "")
