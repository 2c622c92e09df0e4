"""The answer of an audit on losses of known truth: off, fine, or unknown with its reason, and its words."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jsddpm.diffusion.checkpoint import Ancestor, checkpoint_info
from jsddpm_eval.membership import Measured
from jsddpm_eval.membership_statement import MARGIN, statement

SOAK = runpy.run_path(str(Path(__file__).parents[1] / "soak" / "membership.py"))
HARD, table = SOAK["HARD"], SOAK["table"]


@pytest.fixture(scope="module")
def stated(run, store):
    """The statement on a simulated table, one slice a patient."""
    info = checkpoint_info(run / "checkpoints" / "last.ckpt")

    def of(seed, n, m, *, network=False, ancestors=(), **truth):
        losses = table(seed, n, m, **truth)
        count, levels = losses.network.shape
        measured = Measured(
            rows=np.arange(count) % len(store.index), patient=np.arange(count),
            patients=[f"sub-{i:03d}" for i in range(count)], member=losses.member,
            timesteps=tuple(range(1, levels + 1)), noise=tuple(np.linspace(0.1, 4, levels)),
            network=np.exp(losses.network), filter=np.exp(losses.reference), reference=None,
            info=replace(info, ancestors=ancestors),
        )  # fmt: skip
        if network:
            measured = replace(measured, reference=np.exp(losses.reference), filter=np.ones((count, levels)))
        return statement(measured, store)[0]

    return of


def test_memory_is_off_with_its_numbers(stated):
    values = stated(0, 10, 20, effect=1.0)
    said = " ".join(values["sentences"])
    assert (values["answer"], values["reason"]) == ("off", "")
    assert "The network has memorised its patients" in said
    assert f"{100 * values['attack']['area']:.0f}% of pairs" in said
    assert "10 training and 20 held-out patients" in said
    assert values["attack"]["p_value"] <= 0.025
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_many_patients_who_are_not_told_apart_are_fine(stated):
    values = stated(1, 250, 250)
    assert values["answer"] == "fine"
    uppers = [area["interval"][1] for area in (values["attack"], *values["levels"])]
    assert max(uppers) < MARGIN


def test_patients_of_the_network_that_it_started_from_may_hide_memory(stated):
    """The first network may have seen the held-out patients: then they are no others, and nothing separates them."""
    seen, other = (Ancestor(store=name, seed=0, step=9, compared=name == "seen") for name in ("seen", "other"))
    known, hidden = (stated(1, 250, 250, ancestors=each) for each in ((seen,), (seen, other)))
    assert (known["answer"], hidden["answer"]) == ("fine", "unknown")
    assert "trained on store other, and it is not known" in hidden["reason"]
    found = stated(0, 10, 20, effect=1.0, ancestors=(other,))
    assert (found["answer"], found["reason"]) == ("off", "")
    assert "store other" in found["limits"][-1]
    assert hidden["limits"][-1] == found["limits"][-1]
    assert known["limits"] == found["limits"][:-1]


def test_a_few_patients_who_are_not_told_apart_are_unknown_with_what_it_takes(stated):
    values = stated(1, 10, 10)
    assert values["answer"] == "unknown"
    assert "63 patients of either kind" in values["reason"]
    assert values["reason"] in values["sentences"][0]


@pytest.mark.parametrize(
    ("n", "m", "said"),
    [(2, 30, "needs 3 patients of either kind"), (30, 2, "needs 3 patients of either kind"),
     (3, 3, "can be divided in 20 ways"), (1, 0, "needs 3 patients of either kind")],
)  # fmt: skip
def test_too_few_patients_are_unknown_whatever_the_losses(stated, n, m, said):
    """Six patients are halved in 20 ways, so that no p-value is below 1/20; two and thirty are divided in 496."""
    values = stated(0, n, m, effect=9.0)
    assert values["answer"] == "unknown"
    assert f"{n} training and {m} held-out patients" in values["reason"]
    assert said in values["reason"]
    assert "496" not in values["reason"]
    assert (values["attack"] is None) == (min(n, m) < 3)
    assert len(values["by_patient"]) == n + m


def test_training_patients_who_are_easier_are_no_evidence_of_memory(stated):
    answers = [stated(seed, 20, 40, easier=3 * HARD) for seed in range(10)]
    assert {values["answer"] for values in answers} == {"unknown"}
    assert all("easier in themselves" in values["reason"] for values in answers)
    assert all(values["control"]["filter"]["interval"][0] > 0.5 for values in answers)


def test_memory_beyond_what_is_easier_is_found(stated):
    assert stated(0, 20, 40, easier=3 * HARD, effect=9 * HARD)["answer"] == "off"


def test_false_positive_rates_that_so_few_cannot_show_are_not_given(stated):
    few, many = stated(0, 10, 20, effect=1.0), stated(0, 10, 120, effect=2.0)
    tenth, hundredth = few["attack"]["sensitivity"]
    assert (tenth["false_positive_rate"], hundredth["false_positive_rate"]) == (0.1, 0.01)
    assert tenth["count"] is not None
    assert (hundredth["count"], hundredth["reason"]) == (None, "takes 100 held-out patients")
    assert "100 held-out patients are needed, not 20" in " ".join(few["sentences"])
    assert many["attack"]["sensitivity"][1]["count"] >= 9


def test_a_reference_network_takes_the_place_of_the_filter(stated):
    values = stated(0, 10, 20, effect=1.0, network=True)
    assert values["calibrated_by"] == "network"
    assert values["attack"] == stated(0, 10, 20, effect=1.0)["attack"]
    assert values["control"]["filter"]["area"] == 0.5  # it says the same of everyone here
    assert "the reference network that was not fitted to the patient" in " ".join(values["sentences"])
