"""Who is real, who is held out and whom the perfect generator draws from; what it draws."""

from __future__ import annotations

import numpy as np
import pytest

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm_eval.selftest.cohort import divided
from jsddpm_eval.selftest.world import perfect_draw
from selftests import cohort, slices
from synthetic import N_SLICES, write_store

BINNING = ZBinning((0, N_SLICES - 1), 2, n_slices=N_SLICES)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("selftest") / "store", patients=40)


def test_patients_are_divided_and_lesions_shared_out(store):
    made = divided(store, BINNING, seed=1)
    owners = [set(made.slices.patient[rows]) for rows in (made.real, made.source)]
    assert not owners[0] & owners[1]
    assert made.counts == {"real": 20, "held_out": 5, "source": 20}
    ill = [len(set(made.slices.patient[rows][made.slices.pathology[rows] == 1])) for rows in (made.real, made.source)]
    assert abs(ill[0] - ill[1]) <= 1
    assert made.table.held_out.sum() == len(made.held_out) == 5 * N_SLICES
    np.testing.assert_array_equal(made.table.images.numpy(), made.slices.images[made.real])
    other = divided(store, BINNING, seed=2)
    assert not np.array_equal(other.table.images, made.table.images)


def test_halves_of_a_cohort_share_no_patient(store):
    first, second = (divided(store, BINNING, seed=0, half=half) for half in ("A", "B"))
    images = [{image.tobytes() for image in made.slices.images} for made in (first, second)]
    assert not images[0] & images[1]
    assert len(first.slices.images) + len(second.slices.images) == 40 * N_SLICES


def test_few_patients_are_refused(tmp_path):
    with pytest.raises(JsddpmError, match="6 patients"):
        divided(write_store(tmp_path / "few"), BINNING, seed=0)


def test_a_perfect_generator_shows_every_patient_before_any_a_second_time():
    made = cohort()
    world = made.world(9, np.random.default_rng(0))
    for k in range(4):
        for p in (0, 1):
            shown = world.draw[(world.z_bin == k) & (world.pathology == p)]
            assert sorted(made.slices.patient[shown]) == list(range(9, 18))
    more = made.world(13, np.random.default_rng(0)).draw  # conditions hold 9 or 18 slices
    assert len(set(more)) == len(more) == 4 * 9 + 4 * 13


@pytest.mark.parametrize(("uniform", "share"), [("slice", 2 / 5), ("patient", 1 / 4)])
def test_what_a_perfect_generator_is_uniform_over(uniform, share):
    every = slices(4)
    keep = np.flatnonzero((every.z_bin == 0) & ((every.z_index == 0) | (every.patient == 0)))
    rng = np.random.default_rng(7)
    drawn = [perfect_draw(every, keep, 1, 1, rng, uniform=uniform)[0] for _ in range(2000)]
    controls = [every.patient[row] for row in drawn]  # two slices of patient 0, one of each of three others
    assert np.mean(np.array(controls) == 0) == pytest.approx(share, abs=0.03)


def test_conditions_of_too_few_patients_are_left_out():
    every = slices(4)
    rows = np.flatnonzero((every.patient < 2) | (every.z_bin > 0))
    draw = perfect_draw(every, rows, 4, 3, np.random.default_rng(0), least=3)
    assert set(every.z_bin[draw]) == {1, 2, 3}
