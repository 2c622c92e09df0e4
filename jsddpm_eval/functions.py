"""What a function that computes values is told by: its name, its version, and its identity in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from jsddpm import __version__
from jsddpm.checksums import sha256


@cache
def code() -> str:
    """Digest of this package's version and source: values that its own functions computed are kept under it."""
    root = Path(__file__).parent
    content = hashlib.sha256(__version__.encode())
    for path in sorted(root.rglob("*.py")):
        content.update(f"{path.relative_to(root).as_posix()} {sha256(path)};".encode())
    return content.hexdigest()[:24]


def name_of(function: Callable[..., object]) -> str:
    """Module and name of a function, or of the type of another object that can be called.

    >>> name_of(partial(name_of, code)), name_of(Same.__hash__)
    ('jsddpm_eval.functions.name_of', 'jsddpm_eval.functions.Same.__hash__')
    """
    inner = function.func if isinstance(function, partial) else function
    named = inner if hasattr(inner, "__qualname__") else type(inner)
    return f"{named.__module__}.{named.__qualname__}"


def version_of(function: Callable[..., object], version: str | None) -> str | None:
    """Text under which values of a function may be kept: its version, of a function of this package :func:`code`.

    Args:
        function: The function.
        version: Its stated version.

    Returns:
        None for a function of another package without a version.
    """
    if version is not None:
        return version
    return code() if name_of(function).split(".")[0] == __name__.split(".")[0] else None


class Same:
    """A part of a key that equals only the same object; plain values equal their like."""

    def __init__(self, of: object) -> None:
        self.of = of

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Same):
            return NotImplemented
        plain = isinstance(self.of, (str, bytes, int, float)) and type(self.of) is type(other.of)
        return self.of is other.of or (plain and self.of == other.of)

    def __hash__(self) -> int:
        return hash(self.of) if isinstance(self.of, (str, bytes, int, float)) else id(self.of)


def identity(function: Callable[..., object]) -> tuple[Same, ...]:
    """Key of a function in this process: its code and all that it was made with; another one after every change.

    A lambda that is written in another function is made anew by each call of that function. It is the same one while
    its variables and defaults are the same objects.
    """
    if isinstance(function, partial):
        named = [*function.keywords, *function.keywords.values()]
        return (*identity(function.func), *map(Same, (*function.args, *named)))
    inner = getattr(function, "__func__", function)
    parts: list[object] = [getattr(function, "__self__", None), getattr(inner, "__code__", inner)]
    parts += [cell.cell_contents for cell in getattr(inner, "__closure__", None) or ()]
    parts += [*(getattr(inner, "__defaults__", None) or ()), *(getattr(inner, "__kwdefaults__", None) or {}).values()]
    return tuple(map(Same, parts))
