"""Words of sentences: counts, lists, capitals."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_LEAST_PERCENT, _DECIMALS = 0.005, 6
_MOST_DECIMALS = 3  # of an end of an interval, unless both are smaller
_KINDS = {
    "int_type": "a whole number", "int_parsing": "a whole number", "int_parsing_size": "a whole number",
    "int_from_float": "a whole number", "float_type": "a number", "float_parsing": "a number",
    "not_a_number": "a number", "finite_number": "a finite number", "bool_type": "true or false",
    "bool_parsing": "true or false", "string_type": "a text", "list_type": "a list",
}  # fmt: skip
_LIMITS = {
    "greater_than_equal": "is below {ge}", "less_than_equal": "is above {le}", "greater_than": "is not above {gt}",
    "less_than": "is not below {lt}",
}  # fmt: skip


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


def first_names(names: Sequence[str], most: int = 3, separator: str = ", ") -> str:
    """The first names, and the number of others.

    >>> first_names(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    return separator.join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def first_numbers(numbers: Iterable[float], most: int = 6) -> str:
    """The first numbers, and how many others there are.

    >>> first_numbers([0, 0.5, 2.0]), first_numbers(range(9))
    ('0, 0.5, 2', '0, 1, 2, 3, 4, 5 and 3 more')
    """
    return first_names([f"{number:g}" for number in numbers], most)


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


def span(low: float, high: float, *, share: bool = False) -> str:
    """Both ends of an interval, with equally many digits after the point; percentages for a share.

    The larger end has two significant digits, both have one digit after the point, and no end reads as 0 that three
    digits after the point can distinguish from 0.

    Args:
        low: Lower end.
        high: Upper end.
        share: Whether the interval is that of a share.

    >>> span(3, 3.5), span(-1.4, -1), span(0.04, 1.2), span(-0.0012, 0.6), span(0, 0.0042), span(1e-9, 112)
    ('3.0 to 3.5', '-1.4 to -1.0', '0.04 to 1.20', '-0.001 to 0.600', '0.0000 to 0.0042', '0 to 112')
    >>> span(0.191, 0.331, share=True)
    '19% to 33%'
    """
    if share:
        return f"{percentage(low)} to {percentage(high)}"
    size = max(abs(low), abs(high))
    digits = max(0 if size >= 100 else 1, 1 - math.floor(math.log10(size)) if size else 1)
    told = (d for d in range(digits, _MOST_DECIMALS + 1) if all(round(end, d) or not end for end in (low, high)))
    digits = next(told, digits)
    return " to ".join(f"{round(end, digits) + 0.0:.{digits}f}" for end in (low, high))  # no -0


def capital(text: str) -> str:
    """A text that begins as a sentence does.

    >>> capital("dB of all samples")
    'DB of all samples'
    """
    return text[:1].upper() + text[1:]


def misfit(error: Mapping[str, Any]) -> str:
    """What is wrong with a value that pydantic refuses, and the value; or its place, where the value is not given.

    Args:
        error: One of the errors of a ``ValidationError``: ``type``, ``msg``, ``input`` or ``loc``, and perhaps ``ctx``.

    >>> misfit({"type": "int_parsing", "input": "ten", "msg": "Input should be a valid integer, unable to parse"})
    "'ten' is not a whole number"
    >>> misfit({"type": "less_than_equal", "input": "3", "msg": "Input should be less than", "ctx": {"le": 1.0}})
    '3 is above 1'
    >>> misfit({"type": "int_type", "loc": ("index", "rows"), "msg": "Input should be a valid integer"})
    'index.rows is not a whole number'
    """
    kind, context, place = error["type"], error.get("ctx", {}), ".".join(map(str, error.get("loc", ())))
    given = "input" in error
    value = reprlib.repr(error["input"]) if given else place
    if kind == "missing":
        return f"{place} is missing"
    if kind in _KINDS:
        return f"{value} is not {_KINDS[kind]}"
    if kind in _LIMITS:
        ends = {name: int(end) if end == int(end) else end for name, end in context.items()}
        return f"{error['input'] if given else place} {_LIMITS[kind].format(**ends)}"
    if kind == "literal_error":
        return f"{value} is not {context['expected']}"
    message = error["msg"].removeprefix("Value error, ")
    if not given:
        return f"{place}: {message[:1].lower()}{message[1:]}" if place else message
    return message if value in message else f"{message[:1].lower()}{message[1:]}, given {value}"
