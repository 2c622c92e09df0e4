"""From evidence to answers: three answers, one control of false alarms, and parts that borrow from the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, nct, norm
from scipy.stats import t as student

from jsddpm_eval.checks.base import Check, Evidence, excess
from jsddpm_eval.checks.decision import decide
from jsddpm_eval.checks.levels import LEVELS, level
from jsddpm_eval.checks.pooling import pooled as pooled_with
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import CheckSpec

Z95 = norm.ppf(0.975)
WORDS = ("too low", "too high")


class Made(Check):
    """A check of whatever scores a cell holds, each its own evidence."""

    def __init__(
        self,
        margin=(-0.5, 0.5),
        words=WORDS,
        name="made",
        pathology=None,
        scores=None,
        least=0.0,
        figure="{:.3g}".format,
    ):
        self.spec = CheckSpec(name=name, heading=name, question=name, rule="", pathology=pathology)
        self.margin, self.words, self.scores, self.least, self.figure = margin, words, scores, least, figure

    @property
    def reads(self):
        return tuple(self.scores or ())

    def evidence(self, cell):
        return [
            Evidence(
                name,
                s.value,
                s.interval,
                s.p_value,
                self.margin,
                self.words,
                s.reason or "",
                self.least,
                figure=self.figure,
            )
            for name, s in cell.scores.items()
            if self.scores is None or name in self.scores
        ]


def score(value, error=0.1):
    """A normal estimate with its interval and its two-sided p-value of 0."""
    half = Z95 * error
    return Score(value=value, interval=(value - half, value + half), p_value=float(2 * norm.sf(abs(value) / error)))


def cells(values, error=0.1):
    """A cell for each (bin, pathology) with a score ``a``."""
    made = {place: v if isinstance(v, Score) else score(v, error) for place, v in values.items()}
    return [Cell(z_bin=k, pathology=p, scores={"a": s}) for (k, p), s in made.items()]


def answers(found, check="made"):
    return {f.place: f.answer for f in found if f.check == check}


def of(value, **check):
    """The finding of the whole where it has one score."""
    (found,) = decide([Made(**check)], cells({(None, None): value}))
    return found


WHOLE = (None, None)


# The three answers


@pytest.mark.parametrize(
    ("value", "answer"),
    [(score(1.0), "off"), (score(-1.0), "off"), (score(0.0), "fine"), (score(0.1, 1.0), "unknown")],
)
def test_evidence_of_a_fault_evidence_of_none_and_neither(value, answer):
    found = of(value)
    assert (found.answer, found.kind) == (answer, {1.0: "too high", -1.0: "too low"}.get(value.value, ""))
    assert found.reason or answer == "fine"


def test_what_is_off_carries_its_score_its_size_and_its_p_value():
    found = of(score(1.0))
    half = Z95 * 0.1
    assert (found.score, found.value, found.interval) == ("a", 1.0, pytest.approx((1 - half, 1 + half)))
    # three fifths of the false alarms are the whole's
    assert found.p_value == pytest.approx(2 * norm.sf(10) / 0.6, rel=1e-6, abs=0)
    assert found.reason == "1 (95%: 0.8 to 1.2)"


def test_a_shift_that_is_certain_but_small_is_fine():
    """0.3 lies fifteen errors from 0, and within the margin with its whole interval."""
    assert of(score(0.3, 0.02)).answer == "fine"


@pytest.mark.parametrize(
    ("interval", "answer"), [((-0.5, 0.5), "fine"), ((-0.5001, 0.5), "unknown"), ((-0.5, 0.5001), "unknown")]
)
def test_an_interval_up_to_the_margin_is_within(interval, answer):
    assert of(Score(value=0.0, interval=interval, p_value=1.0)).answer == answer


@pytest.mark.parametrize(("p_value", "answer"), [(0.03, "off"), (0.0301, "unknown")])
def test_the_whole_is_tested_at_three_fifths_of_five_percent(p_value, answer):
    assert of(Score(value=0.9, interval=(0.1, 1.7), p_value=p_value)).answer == answer


def test_a_difference_in_a_direction_without_a_fault_is_fine():
    """The faulty side is excluded by the margin, however far the interval lies on the other one."""
    for value in (score(-2.0), score(-0.5, 0.4)):
        found = of(value, words=("", "too high"))
        assert (found.answer, found.kind) == ("fine", "")
        assert of(value, words=WORDS).answer != "fine"
    assert "more patients" in of(score(0.4, 0.3), words=("", "too high")).reason


@pytest.mark.parametrize(
    ("words", "interval", "said"),
    [
        (WORDS, (0.2, 0.9), "within -0.5 to 0.5"),
        (("", "too high"), (0.2, 0.9), "below 0.5"),
        (("too low", ""), (-0.9, -0.2), "above -0.5"),
        (("", "too high"), (-0.6, 0.9), "below 0.5"),
    ],
)
def test_a_fault_on_one_side_has_one_bound(words, interval, said):
    value = Score(value=sum(interval) / 2, interval=interval, p_value=0.5)
    fine, needed = of(value, words=words).reason.split("; ")
    assert fine == f"the check is fine if the whole interval lies {said}"
    assert needed == "more patients or samples would narrow the interval"


def test_an_interval_beyond_the_margin_that_is_not_significant_says_so():
    """Two tests of one level share 3 %: 0.02 is 0.067 after the correction (2 x 0.02 / 0.6)."""
    cell = Cell(scores={name: Score(value=0.9, interval=(0.6, 1.2), p_value=0.02) for name in "ab"})
    (found,) = decide([Made()], [cell])
    assert found.answer == "unknown"
    assert found.reason.endswith("; the difference is not significant, p = 0.067 after correction")


def test_undefined_scores_are_unknown_with_their_reason_and_hide_no_fault():
    assert of(Score.undefined("too few")).model_dump(include={"answer", "reason"}) == {
        "answer": "unknown", "reason": "too few",
    }  # fmt: skip
    both = Cell(scores={"a": Score.undefined("too few"), "b": score(1.0)})
    assert decide([Made()], [both])[0].answer == "off"
    assert decide([Made()], [both.model_copy(update={"scores": both.scores | {"b": score(0)}})])[0].answer == "unknown"


# False alarms


def test_levels_share_the_false_alarms():
    assert sum(LEVELS.values()) == pytest.approx(1)
    p = Score(value=0.9, interval=(0.01, 1.8), p_value=0.002)
    places = {"whole": (None, None), "pathology": (None, 0), "bin": (0, None), "condition": (0, 0)}
    for name, place in places.items():
        assert level(place) == name
        (found,) = decide([Made()], cells({place: p}))
        # alone on its level, a p-value is divided by the level's share; the names are those of the four levels
        assert found.p_value == pytest.approx(
            0.002 / {"whole": 0.6, "pathology": 0.2, "bin": 0.1, "condition": 0.1}[name]
        )


def test_the_pathology_of_a_check_of_one_pathology_is_its_whole():
    (found,) = decide([Made(pathology=1)], cells({(None, 1): Score(value=1, interval=(0.1, 2), p_value=0.02)}))
    assert (found.answer, found.p_value) == ("off", pytest.approx(0.02 / 0.6))


def test_holm_runs_over_every_score_of_every_check_of_a_level():
    p_values = {"a": 0.001, "b": 0.004, "c": 0.02}
    scores = {n: Score(value=1, interval=(0.1, 2), p_value=p) for n, p in p_values.items()}
    checks = [Made(name=n, scores=[n]) for n in scores]
    found = {f.check: f for f in decide(checks, [Cell(scores=scores)])}
    assert {n: f.p_value for n, f in found.items() if f.answer == "off"} == pytest.approx(
        {"a": 0.001 * 3 / 0.6, "b": 0.004 * 2 / 0.6, "c": 0.02 / 0.6}
    )


def test_tests_that_cannot_reject_cost_the_others_nothing():
    """Nine tests of few patients cannot fall below 0.01; the tenth is corrected as if it were alone (Tarone 1990)."""
    poor, good = Score(value=1, p_value=0.5), Score(value=1, p_value=0.02)
    checks = [Made(name=f"poor {i}", scores=[f"p{i}"], least=0.01) for i in range(9)] + [
        Made(name="good", scores=["g"])
    ]
    cell = Cell(scores={f"p{i}": poor for i in range(9)} | {"g": good})
    found = {f.check: f for f in decide(checks, [cell])}
    assert (found["good"].answer, found["good"].p_value) == ("off", pytest.approx(0.02 / 0.6))
    rich = decide([*(Made(name=c.spec.name, scores=c.scores) for c in checks)], [cell])
    assert {f.answer for f in rich} == {"unknown"}


def test_false_alarms_over_everything_stay_within_five_percent():
    """Perfect generators of 5 bins: three scores of every place, pooled as the whole pools its parts."""
    draws, alarms, rng = 300, 0, np.random.default_rng(0)
    for _ in range(draws):
        parts = rng.normal(size=(3, 5, 2))  # one standard error each
        made = []
        for k in (*range(5), None):
            for p in (0, 1, None):
                chosen = parts[:, slice(None) if k is None else [k]][:, :, slice(None) if p is None else [p]]
                error = chosen[0].size ** -0.5
                scores = {n: score(float(v), error) for n, v in zip("abc", chosen.mean((1, 2)), strict=True)}
                made.append(Cell(z_bin=k, pathology=p, scores=scores))
        checks = [Made(margin=(-0.01, 0.01)), Made(name="high", words=("", "too high"), margin=(-0.01, 0.01))]
        alarms += any(f.answer == "off" for f in decide(checks, made))
    assert alarms <= binom.ppf(0.999, draws, 0.05)


class Worded(Made):
    """A check with words of its own for each score."""

    def evidence(self, cell):
        return [replace(piece, words=(f"low {piece.score}", f"high {piece.score}")) for piece in super().evidence(cell)]


@pytest.mark.parametrize(("other", "kind"), [(2.6, "high a; high b"), (2.4, "high a")])
def test_kinds_at_least_half_as_certain_as_the_largest_are_named(other, kind):
    """``a`` lies ten standard errors from 0; ``b`` a little more, or less, than five of its own."""
    scores = {"a": score(5.0, 0.5), "b": score(other, 0.5)}
    assert decide([Worded()], [Cell(scores=scores)])[0].kind == kind


# What is stated of a share


class Excess(Made):
    """A check of shares of which a tenth is negligible."""

    def evidence(self, cell):
        return [excess(s, 0.1, "too many", "in {:.0%} of masks".format) for s in cell.scores.values()]


def share(value, interval, p_value=1e-9):
    return Score(value=value, interval=interval, baseline=0.05, baseline_interval=(0.0, 0.1), p_value=p_value)


def test_a_share_is_stated_with_its_own_interval():
    (found,) = decide([Excess()], cells({WHOLE: share(0.3, (0.02, 0.4))}))
    assert (found.answer, found.value, found.interval) == ("off", 0.3, (0.02, 0.4))
    assert found.reason == "in 30% of masks (95%: 2% to 40%)"


def test_the_share_itself_has_the_margin_because_that_of_real_slices_is_hardly_known():
    (found,) = decide([Excess()], cells({WHOLE: share(0.08, (0.03, 0.12), p_value=0.5)}))
    assert (found.answer, found.value, found.interval) == ("unknown", 0.08, (0.03, 0.12))
    assert found.reason.startswith("the check is fine if the whole interval lies below 10%; ")
    (found,) = decide([Excess()], cells({WHOLE: share(0.05, (0.03, 0.1), p_value=0.5)}))
    assert found.answer == "fine"


def test_a_pooled_share_is_the_mean_of_the_arcsines_of_roots():
    parts = {WHOLE: share(0.55, (0.35, 0.75)), (0, 0): share(0.4, (0.2, 0.6), p_value=0.5)}
    found = {f.place: f for f in decide([Excess()], cells(parts))}
    turned = {x: np.arcsin(x**0.5) for x in (0.2, 0.35, 0.4, 0.55, 0.6, 0.75)}
    own, top = (((turned[high] - turned[low]) / 2) ** 2 for low, high in ((0.2, 0.6), (0.35, 0.75)))
    weight = top / (own + top)  # one condition: nothing is known of differences between conditions
    middle = weight * turned[0.4] + (1 - weight) * turned[0.55]
    half = np.sqrt(weight * own + (1 - weight) ** 2 * top)
    assert (found[0, 0].answer, found[0, 0].inherited) == ("off", True)
    assert found[0, 0].value == pytest.approx(np.sin(middle) ** 2)
    assert found[0, 0].interval == pytest.approx((np.sin(middle - half) ** 2, np.sin(middle + half) ** 2))


# What parts have from the whole


def random_effects(values, errors, at, top, top_error):
    """A condition's estimate under random effects around its whole (DerSimonian and Laird 1986), with its error."""
    w = 1 / np.square(errors)
    mean = np.average(values, weights=w)
    between = max(0, ((w * (values - mean) ** 2).sum() - (len(values) - 1)) / (w.sum() - (w**2).sum() / w.sum()))
    prior = between + top_error**2
    share = prior / (prior + errors[at] ** 2)
    estimate = share * values[at] + (1 - share) * top
    return estimate, np.hypot(share**0.5 * errors[at], (1 - share) * top_error)


