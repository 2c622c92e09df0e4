"""Turned samples are counted; upright ones and mirrored ones are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.slice_table import SliceTable
from synthetic import upright_heads

REAL, SAMPLES = upright_heads(180, 0), upright_heads(80, 1)
MOVES = {
    "upside down": lambda x: x[:, ::-1],
    "half a turn": lambda x: x[:, ::-1, ::-1],
    "a quarter turn": lambda x: np.rot90(x, 1, (1, 2)),
    "transposed": lambda x: x.transpose(0, 2, 1),
}


def evaluated(samples, patients=60):
    patient = np.arange(patients).repeat(3)
    rows = len(patient)
    real = SliceTable.from_arrays(
        torch.from_numpy(REAL[:rows]), z_bin=[0] * rows, pathology=[0] * rows, patient=patient
    )
    images = torch.from_numpy(np.ascontiguousarray(samples))
    generated = SliceTable.from_arrays(images, z_bin=[0] * len(images), pathology=[0] * len(images))
    results = evaluate(real, generated, metrics=["turned"], features=[])
    whole = next(f for f in results.findings if f.check == "outline" and f.place == (None, None))
    return results.score("turned_share", None, None), whole


@pytest.mark.parametrize("move", MOVES)
def test_planted_turns_are_counted(move):
    samples = SAMPLES.copy()
    samples[::10] = MOVES[move](samples[::10])
    score, whole = evaluated(samples)
    assert score.value == pytest.approx(0.1)
    interval = binomtest(8, 80).proportion_ci(method="exact")
    assert score.interval == pytest.approx((interval.low, interval.high))
    assert score.baseline == 0
    assert (whole.answer, whole.kind) == ("off", "some samples upside down or on their side")


@pytest.mark.parametrize("move", [lambda x: x, lambda x: x[:, :, ::-1]], ids=["upright", "mirrored"])
def test_upright_and_mirrored_samples_are_none(move):
    score, whole = evaluated(move(SAMPLES))
    assert score.value == 0
    assert whole.answer != "off"


def test_samples_without_half_of_their_head_are_not_turned():
    """Half of an upright head is nearer to a turned one, and is like neither."""
    samples = SAMPLES.copy()
    samples[::4, 20:] = 0
    assert evaluated(samples)[0].value == 0


def test_two_patients_are_too_few():
    score, _ = evaluated(SAMPLES, patients=2)
    assert score.value is None
    assert "3 patients" in score.reason
