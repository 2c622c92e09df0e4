"""Generators of known effect: what helps has a gain, what harms a loss. A short form of the bench."""

from __future__ import annotations

import pytest

from jsddpm_eval.utility.run import utility_of
from utilities import TINY, cohort


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "arm", "sign"), [("unseen", "real+generated-75", 1), ("moved", "generated", -1)], ids=["unseen", "moved"]
)
def test_the_sign_is_right(kind, arm, sign, tmp_path):
    values = utility_of(tmp_path, cohort, (kind,), {"kind": kind}, TINY, arms=["real", arm])
    (row,) = values["comparisons"]
    assert sign * row["difference"] > 0.05
    assert row["answer"] == "unknown"  # one training of each arm says nothing for certain
    assert {path.name for path in tmp_path.iterdir()} == {
        "cells", "cells.csv", "patients.csv", "plan.json", "utility.json", "SHA256SUMS",
    }  # fmt: skip
