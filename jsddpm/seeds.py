"""The base of all seeds."""

from __future__ import annotations

from jsddpm.errors import usage_error
from jsddpm.quantization import is_integer

LARGEST = 2**63 - 1
"""The largest seed: a store keeps seeds in 64 bits with a sign."""


def check_seed(seed: int) -> int:
    """The base of all seeds as a Python integer; one that is negative, too large or of another kind is refused.

    Raises:
        JsddpmError: ``OPTION`` (status 2).
    """
    if not is_integer(seed) or not 0 <= seed <= LARGEST:
        what = f"the seed {seed!r} is not a whole number from 0 to {LARGEST}"
        raise usage_error("OPTION", what, fix="give one, such as 0")
    return int(seed)
