"""The summary of a table made by hand."""

from __future__ import annotations

import pytest

from jsddpm_eval.selftest.fault import known_faults
from jsddpm_eval.selftest.summary import summary
from jsddpm_reports.selftest import HEADINGS, alarms, fault_rows, markdown

BLUR, COPY = known_faults()["blur"], known_faults()["copy_traced"]
CHECKS = ("copied", "sharpness", "unlike_real")


def row(fault, strength, *checks, found=False, named=False, flagged=0):
    perfect = fault == "perfect"
    return {
        "fault": fault, "strength": strength, "uniform": "patient", "off": [[c, "", None, None] for c in checks],
        "found": found, "named": named, "affected": 0 if perfect else 20, "affected_judged": 0 if perfect else 18,
        "affected_flagged": flagged, "affected_named": flagged, "unaffected_judged": 20 if perfect else 0,
        "unaffected_flagged": 0, "false_alarm": bool(checks) if perfect else None, "seconds": 3.0,
    }  # fmt: skip


ROWS = [
    *(row("perfect", None) for _ in range(19)),
    row("perfect", None, "copied"),
    row("blur", 0.5),
    row("blur", 0.7, "unlike_real", found=True, flagged=4),
    row("blur", 1.0, "sharpness", "unlike_real", found=True, named=True, flagged=9),
    row("blur", 1.5, "sharpness", found=True, named=True, flagged=18),
    row("copy_traced", 0.25),
    row("copy_traced", 0.5),
    row("copy_traced", 1, "unlike_real"),
]


@pytest.fixture(scope="module")
def values():
    return summary(ROWS, [BLUR, COPY], CHECKS)


def test_false_alarms_have_the_interval_of_clopper_and_pearson(values):
    perfect = values["perfect"]
    assert (perfect["count"], perfect["trials"], perfect["conditions_judged"]) == (1, 20, 400)
    assert perfect["interval"] == pytest.approx(
        [0.001265, 0.248733], abs=1e-6
    )  # qbeta(.025, 1, 20), qbeta(.975, 2, 19)
    assert perfect["checks"]["copied"]["count"] == 1
    assert perfect["checks"]["sharpness"]["interval"] == pytest.approx([0, 1 - 0.025 ** (1 / 20)])
    said = (
        "A perfect generator had a false alarm in 1 of 20 draws (95% interval 0 to 25%): copied 1. The draws are of "
        "one division of the patients; the interval does not cover other divisions."
    )
    assert alarms(values) == said


@pytest.mark.parametrize(
    ("named", "said"), [(4, "name this fault right at 1 px"), (3, "would miss this fault at 1 px")]
)
def test_a_fault_is_seen_where_four_of_five_trials_find_it(named, said):
    rows = [row("perfect", None), *(row("blur", 1.0, found=k < named, named=k < named) for k in range(5))]
    assert said in summary(rows, [BLUR], CHECKS)["sentences"][0].replace("from 1 px on", "at 1 px")


def test_the_table_has_a_row_for_each_fault_and_strength(values):
    table = {(r["fault"], r["strength"]): r for r in values["faults"]}
    assert len(table) == 7
    assert table["blur", 0.7]["also_named"] == "unlike_real"
    assert (table["blur", 0.7]["own_check"], table["blur", 1.0]["own_check"]) == (0, 1)
    assert (table["blur", 1.0]["named"], table["blur", 1.0]["affected_flagged"]) == (1, 9)
    assert all(len(line) == len(HEADINGS) for line in fault_rows(values))
    assert "| blur | 1.5 px | yes | yes | yes | 18 of 20 | 0 |  |" in markdown(values)


def test_sentences_say_from_where_on_a_fault_is_named_and_what_is_missed(values):
    assert values["sentences"] == [
        "Blur: checks name this fault right from 1 px on, see it under another name from 0.7 px on, and would miss it "
        "at 0.5 px.",
        "Copies with 1% of noise: checks would miss this fault at 0.25, 0.5 and 1 of samples.",
    ]


def test_names_given_by_names_expected(values):
    names = {r["expected"]: r for r in values["names"]}
    assert list(names) == ["perfect", "copied", "sharpness"]
    assert names["sharpness"] == {
        "expected": "sharpness", "trials": 4, "copied": 0, "sharpness": 0.5, "unlike_real": 0.5, "none": 0.25,
    }  # fmt: skip
    assert names["perfect"]["copied"] == pytest.approx(0.05)
    assert names["copied"]["unlike_real"] == pytest.approx(1 / 3)
    assert values["seconds"] == {"trials": 27, "mean": 3.0}
