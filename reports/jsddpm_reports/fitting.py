"""Widths of table columns, and text broken into lines, so that a table fits a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len, chop_cells

_PIECE = re.compile(r"[^ _/-]*[_/-]+|[^ _/-]+")  # a word may be broken after these characters, if it has to be


def column_widths(headings: Sequence[str], columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """Widths with which all columns fit the room there is.

    Headings are broken first, then cells, both at blanks; then words, after ``_``, ``/`` and ``-``; letters last.

    Args:
        headings: Heading of each column.
        columns: Cells of each column; a cell may have several lines.
        room: Characters for all columns together.

    >>> column_widths(["subject", "lesion mm3"], [["sub-001"], ["3324"]], 13)
    [7, 6]
    """
    cells = [[line for cell in column for line in cell.split("\n")] for column in columns]
    both = [[*heading.split("\n"), *lines] for heading, lines in zip(headings, cells, strict=True)]
    widths = [_longest(lines) for lines in both]
    floors = [
        [max(_longest(h.split(" ")), _longest(lines)) for h, lines in zip(headings, cells, strict=True)],
        [_longest(word for line in lines for word in line.split(" ")) for lines in both],
        [_longest(piece for line in lines for piece in _PIECE.findall(line)) for lines in both],
        [1] * len(widths),
    ]  # fmt: skip
    for floor in floors:
        _shrink(widths, floor, room)
    return widths


def wrapped(text: str, width: int) -> str:
    r"""Break text into lines of at most this width: at blanks, and in longer words after ``_``, ``/`` and ``-``.

    >>> wrapped("kid_joint_radiomics of bin 3", 12)
    'kid_joint_\nradiomics of\nbin 3'
    """
    return "\n".join(part for line in text.split("\n") for part in _lines(line, width))


def _lines(line: str, width: int) -> Iterator[str]:
    current = ""
    for word in line.split(" "):
        joined = f"{current} {word}" if current else word
        if cell_len(joined) <= width:
            current = joined
            continue
        if current:
            yield current
        current = ""
        for piece in _pieces(word, width):
            if current and cell_len(current + piece) > width:
                yield current
                current = ""
            current += piece
    yield current


def _pieces(word: str, width: int) -> Iterator[str]:
    for piece in _PIECE.findall(word):
        yield from chop_cells(piece, width) if cell_len(piece) > width else [piece]


def _longest(lines: Iterable[str]) -> int:
    return max(map(cell_len, lines), default=1)


def _shrink(widths: list[int], floor: Sequence[int], room: int) -> None:
    """Take from the widest column that is above its floor, until all fit or none is."""
    while sum(widths) > room:
        able = [i for i, width in enumerate(widths) if width > floor[i]]
        if not able:
            return
        widths[max(able, key=lambda i: widths[i])] -= 1