def test_a_condition_borrows_from_the_whole_as_random_effects_do():
    values, errors = np.array([1.1, 0.4, 0.9, -0.4]), np.array([0.5, 0.45, 0.4, 0.35])
    places = [(k, p) for k in (0, 1) for p in (0, 1)]
    scores = {WHOLE: score(1.0, 0.1)} | {place: score(v, e) for place, v, e in zip(places, values, errors, strict=True)}
    found = {f.place: f for f in decide([Made(figure="{:+.2f} SD".format)], cells(scores))}
    assert found[WHOLE].answer == "off"
    borrowed = []
    for at, place in enumerate(places):
        estimate, error = random_effects(values, errors, at, 1.0, 0.1)
        apart = abs(estimate) > Z95 * error
        assert (found[place].answer == "off", found[place].inherited) == (apart, apart)
        borrowed.append(bool(apart))
        if apart:
            assert found[place].value == pytest.approx(estimate)
            assert found[place].interval == pytest.approx((estimate - Z95 * error, estimate + Z95 * error))
            assert found[place].reason.startswith(f"{estimate:+.2f} SD (")  # the value of this interval
    assert borrowed == [True, False, True, False]


def test_a_whole_that_is_too_high_is_no_evidence_of_a_part_that_is_too_low():
    """Its own test says nothing, and its pooled value lies below 0 with its whole interval."""
    values, errors = np.array([-3.0, 4.0, 1.5, 1.5]), np.full(4, 0.3)
    estimate, error = random_effects(values, errors, 0, 1.0, 0.1)
    assert estimate + Z95 * error < 0
    places = [(k, p) for k in (0, 1) for p in (0, 1)]
    scores = {WHOLE: score(1.0, 0.1)} | {place: score(v, 0.3) for place, v in zip(places, values, strict=True)}
    scores = {place: s.model_copy(update={"p_value": 0.5}) if place != WHOLE else s for place, s in scores.items()}
    found = {f.place: f for f in decide([Made()], cells(scores))}
    assert (found[WHOLE].answer, found[WHOLE].kind) == ("off", "too high")
    assert (found[0, 0].answer, found[0, 0].inherited) == ("unknown", False)
    assert (found[0, 1].answer, found[0, 1].inherited, found[0, 1].kind) == ("off", True, "too high")


