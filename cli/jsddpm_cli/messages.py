"""Errors in the words of the command line: options as they are typed, and the value that was given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from jsddpm.errors import JsddpmError, usage_error
from jsddpm.wording import misfit

_OPTIONS = {"z_range": "--z-range", "n_bins": "--bins", "n_slices": "--slices"}
_OF_OPTIONS = ("Z_RANGE", "N_BINS", "N_SLICES")
"""Codes of errors whose messages name arguments of Python that are options of commands."""


def usage_problem(error: Any, command: str) -> JsddpmError:
    """The usage error of typer as one of our errors.

    Args:
        error: The error.
        command: The command, such as ``jsddpm cache build``.
    """
    if type(error).__name__ == "NoArgsIsHelpError":  # the help is shown already
        return usage_error("USAGE", "no command is given", fix=f"give one of the commands above: {command} COMMAND")
    invalid = getattr(error.__cause__, "errors", None)  # of pydantic, which reads the values for typer
    if invalid is not None:
        error.message = misfit(invalid()[0])
    what, _, hint = error.format_message().rstrip(".?").partition(". Did you mean ")
    if near := getattr(error, "possibilities", None):
        what, hint = error.message.rstrip("."), " or ".join(sorted(near))
    parameter: Any = getattr(error, "param", None)
    if getattr(parameter, "param_type_name", "") == "argument":
        what = what.replace(f"'{parameter.name}'", parameter.name.upper())
    what = what[:1].lower() + what[1:]
    cure = f"did you mean {hint}? See" if hint else "see"
    return usage_error("USAGE", what, fix=f"{cure} {command} --help")


def refuse_empty(words: Sequence[str]) -> None:
    """Refuse a command line with an empty value.

    Raises:
        JsddpmError: ``OPTION`` (status 2) naming the option.

    >>> refuse_empty(["runs/first", "--out", ""])
    Traceback (most recent call last):
    jsddpm.errors.JsddpmError: error[OPTION]: --out is empty; fix: give it a value, or leave it out
    """
    for before, word in pairwise(["", *words]):
        option = re.fullmatch(r"(--[a-z-]+)=?", word or before)
        if not word or (option and word.endswith("=")):
            name = option[1] if option else "an argument"
            raise usage_error("OPTION", f"{name} is empty", fix="give it a value, or leave it out")


def as_typed(problem: JsddpmError, words: Sequence[str]) -> str:
    """The message of an error, with the options of the command line in place of the arguments of Python.

    Args:
        problem: The error.
        words: The words of the command line. An option that is not among them was not typed, and keeps its name.

    >>> reversed_range = usage_error("Z_RANGE", "z_range [93, 24] is reversed", fix="give LO <= HI")
    >>> as_typed(reversed_range, ["bins", "report", "--z-range", "93", "24"])
    'error[Z_RANGE]: --z-range 93 24 is reversed; fix: give LO <= HI'
    """
    message = str(problem)
    if problem.code in _OF_OPTIONS:
        for name, option in _OPTIONS.items():
            if any(word.partition("=")[0] == option for word in words):
                message = re.sub(rf"(?<![\w.]){name}\b(?: \[(-?\d+), (-?\d+)\])?", _replaced(option), message)
    return message


def _replaced(option: str) -> Any:
    return lambda found: " ".join([option, *filter(None, found.groups())])
