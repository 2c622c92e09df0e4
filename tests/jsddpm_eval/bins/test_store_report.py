"""What a store can assess."""

from __future__ import annotations

import json

from jsddpm.binning import ZBinning
from jsddpm_eval.bins.store_report import store_report

BINNING = ZBinning((5, 34), 5, n_slices=40)


def test_store_report_says_what_cannot_be_assessed(store):
    report = store_report(store, BINNING)
    json.dumps(report, allow_nan=False)
    for cell in report["cells"]:
        assert (cell["minimum_detectable"] is None) == (cell["reason"] is not None)
        if cell["patients"]["all"] < 4:
            assert "at least 4 are needed" in cell["reason"]
    assert any(c["minimum_detectable"] for c in report["cells"] if c["pathology"] == 0)
