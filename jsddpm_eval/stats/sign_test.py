"""The sign test of units that agree: where there is no spread, signs are all that remains."""

from __future__ import annotations


def sign_test_p(units: int) -> float:
    """Two-sided p-value of "either sign is equally likely" where independent units all have the same sign.

    Args:
        units: Number of units, at least 1.

    >>> sign_test_p(1), sign_test_p(6)
    (1.0, 0.03125)
    """
    return 2.0 ** (1 - units)
