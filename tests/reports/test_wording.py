"""Numbers never read as what they are not, and one thing is never counted in the plural."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import jsddpm_eval as je
from evaluations import CHECKS, made_up
from jsddpm.binning import ZBinning
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.comparison import Difference
from jsddpm_eval.results.score import Score
from jsddpm_reports import binning, comparison, page, terminal
from jsddpm_reports.cards.card import documents
from jsddpm_reports.distributions import lesions_figure
from jsddpm_reports.evaluation import Evaluation
from jsddpm_reports.utilization import utilization_figure
from jsddpm_reports.wording import plain

PLURAL = re.compile(r"(?<![\d.,–x-])\b1 (?:(?!for |of |is )[a-z-]+ )?([a-z]+s)\b")
SINGULAR = {"is", "has", "was", "this", "its", "less", "process", "axis", "mass", "as", "does", "looks", "repeats"}
ONE = {"n_real": 1, "n_generated": 1, "n_patients": 1}


def plurals(text):
    """What is counted once and in the plural."""
    return [found.group() for found in PLURAL.finditer(text) if found.group(1) not in SINGULAR]


def test_the_sweep_finds_plurals_of_one():
    assert plurals("1 patients, 1 generated slices; 1 sample is, 11 slices, 0.1 points") == [
        "1 patients", "1 generated slices",
    ]  # fmt: skip


@pytest.mark.parametrize("total", [3, 200, 201, 1000, 100_000])
def test_only_all_and_none_of_a_set_read_as_all_and_none(total):
    for count in {0, 1, 2, total // 2, total - 2, total - 1, total, total + 1}:
        text = plain(count / total, "share")
        assert (text == "100%", text == "0%") == (count == total, count == 0)
        assert abs(float(text.rstrip("%")) - 100 * count / total) <= 0.5


@pytest.fixture(scope="module")
def one():
    """An evaluation in which everything is counted once."""
    made = made_up(1, seeds=1)
    results = made.results

    def of_one(cell):
        scores = {name: s.model_copy(update=ONE) for name, s in cell.scores.items() if s.value is not None}
        if cell.key == (None, None, None):
            scores |= {"kid_radiomics": Score.undefined("nothing here")}
        return cell.model_copy(update={**ONE, "scores": scores})

    provenance = results.provenance | {
        "real": {"store": "a", "patients": 1, "held_out_patients": 1},
        "generated": {"store": "b", "slices": 1, "seed": 0, "conditions": [0],
                      "sampling": {"sampler": "ddim", "steps": 1, "per_condition": 1}},
    }  # fmt: skip
    first = [f for f in results.findings if f.check == CHECKS[0].name or f.answer == "off"]
    results = results.model_copy(update={
        "generation": tuple(map(of_one, results.generation)),
        "reconstruction": tuple(of_one(c) for c in results.reconstruction if c.pathology == 0),
        "provenance": provenance, "checks": (CHECKS[0], CHECKS[-1]), "findings": tuple(first), "verdict": (),
    })  # fmt: skip
    return Evaluation(results, made.panels, made.lesions[:1])


def test_pages_and_cards_count_one_thing_in_the_singular(one):
    run = {"processes": 1, "device": "cpu", "split": {"train": 1}, "store": {"patients": 1, "slices": 1}}
    privacy = {"asked": "?", "sentences": [], "detector": [], "threat_model": "", "limits": [], "copies": [],
               "worst_patient": {"patient": "a", "samples": 1}}  # fmt: skip
    console = Console(width=100, file=io.StringIO())
    console.print(terminal.evaluation_view(one.results, 100, privacy))
    texts = {"terminal": console.file.getvalue(), "page": page.render(one)}
    texts |= documents(one.results, "model", run=run)
    assert "1 undefined score," in texts["page"]
    for name, text in texts.items():
        assert plurals(text) == [], name
    figure = lesions_figure(one.lesions, one.results)
    assert "real: 1 slice of 1 patient" in [t.get_text() for t in figure.legends[0].get_texts()]


def test_the_bins_report_counts_one_thing_in_the_singular():
    splits = {"all": 1, "train": 1, "val": 0, "test": 0}
    cell = {"z_bin": 0, "pathology": 0, "slices": splits, "patients": splits, "assessable": False,
            "minimum_detectable": None, "reason": "1 patient: at least 4 are needed"}  # fmt: skip
    store = {"fingerprint": "a", "patients": 1, "min_patients": 4, "samples": 1, "power": 0.8, "cells": [cell],
             "whole": cell, "brain_profile": [None], "fewer_bins": 1}  # fmt: skip
    report = bin_utilization((0, 0), 1, 1) | {"store": store}
    for text in (binning.html(report), binning.markdown(report)):
        assert plurals(text) == []


def test_a_store_without_a_patient_in_the_range_has_a_figure_without_a_profile():
    report = bin_utilization((1, 4), 2, 6)
    drawn, bare = (
        utilization_figure(report | {"store": {"brain_profile": profile}}).axes[0].collections
        for profile in ([0.1, 0.5, 0.6, 0.5, 0.4, 0.1], [0.1, None, None, None, None, 0.1])
    )
    assert (len(drawn), len(bare)) == (1, 0)


def test_a_comparison_counts_one_thing_in_the_singular():
    alone = Difference(
        protocol="generation", cell="bin 0 control", score="kid", heading="KID", unit="", direction="lower", first=1.0,
        second=2.0, difference=1.0, reason="one pair alone", z_bin=0, pathology=0,
    )  # fmt: skip
    tested = replace(alone, reason=None, interval=(0.5, 1.5), p_value=0.2, paired=True)
    text = comparison.comparison_page({"other": [alone, tested]}, "first", ["kid"])
    assert "1 difference has no interval" in text
    assert "1 of 1 tested difference is paired" in text
    assert plurals(text) == []
    assert text.count("corrected over the conditions of a score and the evaluations compared (Holm)") == 2


def test_reasons_of_undefined_scores_count_one_thing_in_the_singular():
    rng, alone = np.random.default_rng(0), np.zeros(1, int)
    image, mask = rng.random((1, 16, 16)), np.zeros((1, 16, 16), bool)
    binning_of_one = ZBinning((0, 1), 1, n_slices=2)
    real = je.SliceTable.from_arrays(
        image, mask, z_bin=alone, pathology=alone, patient=["a"], held_out=[True], binning=binning_of_one
    )
    made = je.SliceTable.from_arrays(
        rng.random((1, 16, 16)), mask, z_bin=alone, pathology=alone, binning=binning_of_one
    )
    wanted = ["diversity", "manifold", "memorisation", "lesion_shape", "intensity", "kid"]
    results = je.evaluate(real, made, metrics=wanted, features=["radiomics"])
    reasons = {s.reason for c in results.generation for s in c.scores.values() if s.reason}
    assert any(reason.startswith("1 patient:") for reason in reasons)
    assert [reason for reason in reasons if plurals(reason)] == []
    assert plurals(" ".join(results.verdict)) == []
