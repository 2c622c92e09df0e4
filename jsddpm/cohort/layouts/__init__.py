"""How cohorts lie on disk: each module here declares one :class:`Layout` as ``LAYOUT``; nothing else lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from jsddpm.cohort.records import LayoutReport, Selection


@dataclass(frozen=True)
class Layout:
    """One way a cohort lies on disk.

    Attributes:
        name: What ``layout`` and ``--layout`` call it.
        help: One line that says which files it means.
        matches: Whether a file or folder that exists is laid out so.
        read: Called with the source, the report to fill and the selection. It calls ``report.add`` for every image and
            ``report.problem`` for everything it cannot use, naming the file; nothing is skipped silently.
        order: Where several match, the layout of the lowest order is taken.
    """

    name: str
    help: str
    matches: Callable[[Path], bool]
    read: Callable[[Path, LayoutReport, Selection], None]
    order: int


@cache
def layouts() -> dict[str, Layout]:
    """Every layout by its name, in the order in which a source is compared with them.

    >>> list(layouts())
    ['nnunet', 'bids', 'brats', 'manifest']
    """
    declared: list[Layout] = [import_module(f"{__name__}.{m.name}").LAYOUT for m in iter_modules(__path__)]
    return {layout.name: layout for layout in sorted(declared, key=lambda layout: layout.order)}