def test_shares_that_are_pooled_stay_between_0_and_1():
    """The variance of the arcsine of a share's root is 1 / 4 n, so equal conditions pool like one of all samples."""

    def share(count, total):
        low, high = (np.sin(np.clip(np.arcsin((count / total) ** 0.5) + z / (2 * total**0.5), 0, np.pi / 2)) ** 2
                     for z in (-Z95, Z95))  # fmt: skip
        return Evidence("a", count / total, (low, high), margin=(0.95, 1.05), words=("too low", ""), share=True)

    own, parent = share(60, 64), share(240, 256)
    pooled = pooled_with(own, parent, [own, own, own])
    alone, above = 1 / (4 * 64), 1 / (4 * 256)  # conditions agree, so nothing is between them
    half = Z95 * ((above / (alone + above)) ** 2 * alone + (alone / (alone + above)) ** 2 * above) ** 0.5
    angle = np.arcsin((60 / 64) ** 0.5)
    assert pooled.value == pytest.approx(60 / 64)
    assert pooled.interval == pytest.approx((np.sin(angle - half) ** 2, np.sin(angle + half) ** 2), rel=0.02)
    perfect = share(16, 16)
    low, high = pooled_with(perfect, parent, [perfect, own]).interval
    assert 0 <= low < high <= 1


