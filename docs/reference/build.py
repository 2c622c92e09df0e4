"""Rebuild the pages made from the code: every command with its options, every configuration key."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import typer

from jsddpm.config import document_config
from jsddpm.files import write_text
from jsddpm_cli.app import app

HERE = Path(__file__).parent
CLI = """# Command line

Results go to stdout, everything else to stderr. Where a command has `--format json`, stdout is strict JSON and nothing
else. On a terminal longer work shows a progress bar. `jsddpm --debug COMMAND ...` shows tracebacks,
`jsddpm COMMAND --help` what stands here. [Errors and exit statuses](errors.md) have their own page.

*Made from the commands by `make reference`.*
"""
CONFIGURATION = """# Configuration

One YAML file, given to `jsddpm train --config FILE`; `--preset demo|seed|slimdiff` are such files inside the package,
and `--set section.key=value` overrides one key. A key that is not listed here is an error that names the nearest one. A
run keeps its whole configuration in `config.yaml`, and so does every checkpoint.

*Made from the configuration's types by `make reference`.*

## The run
"""
_WORDS = {Path: "PATH", int: "N", float: "X", str: "TEXT"}


def build(out: Path = HERE) -> None:
    """Write ``cli.md`` and ``configuration.md``."""
    lines = [CLI, *_commands(app, "jsddpm", 2)]
    for group in app.registered_groups:
        inner = group.typer_instance
        if inner is not None:
            name = f"jsddpm {inner.info.name}"
            lines += [f"## {name}", "", _sentence(inner.info.help), "", *_commands(inner, name, 3)]
    write_text(out / "cli.md", "\n".join(lines).rstrip() + "\n")
    write_text(out / "configuration.md", f"{CONFIGURATION}\n{document_config().rstrip()}\n")


def _commands(commands: typer.Typer, parent: str, level: int) -> Iterator[str]:
    for command in commands.registered_commands:
        callback = command.callback
        if callback is None:
            continue
        yield from [f"{'#' * level} {parent} {command.name or callback.__name__}", ""]
        for part in (inspect.getdoc(callback) or "").split("\n\n"):
            yield from [_sentence(part), ""]
        yield from ["```sh", (command.epilog or "").removeprefix("Example: "), "```", ""]
        yield from _table(callback)


def _table(callback: Callable[..., Any]) -> Iterator[str]:
    """A row for each parameter, read from its annotation."""
    yield from ["| option | default | meaning |", "|---|---|---|"]
    for name, parameter in inspect.signature(callback, eval_str=True).parameters.items():
        kind, info = get_args(parameter.annotation)[:2]
        if not info.hidden:
            yield f"| {_shown(name, kind, info)} | {_default(parameter.default)} | {_sentence(info.help)} |"
    yield ""


def _shown(name: str, kind: Any, info: Any) -> str:
    """The option with the values it takes, or the argument's name."""
    kinds = [k for k in get_args(kind) or (kind,) if k is not NoneType]
    if isinstance(info, typer.models.ArgumentInfo):
        return f"`{name.upper()}{' ...' if get_origin(kind) is list else ''}`"
    inner = get_args(kinds[0]) or kinds if get_origin(kind) is not tuple else kinds
    value = "" if bool in kinds else " " + (info.metavar or " ".join(_word(k) for k in inner))
    return f"`{info.default}{value}`".replace("|", "\\|")  # typer takes an annotation's first word for a default


def _word(kind: Any) -> str:
    return "|".join(choice.value for choice in kind) if issubclass(kind, Enum) else _WORDS[kind]


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if value is None or value is False:
        return ""
    several = value if isinstance(value, tuple) else (value,)
    return f"`{' '.join(str(v.value if isinstance(v, Enum) else v) for v in several)}`"


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    build()
