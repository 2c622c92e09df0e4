"""Parts that are found by their files: a new sampler, layout, format or command is a new file of its package."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib import import_module, resources
from pkgutil import iter_modules
from types import ModuleType


@dataclass(frozen=True)
class Registry:
    """The files of one package, listed without importing them.

    Args:
        package: Dotted name; its ``__init__`` holds a docstring alone, so that listing its files is cheap.
        suffix: Extension of the files.

    >>> SAMPLERS.names()
    ('ddim', 'ddpm', 'dpmpp', 'dpmpp_sde', 'unipc')
    """

    package: str
    suffix: str = ".py"

    def names(self) -> tuple[str, ...]:
        """Names in alphabetical order; a leading underscore makes a file private."""
        files = [p.name for p in resources.files(self.package).iterdir()]
        return tuple(sorted(f.removesuffix(self.suffix) for f in files if f.endswith(self.suffix) and f[0] != "_"))

    def read(self, name: str) -> str:
        """Text of a file."""
        return resources.files(self.package).joinpath(f"{name}{self.suffix}").read_text(encoding="utf-8")

    def load(self, name: str) -> ModuleType:
        """Import a module by its name."""
        return import_module(f"{self.package}.{name}")

    def check(self, name: str) -> str:
        """The name, if the file exists.

        Raises:
            ValueError: With the names that exist; the configuration adds the key.
        """
        if name not in self.names():
            raise ValueError(f"{name!r} is none of {', '.join(self.names())}")
        return name

    def description(self) -> str:
        """Every name with the first line of its module's docstring."""
        docs = {name: ast.get_docstring(ast.parse(self.read(name))) or "" for name in self.names()}
        return "; ".join(f"{name}: {text.partition(chr(10))[0].rstrip('.')}" for name, text in docs.items()) + "."


def modules(package: str) -> list[ModuleType]:
    """The modules of a package, imported, in alphabetical order; a new file is a new module."""
    return [import_module(f"{package}.{m.name}") for m in iter_modules(import_module(package).__path__)]


SAMPLERS = Registry("jsddpm.diffusion.samplers")
EMBEDDINGS = Registry("jsddpm.diffusion.embeddings")
PRESETS = Registry("jsddpm.presets", ".yaml")
