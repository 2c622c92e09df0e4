"""Formats of data sets: each module declares one :class:`ExportFormat` as ``FORMAT``, and is found by its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jsddpm.registry import modules

if TYPE_CHECKING:
    from jsddpm.exports.dataset import DataSet


@dataclass(frozen=True)
class ExportFormat:
    """A format of a data set on disk.

    Attributes:
        name: Name for ``jsddpm export``.
        help: One line that names the files.
        write: Called with the data set, the folder to fill, and a function to call after each case.
        one_unit: Whether all cases must be volumes, or all slices.
        folds: Whether it has folds.
    """

    name: str
    help: str
    write: Callable[[DataSet, Path, Callable[[], None]], None]
    one_unit: bool
    folds: bool


@cache
def formats() -> dict[str, ExportFormat]:
    """All formats by name.

    >>> list(formats())
    ['bids', 'nifti', 'nnunet', 'png']
    """
    declared: list[ExportFormat] = [module.FORMAT for module in modules(__name__)]
    return {form.name: form for form in sorted(declared, key=lambda form: form.name)}
