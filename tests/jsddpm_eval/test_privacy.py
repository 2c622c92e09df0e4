"""The statement on copies: rates with exact bounds, the patient copied most often, and never "no risk"."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy.stats import beta, binomtest

from jsddpm.files import write_json
from jsddpm_eval.checks.verdict import with_findings
from jsddpm_eval.evaluation import evaluate_in_detail
from jsddpm_eval.folder import nearest_pairs, per_slice_rows
from jsddpm_eval.metrics.persons import Alike
from jsddpm_eval.privacy import (
    copied_pairs,
    named_sentences,
    nameless_sentences,
    privacy_statement,
    read_statement,
)
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import share_at_most
from worlds import World

COPIES = 5


@cache
def evaluation(copies=COPIES):
    """Samples of new patients, the first few exact copies of slices of the first training patient."""
    world = World(2, patients=14, slices=3, size=(32, 32))
    own = torch.nonzero((world.patient == 0) & (world.z_bin == 0))[:, 0]
    made = torch.cat([world.image[own[torch.arange(copies) % len(own)]], world.new(20)])
    zeros = torch.zeros(len(made), dtype=torch.int64)
    generated = SliceTable.from_arrays(made, z_bin=zeros, pathology=zeros)
    real = SliceTable.from_arrays(
        world.image, z_bin=world.z_bin, pathology=torch.zeros_like(world.z_bin), held_out=world.held_out,
        patient=[f"sub-{p:02d}" for p in world.patient.tolist()],
    )  # fmt: skip
    return evaluate_in_detail(real, generated, metrics=["copies"], features=())


def stated(copies=COPIES, *, selftest=None):
    detail = evaluation(copies)
    results = detail.results
    if selftest:
        results = results.model_copy(update={"provenance": results.provenance | {"selftest": selftest}})
    return privacy_statement(results, copied_pairs(detail, per_slice_rows(detail)))


def test_rates_have_their_counts_and_exact_intervals():
    rates = stated()["rates"]
    low, high = binomtest(COPIES, 20 + COPIES).proportion_ci()
    assert (rates["training"]["count"], rates["training"]["of"]) == (COPIES, 20 + COPIES)
    assert rates["training"]["interval"] == pytest.approx((low, high))
    assert rates["held_out"]["count"] == 0
    assert (rates["patients"]["count"], rates["patients"]["of"]) == (1, 9)
    assert rates["patients"]["upper_bound"] == pytest.approx(beta.ppf(0.95, 2, 8))


def exact_among_near():
    """A volume of 20 exact copies, and nine samples of new patients: a third of the real patients were scanned twice.

    Unless they are left out, their nearness to each other widens the scale, so exact copies lie below the threshold.
    """
    world = World(1, patients=18, slices=3, size=(32, 32))
    twin = world.patient % 3 == 1
    world.image[twin] = (world.image[world.patient % 3 == 0] + 0.001).clamp(0, 1)
    own = torch.nonzero((world.patient == 2) & (world.z_bin == 0))[:, 0]
    made = torch.cat([world.image[own[torch.arange(20) % 3]], world.new(9)])
    zeros, group = torch.zeros(29, dtype=torch.int64), torch.tensor([0] * 20 + [-1] * 9)
    generated = SliceTable.from_arrays(made, z_bin=zeros, pathology=zeros, group=group)
    real = SliceTable.from_arrays(
        world.image, z_bin=world.z_bin, pathology=torch.zeros_like(world.z_bin), held_out=world.held_out,
        patient=[f"sub-{p:02d}" for p in world.patient.tolist()],
    )  # fmt: skip
    return evaluate_in_detail(real, generated, metrics=["copies"], features=())


def test_exact_copies_are_listed_however_near_others_come_and_a_volume_counts_once(monkeypatch):
    monkeypatch.setattr("jsddpm_eval.metrics.copies.alike", lambda context: Alike(np.arange(18)))
    detail = exact_among_near()
    rows = per_slice_rows(detail)
    statement = privacy_statement(detail.results, copied_pairs(detail, rows))
    assert max(row["copy_score"] for row in rows[:20]) < 1
    assert [row["copied"] for row in rows] == [True] * 20 + [False] * 9
    assert {pair["sample"] for pair in statement["copies"]} == {row["slice"] for row in rows[:20]}
    assert {pair["nearness"] for pair in statement["copies"]} == {None}
    assert statement["worst_patient"] == {"patient": "sub-02", "samples": 20}
    rate, share = statement["rates"]["training"], detail.results["copied_train_share"]
    assert (rate["count"], rate["of"], rate["unit"]) == (1, 10, "volumes")
    assert rate["share"] == share.value == pytest.approx(0.1)
    assert rate["interval"] == share.interval == pytest.approx(tuple(binomtest(1, 10).proportion_ci()))
    assert rate["upper_bound"] == pytest.approx(beta.ppf(0.95, 2, 9))
    pairs, nearness = nearest_pairs(detail)
    assert sorted(pairs[0, :20].tolist()) == list(range(20))
    assert nearness.isinf().sum() == 20  # the report calls these exact copies
    said = "10% of the samples of 10 equally weighted volumes"
    assert statement["sentences"][0].startswith(f"{said} are copies of training slices (95% interval 0.25% to 45%)")


@pytest.mark.parametrize("z_bin", [[0, 0], [0, 3, 6]], ids=["of one patient", "of three in distant bins"])
def test_exact_copies_where_no_real_slice_can_be_compared_are_listed_without_a_nearness(z_bin, tmp_path):
    images = torch.rand((len(z_bin), 16, 16), generator=torch.Generator().manual_seed(0))
    patient = [f"sub-{i if max(z_bin) else 0}" for i in range(len(z_bin))]
    real = SliceTable.from_arrays(images, z_bin=z_bin, pathology=[0] * len(z_bin), patient=patient)
    generated = SliceTable.from_arrays(images[:1], z_bin=[0], pathology=[0])
    detail = evaluate_in_detail(real, generated, metrics=["copies"], features=())
    statement = privacy_statement(detail.results, copied_pairs(detail, per_slice_rows(detail)))
    write_json(tmp_path / "privacy.json", statement)  # strict: NaN is refused
    assert [(pair["real"], pair["patient"], pair["nearness"]) for pair in statement["copies"]] == [
        (real.name(0), "sub-0", None)
    ]
    assert nearest_pairs(detail)[1].tolist() == [torch.inf]


def test_what_looks_like_a_copy_by_chance_is_not_called_one():
    """2 of 160 samples, near a slice of one patient each: of slices of 20 new patients, up to 14 % may be as near."""
    detail = evaluation()
    share = {"value": 2 / 160, "interval": (0.0015, 0.044), "p_value": 1.0, "n_generated": 160}
    scores = {
        name: Score(spec=name, baseline=0.0, baseline_interval=(0.0, 0.139), **share)
        for name in ("copied_train_share", "copied_held_out_share")
    }
    scores["patients_copied"] = Score(spec="patients_copied", value=2 / 16, interval=(0.02, 0.38), n_patients=16)
    results = with_findings(detail.results.model_copy(update={"generation": (Cell(scores=scores),)}))
    copies = [{"patient": name, "sample": name, "of": "training", "what": "slice"} for name in ("sub-004", "sub-005")]
    statement = privacy_statement(results, copies)
    interval = "slices (95% interval 0.15% to 4.4%); up to 14% of the slices of new patients may look so by chance."
    assert statement["sentences"] == [
        f"2 of 160 samples look like copies of training {interval}",
        f"2 of 160 samples look like copies of held-out {interval}",
        "2 of 16 training patients have a slice that looks like a copy, as may be by chance. The one-sided 95% upper "
        f"bound of this share is {100 * beta.ppf(0.95, 3, 14):.0f}%; its two-sided 95% interval is 2% to 38%.",
        "Regulators of published health data accept a risk of at most 9% that a patient is identified. To show that a "
        "smaller share of patients is copied takes 32 training patients of whom none is copied; there are 16.",
    ]
    assert (statement["worst_patient"], named_sentences(statement)) == (None, statement["sentences"])


def test_who_may_be_one_person_is_named_where_names_may_be():
    detail = evaluation()
    provenance = detail.results.provenance | {"patients_alike": [["sub-003", "sub-003b"]]}
    statement = privacy_statement(detail.results.model_copy(update={"provenance": provenance}), [])
    assert named_sentences(statement)[-1] == "These may be one person: sub-003 and sub-003b."
    assert not any("sub-003" in sentence for sentence in nameless_sentences(statement))


def test_every_copy_is_listed_with_its_patient_and_the_worst_one_is_named():
    statement = stated()
    assert {pair["sample"] for pair in statement["copies"]} == {f"generated slice {i}" for i in range(COPIES)}
    assert {(pair["patient"], pair["of"], pair["what"]) for pair in statement["copies"]} == {
        ("sub-00", "training", "slice")
    }
    assert statement["worst_patient"] == {"patient": "sub-00", "samples": COPIES}
    assert not any("sub-00" in sentence for sentence in statement["sentences"])
    assert named_sentences(statement)[-1] == "The patient copied most often is sub-00, in 5 samples."


def test_a_sample_that_is_a_copy_and_has_a_copied_lesion_counts_once():
    """Three samples of one patient, two of them listed as slice and as lesion: five pairs, three samples."""
    detail = evaluation()
    pairs = [(f"generated {i}", what) for what, count in (("slice", 3), ("lesion", 2)) for i in range(count)]
    copies = [{"patient": "sub-00", "sample": name, "of": "training", "what": what} for name, what in pairs]
    statement = privacy_statement(detail.results, copies)
    assert statement["worst_patient"] == {"patient": "sub-00", "samples": 3}
    assert "The patient copied most often is sub-00, in 3 samples." in named_sentences(statement)


def test_lesions_are_compared_with_lesions_of_new_patients():
    detail = evaluation()
    share = Score(value=0.2, interval=(0.1, 0.3), baseline=0.0, baseline_interval=(0.0, 0.312), n_generated=80)
    lesion = Cell(pathology=1, scores={"lesions_copied_share": share})
    results = detail.results.model_copy(update={"generation": (*detail.results.generation, lesion)})
    said = "16 of 80 lesions are those of real patients (95% interval 10% to 30%); up to 31% of the lesions of new "
    assert said + "patients may look so by chance." in privacy_statement(results, [])["sentences"]


def test_the_name_of_an_older_statement_is_told_from_its_other_sentences(tmp_path):
    """Statements once held the sentence that names a patient; a name such as 1 occurs in every sentence."""
    rate, name = "1 of 10 samples are copies.", "The patient copied most often is 1, in 2 samples."
    write_json(tmp_path / "privacy.json", {"sentences": [rate, name], "worst_patient": {"patient": "1", "samples": 2}})
    statement = read_statement(tmp_path)
    assert (nameless_sentences(statement), named_sentences(statement)) == ([rate], [rate, name])


def test_without_a_copy_the_bound_and_what_it_would_take_are_said():
    statement = stated(0)
    said = " ".join(statement["sentences"])
    assert statement["worst_patient"] is None
    assert "0 of 9 training patients are copied" in said
    assert f"The one-sided 95% upper bound of this share is {100 * (1 - 0.05 ** (1 / 9)):.0f}%; " in said
    assert "takes 32 training patients" in said  # the least n with 0.05^(1/n) >= 0.91
    assert "no risk" not in said.lower()


def test_how_well_copies_are_found_comes_from_the_selftest():
    assert "jsddpm selftest STORE" in stated()["detector"][0]
    found = {"copies": ["Exact copies: checks name this fault right from 0.25 of samples on."]}
    assert stated(selftest=found)["detector"] == found["copies"]


def test_nothing_is_stated_where_copies_were_not_looked_for():
    detail = evaluation()
    results = detail.results.model_copy(update={"generation": ()})
    assert privacy_statement(results, []) is None


@pytest.mark.parametrize("share", [0.02, 0.125, 0.25])
def test_bounds_cover_the_share_of_simulated_generators(share):
    """2,000 generators that copy each of 30 patients with a known probability."""
    counts = np.random.default_rng(0).binomial(30, share, 2000)
    bound = np.array([share_at_most(count, 30, 0.95) for count in range(31)])
    assert (bound[counts] >= share).mean() >= 0.94


def test_the_bound_of_volumes_counts_volumes():
    """No copy in ten volumes of twenty slices: by the rule of three about 26 %, and not 1.5 %."""
    world = World(2, patients=14, slices=3, size=(32, 32))
    zeros = torch.zeros(200, dtype=torch.int64)
    ramp = torch.linspace(0, 0.8, 32)[:, None] + 0.2 * torch.rand(
        200, 32, 32, generator=torch.Generator().manual_seed(0)
    )
    generated = SliceTable.from_arrays(ramp, z_bin=zeros, pathology=zeros, group=torch.arange(200) // 20)
    real = SliceTable.from_arrays(
        world.image, z_bin=world.z_bin, pathology=torch.zeros_like(world.z_bin), held_out=world.held_out,
        patient=world.patient,
    )  # fmt: skip
    detail = evaluate_in_detail(real, generated, metrics=["copies"], features=())
    rate = privacy_statement(detail.results, [])["rates"]["training"]
    assert (rate["count"], rate["of"], rate["unit"]) == (0, 10, "volumes")
    assert rate["upper_bound"] == pytest.approx(1 - 0.05 ** (1 / 10))
    assert rate["interval"] == pytest.approx(tuple(binomtest(0, 10).proportion_ci()))
