"""Where measured numbers in the prose of a page come from: comments below a paragraph, and the tables they name.

``<!-- 0.4 = FILE [A=x; B=y] COLUMN over [A=z] COLUMN -->``: the paragraph shows the number, which rounds the quotient
of two cells. ``over`` is optional, and a number may follow it. A column is named by its heading or its place, and
``#2`` takes the second number of a cell. ``count``, ``sum``, ``mean`` and ``max`` before the file are of all rows that
fit. ``<!-- "WORDS" in FILE -->``: the paragraph and the file have these words. ``<!-- tests/FILE.py::TEST -->``: that
test compares the numbers of the paragraph with a table or the code.
"""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import mean

Row = dict[str, str]
COMMENT = re.compile(r"^<!-- (.*?) -->$", re.MULTILINE)
_NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"(tests/\S+\.py)::(test_\w+)")
_WORDS = {
    "an eighth": "0.125", "a tenth": "0.1", "a quarter": "0.25", "a fifth": "0.2", "half": "0.5",
    "three": "3", "five": "5", "six": "6", "eight": "8", "ten": "10",
}  # fmt: skip
_OF_ROWS: dict[str, Callable[[list[float]], float]] = {
    "mean": mean, "max": max, "sum": sum, "": lambda values: values[0],
}  # fmt: skip
_MEASURED = re.compile(
    r"(?<![\w.])(?:\d+\.\d+(?!\.?\w)|\d[\d,]*(?=(?: ?%| (?:m?s|min|minutes|hours|GB|MB|dB|times)\b| of (?:the )?\d))"
    r"|(?<=[\d…] of )\d[\d,]*)"
)


def problems(text: str, root: Path) -> list[str]:
    """What is wrong with the numbers of a page; empty where all are those of their tables."""
    return [
        f"{paragraph[:60]}...: {e}" for paragraph, source in sources(text) if (e := _problem(paragraph, source, root))
    ]


def sources(text: str) -> Iterator[tuple[str, str]]:
    """Each comment on a number, with the paragraph, list or table above it."""
    for block in re.split(r"\n\s*\n", text):
        paragraph = " ".join(COMMENT.sub("", block).split())
        yield from ((paragraph, source) for source in COMMENT.findall(block) if " = " in source or '" in ' in source)


def untied(text: str, root: Path, known: Iterable[str]) -> list[str]:
    """Decimals and numbers with a unit that no comment ties, paragraph by paragraph; ``known`` phrases are left out.

    Code, headings and tables are left out too, and what a page shows of a committed file.
    """
    for shown in re.findall(r"^<!-- (reports/\S+) -->$", text, re.MULTILINE):
        text = text.replace((root / shown).read_text(), "")
    found = []
    for block in re.split(r"\n\s*\n", _FENCED.sub("", text)):
        comments = COMMENT.findall(block)
        if block.startswith(("#", "|")) or any(TEST.fullmatch(comment) for comment in comments):
            continue
        shown = [c.partition(" = ")[0] if " = " in c else c.partition('" in ')[0].strip('"') for c in comments]
        left = prose(block)
        for phrase in sorted([*known, *shown], key=len, reverse=True):
            left = re.sub(rf"(?<![\w.]){re.escape(phrase)}(?!\d|\.\d)", "…", left)
        found += [f"{number[0]} in {left[:60]}..." for number in _MEASURED.finditer(left)]
    return found


def prose(text: str) -> str:
    """What a reader sees of a text, in one line: without code, comments and targets of links."""
    text = re.sub(r"`[^`]*`", "", COMMENT.sub("", _FENCED.sub("", text)))
    return " ".join(re.sub(r"\[([^\[\]]*)\]\([^)]*\)", r"\1", text).split())


def rows(path: Path) -> list[Row]:
    """Rows of a CSV file or of all tables of a Markdown file, by heading and by place."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            lines = list(csv.reader(file))
        tables = [lines]
    else:
        blocks = re.findall(r"(?:^\|.*\n)+", path.read_text() + "\n", re.MULTILINE)
        tables = [[[c.strip() for c in line.strip().strip("|").split("|")] for line in b.splitlines()] for b in blocks]
    found = []
    for head, *body in tables:
        for cells in body if path.suffix == ".csv" else body[1:]:
            places = {str(i + 1): cell for i, cell in enumerate(cells)}
            found.append(places | dict(zip(head, cells, strict=False)))
    return found


def _problem(paragraph: str, source: str, root: Path) -> str:
    if words := re.fullmatch(r'"(.+)" in (\S+)', source):
        missing = [
            name for name, text in (("page", paragraph), (words[2], _plain(root / words[2]))) if words[1] not in text
        ]
        return f"{words[1]!r} is not in {missing}" if missing else ""
    shown, _, rest = source.partition(" = ")
    if not re.search(rf"(?<![\d.]){re.escape(shown)}(?!\d|\.\d)", paragraph):
        return f"{shown} is not in it"
    number = _WORDS.get(shown, shown).replace(",", "").replace("−", "-").lstrip("+")
    value = _value(rest, root)
    tolerance = 0.5 * 10.0 ** -len(number.partition(".")[2]) + 1e-9
    return "" if abs(value - float(number)) <= tolerance else f"{shown} is {value:.6g} by {rest}"


def _value(expression: str, root: Path) -> float:
    how, path, terms = re.fullmatch(r"(?:(count|sum|mean|max) )?(\S+) (.*)", expression).groups()
    table = rows(root / path)
    first, *others = [_cell(term, table, how or "") for term in re.split(r" over (?=\[|-?[\d.]+$)", terms)]
    return first / others[0] if others else first


def _cell(term: str, table: list[Row], how: str) -> float:
    if re.fullmatch(r"-?[\d.]+", term):
        return float(term)
    wanted, column, place = re.fullmatch(r"\[(.*?)\] ?(.*?)(?:#(\d))?", term).groups()
    pairs = [part.partition("=") for part in wanted.split("; ") if part]
    fitting = [row for row in table if all(row.get(key) == value for key, _, value in pairs)]
    if how == "count":
        return len(fitting)
    numbers = [_NUMBER.findall(row[column])[int(place or 1) - 1] for row in fitting]
    if how == "" and len(numbers) != 1:
        raise ValueError(f"{len(numbers)} rows fit {term}")
    return _OF_ROWS[how]([float(n.replace(",", "").replace("−", "-")) for n in numbers])


def _plain(path: Path) -> str:
    text = path.read_text()
    if path.suffix == ".html":
        text = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style)\b.*?</\1>", " ", text, flags=re.DOTALL)))
    return " ".join(text.split())
