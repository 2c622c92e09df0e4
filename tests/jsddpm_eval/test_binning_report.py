"""What a store holds per cell, what it can detect, which number of bins it supports."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from jsddpm.binning import ZBinning
from jsddpm_eval.binning_report import store_report
from jsddpm_eval.cells import brain_profile, cell_counts
from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.power import minimum_detectable
from jsddpm_eval.sweep import bin_sweep
from jsddpm_eval.utilization import bin_utilization
from jsddpm_reports import binning as rendered

BINNING = ZBinning((5, 34), 5, n_slices=40)


def test_cells_count_slices_and_patients_by_split(store):
    cells = cell_counts(store, BINNING)
    index = store.index
    for cell in cells:
        lo, hi = BINNING.ranges()[cell["z_bin"]]
        for split, name in enumerate(("train", "val", "test")):
            brute = [
                (str(p), int(z))
                for p, z, s, k in zip(store.patients, index["z_index"], index["split"], index["pathology"], strict=True)
                if lo <= z <= hi and s == split and k == cell["pathology"]
            ]
            assert cell["slices"][name] == len(brute)
            assert cell["patients"][name] == len({p for p, _ in brute})
        assert cell["assessable"] == (cell["patients"]["all"] >= 4)
    assert sum(c["slices"]["all"] for c in cells) == 6 * 30


def test_brain_profile_is_the_mean_over_subjects(store):
    profile = brain_profile(store)
    at = store.index["z_index"] == 17
    assert profile[17] == pytest.approx(store.index["brain_fraction"][at].mean())
    assert len(profile) == 40


def clustered(rng, patients, slices, d=6, shift=0.0):
    """Features of slices that share their patient's own offset: adjacent slices are alike."""
    offsets = rng.normal(0, 0.7, (patients, 1, d))
    features = offsets + rng.normal(0, 0.7, (patients, slices, d)) + shift
    names = np.repeat([f"p{i:02d}" for i in range(patients)], slices)
    return torch.from_numpy(features.reshape(-1, d)), names


@pytest.mark.parametrize(("patients", "slices", "d"), [(12, 6, 30), (24, 4, 6)])
def test_the_detectable_shift_is_detected_in_fresh_cohorts_at_the_stated_power(patients, slices, d):
    """Estimated on some cohorts, tried on many others, with the critical value of their own null distribution."""
    rng = np.random.default_rng(0)
    half = patients // 2

    def fresh(by):
        return kernel_distance(clustered(rng, half, slices, d)[0], clustered(rng, half, slices, d, shift=by)[0])

    found = [
        minimum_detectable(kernel_distance, *clustered(rng, patients, slices, d), cohorts=80, seed=s) for s in range(10)
    ]
    shift = float(np.median([f.shift for f in found]))
    critical = np.quantile([fresh(0.0) for _ in range(600)], 0.95)
    assert np.median([f.critical for f in found]) == pytest.approx(critical, rel=0.35)
    assert 0.7 <= np.mean([fresh(shift) > critical for _ in range(300)]) <= 0.93
    assert np.mean([fresh(shift / 3) > critical for _ in range(300)]) < 0.4


def test_more_patients_detect_less_and_too_few_none():
    rng = np.random.default_rng(1)
    few, many = (
        np.median(
            [minimum_detectable(kernel_distance, *clustered(rng, n, 6), cohorts=60, seed=s).shift for s in range(5)]
        )
        for n in (6, 30)
    )
    assert many < 0.75 * few
    assert minimum_detectable(kernel_distance, *clustered(rng, 3, 6)) is None


def test_store_report_says_what_cannot_be_assessed(store):
    report = store_report(store, BINNING)
    json.dumps(report, allow_nan=False)
    for cell in report["cells"]:
        assert (cell["minimum_detectable"] is None) == (cell["reason"] is not None)
        if cell["patients"]["all"] < 4:
            assert "at least 4 are needed" in cell["reason"]
    assert any(c["minimum_detectable"] for c in report["cells"] if c["pathology"] == 0)


def test_sweep_recommends_by_its_rules(store):
    sweep = bin_sweep((24, 93), [5, 10, 50, 80])
    assert [e["bins_used"] for e in sweep["choices"]] == [5, 10, 50, 70]
    assert sweep["recommended"] == 10
    with_store = bin_sweep((5, 34), [2, 5, 15, 30], store=store)
    supported = [
        e["n_bins"] for e in with_store["choices"] if e["cells_assessable"] == e["cells"] and e["slices_per_bin"][0] > 1
    ]
    assert with_store["recommended"] == max(supported)
    assert with_store["choices"][1]["mm_per_bin"] == [9, 9]  # 6 slices of 1.5 mm
    fallback = bin_sweep((5, 34), [30], store=store)
    assert "no choice satisfies every rule" in fallback["reason"]


@pytest.fixture(scope="module")
def full(store):
    return bin_utilization((5, 34), 5, 40) | {"store": store_report(store, BINNING)}


def test_every_format_shows_the_same_cells(full):
    markdown, csv, html = rendered.markdown(full), rendered.csv(full), rendered.html(full)
    assert "| 0 | 5–10 | 6 |" in markdown
    lines = csv.splitlines()
    assert len(lines) == 1 + 10
    assert lines[0].startswith("z_bin,local_first,local_last,local_count,global_first")
    assert "<td>5–10</td>" in html
    assert "<svg" in html
    assert len(rendered.csv({k: v for k, v in full.items() if k != "store"}).splitlines()) == 1 + 5


def test_empty_bins_are_named():
    report = bin_utilization((0, 3), 6, 4, allow_empty_bins=True)
    assert "local bins without a slice: 1, 3" in rendered.sentence(report)
