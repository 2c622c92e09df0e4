"""Which existing files a page, a table or a picture replaces."""

from __future__ import annotations

import hashlib
from functools import partial

import pytest

from jsddpm.errors import JsddpmError
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.comparison import Difference
from jsddpm_reports import binning, figures
from jsddpm_reports.comparison import comparison_page, comparison_text
from jsddpm_reports.outputs import write_output
from jsddpm_reports.utilization import utilization_figure

REPORT, OTHER = bin_utilization((0, 9), 2, 10), bin_utilization((2, 7), 3, 10)
FORMS = {
    "a.html": binning.html,
    "a.csv": binning.csv,
    "a.md": binning.markdown,
    "a.png": lambda report: figures.png(utilization_figure(report)),
    "a.pdf": lambda report: figures.pdf(utilization_figure(report)),
}
FOREIGN = {
    "a.html": b"<!doctype html>\n<html lang=\"en\">\n<head>\n<title>Mine</title>",
    "a.csv": b"patient,image,mask\nP1,a.nii.gz,b.nii.gz\n",
    "a.md": b"# Notes\n",
    "a.png": b"\x89PNG\r\n\x1a\n of another program",
    "a.pdf": b"%PDF-1.7 of another program",
}  # fmt: skip


def refused(path, content):
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(JsddpmError) as caught:
        write_output(path, content)
    assert (path.read_bytes() if path.exists() else None) == before
    return caught.value.code


@pytest.mark.parametrize("name", FORMS)
def test_an_earlier_file_of_the_same_kind_is_replaced_and_no_other(tmp_path, name):
    path, make = tmp_path / name, FORMS[name]
    write_output(path, make(OTHER))
    write_output(path, make(REPORT))
    new = make(REPORT)
    assert path.read_bytes() == (new.encode() if isinstance(new, str) else new)
    path.write_bytes(FOREIGN[name])
    assert refused(path, new) == "EXISTS"


def test_a_page_does_not_replace_a_table_nor_a_table_another_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("slice,z_bin,pathology\n")  # the columns of per_slice.csv
    assert refused(path, binning.csv(REPORT)) == "EXISTS"
    path = tmp_path / "results.json"
    path.write_text('{\n  "schema_name": "jsddpm-results"\n}\n')
    assert refused(path, '{\n  "z_range": [0, 9]\n}\n') == "EXISTS"


def test_nothing_is_written_into_a_store(tmp_path):
    (tmp_path / "store.json").write_text("{}")
    (tmp_path / "store.json.sha256").write_text("0  store.json\n")
    assert refused(tmp_path / "store.json", "{}") == refused(tmp_path / "new.md", "# new") == "EXISTS"


def test_a_file_of_an_evaluation_is_not_replaced_and_its_report_is(tmp_path):
    table = binning.csv(REPORT).encode()
    (tmp_path / "per_bin.csv").write_bytes(table)
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(table).hexdigest()}  per_bin.csv\n")
    assert refused(tmp_path / "per_bin.csv", binning.csv(OTHER)) == "EXISTS"
    for report in (OTHER, REPORT):
        write_output(tmp_path / "report.html", binning.html(report))


def difference(value):
    return Difference("generation", "bin 0 control", "kid", "KID", "", "lower", 1.0, 1.0 + value, value)


def test_comparisons_replace_comparisons(tmp_path):
    forms = {suffix: partial(comparison_text, suffix=suffix) for suffix in (".csv", ".md", ".tex")}
    forms[".html"] = lambda compared, baseline: comparison_page(compared, baseline, [])
    for suffix, make in forms.items():
        earlier, later = (
            make({name: [difference(value)]}, baseline=baseline)
            for name, value, baseline in (("first", 0.25, "reference"), ("second", -0.5, "other"))
        )
        assert earlier != later
        for text in (earlier, later):
            write_output(tmp_path / f"a{suffix}", text)
        assert (tmp_path / f"a{suffix}").read_bytes() == later.encode()
