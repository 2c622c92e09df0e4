"""The base of all seeds."""

from __future__ import annotations

from jsddpm.errors import usage_error
from jsddpm.quantization import is_integer


def check_seed(seed: int) -> int:
    """The base of all seeds as a Python integer; a negative one, and a number of another kind, is refused.

    Raises:
        JsddpmError: ``OPTION`` (status 2).
    """
    if not is_integer(seed) or seed < 0:
        raise usage_error("OPTION", f"the seed {seed!r} is not a whole number from 0", fix="give one, such as 0")
    return int(seed)
