"""Trials are what their key says, whoever runs them and however often they were interrupted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from crash import without_time
from jsddpm.errors import JsddpmError
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.specs import Finding
from jsddpm_eval.selftest.fault import known_faults
from jsddpm_eval.selftest.run import selftest_of
from jsddpm_eval.selftest.trials import PERFECT, Trial, answers_of, changed_conditions, grid, run_trials
from selftests import BINNING, cohort

pytestmark = pytest.mark.usefixtures("brief_networks")

FAULTS = [known_faults()[name] for name in ("inverted", "swapped")]
SETTINGS = {"samples": 6, "seed": 5}


def test_the_grid_holds_every_fault_at_every_strength_and_both_ways_of_drawing():
    trials = grid(FAULTS, perfect=3)
    assert [(t.fault, t.strength) for t in trials[3:]] == [(f.name, s) for f in FAULTS for s in f.strengths]
    assert [(t.repeat, t.uniform) for t in trials[:3]] == [(0, "patient"), (0, "slice"), (1, "patient")]
    assert [t.strength for t in grid(FAULTS, perfect=0, quick=True)] == [0.8, 0.5]
    assert len({t.key for t in grid(FAULTS, perfect=3, repeats=2)}) == 15


@pytest.mark.long
def test_an_interrupted_run_comes_to_the_table_of_an_uninterrupted_one(tmp_path):
    trials = [Trial(PERFECT, None, 0), Trial("swapped", 1, 0)]
    whole = run_trials(tmp_path / "whole", trials, cohort, (), plan={}, **SETTINGS)
    seen = []

    def stop(done, total):
        seen.append((done, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trials(tmp_path / "cut", trials, cohort, (), plan={}, progress=stop, **SETTINGS)
    kept = (tmp_path / "cut" / "trials.jsonl").read_text()
    assert seen == [(1, 2)]
    assert len(kept.splitlines()) == 1
    rest = run_trials(tmp_path / "cut", trials, cohort, (), plan={}, **SETTINGS)
    assert (tmp_path / "cut" / "trials.jsonl").read_text().startswith(kept)  # and was not done again
    assert without_time(rest) == without_time(whole)
    _, swapped = rest
    assert swapped["found"]
    assert swapped["affected"] == 8
    assert swapped["named"]
    assert swapped["affected_named"] == 8
    with pytest.raises(JsddpmError, match="other settings"):
        run_trials(tmp_path / "cut", trials, cohort, (), plan={"store": "another"}, **SETTINGS)


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / "trials.jsonl").write_text('{"key": ')
    with pytest.raises(JsddpmError, match=r"trials\.jsonl"):
        run_trials(tmp_path, [], cohort, (), plan={}, **SETTINGS)


@pytest.mark.long
def test_a_selftest_leaves_strict_json_and_tables(tmp_path):
    values = selftest_of(tmp_path, cohort, (), FAULTS[1:], {"cohort": "made up"}, perfect=0, quick=True, **SETTINGS)
    assert json.loads((tmp_path / "selftest.json").read_text())["faults"] == values["faults"]
    assert len((tmp_path / "faults.csv").read_text().splitlines()) == 2
    assert values["sentences"] == ["Pathologies exchanged: checks name this fault right from 0.5 of samples on."]


def test_only_changed_conditions_are_affected():
    world = cohort().world(4, np.random.default_rng(0))
    made = known_faults()["lesions_removed"].generate(world, 1.0, np.random.default_rng(0))
    assert changed_conditions(made, world) == {(k, 1) for k in range(4)}
    assert changed_conditions(world.perfect, world) == set()


def results(*found):
    findings = tuple(Finding(check=c, answer=a, z_bin=k, pathology=p) for c, a, k, p in found)
    return Results(binning=BINNING.to_dict(), provenance={}, utilization={}, findings=findings)


@pytest.mark.parametrize(
    ("place", "reaches"),
    [((None, None), True), ((None, 1), True), ((None, 0), False), ((2, None), True), ((1, None), False),
     ((2, 1), True), ((2, 0), False)],
)  # fmt: skip
def test_a_finding_concerns_the_conditions_in_it(place, reaches):
    row = answers_of(results(("sharpness", "off", *place)), known_faults()["blur"], {(2, 1), (3, 1)})
    assert (row["found"], row["named"]) == (reaches, reaches)


def test_conditions_are_counted_where_they_are_judged_and_flagged():
    said = results(
        ("sharpness", "off", 0, 0), ("sharpness", "fine", 1, 0), ("sharpness", "unknown", 2, 0),
        ("copied", "off", 3, 0), ("sharpness", "fine", 3, 0),
    )  # fmt: skip
    row = answers_of(said, known_faults()["blur"], {(0, 0), (1, 0), (2, 0)})
    assert (row["affected"], row["affected_judged"], row["affected_flagged"], row["affected_named"]) == (3, 2, 1, 1)
    assert (row["unaffected_judged"], row["unaffected_flagged"]) == (1, 1)
    perfect = answers_of(said, None, set())
    assert perfect["false_alarm"] is True
    assert (perfect["unaffected_judged"], perfect["found"]) == (3, False)
    assert answers_of(results(("copied", "fine", 0, 0)), None, set())["false_alarm"] is False
