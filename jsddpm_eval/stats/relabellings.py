"""Number of relabellings of a permutation test, and the smallest p-value that it can give. Torch-free."""

from __future__ import annotations

from math import ceil, comb


def relabelling_count(total: int, level: float | None = None) -> int:
    """Relabellings of each draw: 3999, or 999 above 500 samples, and at least 1.5 / level.

    The smallest p-value is then two thirds of the level at most.

    Args:
        total: Samples that are exchanged, of both sets.
        level: Smallest level that the p-value is compared with; None sets no limit.

    >>> relabelling_count(40), relabelling_count(600), relabelling_count(600, 0.0005)
    (3999, 999, 3000)
    """
    count = 3999 if total <= 500 else 999
    return count if level is None else max(count, ceil(round(1.5 / level, 6)))


def least_p(n: int, m: int, count: int | None = None) -> float:
    """The smallest p-value that exchanging ``n`` samples with ``m`` can give.

    The distance does not change when equally many samples swap all their labels, so two labellings are then as far
    apart as the observed one.

    Args:
        n: Samples of one set.
        m: Samples of the other.
        count: Relabellings that are drawn; all of them when None.

    >>> round(least_p(4, 4), 4), round(least_p(4, 5), 4), least_p(20, 20, 999)
    (0.0286, 0.0079, 0.001)
    """
    exact = (2 if n == m else 1) / comb(n + m, n)
    return exact if count is None else max(exact, 1 / (count + 1))
