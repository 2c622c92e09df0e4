"""Layouts of cohorts on disk: each module declares one :class:`Layout` as ``LAYOUT``, and is found by its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jsddpm.cohort.records import LayoutReport, Selection
from jsddpm.registry import modules


@dataclass(frozen=True)
class Layout:
    """A layout of a cohort on disk.

    Attributes:
        name: Name for ``layout`` and ``--layout``.
        help: One line that names its files.
        matches: Whether an existing file or folder has this layout.
        read: Called with the source, the report to fill and the selection. It calls ``report.add`` for every image and
            ``report.problem`` for everything it cannot use, naming the file; nothing is skipped silently.
        order: If several layouts match, the one with the lowest order is used.
    """

    name: str
    help: str
    matches: Callable[[Path], bool]
    read: Callable[[Path, LayoutReport, Selection], None]
    order: int


@cache
def layouts() -> dict[str, Layout]:
    """All layouts by name, in the order in which they are tried.

    >>> list(layouts())[-1]  # any table matches, so it is tried last
    'manifest'
    """
    declared: list[Layout] = [module.LAYOUT for module in modules(__name__)]
    return {layout.name: layout for layout in sorted(declared, key=lambda layout: layout.order)}