@pytest.mark.parametrize(
    ("words", "margin", "value", "enough"),
    [(("", "copies"), (-0.02, 0.02), 0.0, 183), (("too few", ""), (0.95, 1.05), 1.0, 72)],
)
def test_a_share_says_how_many_samples_would_be_enough(words, margin, value, enough):
    """Without a single exception, 0.025 = (1 - margin)^n."""
    outside = margin[1] if words[1] else 1 - margin[0]
    assert enough == np.ceil(np.log(0.025) / np.log(1 - outside))
    interval = (0.0, 0.2) if words[1] else (0.8, 1.0)

    class Shares(Made):
        def evidence(self, cell):
            return [replace(e, share=True) for e in super().evidence(cell)]

    cell = cells({WHOLE: Score(value=value, interval=interval, p_value=1.0)})
    (found,) = decide([Shares(margin, words)], cell)
    assert found.answer == "unknown"
    assert found.reason.endswith(f"; with the same share, {enough} samples would be enough")


class Parted(Made):
    """A check of scores of 30 patients, of whose variance a known share falls with their number."""

    def __init__(self, of_patients, **more):
        super().__init__(**more)
        self.of_patients = of_patients

    def evidence(self, cell):
        return [replace(e, patients=30, of_patients=self.of_patients) for e in super().evidence(cell)]


