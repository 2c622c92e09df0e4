"""The bins report in every format."""

from __future__ import annotations

import pytest

from jsddpm_eval.bins.store_report import store_report
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_reports import binning as rendered
from synthetic import BINNING


@pytest.fixture(scope="module")
def full(store):
    return bin_utilization((5, 34), 5, 40) | {"store": store_report(store, BINNING)}


def test_every_format_shows_the_same_cells(full):
    markdown, csv, html = rendered.markdown(full), rendered.csv(full), rendered.html(full)
    assert "| 0 | 5–10 | 6 |" in markdown
    lines = csv.splitlines()
    assert len(lines) == 1 + 10
    assert lines[0].startswith("z_bin,local_first,local_last,local_count,global_first")
    assert "<td>5–10</td>" in html
    assert "<svg" in html
    assert len(rendered.csv({k: v for k, v in full.items() if k != "store"}).splitlines()) == 1 + 5


def test_empty_bins_are_named():
    report = bin_utilization((0, 3), 6, 4, allow_empty_bins=True)
    assert "local bins without a slice: 1, 3" in rendered.sentence(report)
