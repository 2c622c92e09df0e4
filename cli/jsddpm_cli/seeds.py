"""The option that gives a seed."""

from __future__ import annotations

from typing import Any

import typer


def seed_option(text: str) -> Any:
    """The option ``--seed`` of a command: a whole number from 0, as NumPy and PyTorch take it.

    Args:
        text: The help of the option.
    """
    return typer.Option(min=0, metavar="N", help=text)  # a short name, because a table of options has 80 columns