@pytest.mark.parametrize(
    ("of_patients", "needs"),
    [
        (1.0, "about 120 patients"),  # half the width takes four times as many
        (0.9, "about 180 patients"),  # 0.9 / 6 + 0.1 = 1 / 4
        (0.8, "about 120 patients and 4 times as many samples"),  # 0.8 / 16 + 0.2 = 1 / 4: 480 patients alone
        (0.5, "about 120 patients and 4 times as many samples"),  # more patients alone leave half of the variance
        (0.0, "4 times as many samples"),
        (None, ""),
    ],
)
def test_an_unknown_shift_says_how_many_patients_or_samples_would_narrow_its_interval(of_patients, needs):
    """0.1 with an interval of 0.8 to either side is fine within 0.5 once 0.4 is left, a quarter of the variance."""
    value = Score(value=0.1, interval=(-0.7, 0.9), p_value=0.8)
    (found,) = decide([Parted(of_patients)], [Cell(scores={"a": value})])
    assert (found.answer, found.needs) == ("unknown", needs)
    assert found.evidence == "a -0.70 to 0.90" + (f", needs {needs}" if needs else "")


def test_a_large_shift_needs_enough_to_be_significant():
    """1 with an error of 0.5 and 29 degrees of freedom: at the level of a single test of the whole, 3 %, t is 2.28.

    So (2.28 / 2)^2 times as many patients would be enough.
    """
    half = student.ppf(0.975, 29) * 0.5
    value = Score(value=1.0, interval=(1 - half, 1 + half), p_value=float(2 * student.sf(2, 29)))
    (found,) = decide([Parted(1.0)], [Cell(scores={"a": value})])
    needed = 30 * (student.ppf(1 - 0.03 / 2, 29) / 2) ** 2
    assert (found.answer, found.needs) == ("unknown", f"about {needed:.0f} patients")


