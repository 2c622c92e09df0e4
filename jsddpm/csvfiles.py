"""The reader and writer of CSV tables of all packages: strict, as text, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from jsddpm.errors import JsddpmError
from jsddpm.files import encoded
from jsddpm.refusals import unreadable

_SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_FORMULA = tuple("=+-@\t\r")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")  # is shown as it is, whatever it begins with


class Row(dict[str, str]):
    """A row of a table: cells by column.

    Attributes:
        line: Its first line in the file, counted from 1.
    """

    def __init__(self, cells: Mapping[str, str], line: int) -> None:
        super().__init__(cells)
        self.line = line


def read_rows(
    path: str | PathLike[str], needed: Sequence[str] = (), *, code: str = "TABLE", fix: str = "save it as UTF-8 CSV"
) -> list[Row]:
    """Rows of a table with headings, as text: ``007`` stays ``007``.

    The text is UTF-8, or UTF-16 with a byte-order mark, as spreadsheets write "Unicode text". The separator is the tab,
    semicolon or comma that is most frequent in the headings; any line ends and a byte-order mark are accepted. Blanks
    around cells are removed, and cells that :func:`to_csv` neutralised are restored. Rows without any text are left
    out, and so are empty headings at the end, empty cells beyond the last heading, and a first line ``sep=;``, which
    names the separator. Headings are in lower case, unless two of them differ in case alone.

    Args:
        path: The file.
        needed: Required columns.
        code: Code of the error.
        fix: Cure of a table that cannot be read.

    Raises:
        JsddpmError: ``code`` (status 3) when the file cannot be read as text, a column is missing or named twice, or
            rows are of unequal length; ``NOT_READABLE`` (status 5) when the system refuses it.
    """
    text = ""
    try:
        separator, text = _separated(_text(Path(path), code))
        rows, lines, end = [], [], 0
        reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
        for row in reader:
            if any(map(str.strip, row)):
                rows.append(row)
                lines.append(end + 1)
            end = reader.line_num
    except PermissionError as error:
        raise unreadable(error, path) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = f"not {error.encoding.upper()[:6]} text" if isinstance(error, UnicodeDecodeError) else error
        fix = "save it as CSV UTF-8" if str(path).lower().endswith((".xlsx", ".xls", ".ods")) else fix
        if isinstance(error, csv.Error) and '"' in text:
            why, fix = f"line {end + 1}: {error}", f"remove the quotation mark that begins a cell there, or {fix}"
        raise JsddpmError(code, f"cannot be read ({why})", fix=fix, file=path) from error
    names = _headings(rows[0]) if rows else []
    if len({name.lower() for name in names}) == len(names):
        names = [name.lower() for name in names]
    if missing := [name for name in needed if name not in names]:
        cure = f"name the columns {', '.join(needed)} in the first line"
        raise JsddpmError(
            code, f"lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}", fix=cure, file=path
        )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise JsddpmError(code, f"names the column {twice[0]!r} twice", fix="rename or remove one", file=path)
    rows = [row[: len(names)] if not any(map(str.strip, row[len(names) :])) else row for row in rows]
    if unequal := [row for row in rows if len(row) != len(names)]:
        what = f"has {len(names)} columns, but {len(unequal[0])} cells in the row of {unequal[0][0]!r}"
        raise JsddpmError(code, what, fix="give each row one cell per column", file=path)
    return [Row(dict(zip(names, map(_cell, row), strict=True)), n) for row, n in zip(rows[1:], lines[1:], strict=True)]


def _text(path: Path, code: str) -> str:
    """The text of a file; its lines end with line feeds alone."""
    if not path.is_file():
        raise JsddpmError(code, "there is no such file", fix="correct the path", file=path)
    with path.open("rb") as stream:
        wide = stream.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE)
    text = path.read_text(encoding="utf-16" if wide else "utf-8-sig")
    if "\0" in text:
        raise csv.Error("zero bytes, as in a binary file, or in UTF-16 without a byte-order mark")
    return text


def _separated(text: str) -> tuple[str, str]:
    """The separator of a table, and the table with an empty line in place of ``sep=;``, which names it for Excel."""
    first = text.partition("\n")[0]
    if named := _SEPARATOR.fullmatch(first):
        return named[1], text[len(first) :]
    headings = next((line for line in text.split("\n") if line.strip("\t;, ")), "")
    return max("\t;,", key=headings.count), text


def _headings(row: Sequence[str]) -> list[str]:
    """Names of columns, without the empty ones at the end that a spreadsheet leaves."""
    names = [name.strip() for name in row]
    while names and not names[-1]:
        names.pop()
    return names


def refuse_outside(path: str | PathLike[str], root: str | PathLike[str]) -> None:
    """Raise ``OUTSIDE`` (status 3) for a file outside of a folder, by ``..``, an absolute path or a link."""
    inside = Path(root).resolve()
    if not Path(path).resolve().is_relative_to(inside):
        cure = "name the folder that contains the files: --root FOLDER"
        raise JsddpmError("OUTSIDE", f"lies outside of {inside}", fix=cure, file=path)


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    r"""CSV text of rows with equal keys; a cell that a spreadsheet would run as a formula is neutralised.

    Such a cell begins with an apostrophe, and one that begins with apostrophes before a formula has one more.

    >>> to_csv([{"name": "=1+1", "value": -2.5}])
    "name,value\r\n'=1+1,-2.5\r\n"
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else [])
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"'{v}" if isinstance(v, str) and _ambiguous(v) else v for k, v in row.items()})
    return stream.getvalue()


def csv_bytes(rows: Sequence[Mapping[str, object]]) -> bytes:
    """:func:`to_csv` as UTF-8; see :func:`~jsddpm.files.encoded`."""
    return encoded(to_csv(rows))


def _ambiguous(text: str) -> bool:
    """Whether a spreadsheet would read a cell as a formula, or :func:`_cell` as a neutralised one."""
    return _neutral(text) or (text.startswith(_FORMULA) and not _NUMBER.fullmatch(text))


def _cell(text: str) -> str:
    text = text.strip()
    return text[1:] if _neutral(text) else text


def _neutral(text: str) -> bool:
    """Whether a cell has apostrophes before the beginning of a formula."""
    return text.startswith("'") and text.lstrip("'").startswith(_FORMULA)
