"""The attack on simulated loss tables of known truth: how often it is right, and how often it accuses in vain."""

from __future__ import annotations

import runpy
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import linregress, ttest_ind
from sklearn.metrics import roc_auc_score

from jsddpm_eval.stats.membership import Losses, attack

pytestmark = pytest.mark.long

SOAK = runpy.run_path(str(Path(__file__).parents[2] / "soak" / "membership.py"))
HARD, OWN, table, repeated, found_share, coverage = (
    SOAK[name] for name in ("HARD", "OWN", "table", "repeated", "found", "coverage")
)


def test_a_score_is_what_the_line_within_the_groups_leaves():
    losses = table(0, 6, 9, levels=1)
    x, y = losses.reference[:, 0].copy(), losses.network[:, 0].copy()
    for side in (losses.member, ~losses.member):
        x[side] -= x[side].mean()
        y[side] -= y[side].mean()
    line = linregress(x, y)
    left = losses.network[:, 0] - line.slope * losses.reference[:, 0]
    found = attack(losses)
    assert found.calibration.slope[0] == pytest.approx(line.slope)
    assert found.calibration.scale[0] == pytest.approx(np.sqrt(((y - line.slope * x) ** 2).sum() / (15 - 3)))
    assert found.area.value == pytest.approx(roc_auc_score(losses.member, -left))
    assert np.corrcoef(found.scores, left)[0, 1] == pytest.approx(-1)
    own = found.calibration.scores(losses.network, losses.reference)
    np.testing.assert_allclose(own.mean(1), found.scores)


def test_the_p_value_counts_all_divisions():
    """With one level the difference is Student's, of what the line within the groups leaves."""
    losses = table(3, 4, 5, effect=0.3, levels=1)

    def difference(chosen):
        member = np.isin(np.arange(9), chosen)
        x, y = losses.reference[:, 0].copy(), losses.network[:, 0].copy()
        for side in (member, ~member):
            x[side] -= x[side].mean()
            y[side] -= y[side].mean()
        left = losses.network[:, 0] - (x @ y) / (x @ x) * losses.reference[:, 0]
        return ttest_ind(left[~member], left[member]).statistic

    values = np.array([difference(chosen) for chosen in combinations(range(9), 4)])
    assert attack(losses).p_value == pytest.approx((values >= difference(range(4)) - 1e-9).mean())


def test_several_levels_are_paid_for():
    """A level that says nothing cannot make the p-value smaller than that of the level alone by choice."""
    one = table(3, 6, 8, effect=0.3, levels=1)
    noise = np.random.default_rng(0).standard_normal((14, 3))
    more = Losses(np.hstack([one.network, noise]), np.hstack([one.reference, 0 * noise]), one.member)
    assert attack(more).p_value > attack(one).p_value


@pytest.mark.parametrize(("n", "m"), [(4, 4), (6, 5), (10, 20)])
def test_a_network_that_remembers_nothing_is_seldom_accused(n, m):
    assert found_share(repeated(200, n, m)) <= 0.05


def test_patients_who_are_easier_in_themselves_are_not_taken_for_members():
    """The reference is as noisy as the network: most of what it sees of difficulty is taken off, not all."""
    found = repeated(60, 10, 20, easier=1.5 * HARD)
    accused = np.mean([f.p_value <= 0.025 and f.gap[1][0] > f.difficulty_gap for f in found])
    assert accused <= 0.05
    assert np.mean([f.plain.interval[0] > 0.5 for f in found]) > 0.5, "without the reference they would be"
    assert np.mean([f.difficulty.interval[0] > 0.5 for f in found]) > 0.5, "and the control says why"


def test_a_network_that_remembers_is_found():
    assert found_share(repeated(60, 10, 20, effect=3 * OWN)) >= 0.95
    assert found_share(repeated(60, 4, 4, effect=6 * OWN)) >= 0.9


@pytest.mark.parametrize("effect", [0.0, 0.2, 0.4])
@pytest.mark.parametrize(("n", "m"), [(4, 4), (10, 20)])
def test_the_interval_covers_the_area_of_the_model(n, m, effect):
    assert coverage(repeated(150, n, m, effect=effect, levels=1), effect) >= 0.91


def test_divisions_of_one_group_are_those_of_equals():
    """The areas of 20 against 20 equals have the standard deviation of Wilcoxon's statistic."""
    found = attack(table(1, 40, 12))
    low, high = found.training.interval
    half = 1.96 * np.sqrt(41 / (12 * 20 * 20))
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.03)
    assert attack(table(1, 3, 12)).training is None


def test_nothing_depends_on_the_order_of_patients():
    losses = table(2, 5, 7, effect=0.1)
    order = np.random.default_rng(0).permutation(12)
    other = attack(Losses(losses.network[order], losses.reference[order], losses.member[order]))
    found = attack(losses)
    assert (other.area, other.p_value) == (found.area, found.p_value)
    np.testing.assert_allclose(other.scores, found.scores[order])


def test_a_reference_that_says_nothing_and_equal_losses_are_no_evidence():
    losses = table(4, 5, 6, levels=1)
    flat = attack(Losses(losses.network, np.zeros_like(losses.reference), losses.member))
    assert (flat.calibration.slope == 0).all()
    assert flat.area.value == flat.plain.value
    same = attack(Losses(np.ones_like(losses.network), np.ones_like(losses.network), losses.member))
    assert (same.area.value, same.p_value) == (0.5, 1.0)
