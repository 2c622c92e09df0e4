"""What the schemes use of their bins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from jsddpm_eval.bins.utilization import bin_utilization, verdict


def test_utilization_of_the_seeds_setting():
    report = bin_utilization((24, 93), 10, 128)
    local, whole = report["schemes"]["local"], report["schemes"]["global"]
    assert (local["bins_used"], local["counts"], local["spread"], local["entropy"]) == (
        10,
        [7] * 10,
        0,
        pytest.approx(1),
    )
    assert (whole["bins_used"], whole["utilization"], whole["unused_bins"]) == (7, 0.7, [0, 8, 9])
    assert whole["unused_embeddings"] == [0, 8, 9, 10, 18, 19]
    assert (whole["min_per_used_bin"], whole["max_per_used_bin"]) == (2, 13)
    assert whole["entropy"] == pytest.approx(stats.entropy([c for c in whole["counts"] if c]) / np.log(10))
    said = "with global bins, 3 of 10 bins have no slice, so 6 of 20 conditions are never trained"
    assert verdict(report) == f"with local bins, all 10 bins have slices; {said}"
    assert verdict(bin_utilization((24, 93), 1)).startswith("with local bins, the only bin has slices")
