"""The statistics of foresight, on rows with a planted truth: a score that foresees utility, and one that does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from benchmarks.validity.foresight import figure
from benchmarks.validity.foresight.ranks import (
    composites,
    correlations,
    foresees,
    predicted,
    reliability,
)


def rows(rng, *, families=15, each=2, noise=0.2, signal=1.0):
    """Generators whose Dice falls with their fault; ``told`` sees the fault, ``deaf`` sees none."""
    out = []
    for family in range(families):
        fault = rng.uniform()
        for _ in range(each):
            own = fault + 0.05 * rng.normal()
            dice = -signal * own + noise * rng.normal(size=2) / 4
            out.append({
                "family": str(family), "dice": dice.tolist(), "off": int(8 * own), "off_lesions": 0,
                "deviations": {
                    "told": own + 0.05 * rng.normal(), "deaf": rng.normal(), "undefined": None, "equal": 1.0
                },
            })  # fmt: skip
    return out


def test_the_correlation_is_spearmans_and_scores_without_values_are_left_out():
    drawn = rows(np.random.default_rng(0))
    found = correlations(drawn)
    assert [c.score for c in found] == ["told", "deaf"]
    dice = [np.mean(row["dice"]) for row in drawn]
    for c in found:
        expected = spearmanr([row["deviations"][c.score] for row in drawn], dice)
        assert c.value == pytest.approx(expected.statistic, abs=1e-12)
        assert c.interval[0] <= c.value <= c.interval[1]
    assert found[0].p_value == pytest.approx(
        2 * spearmanr([row["deviations"]["told"] for row in drawn], dice).pvalue, rel=1e-9
    )


def test_a_score_that_sees_the_fault_foresees_utility_and_one_that_does_not_never_does():
    told, deaf, covered = 0, 0, 0
    for seed in range(12):
        found = {c.score: c for c in correlations(rows(np.random.default_rng(seed)), seed=seed)}
        told += foresees(found["told"])
        deaf += foresees(found["deaf"])
        covered += found["deaf"].interval[0] <= 0 <= found["deaf"].interval[1]
    assert told == 12
    assert deaf == 0
    assert covered >= 9  # 95 % of 12, less three standard deviations


def test_composites_and_the_regression_order_new_families():
    drawn = rows(np.random.default_rng(1))
    by_name = {c.score: c for c in composites(drawn)}
    assert by_name["checks that are off"].value < -0.8
    dice = [np.mean(row["dice"]) for row in drawn]
    assert spearmanr(predicted(drawn), dice).statistic > 0.8
    shuffled = [row | {"dice": other["dice"]} for row, other in zip(drawn, drawn[7:] + drawn[:7], strict=True)]
    assert abs(spearmanr(predicted(shuffled), [np.mean(row["dice"]) for row in shuffled]).statistic) < 0.6


def test_reliability_is_the_agreement_of_trainings():
    drawn = rows(np.random.default_rng(2), noise=0.0)
    assert reliability(drawn) == pytest.approx(1)
    for row in drawn:
        row["dice"] = [row["dice"][0], -row["dice"][0]]
    assert reliability(drawn) == pytest.approx(-1)


def test_the_figure_has_a_point_for_each_generator_and_the_correlations_of_the_table():
    rows = pd.DataFrame({
        "generator": ["perfect draw 0", "noise 0.05", "masks_moved 3", "network 100 s, ddim 5"],
        "family": ["perfect", "noise", "masks_moved", "4"],
        "dice_0": [0.5, 0.4, 0.1, 0.3], "dice_1": [0.7, 0.4, 0.1, 0.1],
        "kid_radiomics": [0.1, 9.0, 0.1, 2.0], "lesion_borderless_share": [0.0, 0.0, 0.8, 0.1],
    })  # fmt: skip
    drawn = figure.draw(rows, pd.Series({"kid_radiomics": -0.2, "lesion_borderless_share": -0.8}))
    for axes, score, words in zip(drawn.axes, rows.columns[-2:], ("-0.20", "-0.80"), strict=True):
        points = [tuple(point) for part in axes.collections for point in part.get_offsets()]
        assert points == [*zip(rows[score], [0.6, 0.4, 0.1, 0.2], strict=True)]
        assert words in axes.get_title(loc="left")
