"""What mean-shift metrics share: deviations from other patients, scores beside the band of a perfect generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from jsddpm.binning import ZBinning
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.metrics.base import Context
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.metrics.shifts import deviation, variation
from jsddpm_eval.slice_table import SliceTable
from worlds import World

BINNING = ZBinning((0, 1), 2, n_slices=2)
OF_MEDIAN = {m: np.pi / (2 * m - 2 + np.pi) for m in (2, 3)}
"""Variance of a median of so many numbers, in theirs."""


def spread_of(values, medians, others):
    """Standard deviation from the differences from medians of so many other patients."""
    return 1.4826 * np.median(np.abs(np.array(values) - medians)) / (1 + OF_MEDIAN[others]) ** 0.5


def test_a_real_slice_is_compared_with_the_median_of_other_patients_alone():
    patient, z_bin = [0, 0, 1, 2, 3, 4], [0, 0, 0, 0, 0, 1]
    real = SliceTable.from_arrays(None, z_bin=z_bin, pathology=[0] * 6, patient=patient, binning=BINNING)
    made = SliceTable.from_arrays(None, z_bin=[0, 1], pathology=[0, 0], binning=BINNING)
    context = Context(real, made, BINNING, [], 0, frozenset())
    values = [torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 5.0]), torch.tensor([10.0, 7.0])]
    centre = np.median([1, 2, 4, 8, 16])
    others = [8, 8, np.median([1, 2, 8, 16]), np.median([1, 2, 4, 16]), np.median([1, 2, 4, 8])]
    spread = spread_of([1, 2, 4, 8, 16], others, 3)
    of_real, of_made = deviation(values, context)
    assert np.allclose(of_real[:5], (np.array([1, 2, 4, 8, 16]) - others) / spread)
    assert np.isnan(of_real[5])  # nobody else has a slice of that condition
    assert np.allclose(of_made, (np.array([10, 7]) - [centre, 5]) / spread)


def sides(real, made, patients=None, volumes=None):
    """Context of one condition with a number of each slice, and the numbers."""
    of_real, of_made = ({"z_bin": [0] * len(x), "pathology": [0] * len(x), "binning": BINNING} for x in (real, made))
    patients = range(len(real)) if patients is None else patients
    context = Context(
        SliceTable.from_arrays(None, patient=patients, **of_real),
        SliceTable.from_arrays(None, group=volumes, **of_made), BINNING, [], 0, frozenset(),
    )  # fmt: skip
    return context, [torch.tensor(real).double(), torch.tensor(made).double()]


def test_a_slice_is_compared_with_the_other_units_of_its_own_side():
    real, made = [1.0, 2.0, 4.0, 8.0, 16.0], [30.0, 31.0, 35.0, 36.0, np.nan]
    context, values = sides(real, made, patients=[0, 0, 1, 2, 3], volumes=[0, 0, 1, 2, 3])
    others = np.array([8, 8, np.median([1, 2, 8, 16]), np.median([1, 2, 4, 16]), np.median([1, 2, 4, 8])])
    spread = spread_of(real, others, 3)
    expected = (np.array(real) - others) / spread / (1 + OF_MEDIAN[3]) ** 0.5
    assert np.allclose(variation(values, context)[0], expected)
    others = np.array([35.5, 35.5, 31, 31, np.nan])
    expected = (np.array(made) - others) / spread / (1 + OF_MEDIAN[2]) ** 0.5
    assert np.allclose(variation(values, context)[1], expected, equal_nan=True)


def test_a_single_unit_has_no_variation():
    context, values = sides([1.0, 2.0, 4.0], [7.0, 8.0], volumes=[0, 0])
    assert np.isnan(variation(values, context)[1]).all()


def test_the_variation_of_normal_numbers_does_not_depend_on_their_mean_and_hardly_on_how_many_there_are():
    rng, size = np.random.default_rng(0), []
    far = (1 + OF_MEDIAN[2]) ** 0.5 / 1.4826 / 1.5  # of -1.5, 0 and 1.5 times that the standard deviation is 1
    real = [-far, 0.0, far]
    for count in (2, 3, 5, 16):
        found = []
        for _ in range(1500 // count):
            context, values = sides(real, (9 + rng.standard_normal(count)).tolist())
            found += [*np.abs(variation(values, context)[1])]
        size.append(np.mean(found))
    assert np.allclose(size, (2 / np.pi) ** 0.5, atol=0.06)  # mean absolute value of a standard normal


@pytest.mark.parametrize("name", ["head", "intensity", "sharpness", "texture", "lesion_contrast", "lesion_form"])
def test_numbers_of_selections_are_those_of_tables_of_their_own(name):
    rng = np.random.default_rng(0)
    images = heads(rng, rng.uniform(0.4, 0.6, 12), rng.uniform(0, 0.1, (12, 2)), True).images
    masks, kept = torch.zeros(images.shape, dtype=torch.bool), [1, 2, 5, 7, 8, 11]
    masks[:, 6:9, 5:9] = True
    contexts = []
    for rows, chosen in ((range(12), kept), (kept, range(6))):
        labels = {"z_bin": [0] * len(rows), "pathology": [1] * len(rows), "binning": BINNING}
        tables = (SliceTable.from_arrays(images[list(rows)], masks[list(rows)], patient=patient, **labels)
                  for patient in (list(rows), None))  # fmt: skip
        contexts.append(Context(*(table.where(list(chosen)) for table in tables), BINNING, [], 0, frozenset()))
    metric = metrics()[name]
    for some, own in zip(*map(metric.values, contexts), strict=True):
        assert own.shape == (6, len(metric.specs))
        assert torch.equal(some.nan_to_num(-99), own.nan_to_num(-99))


@pytest.mark.parametrize("name", ["copy_closeness", "nearest_other", "intensity_mean"])
def test_every_score_of_a_shift_says_what_it_rests_on(name):
    world = World(patients=9, slices=3, size=(32, 32))
    results = world.evaluation(world.new(14), metrics=[name, "copied_share"], features=()).results
    score = results[name, 0, "control"]
    assert (score.n_real, score.n_generated, score.n_patients) == (27, 14, 9)
    assert 0 < score.of_patients < 1
    half = (score.interval[1] - score.interval[0]) / 2
    error = half / stats.t.ppf(0.975, score.freedom)
    assert score.p_value == pytest.approx(2 * stats.t.sf(abs(score.value) / error, score.freedom))
    assert score.baseline_interval == pytest.approx((-half, half))


def heads(rng, levels, slopes, patients):
    """Heads of given brightness and slopes to the back and to one side, in air."""
    x = np.zeros((len(levels), 16, 16), np.float32)
    ramps = np.stack(np.meshgrid(*2 * [np.linspace(-1, 1, 10)], indexing="ij"))
    noise = 0.02 * rng.standard_normal((len(x), 10, 10))
    x[:, 3:13, 3:13] = levels[:, None, None] + np.tensordot(slopes, ramps, 1) + noise
    patient = range(len(x)) if patients else None
    return SliceTable.from_arrays(x.clip(0, 1), z_bin=[0] * len(x), pathology=[0] * len(x), patient=patient)


def test_samples_that_vary_less_in_brightness_than_patients_are_off_and_perfect_ones_are_not():
    """Brightness and its slopes are normal in patients; a perfect generator draws new ones, a poor one their mean."""
    rng, alarms = np.random.default_rng(0), 0
    for trial in range(12):
        real, *made = (
            heads(rng, 0.5 + 0.06 * s * rng.standard_normal(n), 0.05 * t * rng.standard_normal((n, 2)), n == 40)
            for n, s, t in ((40, 1, 1), (60, 1, 1), (60, 0.1, 1), (60, 1, 0.1))
        )
        kinds = []
        for samples in made[: 3 if trial < 2 else 1]:
            findings = evaluate(real, samples, metrics=["intensity"], features=[]).findings
            kinds.append(next(f for f in findings if (f.check, f.place) == ("intensity", (None, None))).kind)
        alarms += bool(kinds[0])
        if trial < 2:
            assert "of brightness that varies less" in kinds[1]
            assert "of slopes of brightness that vary less" in kinds[2]
    assert alarms <= 2
