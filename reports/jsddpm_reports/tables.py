"""Tables of text as markdown and as LaTeX (booktabs): the one place that knows their escapes and alignment."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

Table = tuple[list[str], list[list[str]]]
"""Headings and rows of text; a second line of a cell stands below the first, in small print; an empty row is a rule."""

_LONG = 40  # rows beyond which a table must break over pages
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")
_TWO_LINES = r"\providecommand{\twolines}[2]{\begin{tabular}[t]{@{}r@{}}#1\\{\scriptsize #2}\end{tabular}}"
_LATEX = {
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"$\sim$", "^": r"\textasciicircum{}", "–": "--", "−": "$-$", "<": "$<$", ">": "$>$", "±": r"$\pm$",
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
    lines = ["| " + " | ".join(map(_plain_cell, cells)) + " |" for cells in (headings, *rows) if cells]
    return "\n".join([lines[0], rule, *lines[1:]])


def latex(table: Table, *, left: int = 0, caption: str = "", notes: Sequence[str] = ()) -> str:
    """A table environment for a paper, made as narrow as the text where it is wider; long ones break over pages.

    Args:
        table: Headings and rows.
        left: Columns aligned to the left.
        caption: What stands above it.
        notes: Paragraphs below it.
    """
    headings, rows = table
    columns = "l" * left + "r" * (len(headings) - left)
    head = [r"\toprule", _latex_row(headings), r"\midrule"]
    body = [_latex_row(row) if row else r"\midrule" for row in rows]
    above = [rf"\caption{{{escaped(caption)}}}"] if caption else []
    below = [rf"\par\smallskip\raggedright\footnotesize {escaped(note)}\par" for note in notes]
    if len(rows) > _LONG:
        parts = [
            "% needs \\usepackage{booktabs,longtable}", r"{\scriptsize\setlength{\tabcolsep}{3pt}" + _TWO_LINES,
            rf"\begin{{longtable}}{{{columns}}}", *(line + r"\\" for line in above), *head, r"\endhead", r"\bottomrule",
            r"\endfoot", *body, r"\end{longtable}", *below, "}",
        ]  # fmt: skip
    else:
        parts = [
            "% needs \\usepackage{booktabs,graphicx}", r"\begin{table}", *above, r"\centering\footnotesize",
            r"\setlength{\tabcolsep}{4pt}" + _TWO_LINES,
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%", rf"\begin{{tabular}}{{{columns}}}",
            *head,
            *body, r"\bottomrule", r"\end{tabular}}", *below, r"\end{table}",
        ]  # fmt: skip
    return "\n".join(parts) + "\n"


def escaped(text: str) -> str:
    r"""Text as LaTeX shows it; characters it has no sign for become their nearest letters.

    >>> escaped("a_b < -5%")
    'a\\_b $<$ $-$5\\%'
    """
    signs = (_LATEX.get(c, c if c.isprintable() and ord(c) < 0x250 else _nearest(c)) for c in _MINUS.sub("−", text))
    return "".join(signs)


def _nearest(character: str) -> str:
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return letters if letters.isalnum() else " " if character.isspace() else "?"


def _plain_cell(text: str) -> str:
    """A cell that can neither end its row nor be read as HTML."""
    safe = " ".join(text.split()).replace("\\", "\\\\").replace("|", r"\|")
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", safe)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex_cell, cells)) + r" \\"


def _latex_cell(text: str) -> str:
    first, newline, second = text.partition("\n")
    return rf"\twolines{{{escaped(first)}}}{{{escaped(second)}}}" if newline else escaped(first)
