"""The option that gives a seed."""

from __future__ import annotations

from typing import Any

import typer

from jsddpm.seeds import LARGEST


def seed_option(text: str) -> Any:
    """The option ``--seed`` of a command: a whole number from 0 to :data:`~jsddpm.seeds.LARGEST`.

    Args:
        text: The help of the option.
    """
    # a short name, because a table of options has 80 columns
    return typer.Option(min=0, max=LARGEST, metavar="N", help=text)
