"""The arguments and options of a command in words: one owner of its help and of its page of the documentation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from typer.models import ArgumentInfo

_WORDS: dict[Any, str] = {Path: "PATH", int: "N", float: "X", str: "TEXT"}


@dataclass(frozen=True)
class Parameter:
    """An argument or option of a command, as a person types it.

    Attributes:
        name: The argument, such as ``SOURCE``, or the option with the values that it takes, such as ``--bins N``.
        is_argument: Whether it is an argument.
        required: Whether it must be given.
        default: The value that stands for it if it is not given, as it would be typed; empty if nothing does.
        meaning: What it means, and its limits.
    """

    name: str
    is_argument: bool
    required: bool
    default: str
    meaning: str


def parameters(callback: Callable[..., Any]) -> Iterator[Parameter]:
    """The arguments and options of the function of a command, in their order; hidden ones are left out."""
    for name, parameter in inspect.signature(callback, eval_str=True).parameters.items():
        kind, info = get_args(parameter.annotation)[:2]
        if not info.hidden:
            yield Parameter(
                _typed(name, kind, info),
                isinstance(info, ArgumentInfo),
                parameter.default is inspect.Parameter.empty,
                _default(parameter.default),
                _meaning(info),
            )


def _typed(name: str, kind: Any, info: Any) -> str:
    kinds = [k for k in _parts(kind) if k is not NoneType]
    if isinstance(info, ArgumentInfo):
        return f"{name.upper()}{' ...' if get_origin(kind) is list else ''}"
    inner = kinds if get_origin(kind) is tuple else _parts(kinds[0])
    value = "" if bool in kinds else " " + (info.metavar or " ".join(map(_word, inner)))
    option = f"--{name.replace('_', '-')}" if info.default is ... else info.default  # where an annotation names it
    return f"{option}{value}"


def _parts(kind: Any) -> tuple[Any, ...]:
    """The types inside a union, list or tuple; a literal is one type."""
    return (kind,) if get_origin(kind) is Literal else get_args(kind) or (kind,)


def _word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    return "|".join(choice.value for choice in kind) if issubclass(kind, Enum) else _WORDS[kind]


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty or value is None or value is False:
        return ""
    several = value if isinstance(value, tuple) else (value,)
    return " ".join(str(v.value if isinstance(v, Enum) else v) for v in several)


def _meaning(info: Any) -> str:
    text = info.help or ""
    if info.min is None and info.max is None:
        return text
    limits = f"At least {info.min}" if info.max is None else f"From {info.min} to {info.max}"
    return f"{text.rstrip('.')}. {limits}."
