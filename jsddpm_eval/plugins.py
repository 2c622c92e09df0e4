"""Plugins: the modules of a package, objects that other installed packages register, and requests for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, TypeVar

from jsddpm.errors import environment_error
from jsddpm.registry import Registry

Plugin = TypeVar("Plugin")


def modules_with(package: str, attribute: str) -> list[ModuleType]:
    """The modules of a package that define an attribute, in name order."""
    files = Registry(package)
    return [module for name in files.names() if hasattr(module := files.load(name), attribute)]


def listed(asked: str | Plugin | Sequence[str | Plugin]) -> Sequence[str | Plugin]:
    """Names or objects that are asked for; one alone is a list of one.

    >>> listed("kid"), listed(["kid", "fid"])
    (['kid'], ['kid', 'fid'])
    """
    return asked if isinstance(asked, Iterable) and not isinstance(asked, str) else [asked]  # type: ignore[return-value]


def registered(group: str) -> dict[str, EntryPoint]:
    """Entry points of installed packages in a group, by name."""
    return {point.name: point for point in entry_points(group=group)}


def loaded(point: EntryPoint, kind: Any) -> Any:
    """The object of an entry point, an instance of ``kind``.

    Raises:
        JsddpmError: ``PLUGIN`` (status 5) when its package cannot be imported, or the object is of another type.
    """
    cure = "repair or remove the package that registers it"
    try:
        value = point.load()
    except Exception as error:  # any error of another package's import
        raise environment_error("PLUGIN", f"{point.value} cannot be loaded ({error})", fix=cure) from error
    if not isinstance(value, kind):
        what = f"{point.value} is a {type(value).__name__} instead of a {kind.__name__}"
        raise environment_error("PLUGIN", what, fix=cure)
    return value
