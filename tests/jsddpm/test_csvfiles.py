"""Tables are read as text, strictly, and what is written reads back."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jsddpm.csvfiles import read_rows, to_csv
from jsddpm.errors import ExitStatus, JsddpmError

CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], include_characters=",;\"'=+-@"), max_size=6)


def written(folder, data):
    path = folder / "table.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separators_line_ends_and_byte_order_marks_make_no_difference(tmp_path, separator, end, mark):
    lines = ["patient, note", '007 ,"a b"', "", "1e3,"]
    text = mark + end.join(lines).replace(",", separator) + end
    for before in ("", end, f"  {end}{end}", f"{separator}{end}"):  # as exports of spreadsheets begin
        assert read_rows(written(tmp_path, mark + before + text.removeprefix(mark)), ("patient",)) == [
            {"patient": "007", "note": "a b"}, {"patient": "1e3", "note": ""},
        ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_unicode_text_of_a_spreadsheet_is_read(tmp_path, encoding, separator):
    text = "\r\n".join(["patient,note", "007,ä", "Ω,b", ""]).replace(",", separator)
    mark = b"" if encoding == "utf-16" else b"\xfe\xff"  # utf-16 writes one itself
    rows = read_rows(written(tmp_path, mark + text.encode(encoding)))
    assert rows == [{"patient": "007", "note": "ä"}, {"patient": "Ω", "note": "b"}]


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        ("Image,PATIENT", ["image", "patient"]),
        ("image,patient,Sex,sex", ["image", "patient", "Sex", "sex"]),  # which one is meant cannot be known
    ],
)
def test_headings_may_be_in_any_case(tmp_path, heads, expected):
    (row,) = read_rows(written(tmp_path, f"{heads}\n{',' * heads.count(',')}x\n"), ("image", "patient"))
    assert list(row) == expected


def test_rows_without_text_are_left_out(tmp_path):
    """A spreadsheet appends them, with any number of cells."""
    rows = read_rows(written(tmp_path, "a,b\n,,\nx,1\n , \n,\ny,\n,,,\n"))
    assert [(dict(row), row.line) for row in rows] == [({"a": "x", "b": "1"}, 3), ({"a": "y", "b": ""}, 6)]


def test_rows_know_their_lines(tmp_path):
    """Empty lines, and line ends in a cell, are counted as a text editor counts them."""
    lines = ["a,b", "", "", "x,1", '"two', 'lines",2', "", "y,3", ""]
    for end in ("\n", "\r\n"):
        found = [(row["a"].split()[0], row.line) for row in read_rows(written(tmp_path, end.join(lines)))]
        assert found == [(name, lines.index(line) + 1) for name, line in (("x", "x,1"), ("two", '"two'), ("y", "y,3"))]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a,b\n1\n", "2 columns, but 1 cells in the row of '1'"),
        ("a,b\n1,2,3\n", "2 columns, but 3 cells"),
        ("a,a\n1,2\n", "names the column 'a' twice"),
        ("b\n1\n", "lacks the column.*a"),
        ("", "lacks the column.*a"),
        ('a,b\n"1', "cannot be read"),
        (b"a\n\xff\n", "cannot be read"),
        ("a,b\n1,2\n".encode("utf-16-le"), "without a byte-order mark.*save it as UTF-8 CSV"),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "not UTF-16 text"),
        ("a,b\né,2\n".encode("cp1252"), "not UTF-8 text"),
    ],
)
def test_what_is_no_table_is_refused_with_a_cure(tmp_path, data, message):
    path = written(tmp_path, data)
    with pytest.raises(JsddpmError, match=message) as caught:
        read_rows(path, ("a",), code="CODE")
    assert (caught.value.code, caught.value.status, caught.value.file) == ("CODE", ExitStatus.BAD_INPUT, str(path))


@pytest.mark.parametrize("name", ["absent.csv", "absent.xlsx", "."])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(JsddpmError, match=r"no such file.*correct the path") as info:
        read_rows(tmp_path / name)
    assert name.strip(".") in str(info.value)


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-x", "@SUM(A1)", "-1e5x", "+A1"])
def test_no_written_cell_is_a_formula_and_it_reads_back(tmp_path, cell):
    text = to_csv([{"name": cell, "value": -2.5}])
    assert next(csv.reader(text.splitlines()[1:])) == [f"'{cell}", "-2.5"]
    assert read_rows(written(tmp_path, text)) == [{"name": cell, "value": "-2.5"}]


@pytest.mark.parametrize("cell", ["-2", "+7", "-2.5", "-1e-5", "+0,5"])
def test_a_number_is_no_formula(tmp_path, cell):
    """A patient called -2 was written as '-2, which only we read as -2."""
    text = to_csv([{"name": cell}])
    assert next(csv.reader(text.splitlines()[1:])) == [cell]
    assert read_rows(written(tmp_path, text)) == [{"name": cell}]


@pytest.mark.parametrize("cell", ["'=x", "''=x", "'-2", "'x", "'"])
def test_an_apostrophe_of_a_name_stays(tmp_path, cell):
    """The names =x and '=x were both read as =x."""
    rows = [{"name": cell, "note": "a"}, {"name": cell[1:], "note": "b"}]
    assert read_rows(written(tmp_path, to_csv(rows))) == rows


@given(st.lists(st.fixed_dictionaries({"a": CELLS, "b": CELLS}).filter(lambda row: any(row.values())), min_size=1))
def test_what_is_written_reads_back(tmp_path_factory, rows):
    assert read_rows(written(tmp_path_factory.mktemp("t"), to_csv(rows)), ("a", "b")) == rows


@pytest.mark.parametrize(
    "text", ["sep=;\r\na;b\r\n1;2,5\r\n", "a;b;;\n1;2,5;;\n;;;\n", "a;b;;\n1;2,5\n", "SEP=|\na|b\n1|2,5\n"]
)
def test_what_a_spreadsheet_adds_is_left_out(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    (row,) = read_rows(tmp_path / "t.csv", ["a"])
    assert row == {"a": "1", "b": "2,5"}
    assert row.line == text.splitlines().index(next(line for line in text.splitlines() if line.startswith("1"))) + 1


def test_cells_beyond_the_headings_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,\n1,2,3\n")
    with pytest.raises(JsddpmError, match="2 columns, but 3 cells"):
        read_rows(tmp_path / "t.csv")


def test_a_spreadsheet_is_to_be_saved_as_csv(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(JsddpmError, match="not UTF-8 text") as caught:
        read_rows(tmp_path / "t.xlsx")
    assert caught.value.fix == "save it as CSV UTF-8"