def test_a_fine_whole_makes_alike_conditions_fine_and_unlike_ones_not():
    alike = {(k, 0): score(v, 0.4) for k, v in enumerate((0.2, -0.1, 0.1, -0.2))}
    found = answers(decide([Made()], cells({WHOLE: score(0.0, 0.1)} | alike)))
    assert set(found.values()) == {"fine"}
    borrowed = {f.place: f.inherited for f in decide([Made()], cells({WHOLE: score(0.0, 0.1)} | alike))}
    assert borrowed == {WHOLE: False} | dict.fromkeys(alike, True)
    sure = decide([Made()], cells({WHOLE: score(0.0, 0.1), (0, 0): score(0.0, 0.2)}))  # 0.2 * 1.96 < 0.5
    assert not any(f.inherited for f in sure)
    unlike = {(k, 0): score(v, 0.4) for k, v in enumerate((1.5, -1.5, 1.4, -1.4))}
    found = answers(decide([Made()], cells({WHOLE: score(0.0, 0.1)} | unlike)))
    assert found.pop(WHOLE) == "fine"
    assert "fine" not in found.values()


def test_a_condition_whose_own_test_rejects_is_never_fine_by_the_whole():
    """0.4 with an error of 0.08 is five errors from 0, and reaches 0.56; with 0.2 it is two errors and significant
    in none of nine tests. Only on a side without a fault is a significant condition fine.
    """
    assert 2 * norm.sf(0.4 / 0.08) < 0.05 / 9 < 2 * norm.sf(0.4 / 0.2)
    whole, others = score(0.0, 0.03), {(k, 0): score(0.0, 0.2) for k in range(1, 8)}

    def of_first(first, words=WORDS):
        found = {f.place: f for f in decide([Made(words=words)], cells({WHOLE: whole, (0, 0): first} | others))}
        assert found[WHOLE].answer == "fine"
        return found[0, 0].answer

    assert of_first(score(0.4, 0.08)) == "unknown"
    assert of_first(score(0.4, 0.2)) == "fine"
    assert of_first(score(0.4, 0.08), words=("too low", "")) == "fine"


@pytest.mark.parametrize(("bound", "said"), [(0.3, "up to 30% of real ones may look so by chance"), (0.01, "p = 1 ")])
def test_a_share_that_real_slices_may_have_by_chance_gives_their_bound(bound, said):
    """A quarter of samples (19 to 33 %), where up to 30 % of real slices look so, and where 1 % does."""

    class Share(Made):
        def evidence(self, cell):
            return [excess(s, 0.02, "copies", str) for s in cell.scores.values()]

    value = Score(
        spec="a", value=0.25, interval=(0.19, 0.33), p_value=1.0, baseline=0.1, baseline_interval=(0.0, bound)
    )
    (found,) = decide([Share()], [Cell(scores={"a": value})])
    assert found.answer == "unknown"
    assert said in found.reason


def test_a_fault_of_lesion_conditions_is_no_fault_of_control_ones():
    values = {(k, p): score(2.0 * p, 0.3) for k in range(4) for p in (0, 1)}
    pooled = {WHOLE: score(1.0, 0.1), (None, 0): score(0.0, 0.1), (None, 1): score(2.0, 0.1)}
    pooled |= {(k, None): score(1.0, 0.2) for k in range(4)}
    found = decide([Made()], cells(pooled | values))
    assert {f.place for f in found if f.answer == "off" and f.pathology == 1} == {
        (None, 1),
        *((k, 1) for k in range(4)),
    }
    assert not [f for f in found if f.answer == "off" and f.pathology == 0]


def test_a_condition_with_a_fault_of_its_own_is_off_beside_a_fine_whole():
    values = {(k, 0): score(3.0 if k == 2 else 0.0, 0.3) for k in range(6)}
    found = {f.place: f for f in decide([Made()], cells({WHOLE: score(0.1, 0.1)} | values))}
    assert found[WHOLE].answer == "fine"
    assert (found[2, 0].answer, found[2, 0].inherited, found[2, 0].value) == ("off", False, 3.0)
    assert {found[k, 0].answer for k in (0, 1, 3, 4, 5)}.isdisjoint({"off"})


def test_findings_come_whole_first_check_by_check():
    places = [(1, 1), (0, None), (None, 1), (0, 0), WHOLE, (1, 0)]
    found = decide([Made(name="b"), Made(name="a")], cells(dict.fromkeys(places, 0.0)))
    order = [WHOLE, (None, 1), (0, None), (0, 0), (1, 0), (1, 1)]
    assert [(f.check, f.place) for f in found] == [(n, place) for n in "ba" for place in order]


