"""What a store can assess."""

from __future__ import annotations

import json

from jsddpm.binning import ZBinning
from jsddpm_eval.bins.store_report import store_report
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_reports import binning as rendered
from synthetic import BINNING, write_store


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
    assert "5 of 10 conditions have too few patients" in page
    assert "fewer than 4 patients cannot be assessed" in page


def test_where_most_cells_detect_nothing_fewer_bins_are_advised(tmp_path):
    """Four patients have lesions on even slices, one on odd slices; three have none.

    So of bins of one slice, the lesion cells of the 15 odd slices have one patient. With two slices in a bin, every
    cell has 5 patients or more, and 30 slices make 15 such bins.
    """
    store = write_store(tmp_path / "store", patients=8, held_out=1, validation=0)
    report = store_report(store, ZBinning((5, 34), 30, n_slices=40))
    nothing = sum("not even" in str(c["reason"]) for c in report["cells"])
    assert nothing > 0
    assert report["fewer_bins"] == 15
    said = rendered.sentence(bin_utilization((5, 34), 30, 40) | {"store": report})
    assert said.endswith(
        f"; 15 of 60 conditions have too few patients to be assessed; in {nothing} more no difference would "
        "be seen; take 15 bins, the most of which every condition has 4 patients (--bins 15)"
    )
    assert store_report(store, BINNING)["fewer_bins"] is None


def test_too_few_samples_are_no_lack_of_patients(store):
    report = store_report(store, BINNING, samples=2)
    cell = report["cells"][0]
    assert (cell["minimum_detectable"], cell["reason"]) == (None, "2 samples: at least 3 are needed")
    assert rendered.cell_table(report)[1][0][-1] == "too few samples"
