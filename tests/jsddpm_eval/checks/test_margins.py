"""Margins and limits of every check, just inside and just outside what docs/reference/scores.md states."""

from __future__ import annotations

from math import log

import pytest

from jsddpm_eval.checks.coverage import why_not_covered
from jsddpm_eval.checks.decision import decide
from jsddpm_eval.checks.verdict import checks
from jsddpm_eval.results.score import Cell, Score

CHECKS = {check.spec.name: check for check in checks()}
WHOLE = (None, None)


def judged(check, value, below=0.0, above=0.0, p_value=1e-9, name="", **more):
    """The finding of one score of the whole, or of the check's pathology."""
    settings = {"n_generated": 1000, "n_patients": 30} | more
    score = Score(spec=name, value=value, interval=(value - below, value + above), p_value=p_value, **settings)
    cell = Cell(pathology=CHECKS[check].spec.pathology, scores={name: score})
    return decide([CHECKS[check]], [cell])[0]


# check, score, a value inside the margin, one outside: a fault
MARGINS = [
    ("collapsed", "nearest_other", log(0.51), log(0.49)),
    ("collapsed", "variety", log(0.51), log(0.49)),
    ("collapsed", "repeated_share", 0.199, 0.201),
    ("collapsed", "repeated_exactly", 0.019, 0.021),
    ("control_lesion", "lesion_seen_control", 0.49, 0.51),
    ("copied", "copied_train_share", 0.019, 0.021),
    ("copied", "lesions_copied_share", 0.019, 0.021),
    ("copied", "copy_closeness", 1.49, 1.51),
    ("intensity", "intensity_mean", -0.49, -0.51),
    ("lesion_contrast", "lesion_borderless_share", 0.099, 0.101),
    ("lesion_contrast", "lesion_texture", 0.49, 0.51),
    ("lesion_shape", "form_size", 0.49, 0.51),
    ("outliers", "outlier_share", 0.019, 0.021),
    ("outliers", "blank_share", 0.019, 0.021),
    ("outline", "turned_share", 0.019, 0.021),
    ("outline", "head_area", -0.49, -0.51),
    ("sharpness", "grain", -0.49, -0.51),
    ("texture", "texture_peak", 0.49, 0.51),
]


@pytest.mark.parametrize(("check", "name", "inside", "outside"), MARGINS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_value_beyond_the_margin_is_off_and_one_inside_is_not(check, name, inside, outside):
    """Both are certain, and significant."""
    of_share = {"baseline": 0.0, "baseline_interval": (0.0, 0.0)}
    assert judged(check, inside, 1e-4, 1e-4, name=name, **of_share).answer == "fine"
    assert judged(check, outside, 1e-4, 1e-4, name=name, **of_share).answer == "off"


@pytest.mark.parametrize(("check", "name", "inside", "outside"), MARGINS, ids=lambda v: v if isinstance(v, str) else "")
def test_an_interval_up_to_the_margin_is_fine_and_one_beyond_is_not(check, name, inside, outside):
    """Half the value, with an interval that ends on either side of the margin; a count has no interval."""
    if name == "repeated_exactly":
        return
    value, of_share = inside / 2, {"baseline": 0.0, "baseline_interval": (0.0, 0.0)}

    def answer(end):
        arm = abs(end - value)
        below, above = (arm, 0.0) if end < 0 else (0.0, arm)
        return judged(check, value, below, above, 0.5, name=name, **of_share).answer

    assert (answer(inside), answer(outside)) == ("fine", "unknown")


@pytest.mark.parametrize(("obey", "answer"), [(0.949, "off"), (0.951, "fine")])
@pytest.mark.parametrize("name", ["control_empty", "lesion_present"])
def test_masks_disobey_where_fewer_than_95_percent_obey(name, obey, answer):
    """The value is certain, and significant where it is beyond."""
    assert judged("disobeyed", obey, 1e-4, 1e-4, name=name).answer == answer


@pytest.mark.parametrize(
    ("name", "sign"), [("z_offset_bins", 1), ("z_offset_bins", -1), ("z_pull_bins", 1), ("z_error_bins", 1)]
)
def test_samples_are_misplaced_by_half_a_bin(name, sign):
    """Beside the 0.3 of real slices."""

    def answer(difference, half=0.005):
        band = (0.3 - half, 0.3 + half)
        value = 0.3 + sign * difference
        return judged("misplaced", value, p_value=1e-9, name=name, baseline=0.3, baseline_interval=band).answer

    assert [answer(d) for d in (0.49, 0.499, 0.51)] == ["fine", "unknown", "off"]
    assert answer(0.49, 0.02) == "unknown"


@pytest.mark.parametrize(("value", "answer"), [(0.49, "off"), (0.51, "unknown")])
def test_where_most_samples_are_outliers_there_is_no_minority(value, answer):
    found = judged("outliers", value, 0.01, 0.01, name="outlier_share", baseline=0.0, baseline_interval=(0.0, 0.0))
    assert found.answer == answer
    assert ("most samples differ from every real slice" in found.reason) == (answer == "unknown")


@pytest.mark.parametrize(("apart", "answer", "tests"), [(-1.51, "off", 2), (-1.49, "unknown", 1)])
@pytest.mark.parametrize("name", ["form_apart", "form_size_apart"])
def test_the_spread_of_lesions_is_tested_from_one_and_a_half_sd_on(name, apart, answer, tests):
    """Nearer than that it is no test, and costs the other tests of the level nothing (Holm)."""
    half = {"n_generated": 100, "n_patients": 30}
    scores = {
        name: Score(spec=name, value=apart, interval=(apart - 0.1, apart + 0.1), p_value=1e-9, **half),
        "form_size": Score(spec="form_size", value=0.9, interval=(0.6, 1.2), p_value=0.02, **half),
    }
    alone, both = ({n: scores[n] for n in names} for names in ([name], scores))
    found = [decide([CHECKS["lesion_shape"]], [Cell(pathology=1, scores=s)])[0] for s in (alone, both)]
    assert found[0].answer == answer
    assert found[0].p_value == (pytest.approx(1e-9 / 0.6) if answer == "off" else None)
    if tests == 1:
        assert found[1].p_value == pytest.approx(0.02 / 0.6)  # corrected as the only test of the whole


@pytest.mark.parametrize(("alone", "covered"), [(10, True), (11, False)])
def test_a_check_covers_nine_tenths_of_the_samples(alone, covered):
    conditions = [
        Cell(z_bin=0, pathology=0, n_generated=100 - alone, n_real=5, scores={}),
        Cell(z_bin=0, pathology=1, n_generated=alone, n_real=0, scores={}),
    ]
    said = why_not_covered(CHECKS["sharpness"], WHOLE, conditions)
    assert said == ("" if covered else f"{alone} of 100 samples have no real slices of their bin and pathology")
    assert why_not_covered(CHECKS["copied"], WHOLE, conditions) == ""  # copies are looked for in any condition