def test_a_condition_that_is_all_but_certain_divides_by_nothing():
    """Samples that are all alike have intervals without width; beside one of them other weights vanish."""
    pooled = {
        (None, None): score(1.0, 0.1),
        (0, 0): score(1.0, 1e-12),
        (1, 0): score(1.2, 0.4),
        (2, 0): score(0.9, 0.4),
    }
    found = {f.place: f.answer for f in decide([Made()], cells(pooled))}
    assert found[0, 0] == found[None, None] == "off"


# The smallest difference that a test detects


class Uncertain(Made):
    """A check whose evidence rests on 11 patients, and has degrees of freedom of its own, if given."""

    freedom = None

    def evidence(self, cell):
        return [replace(piece, patients=11, freedom=self.freedom) for piece in super().evidence(cell)]


@pytest.mark.parametrize(("freedom", "degrees"), [(3.0, 3.0), (12.0, 12.0), (None, 10)])
def test_what_is_detectable_has_the_degrees_of_freedom_of_the_test(freedom, degrees):
    """One test of the whole has 0.6 of 5 %; its power is 80 % by the noncentral t distribution."""
    check, error = Uncertain(), 0.4
    check.freedom = freedom
    half = student.ppf(0.975, degrees) * error
    (found,) = decide([check], cells({WHOLE: Score(value=0.1, interval=(0.1 - half, 0.1 + half), p_value=0.8)}))
    critical = student.ppf(1 - 0.6 * 0.05 / 2, degrees)
    assert nct.sf(critical, degrees, found.detectable / error) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize(("place", "share"), [(WHOLE, 0.6), ((None, 1), 0.2), ((2, None), 0.1), ((2, 1), 0.1)])
def test_what_is_detectable_has_the_level_of_one_test_among_all_of_its_level(place, share):
    """Three tests share the false alarms of their level, so each has a third of them."""
    error = 0.4
    half = student.ppf(0.975, 10) * error
    scores = {name: Score(value=0.1, interval=(0.1 - half, 0.1 + half), p_value=0.8) for name in "abc"}
    (found,) = decide([Uncertain()], [Cell(z_bin=place[0], pathology=place[1], scores=scores)])
    critical = student.ppf(1 - share * 0.05 / 3 / 2, 10)
    assert nct.sf(critical, 10, found.detectable / error) == pytest.approx(0.8, abs=1e-3)


def test_a_condition_that_is_off_by_itself_states_its_own_value():
    """Eleven conditions at 1 and one at 3: pooled with the whole, it would be stated as about 1."""
    values = {WHOLE: score(1.0, 0.05)} | {(k, 0): score(1.0, 0.5) for k in range(11)} | {(11, 0): score(3.0, 0.6)}
    found = {f.place: f for f in decide([Made()], cells(values))}
    own = found[11, 0]
    assert (own.answer, own.inherited, own.value) == ("off", False, 3.0)
    assert own.interval == pytest.approx((3 - 0.6 * Z95, 3 + 0.6 * Z95))
    assert all(found[k, 0].inherited and found[k, 0].value < 1.2 for k in range(11))


def test_a_share_and_a_difference_of_one_check_are_not_compared():
    difference = Evidence("a", 0.1, (-0.4, 0.6), 0.7, (-0.5, 0.5), WORDS, patients=30)
    share = Evidence(
        "b", 0.0, (0.0, 0.04), 1.0, (-0.02, 0.02), ("", "odd"), patients=30, share=True, units=100, by_chance=0.03
    )

    class Both(Made):
        def evidence(self, cell):
            return [share, difference] if "a" in cell.scores else [share]

    both, alone = (decide([Both()], [Cell(scores=scores)])[0] for scores in ({"a": score(0.0)}, {}))
    assert (both.detectable_score, alone.detectable_score) == ("a", "b")
    level = 0.6 * 0.05
    least = next(k for k in range(1, 101) if k > 2 and binom.sf(k - 1, 100, 0.03) <= level)
    assert binom.sf(least - 1, 100, alone.detectable) == pytest.approx(0.8)
