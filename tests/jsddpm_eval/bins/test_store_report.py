"""What a store can assess."""

from __future__ import annotations

import json

from jsddpm.binning import ZBinning
from jsddpm_eval.bins.store_report import store_report
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_reports import binning as rendered
from synthetic import write_store

BINNING = ZBinning((5, 34), 5, n_slices=40)


def test_store_report_says_what_cannot_be_assessed(store):
    report = store_report(store, BINNING)
    json.dumps(report, allow_nan=False)
    for cell in report["cells"]:
        assert (cell["minimum_detectable"] is None) == (cell["reason"] is not None)
        if cell["patients"]["all"] < 4:
            assert "at least 4 are needed" in cell["reason"]
    assert any(c["minimum_detectable"] for c in report["cells"] if c["pathology"] == 0)


def test_three_patients_of_a_cell_are_too_few_everywhere(tmp_path):
    """Of five patients three have lesions: one short of two halves of two patients."""
    report = store_report(write_store(tmp_path / "store", patients=5, held_out=1), BINNING)
    assert report["min_patients"] == 4
    for cell in report["cells"]:
        n_patients = 3 if cell["pathology"] else 5
        assert (cell["patients"]["all"], cell["assessable"]) == (n_patients, n_patients >= 4)
        if n_patients < 4:
            assert (cell["minimum_detectable"], cell["reason"]) == (None, "3 patients: at least 4 are needed")
    page = rendered.html(bin_utilization((5, 34), 5, 40) | {"store": report})
    assert "5 of 10 bin x pathology cells have too few patients" in page
    assert "fewer than 4 patients cannot be assessed" in page


def test_too_few_samples_are_no_lack_of_patients(store):
    report = store_report(store, BINNING, samples=2)
    cell = report["cells"][0]
    assert (cell["minimum_detectable"], cell["reason"]) == (None, "2 samples: at least 3 are needed")
    assert rendered.cell_table(report)[1][0][-1] == "too few samples"
