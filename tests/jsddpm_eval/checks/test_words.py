"""Words of faults that depend on several scores: which one a score has, and that it has the plain one otherwise."""

from __future__ import annotations

import pytest

from jsddpm_eval.checks import (
    collapsed,
    control_lesion,
    intensity,
    lesion_contrast,
    lesion_shape,
    misplaced,
    outliers,
    outline,
    sharpness,
    texture,
)
from jsddpm_eval.checks.decision import decide
from jsddpm_eval.results.score import Cell, Score


def kinds(check, **shifts):
    """The fault of each score, with intervals of 0.2 to either side, or the one that is given."""
    scores = {}
    for name, value in shifts.items():
        value, low, high = value if isinstance(value, tuple) else (value, value - 0.2, value + 0.2)
        scores[name] = Score(spec=name, value=value, interval=(low, high), p_value=1e-6)
    return {evidence.score: evidence.kind for evidence in check.evidence(Cell(pathology=1, scores=scores))}


CONTROL = "control images that show a lesion"
STRIPES = "with more power along the axes than beside them, as of stripes or a grid"

# check, score, its fault 1.6 SD (or logarithms, or bins) below and above the real slices, as docs/reference state them
SIDES = [
    (collapsed, "nearest_other", "few different samples", ""),
    (control_lesion, "lesion_seen_control", "", CONTROL),
    (intensity, "intensity_mean", "darker than real slices", "brighter than real slices"),
    (intensity, "intensity_spread", "with less contrast than real slices", "with more contrast than real slices"),
    (intensity, "intensity_front_back", "brighter in front than real slices", "brighter at the back than real slices"),
    (lesion_shape, "form_size", "lesions smaller than real ones", "lesions larger than real ones"),
    (lesion_shape, "form_elongation", "lesions rounder than real ones", "lesions longer than real ones"),
    (lesion_shape, "form_apart", "lesions nearer to each other than real ones", ""),
    (misplaced, "z_offset_bins", "in lower bins than conditioned on", "in higher bins than conditioned on"),
    (misplaced, "z_pull_bins", "", "pulled to the middle: the bin of the condition is ignored"),
    (outline, "head_area", "smaller than real heads", "larger than real heads"),
    (outline, "head_row", "too far up in the slice", "too far down in the slice"),
    (texture, "texture_axis_mid", "", STRIPES),
    (texture, "texture_blocks", "", "with larger steps every 8 pixels than elsewhere, as of blocks"),
]


@pytest.mark.parametrize(("module", "name", "below", "above"), SIDES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_fault_has_the_words_of_its_side_and_a_side_without_words_is_none(module, name, below, above):
    place = module.CHECK.spec.pathology
    for value, kind in ((-1.6, below), (1.6, above)):
        beside = {"baseline": 0.3, "baseline_interval": (0.25, 0.35)} if module is misplaced else {}
        value = value + beside.get("baseline", 0)
        score = Score(
            spec=name, value=value, interval=(value - 0.05, value + 0.05), p_value=1e-9, n_patients=30,
            n_generated=1000, **beside,
        )  # fmt: skip
        (found,) = decide([module.CHECK], [Cell(pathology=place, scores={name: score})])
        assert (found.answer, found.kind) == (("off", kind) if kind else ("fine", ""))


@pytest.mark.parametrize("coarse", ["grain", "detail_mid"])
def test_more_of_the_finest_detail_beside_less_grain_is_smoothing(coarse):
    """As after a bilateral filter: grain -1.3 SD, finest detail +1.5 SD."""
    smooth = kinds(sharpness.CHECK, **{coarse: -1.3}, detail_corner=1.5)
    assert (
        smooth["detail_corner"] == "with more of the finest detail and less beside it, as of smoothing that keeps edges"
    )
    plain = "with more of the finest detail than real slices"
    for value in (-0.4, 1.0, (-0.8, -1.7, 0.1)):  # inside the margin, upwards, not shown
        assert kinds(sharpness.CHECK, **{coarse: value}, detail_corner=1.5)["detail_corner"] == plain
    edges = {"grain": -1.1, "detail_mid": -1.1} | {{"grain": "detail_mid", "detail_mid": "grain"}[coarse]: 1.9}
    assert kinds(sharpness.CHECK, **edges, detail_corner=3.6)["detail_corner"] == plain


def test_contrast_at_the_border_alone_is_that_of_pasted_lesions():
    pasted = {"lesion_contrast": (0.5, 0.1, 0.9), "lesion_contrast_kept": 1.2, "lesion_step_kept": 1.4}
    harder, more = "lesions with harder borders than real ones, as if pasted", "lesions of more contrast than real ones"
    assert kinds(lesion_contrast.CHECK, **pasted, lesion_step=1.3)["lesion_step"] == harder
    plain = pasted | {"lesion_contrast": 1.2}
    assert kinds(lesion_contrast.CHECK, **plain, lesion_step=1.3)["lesion_step"] == more
    both = pasted | {"lesion_step_kept": 1.25}
    assert kinds(lesion_contrast.CHECK, **both, lesion_step=1.3)["lesion_step"] == more


def test_a_condition_that_names_another_cause_has_the_fault_of_the_whole():
    """In one of two conditions the border is as much stronger as the contrast; both have too much at the border."""
    cells = [_cell(None, 1.4), _cell(0, 1.4), _cell(1, 1.2)]
    answers = {f.place: (f.answer, f.kind.split(",")[0]) for f in decide([lesion_contrast.CHECK], cells)}
    assert answers == {
        (None, 1): ("off", "lesions with harder borders than real ones"),
        (0, 1): ("off", "lesions with harder borders than real ones"),
        (1, 1): ("off", "lesions of more contrast than real ones"),
    }


def _cell(z_bin, kept):
    wide, chance = (0.2, 1e-9) if z_bin is None else (1.2, 0.04)
    interval = (1.3 - wide, 1.3 + wide)
    shift = Score(spec="lesion_step", value=1.3, interval=interval, p_value=chance, n_patients=40)
    plain = Score(spec="lesion_contrast", value=0.4, interval=(0.1, 0.7), p_value=0.01, n_patients=40)
    others = {f"lesion_{name}_kept": Score(spec=f"lesion_{name}_kept", value=v) for name, v in
              (("contrast", 1.2), ("step", kept))}  # fmt: skip
    scores = {"lesion_contrast": plain, "lesion_step": shift} | others
    return Cell(z_bin=z_bin, pathology=1, scores=scores)


ODD = Score(spec="outlier_share", value=0.9, interval=(0.8, 0.95), baseline=0.0, p_value=1e-9)
UNTOLD = Score(spec="outlier_share", value=None, status="undefined", reason="most samples differ from every real slice")


@pytest.mark.parametrize("outliers_found", [ODD, UNTOLD], ids=["most", "undefined"])
@pytest.mark.parametrize(("blank", "reason"), [(0.0, "most samples differ from every real slice"), (0.3, "")])
def test_few_blank_samples_do_not_hide_that_no_minority_can_be_told(outliers_found, blank, reason):
    scores = {
        "outlier_share": outliers_found,
        "blank_share": Score(
            spec="blank_share",
            value=blank,
            interval=(blank, blank + 0.023),
            baseline=0.0,
            p_value=1e-9 if blank else 1.0,
        ),
    }
    (found,) = decide([outliers.CHECK], [Cell(scores=scores)])
    assert (found.answer, found.kind) == (("off", "blank samples") if blank else ("unknown", ""))
    assert reason in found.reason
