"""One number with its context: what it may hold, and where it lies relative to its baseline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jsddpm_eval.results.score import Counts, Influence, Score, Standing, block_of, patients_of
from jsddpm_eval.results.specs import ScoreSpec

BAND = {"baseline": 5.0, "baseline_interval": (4.0, 6.0)}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"value": 6.0} | BAND, Standing(side=0)),
        ({"value": 4.0, "interval": (0, 9)} | BAND, Standing(side=0)),
        ({"value": 6.1} | BAND, Standing(side=1)),
        ({"value": 7.0, "interval": (6.0, 8)} | BAND, Standing(side=1)),
        ({"value": 7.0, "interval": (6.1, 8)} | BAND, Standing(side=1, certain=True)),
        ({"value": 3.0, "interval": (2, 4)} | BAND, Standing(side=-1)),
        ({"value": 3.0, "interval": (2, 3.9)} | BAND, Standing(side=-1, certain=True)),
        ({"value": 7.0, "interval": (4, 9)} | BAND, Standing(side=1)),
        ({"value": 7.0, "interval": (5, 9), "baseline": 5.0}, Standing(side=0)),
        ({"value": 7.0, "interval": (5.1, 9), "baseline": 5.0}, Standing(side=1, certain=True)),
        ({"value": 5.0, "baseline": 5.0}, Standing(side=0)),
        ({"value": 4.9, "baseline": 5.0}, Standing(side=-1)),
        ({"value": 4.9, "interval": (4, 6)}, None),
    ],
)
def test_a_score_lies_below_like_or_above_real_slices(fields, expected):
    assert Score(**fields).stand() == expected


def test_an_undefined_score_lies_nowhere():
    assert Score.undefined("too few", baseline=1.0).stand() is None


@pytest.mark.parametrize(
    "arguments",
    [{"value": float("nan")}, {"value": None}, {"value": 1.0, "status": "unreliable"}, {"value": float("inf")},
     {"value": 1.0, "baseline": float("nan")}, {"value": 1.0, "interval": (0.0, float("inf"))},
     {"value": 1.0, "reason": "no need"}, {"value": 1.0, "status": "undefined", "reason": "why"}],
)  # fmt: skip
def test_scores_cannot_be_nan_null_without_reason_or_reasonless(arguments):
    with pytest.raises(ValidationError):
        Score(**arguments)


def test_a_placed_score_has_its_identity_unit_and_standing():
    spec = ScoreSpec(name="kid", heading="KID", group="", definition="", unit="u", per_space=True)
    score = Score.of(7.0, Counts(3, 2, 1)).model_copy(update=BAND).placed(spec, "radiomics")
    assert (score.spec, score.space, score.unit) == ("kid", "radiomics", "u")
    assert score.standing == Standing(side=1)
    assert (score.n_real, score.n_generated, score.n_patients) == (3, 2, 1)


def test_influences_are_changes_and_name_their_blocks():
    influence = Influence.of(2.0, patients={"a+b": 2.5, "c": 1.0}, samples=[2.0, 3.0], sample_blocks=[2, 1])
    assert influence.patients == {"a+b": 0.5, "c": -1.0}
    assert influence.patient_blocks == [2, 1]
    assert (influence.samples, influence.sample_blocks) == ((0.0, 1.0), (2, 1))
    assert Influence.of(2.0, samples=[2.0, 3.0], sample_blocks=[1, 1]).sample_blocks == ()


@given(st.lists(st.text(st.sampled_from("ab+%2B5"), min_size=1), min_size=1))
def test_blocks_name_their_patients_whatever_these_are_called(names):
    assert patients_of(block_of(*names)) == names
    assert Influence(patients={block_of(*names): 0.1}).patient_blocks == [len(names)]
