"""Words of sentences about results."""

from __future__ import annotations

from collections.abc import Sequence


def enumerated(words: Sequence[str], last: str = " and ") -> str:
    """Words with commas between them, and ``last`` before the last one.

    >>> enumerated(["a", "b", "c"]), enumerated(["a"])
    ('a, b and c', 'a')
    """
    return last.join(filter(None, [", ".join(words[:-1]), words[-1]]))


def capital(text: str) -> str:
    """A text that begins as a sentence does.

    >>> capital("dB of all samples")
    'DB of all samples'
    """
    return text[:1].upper() + text[1:]
