"""Words of sentences: counts, lists, capitals."""

from __future__ import annotations

from collections.abc import Sequence

_LEAST_PERCENT, _DECIMALS = 0.005, 6


def counted(count: int, noun: str, one: str = "", many: str = "") -> str:
    """A count and what is counted, in the plural unless it is one, and the verb that agrees with it.

    Args:
        count: How many.
        noun: The singular, with adjectives before it; its plural ends in ``s`` or ``es``.
        one: The verb for one, such as *has*; none by default.
        many: The verb for all other counts, such as *have*.

    >>> counted(1, "held-out patient"), counted(2, "process"), counted(0, "sample")
    ('1 held-out patient', '2 processes', '0 samples')
    >>> counted(1, "check", "is", "are"), counted(3, "check", "is", "are")
    ('1 check is', '3 checks are')
    """
    ending = "" if count == 1 else "es" if noun.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{count} {noun}{ending} {agreeing(count, one, many)}".rstrip()


def agreeing(count: int, one: str, many: str) -> str:
    """The form of a verb that agrees with a count.

    Args:
        count: How many.
        one: The form for one, such as *has*.
        many: The form for all other counts, such as *have*.

    >>> agreeing(1, "is", "are"), agreeing(0, "is", "are")
    ('is', 'are')
    """
    return one if count == 1 else many


def enumerated(words: Sequence[str], last: str = " and ") -> str:
    """Words with commas between them, and ``last`` before the last one.

    >>> enumerated(["a", "b", "c"]), enumerated(["a"])
    ('a, b and c', 'a')
    """
    return last.join(filter(None, [", ".join(words[:-1]), words[-1]]))


def percentage(share: float) -> str:
    """A share as a percentage of two significant digits, and of hundredths at most; as many more as keep it below 100.

    >>> percentage(0.25), percentage(0.0456), percentage(0.0003), percentage(1.3e-12), percentage(1)
    ('25%', '4.6%', '0.03%', '0%', '100%')
    >>> percentage(0.996), percentage(0.99996), percentage(-0.004)
    ('99.6%', '99.996%', '-0.4%')
    """
    size = 100 * share
    if abs(size) < _LEAST_PERCENT:
        return "0%"
    digits = 2
    while float(f"{size:.{digits}g}") == 100 != round(size, _DECIMALS):
        digits += 1
    return f"{float(f'{size:.{digits}g}'):g}%"


def capital(text: str) -> str:
    """A text that begins as a sentence does.

    >>> capital("dB of all samples")
    'DB of all samples'
    """
    return text[:1].upper() + text[1:]
