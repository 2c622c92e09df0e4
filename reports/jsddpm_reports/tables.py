"""Tables of text as markdown and as LaTeX (booktabs): the one place that knows their escapes and alignment."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

Table = tuple[list[str], list[list[str]]]
"""Headings and rows of text; a second line of a cell stands below the first, in small print."""

_LONG = 40  # rows beyond which a table must break over pages
_LATEX = {
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "−": "$-$", "<": "$<$", ">": "$>$", "±": r"$\pm$",
    "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "²": "$^2$", "…": r"\dots{}",
}  # fmt: skip


def markdown(table: Table, *, left: int = 0) -> str:
    r"""A table with pipes.

    Args:
        table: Headings and rows.
        left: Columns aligned to the left; the others are numbers.

    >>> print(markdown((["bin", "n"], [["a|b", "1\n(2)"]]), left=1))
    | bin | n |
    |---|---:|
    | a\|b | 1 (2) |
    """
    headings, rows = table
    rule = "|" + "---|" * left + "---:|" * (len(headings) - left)
    lines = ["| " + " | ".join(map(_plain_cell, cells)) + " |" for cells in (headings, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def latex(table: Table, *, left: int = 0, caption: str = "", notes: Sequence[str] = ()) -> str:
    """A table environment for a paper; long ones break over pages.

    Args:
        table: Headings and rows.
        left: Columns aligned to the left.
        caption: What stands above it.
        notes: Paragraphs below it.
    """
    headings, rows = table
    columns = "l" * left + "r" * (len(headings) - left)
    head = " & ".join(_latex_cell(h) for h in headings) + r" \\"
    body = [" & ".join(_latex_cell(c) for c in row) + r" \\" for row in rows]
    below = [rf"\par\smallskip{{\footnotesize {escaped(note)}\par}}" for note in notes]
    if len(rows) > _LONG:
        return "\n".join(
            [
                r"% needs \usepackage{booktabs,longtable}",
                r"{\footnotesize\setlength{\tabcolsep}{4pt}",
                rf"\begin{{longtable}}{{{columns}}}",
                *([rf"\caption{{{escaped(caption)}}}\\"] if caption else []),
                r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot", *body, r"\end{longtable}}",
                *below,
            ]
        ) + "\n"  # fmt: skip
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            *([rf"\caption{{{escaped(caption)}}}"] if caption else []),
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}", *below, r"\end{table}",
        ]
    ) + "\n"  # fmt: skip


def escaped(text: str) -> str:
    r"""Text as LaTeX shows it; characters it has no sign for become their nearest letters.

    >>> escaped("a_b < 5%")
    'a\\_b $<$ 5\\%'
    """
    signs = (_LATEX.get(c, c if c.isprintable() and ord(c) < 0x250 else _nearest(c)) for c in text)
    return "".join(signs)


def _nearest(character: str) -> str:
    found = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return found if found.isalnum() else " " if character.isspace() else "?"


def _plain_cell(text: str) -> str:
    """A cell that can neither end its row nor be read as HTML."""
    safe = " ".join(text.split()).replace("\\", "\\\\").replace("|", r"\|")
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", safe)


def _latex_cell(text: str) -> str:
    first, *more = text.split("\n")
    if not more:
        return escaped(first)
    below = "".join(rf"\\{{\scriptsize {escaped(line)}}}" for line in more)
    return rf"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{escaped(first)}{below}\end{{tabular}}"
