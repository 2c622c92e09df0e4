"""The verdict: sentences written by hand for findings made by hand, and never more than was shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jsddpm.binning import ZBinning
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.checks.verdict import _SUSPECTED, checks, verdict, with_findings
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import CheckSpec, Finding, ScoreSpec

QUESTIONS = {
    "sharpness": "as sharp as real slices", "grid": "free of grids", "copied": "no copies",
    "unlike": "like real slices", "lesions": "lesions like real ones", "head": "heads like real ones",
    "lesion_contrast": "images show the lesion",
    "outliers": "few outliers",
    "place": "in the bin asked for", "misplaced": "in the bin asked for", "outline": "heads like real ones",
}  # fmt: skip
NARROW = (
    "the check is fine if the whole interval lies within -0.5 to 0.5; "
    "more patients or samples would narrow the interval"
)
SMOOTH = {"kind": "smoother than real slices", "score": "grain", "value": -2.1, "interval": (-2.3, -1.8),
          "p_value": 0.001, "reason": "-2.1 SD (95%: -2.3 to -1.8)"}  # fmt: skip
GRID = SMOOTH | {"kind": "with a grid", "score": "axis", "value": 1.2, "interval": (0.9, 1.5), "p_value": 0.002,
                 "reason": "+1.2 SD (95%: 0.9 to 1.5)"}  # fmt: skip


def said(*findings, checks=("sharpness", "grid"), held_out=11, empty=(), suspected=()):
    """The verdict on two bins, of checks by name."""
    specs = [
        CheckSpec(name=n, heading=n, question=QUESTIONS[n], rule="", pathology=1 if n.startswith("lesion") else None)
        for n in checks
    ]
    real = {} if held_out is None else {"held_out_patients": held_out}
    suspicions = [{"name": name, "sentence": f"suspected: {name}"} for name in suspected]
    provenance = {"real": real, "suspicions": suspicions}
    return verdict(bare(specs, findings, provenance, [Cell(n_generated=320, n_patients=45, scores={}), *empty]))


def bare(checks, findings, provenance=None, generation=()):
    return Results(
        binning=ZBinning((0, 9), 2, n_slices=10).to_dict(), provenance=provenance or {},
        utilization=bin_utilization((0, 9), 2, 10), checks=checks, findings=findings, generation=generation,
    )  # fmt: skip


def finding(check, answer, place=(None, None), **more):
    return Finding(check=check, answer=answer, z_bin=place[0], pathology=place[1], **more)


def conditions(check, answers):
    places = [(k, p) for k in (0, 1) for p in (0, 1)]
    return [finding(check, a, place, interval=(-1.0, 1.0)) for place, a in zip(places, answers, strict=True)]


def test_a_check_of_the_whole_alone_says_nothing_of_conditions():
    """KID of single conditions has too few relabellings to be tested."""
    untested = [finding("unlike", "unknown", (k, p), reason="not tested here") for k in (0, 1) for p in (0, 1)]
    kid = {"kind": "unlike real slices", "score": "kid", "value": 3.0, "p_value": 0.001, "reason": "KID 3"}
    assert (
        said(finding("unlike", "off", **kid), *untested, checks=["unlike"])[1]
        == "Unlike real slices: KID 3, p = 0.001."
    )


def test_a_fault_of_the_whole_has_its_size_its_interval_and_its_reach():
    assert said(
        finding("sharpness", "off", **SMOOTH), *conditions("sharpness", ["off", "off", "off", "unknown"]),
        finding("grid", "fine"), *conditions("grid", ["fine", "fine", "unknown", "unknown"]),
    ) == (
        "320 samples compared with slices of 45 patients (11 held out): 1 of 2 checks is off, 1 is fine.",
        "Smoother than real slices: grain -2.1 SD (95%: -2.3 to -1.8), in 3 of 4 conditions.",
        "Fine on the whole, within the margins of the checks: free of grids (in 2 of 4 conditions).",
    )  # fmt: skip


def test_conditions_without_samples_are_not_counted():
    """No sample of bin 1 lesion was asked for; of the other three, one check is off in all."""
    findings = [
        finding("sharpness", "off", **SMOOTH), *conditions("sharpness", ["off", "off", "off", "unknown"]),
        finding("grid", "fine"), *conditions("grid", ["fine", "fine", "unknown", "unknown"]),
    ]  # fmt: skip
    sentences = said(*findings, empty=[Cell(z_bin=1, pathology=1, n_generated=0, scores={})])
    assert sentences[1].endswith(", in all 3 conditions with samples.")
    assert sentences[2].endswith(": free of grids (in 2 of 3 conditions with samples).")


def test_a_suspicion_about_what_is_fine_is_pointed_out():
    findings = [finding("misplaced", "fine"), finding("outline", "off", **SMOOTH)]
    names = {"misplaced": "in the bin asked for", "outline": "heads like real ones"}
    *_, last = said(*findings, checks=names, suspected=["order", "part turned"])
    assert last == (
        "The import check suspects a fault of what is fine here: in the bin asked for. Look at the slices before you "
        "rely on either answer."
    )
    assert "import check" not in said(*findings, checks=names, suspected=["part turned"])[-1]


def test_faults_come_by_certainty_and_further_kinds_after_the_largest():
    weaker = SMOOTH | {"kind": "smoother than real slices; noisier outside the head", "p_value": 0.04}
    first, *faults = said(
        finding("sharpness", "off", **weaker), *conditions("sharpness", ["unknown"] * 4), finding("grid", "off", **GRID)
    )
    assert first.endswith(": 2 of 2 checks are off, none is fine.")
    assert faults == [
        "With a grid: axis +1.2 SD (95%: 0.9 to 1.5).",
        "Smoother than real slices: grain -2.1 SD (95%: -2.3 to -1.8), in none of 4 conditions alone; "
        "also noisier outside the head.",
    ]


def test_scores_stand_in_sentences_by_their_words_and_never_by_their_names():
    """Where a check reads several scores, each has words of its own."""
    words = {spec.name: spec.words for metric in metrics().values() for spec in metric.specs}
    for check in checks():
        named = [words[name] for name in check.reads]
        assert len(set(named)) == len(named)
        assert all(text and "_" not in text and text != name for name, text in zip(check.reads, named, strict=True))
    spec = next(spec for metric in metrics().values() for spec in metric.specs if spec.name == "detail_high")
    whole = Cell(n_generated=9, n_patients=9, scores={
        spec.name: Score(spec=spec.name, value=3.0, interval=(2.5, 3.5), p_value=1e-9, n_patients=9)
    })  # fmt: skip
    found = with_findings(Results(
        binning=ZBinning((0, 9), 2, n_slices=10).to_dict(), provenance={}, specs=[spec], generation=[whole],
        utilization=bin_utilization((0, 9), 2, 10),
    ))  # fmt: skip
    assert (
        found.verdict[1] == "With more of the finest detail than real slices: finer detail +3.0 SD (95%: 2.5 to 3.5)."
    )


def test_a_test_without_an_interval_gives_its_p_value():
    (_, fault) = said(
        finding("unlike", "off", kind="unlike real slices", score="kid x", value=9, p_value=0.0123, reason="KID 9 (x)"),
        checks=["unlike"],
    )
    assert fault == "Unlike real slices: KID 9 (x), p = 0.012."


def test_a_fault_of_parts_names_the_largest_parts_that_show_it_themselves():
    part = SMOOTH | {"value": -1.2, "interval": (-1.6, -0.8), "reason": "-1.2 SD (95%: -1.6 to -0.8)"}
    rough = GRID | {"kind": "noisier than real slices", "p_value": 0.03}
    (first, fault) = said(
        finding("sharpness", "unknown", reason=NARROW), finding("sharpness", "off", (None, 1), **part),
        finding("sharpness", "off", (0, 1), **SMOOTH), finding("sharpness", "off", (1, 1), inherited=True, **part),
        finding("sharpness", "off", (1, 0), **rough), checks=["sharpness"], held_out=None,
    )  # fmt: skip
    assert first == (
        "320 samples compared with slices of 45 patients: 1 of 1 check is off (1 only in parts), none is fine."
    )
    # bin 0 lesion lies within the lesion samples
    assert fault == (
        "Only in parts: smoother than real slices in lesion samples; noisier than real slices in bin 1 control, "
        "most in lesion samples: grain -1.2 SD (95%: -1.6 to -0.8)."
    )


@pytest.mark.parametrize(
    ("value", "opening", "whole"),
    [(-0.9, "Significant only in parts", "; on the whole -0.9 SD, not significant"), (-0.4, "Only in parts", ""),
     (0.9, "Only in parts", "")],
)  # fmt: skip
def test_a_whole_that_moved_as_much_is_stated_beside_its_significant_parts(value, opening, whole):
    spec = CheckSpec(name="sharpness", heading="sharpness", question="as sharp as real slices", rule="")
    top = Cell(n_generated=320, n_patients=45, scores={"grain": Score(spec="grain", value=value)})
    found = [finding("sharpness", "unknown", reason=NARROW), finding("sharpness", "off", (1, 0), unit="SD", **SMOOTH)]
    assert verdict(bare([spec], found, generation=[top]))[1] == (
        f"{opening}: smoother than real slices in bin 1 control: grain -2.1 SD (95%: -2.3 to -1.8){whole}."
    )


def test_smoothness_comes_before_the_rough_spectrum_that_follows_from_it():
    """The spectrum of smoothed texture has peaks; that is the more certain finding here, and no pattern."""
    rough = GRID | {"kind": dict(checks_by_name()["texture"].words)["texture_peak"][1], "p_value": 1e-9}
    found = [finding("texture", "off", **rough), finding("sharpness", "off", **SMOOTH)]
    specs = [checks_by_name()[name].spec for name in ("texture", "sharpness")]
    first, second = verdict(bare(specs, found, generation=[Cell(n_generated=320, n_patients=45, scores={})]))[1:3]
    assert first.startswith("Smoother than real slices")
    assert second.startswith("With more power at single frequencies than around them")


def checks_by_name():
    return {check.spec.name: check for check in checks()}


def test_several_faults_of_a_part_stand_behind_the_one_that_the_number_belongs_to():
    both = SMOOTH | {"kind": "smoother than real slices; noisier outside the head"}
    assert said(finding("sharpness", "off", (1, 0), **both), checks=["sharpness"])[1] == (
        "Only in parts: smoother than real slices, also noisier outside the head in bin 1 control: "
        "grain -2.1 SD (95%: -2.3 to -1.8)."
    )


def test_what_a_check_does_not_see_is_said_where_it_is_fine():
    spec = CheckSpec(name="odd", heading="odd", question="none is odd", rule="", unseen="holes are not seen")
    results = bare(checks=[spec], findings=[finding("odd", "fine")])
    assert verdict(results)[1:] == ("Fine on the whole, within the margins of the checks: none is odd.",
                                    "Holes are not seen.")  # fmt: skip
    assert len(verdict(results.model_copy(update={"findings": (finding("odd", "unknown"),)}))) == 2


def test_many_parts_are_counted_and_one_part_stands_alone():
    def off(place):
        return finding("sharpness", "off", place, **SMOOTH)

    assert said(off((1, 0)), checks=["sharpness"])[1] == (
        "Only in parts: smoother than real slices in bin 1 control: grain -2.1 SD (95%: -2.3 to -1.8)."
    )
    nine = said(*(off((k, 1)) for k in range(9)), checks=["sharpness"])[1]
    assert nine == (
        "Only in parts: smoother than real slices in bin 0 lesion, bin 1 lesion, bin 2 lesion, bin 3 lesion, "
        "bin 4 lesion, bin 5 lesion and 3 more, most in bin 0 lesion: grain -2.1 SD (95%: -2.3 to -1.8)."
    )


def test_what_could_not_be_told_is_gathered_by_what_would_be_needed():
    wide = {"reason": NARROW, "value": 0.1}
    first, *open_ones = said(
        finding("sharpness", "unknown", score="grain", interval=(-0.7, 0.9), **wide),
        finding("grid", "unknown", score="axis", interval=(0.1, 0.8), **wide),
        finding("head", "unknown", reason="no images were given"), checks=["sharpness", "grid", "head", "place"],
    )  # fmt: skip
    assert first.endswith(": none of 3 checks is off, none is fine, 3 are unknown.")
    assert open_ones == [
        "Unknown: as sharp as real slices (grain -0.70 to 0.90); free of grids (axis 0.10 to 0.80). "
        "The check is fine if the whole interval lies within -0.5 to 0.5; "
        "more patients or samples would narrow the interval.",
        "Unknown: heads like real ones. No images were given.",
        "Not checked, because the scores were not computed: in the bin asked for.",
    ]
    three = [finding(n, "unknown", reason=f"reason {n}") for n in ("sharpness", "grid", "head")]
    assert said(*three, checks=["sharpness", "grid", "head"])[1:] == (
        "Unknown: as sharp as real slices. Reason sharpness.",
        "Unknown, each for its own reason: free of grids (reason grid); heads like real ones (reason head).",
    )
    wide = {"score": "axis", "interval": (0.1, 0.8)}
    others = {"sharpness": {"reason": "no images were given"}, "head": {"reason": "few"}, "grid": {
        "reason": NARROW.replace("within -0.5 to 0.5", "below 0.5"), **wide,
    }}  # fmt: skip
    findings = [finding(n, "unknown", **more) for n, more in others.items()]
    assert said(*findings, checks=list(others))[-1] == (
        "Unknown, each for its own reason: heads like real ones (few); "
        "free of grids (axis 0.10 to 0.80, fine if it lies below 0.5)."
    )


def test_the_top_of_a_check_of_lesions_is_the_lesion_samples():
    findings = [finding("lesions", "fine", (None, 1)), finding("lesions", "unknown", (0, 1), reason="few")]
    assert said(*findings, checks=["lesions"])[1:] == (
        "Fine on the whole, within the margins of the checks: lesions like real ones "
        "(unknown in 1 condition taken alone).",
    )


def test_copies_can_be_the_cause_of_everything_else():
    copies = finding("copied", "off", kind="nearer to training slices than new patients are", score="copy_gap",
                     value=5, interval=(4, 6), p_value=0.0, reason="+5.0 dB (95%: 4 to 6)")  # fmt: skip
    sentences = said(finding("sharpness", "fine"), copies, checks=["sharpness", "copied"])
    assert sentences[1:3] == (
        "Nearer to training slices than new patients are: copy_gap +5.0 dB (95%: 4 to 6).",
        "The other answers may follow from this fault: nearer to training slices than new patients are.",
    )


def test_copies_come_first_even_where_only_parts_show_them():
    copies = finding("copied", "off", (2, 1), kind="copies of training slices; copies of held-out slices", score="a",
                     value=0.5, interval=(0.2, 0.8), p_value=0.04, reason="in 4 of 8 samples")  # fmt: skip
    sentences = said(finding("sharpness", "off", **SMOOTH), copies, checks=["sharpness", "copied"])
    assert [s.partition(":")[0] for s in sentences[1:3]] == ["Only in parts", "Smoother than real slices"]
    assert sentences[3].startswith("The other answers may follow from these faults: copies of training slices; copies")


@pytest.mark.parametrize(
    ("place", "score", "counted"),
    [
        ((2, 1), "copy_closeness", ["80 of 320 samples are copies of training slices."]),
        ((None, None), "copy_closeness", ["80 of 320 samples are copies of training slices."]),
        ((None, None), "copied_train_share", []),
    ],
)
def test_the_number_of_copies_is_said_once(place, score, counted):
    """A quarter of 320 samples; the held-out share is 0 and not mentioned."""
    copies = finding("copied", "off", place, kind="copies", score=score, value=0.25, interval=(0.2, 0.3), reason="here")
    shares = {"copied_train_share": 0.25, "copied_held_out_share": 0.0}
    scores = {name: Score(spec=name, value=value, n_generated=320) for name, value in shares.items()}
    cell = Cell(n_generated=320, n_patients=45, scores=scores)
    spec = CheckSpec(name="copied", heading="copied", question="no copies", rule="")
    sentences = verdict(bare([spec], [copies], generation=[cell]))
    assert [s for s in sentences if " of 320 samples are copies" in s] == counted


def test_strong_blur_comes_before_what_follows_from_it_for_masks():
    """Samples blurred by several SD, whose lesions can hardly have a border."""
    masks = finding("lesion_contrast", "off", (None, 1), kind="masks that do not show in their images", value=0.8,
                    interval=(0.7, 0.9), p_value=1e-9, reason="in 80% of masks (95%: 70% to 90%)")  # fmt: skip
    names = ["lesion_contrast", "sharpness"]

    def order(value):
        blur = finding("sharpness", "off", **SMOOTH | {"value": value})
        return [s for s in said(masks, blur, checks=names)[1:] if "mask" in s or "smoother" in s.lower()]

    for value in (-3.9, -2.01, 2.01):  # 2 SD or more
        strong = order(value)
        assert [s.partition(":")[0] for s in strong[:2]] == [
            "Smoother than real slices", "Masks that do not show in their images",
        ]  # fmt: skip
        assert strong[2] == "What is said of masks may follow from this fault: smoother than real slices."
    for value in (-0.8, -1.99, 1.99):
        assert [s.partition(":")[0] for s in order(value)] == [
            "Masks that do not show in their images", "Smoother than real slices",
        ]  # fmt: skip


def test_faults_of_the_whole_come_before_those_of_parts_and_then_the_most_certain():
    """By p-value; where it is the same, in standard errors: 2.1 with 0.5 around it is more than 1.2 with 0.6."""
    part = finding("head", "off", (0, 1), **SMOOTH | {"kind": "of a part", "p_value": 1e-9})
    same = [finding("grid", "off", **GRID | {"p_value": 0.001}), finding("sharpness", "off", **SMOOTH)]
    sentences = said(part, *same, checks=["head", "grid", "sharpness"])[1:]
    assert [s.partition(":")[0] for s in sentences] == ["Smoother than real slices", "With a grid", "Only in parts"]
    surer = finding("grid", "off", **GRID | {"p_value": 0.0009})
    sentences = said(part, same[1], surer, checks=["head", "grid", "sharpness"])[1:]
    assert [s.partition(":")[0] for s in sentences] == ["With a grid", "Smoother than real slices", "Only in parts"]


def test_numbers_that_no_lesion_depends_on_are_no_cause_of_what_is_said_of_masks():
    """Air that is far too bright changes no lesion; smoothness beside it, which is not its largest score, does."""
    masks = finding("lesion_contrast", "off", (None, 1), kind="masks that do not show in their images", value=0.8,
                    interval=(0.7, 0.9), p_value=1e-9, reason="in 80% of masks (95%: 70% to 90%)")  # fmt: skip
    noisy = SMOOTH | {"kind": "noisier outside the head than real slices", "score": "background", "value": 3.0}
    found = [masks, finding("sharpness", "off", **noisy)]

    def follows(**values):
        cell = Cell(scores={name: Score(spec=name, value=value) for name, value in values.items()})
        return [s for s in said(*found, checks=["lesion_contrast", "sharpness"], empty=[cell]) if "may follow" in s]

    assert follows(background=3.0, grain=-1.0) == []
    assert follows(background=3.0, grain=-2.5) == [
        "What is said of masks may follow from this fault: smoother than real slices."
    ]


@pytest.mark.parametrize("kind", ["blank samples", "some samples like no real slice"])
def test_a_minority_that_is_enough_to_move_a_mean_comes_first(kind):
    """Up to 15 % of samples at no more than 4 SD move a mean by up to 0.6 SD, and never by 1.8."""
    few = finding("outliers", "off", kind=kind, score="x", value=0.1, interval=(0.06, 0.15), p_value=0.04,
                  reason="in 10% of samples")  # fmt: skip

    def order(value, low, high):
        blur = SMOOTH | {"value": value, "interval": (low, high), "p_value": 1e-9, "unit": "SD"}
        return said(few, finding("sharpness", "off", **blur), checks=["outliers", "sharpness"])[1:]

    first, second, third = order(-0.8, -1.0, -0.5)
    assert first.lower().startswith(kind)
    assert second.startswith("Smoother")
    assert third == f"The other answers may follow from this fault: {kind}."
    far = order(-2.1, -2.3, -1.8)
    assert far[0].lower().startswith(kind) == (kind == "blank samples")


def test_outliers_beside_a_fault_of_all_samples_are_said_to_be_beside_the_others():
    fine = [finding("outliers", "fine"), finding("sharpness", "off", **SMOOTH)]
    assert "few samples stand out from the others" in said(*fine, checks=["outliers", "sharpness"])[-1]
    fine[1] = finding("sharpness", "off", **SMOOTH | {"value": -1.9})
    assert said(*fine, checks=["outliers", "sharpness"])[-1].endswith(": few outliers.")


def test_patients_who_are_alike_are_said_without_names_and_copies_are_never_fine():
    """No copy among 400 samples is fine, unless real patients are as near to each other as copies are."""
    spec = ScoreSpec(name="copied_train_share", heading="copies", group="closeness", definition="", unit="share")
    cell = Cell(n_generated=400, n_patients=24, scores={
        s: Score(spec=s, value=0.0, interval=(0.0, 0.01), p_value=1.0, n_generated=400, unit="share")
        for s in ("copied_train_share", "copied_held_out_share", "lesions_copied_share")
    } | {
        "copied_exactly": Score(spec="copied_exactly", value=0.0, p_value=1.0, n_generated=400),
        "copy_closeness": Score(spec="copy_closeness", value=0.0, interval=(-0.3, 0.3), p_value=1.0),
    })  # fmt: skip
    specs = [replace(spec, name=name) for name in cell.scores]

    def judged(provenance):
        return with_findings(Results(
            binning=ZBinning((0, 9), 2, n_slices=10).to_dict(), provenance=provenance, specs=specs, generation=[cell],
            utilization=bin_utilization((0, 9), 2, 10),
        ))  # fmt: skip

    assert judged({}).whole()["copied"].answer == "fine"
    results = judged({"patients_alike": [["sub-003", "sub-003b"], ["sub-4", "sub-5", "sub-6"]]})
    found = results.whole()["copied"]
    assert (found.answer, found.reason) == ("unknown", "some real patients are as near to each other as copies are")
    assert results.verdict[1].startswith("Slices of 5 real patients are as near to those of another one as copies are")
    assert not any("sub-" in sentence for sentence in results.verdict)


def test_a_verdict_stays_short_and_praises_nothing():
    names = list(QUESTIONS)
    faults = [finding(n, "off", (None, 1) if n == "lesions" else (None, None), **SMOOTH) for n in names[:6]]
    sentences = said(*faults, finding("place", "unknown", reason=NARROW), checks=names)
    assert len(sentences) <= 10
    assert sum(s.startswith("Smoother than real slices: ") for s in sentences) == 4
    assert "Further faults: smoother than real slices; smoother than real slices." in sentences
    assert not any("pass" in s for s in said(finding("sharpness", "fine"), finding("grid", "fine")))


def test_without_generated_slices_there_is_no_verdict():
    empty = with_findings(
        Results(binning=ZBinning((0, 9), 2, n_slices=10).to_dict(), provenance={}, utilization={}, generation=[])
    )
    assert (empty.verdict, empty.findings) == ((), ())


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.spec.name)
def test_every_check_is_described(check):
    assert check.spec.heading
    assert check.spec.rule
    assert check.spec.question[0].islower()
    assert not check.spec.question.endswith((".", "?"))


def test_every_suspicion_of_a_check_is_about_one_that_exists():
    names = {check.spec.name for check in checks()}
    assert set(_SUSPECTED.values()) <= names


def test_checks_have_names_of_their_own():
    for words in ("name", "heading", "question"):
        every = [getattr(check.spec, words) for check in checks()]
        assert len(set(every)) == len(every)
