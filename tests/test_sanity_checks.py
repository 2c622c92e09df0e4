"""The sanity suite: its rules on drawn curves, and outcomes that the paper's authors published."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.validity.sanity import rules
from benchmarks.validity.sanity.designs import DESIGNS, sides
from benchmarks.validity.sanity.run import rows_of
from benchmarks.validity.sanity.scores import OURS, scores
from benchmarks.validity.sanity.tables import KINDS, results, total


def curve(*values):
    return dict(enumerate(values))


@pytest.mark.parametrize(
    ("rule", "passes", "fails"),
    [
        (rules.bell(1), curve(0, 1, 0), curve(0, 1, 0.85)),
        (rules.bell(1), curve(0, 0.95, 1, 0), curve(0, 0.8, 1, 0)),
        (rules.rising, curve(0, 0.5, 1), curve(0.5, 0.3, 1)),
        (rules.falling, curve(1, 0.5, 0), curve(1, 0.9)),
        (rules.falling_by(1), curve(1, 0.85, 0), curve(1, 0.95, 0)),
        (rules.flat, curve(0.5, 0.54), curve(0.5, 0.56)),
        (rules.settled, curve(0, 0.5, 0.52), curve(0.5, 0.5, 0.6)),
        (rules.near(0.2, "last"), curve(0, 0.24), curve(0, 0.26)),
    ],
)
def test_rules(rule, passes, fails):
    assert rule(passes)
    assert not rule(fails)


def test_low_at_one_level_and_high_at_another_is_a_failure():
    low, high = {1e-1: 0.0, 1.0: 1.0, 10.0: 0.0}, {1e-1: 0.0, 1.0: 1.0, 10.0: 1.0}
    assert rules.outcomes("diversity", "spread", {"1": low, "8": low}) == {"bounds": "low", "purpose": "low"}
    assert rules.outcomes("diversity", "spread", {"1": high, "8": high}) == {"bounds": "high", "purpose": "high"}
    assert rules.outcomes("diversity", "spread", {"1": low, "8": high}) == {"bounds": "fail", "purpose": "fail"}


def test_fifteen_checks_of_two_desiderata_for_each_side():
    flat = {
        check: {kind: {str(level): dict.fromkeys(d.points[level], 1.0) for level in d.levels} for kind in KINDS}
        for check, d in DESIGNS.items()
    }
    found = results({"always 1": flat})
    assert [sum(r.kind == kind for r in found) for kind in KINDS] == [30, 30]
    assert total(found, "always 1", "fidelity") < 15  # the suite is not passed by saying nothing


@pytest.mark.parametrize("name", list(DESIGNS))
def test_designs_are_what_they_say(name):
    for level in DESIGNS[name].levels:
        drawn = list(sides(name, level, 0))
        assert [point for point, _, _ in drawn] == list(DESIGNS[name].points[level])
        for _, real, generated in drawn:
            assert real.shape[1] == generated.shape[1]
            assert np.isfinite(real).all()
            assert np.isfinite(generated).all()
        again = next(sides(name, level, 0))
        assert (again[1] == drawn[0][1]).all()
        assert (again[2] == drawn[0][2]).all()


@pytest.fixture(scope="module")
def measured():
    """Outcomes of two checks with one repeat at the points that count: metric -> (kind, check, desideratum) -> word."""
    found = {}
    for check in ("mean", "disjoint"):
        for level in DESIGNS[check].levels:
            points = DESIGNS[check].points[level]
            for point, real, generated in sides(check, level, 0):
                if point not in (points[0], 0.0, points[-1]):
                    continue
                for metric, pair in scores(real, generated).items():
                    for kind, value in zip(KINDS, pair, strict=True):
                        by_level = found.setdefault(metric, {}).setdefault((kind, check), {})
                        by_level.setdefault(str(level), {})[point] = value
    return {
        metric: {(*key, d): o for key, curves in checks.items() for d, o in rules.outcomes(*key, curves).items()}
        for metric, checks in found.items()
    }


@pytest.mark.parametrize(
    ("metric", "passes"),
    [("precision and recall", ["purpose"]), ("density and coverage", ["bounds", "purpose"])],
)
def test_published_outcomes_are_reproduced(measured, metric, passes):
    """print_pass_fail_tables.ipynb of the authors' code: equal sets of 8 and 64 features have no precision near 1."""
    for kind in KINDS:
        outcomes = {d: measured[metric][kind, "mean", d] for d in ("bounds", "purpose")}
        assert [d for d, outcome in outcomes.items() if outcome == "pass"] == passes
        assert {measured[metric][kind, "disjoint", d] for d in outcomes} == {"fail"}


def test_our_reading_sees_one_disjoint_feature_among_a_thousand(measured):
    assert set(measured[OURS].values()) == {"pass"}
    assert measured[f"{OURS}, neighbours alone"]["fidelity", "disjoint", "bounds"] == "fail"


def test_rows_that_a_stop_cut_short_are_measured_again(tmp_path):
    path = tmp_path / "rows.csv"
    head = "check,level,repeat,point,metric,fidelity,diversity\n"
    whole = "mean,1,0,-6.0,a,0,0\nmean,1,0,-6.0,b,1,1\n"
    path.write_text(head + whole + "mean,1,0,-4.5,a,0,0\nmean,1,0,-4.5,b,1")
    assert [row["metric"] for row in rows_of(path)] == ["a", "b"]
