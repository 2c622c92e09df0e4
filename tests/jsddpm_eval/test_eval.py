"""Protocols on data whose answer is known."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm.slices.dataset import SliceDataset
from jsddpm_eval.binned import BinAwareMetrics, numbered
from jsddpm_eval.evaluate import evaluate
from jsddpm_eval.features import radiomics
from jsddpm_eval.features.extractor import Standardizer
from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.panels import Panels
from jsddpm_eval.plausibility import obedience_scores, position_scores, predict_z, train_z_regressor
from jsddpm_eval.reconstruction import slice_scores
from jsddpm_eval.results import Cell, Results, Score
from jsddpm_eval.tables import read_csv, to_csv, to_frame
from jsddpm_eval.uncertainty import jackknife_fields, mean_interval, patient_halves_floor
from jsddpm_eval.utilization import bin_utilization, verdict

BINNING = ZBinning((5, 34), 5, n_slices=40)


# Bin-aware metrics


@pytest.fixture(scope="module")
def real(store):
    rows = store.select(binning=BINNING)
    index = store.index[rows]
    token = BINNING.token(index["z_index"].astype(np.int64), index["pathology"].astype(np.int64))
    return torch.from_numpy(store.images(rows)), torch.from_numpy(token), numbered(store.patients[rows])


def computed(real, made, token):
    metrics = BinAwareMetrics(BINNING)
    metrics.update(*real)
    if len(made):
        metrics.update(made, token)
    return metrics.compute()


def cell(cells, z_bin, pathology):
    return next(c for c in cells if (c.z_bin, c.pathology) == (z_bin, pathology)).scores


def test_best_match_is_within_the_bin_and_copies_are_named(real):
    image, token, _ = real
    there, elsewhere = torch.nonzero(token == 1)[:3, 0], torch.nonzero(token == 3)[:3, 0]
    noisy = (image[there] + 0.1).clamp(0, 1)
    cells = computed(real, torch.cat([noisy, image[elsewhere]]), torch.tensor([1] * 3 + [2] * 3))
    metric = BinAwareMetrics(BINNING)
    slices = {1: list(image[token % 5 == 1])}
    expected = np.mean([metric.compute_bin_aware_psnr(n, 1, slices) for n in noisy])
    assert cell(cells, 1, 0)["best_match_psnr"].value == pytest.approx(expected, abs=1e-9)
    assert cell(cells, 2, 0)["best_match_psnr"].status == "ok"  # copies, but of another bin's slices
    copies = cell(computed(real, image[there], torch.tensor([1] * 3)), 1, 0)["best_match_psnr"]
    assert (copies.value, copies.status) == (None, "undefined")
    assert "3 of 3 generated slices are exact copies" in copies.reason


def test_the_seeds_function_takes_the_best_of_the_bin():
    metric = BinAwareMetrics(BINNING)
    slices = {0: [torch.zeros(4, 4), torch.full((4, 4), 0.4)], 1: [torch.full((4, 4), 0.5)]}
    assert metric.compute_bin_aware_psnr(torch.full((4, 4), 0.5), 0, slices) == pytest.approx(20, abs=1e-5)
    with pytest.raises(ValueError, match="bin 3 has no reference"):
        metric.compute_bin_aware_psnr(torch.zeros(4, 4), 3, slices)


def test_every_cell_is_there_with_counts_and_reasons(real):
    cells = computed(real, real[0][:1], real[1][:1])
    assert [(c.z_bin, c.pathology) for c in cells] == [(None, None), *[(k, p) for p in (0, 1) for k in range(5)]]
    single, none = cell(cells, 0, int(real[1][0]) // 5), cell(cells, 4, 1)
    assert single["diversity_rmse"].reason == "1 generated slices have no pairs"
    assert single["kid_radiomics"].reason == "needs at least 2 generated slices"
    assert none["best_match_psnr"].reason == "nothing generated for this condition"
    assert none["best_match_psnr"].n_generated == 0
    assert none["best_match_psnr"].n_patients == 6


def test_collapse_shows_as_no_diversity_beside_real_slices(real):
    one = (real[0][real[1] == 1][:1] + 0.05).clamp(0, 1)
    scores = cell(computed(real, one.repeat(4, 1, 1), torch.tensor([1] * 4)), 1, 0)
    assert scores["diversity_rmse"].value == pytest.approx(0, abs=1e-6)
    assert scores["diversity_rmse"].floor > 0.03
    assert scores["diversity_ssim"].value == pytest.approx(0, abs=1e-5)


def test_few_slices_make_fid_unreliable_not_silent(real):
    token = real[1]
    fid = cell(computed(real, real[0][token == 1][:4].flip(-1), torch.tensor([1] * 4)), 1, 0)["fid_radiomics"]
    assert fid.status == "unreliable"
    assert re.match(r"4 slices, the features have \d+ effective dimensions", fid.reason)


def test_batches_and_order_do_not_enter(real):
    image, token, patient = real
    made, wanted = image[::7].flip(-1), token[::7]
    together = computed(real, made, wanted)
    metrics = BinAwareMetrics(BINNING)
    for part in torch.arange(len(made)).split(5):
        metrics.update(made[part], wanted[part])
    for part in torch.arange(len(image)).split(33):
        metrics.update(image[part], token[part], patient[part])
    for a, b in zip(together, metrics.compute(), strict=True):
        for name in a.scores:
            one, other = a.scores[name].value, b.scores[name].value
            assert (one is None) == (other is None)
            assert one is None or one == pytest.approx(other, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    "image", [torch.full((1, 12, 12), 200.0), torch.full((1, 12, 12), -1.0), torch.full((1, 12, 12), torch.nan)]
)
def test_another_range_is_refused(image):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        BinAwareMetrics(BINNING).update(image, torch.tensor([0]))


# Features


def test_first_order_features_agree_with_scipy():
    image = torch.rand((1, 24, 30), generator=torch.Generator().manual_seed(0)).square()
    found = dict(zip(radiomics.COLUMNS, radiomics.extract(image)[0].tolist(), strict=True))
    values = image[image > radiomics.FOREGROUND].double().numpy()
    assert found["skewness"] == pytest.approx(stats.skew(values), rel=1e-5)
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(values), rel=1e-5)
    counts = np.histogram(values, bins=32, range=(0, 1))[0]
    assert found["entropy"] == pytest.approx(stats.entropy(counts), rel=1e-6)
    assert found["q50"] == pytest.approx(np.median(values), rel=1e-6)


def test_features_of_empty_and_flat_slices_are_finite_and_constant_columns_drop_out():
    features = radiomics.extract(torch.stack([torch.zeros(16, 16), torch.full((16, 16), 0.5), torch.rand(16, 16)]))
    assert features.isfinite().all()
    assert features.dtype == torch.float64
    constant = torch.cat([features, torch.ones(3, 1)], dim=1)
    scaled = Standardizer.fit(constant)(constant)
    assert scaled[:, -1].tolist() == [0, 0, 0]
    assert torch.allclose(scaled[:, 1].std(), torch.tensor(1.0, dtype=torch.float64))


# Plausibility


def test_the_regressor_reads_position_and_shuffling_is_chance(store):
    train, test = (SliceDataset(store, BINNING, s) for s in ("train", "test"))
    images = [torch.from_numpy(store.images(d.rows)) for d in (train, test)]
    network = train_z_regressor(images[0], train.z_index, BINNING.z_range, seed=0)
    predicted = predict_z(network, images[1])
    scores = position_scores(predicted, test.z_bin, BINNING, real_error=3.0, real_count=30, spacing=1.5)
    shuffled = test.z_bin[torch.randperm(len(test), generator=torch.Generator().manual_seed(0))]
    assert scores["z_error_bins"].value < 0.7
    assert scores["z_error_bins"].floor == pytest.approx(0.5)
    by_chance = position_scores(predicted, shuffled, BINNING, real_error=None, real_count=0, spacing=1.5)[
        "z_error_bins"
    ].value
    assert by_chance == pytest.approx(scores["z_error_chance_bins"].value, rel=0.35)
    assert by_chance > 2 * scores["z_error_bins"].value


def test_the_regressor_is_repeatable_kept_and_leaves_the_global_generator(store, tmp_path):
    images, z = torch.from_numpy(store.images(np.arange(40))), torch.arange(40)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    a, b, kept = (train_z_regressor(images, z, (0, 39), seed=1, folder=f) for f in (None, tmp_path, tmp_path))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(predict_z(a, images), predict_z(b, images))
    assert torch.equal(predict_z(a, images), predict_z(kept, images))
    assert len(list(tmp_path.iterdir())) == 1


def test_position_error_in_closed_form():
    middle = torch.tensor([7.5, 13.5, 19.5])  # bins of six slices: 5-10, 11-16, 17-22
    scores = position_scores(middle + 3, torch.tensor([0, 1, 2]), BINNING, real_error=None, real_count=0, spacing=1.5)
    assert scores["z_error_bins"].value == pytest.approx(0.5)
    assert scores["z_error_chance_bins"].value == pytest.approx(
        np.abs(np.subtract.outer([10.5, 16.5, 22.5], middle)).mean() / 6
    )


def test_obedience_counts_empty_controls_and_present_lesions():
    mask = torch.zeros(5, 4, 4, dtype=torch.bool)
    mask[[1, 3, 4], 0, 0] = True
    scores = obedience_scores(mask, torch.tensor([0, 0, 1, 1, 1]))
    assert scores["control_empty"].value == pytest.approx(0.5)
    assert scores["lesion_present"].value == pytest.approx(2 / 3)
    low, high = stats.binomtest(2, 3).proportion_ci(method="wilson")
    assert scores["lesion_present"].interval == pytest.approx((low, high), abs=1e-6)
    assert obedience_scores(mask[:1], torch.tensor([0]))["lesion_present"].status == "undefined"


# Uncertainty


def test_jackknife_of_a_mean_is_the_textbook_formula():
    values, who = torch.tensor([1.0, 2.0, 4.0, 9.0]), np.array(["a", "b", "c", "d"])
    half = stats.t.ppf(0.975, 3) * float(values.std(correction=1)) / 2
    assert mean_interval(values, who) == pytest.approx((4 - half, 4 + half), rel=1e-6)
    assert mean_interval(values, np.array(["a", "a", "b", "b"])) is None


def test_intervals_and_floors_need_patients():
    g = torch.Generator().manual_seed(0)
    real, made = torch.randn((40, 3), generator=g), torch.randn((9, 3), generator=g)
    patients = np.repeat([f"p{i}" for i in range(8)], 5)
    low, high = jackknife_fields(kernel_distance, real, patients, made)["interval"]
    assert low < kernel_distance(real, made) < high
    assert jackknife_fields(kernel_distance, real, np.repeat(["a", "b"], 20), made) == {}
    floor = patient_halves_floor(kernel_distance, real, patients, count=9, seed=0)
    assert floor == patient_halves_floor(kernel_distance, real, patients, count=9, seed=0)
    assert abs(floor.mean) < 1
    assert floor.band[0] < floor.mean < floor.band[1]
    three = np.repeat(["a", "b", "c"], [20, 10, 10])
    assert patient_halves_floor(kernel_distance, real, three, count=9, seed=0) is None


# Results


def test_scores_cannot_be_nan_null_without_reason_or_reasonless():
    for arguments in (
        {"value": float("nan")},
        {"value": None},
        {"value": 1.0, "status": "unreliable"},
        {"value": float("inf")},
    ):
        with pytest.raises(ValidationError):
            Score(**arguments)


def test_results_are_strict_json_and_come_back(tmp_path):
    cells = [Cell(z_bin=0, pathology=1, scores={"a": Score(value=1.5, interval=(1, 2)), "b": Score.undefined("why")})]
    results = Results(
        binning=BINNING.to_dict(), provenance={}, utilization=bin_utilization((5, 34), 5, 40), generation=cells
    )
    results.write(tmp_path / "r.json")
    json.loads((tmp_path / "r.json").read_text(), parse_constant=pytest.fail)
    assert Results.read(tmp_path / "r.json") == results
    assert results.undefined() == ["bin 0 lesion: b (why)"]
    rows = list(results.rows())
    assert [(r["score"], r["value"], r["reason"], r["z_first"], r["z_last"]) for r in rows] == [
        ("a", 1.5, None, 5, 10), ("b", None, "why", 5, 10),
    ]  # fmt: skip
    (tmp_path / "r.json").write_text('{"version": 2}')
    with pytest.raises(JsddpmError, match="RESULTS"):
        Results.read(tmp_path / "r.json")


def test_csv_neutralises_formulas():
    assert to_csv([{"a": "=HYPERLINK()", "b": "-x", "c": -1}]) == "a,b,c\r\n'=HYPERLINK(),'-x,-1\r\n"


def test_utilization_of_the_seeds_setting():
    report = bin_utilization((24, 93), 10, 128)
    local, whole = report["schemes"]["local"], report["schemes"]["global"]
    assert (local["bins_used"], local["counts"], local["spread"], local["entropy"]) == (
        10,
        [7] * 10,
        0,
        pytest.approx(1),
    )
    assert (whole["bins_used"], whole["utilization"], whole["unused_bins"]) == (7, 0.7, [0, 8, 9])
    assert whole["unused_embeddings"] == [0, 8, 9, 10, 18, 19]
    assert (whole["min_per_used_bin"], whole["max_per_used_bin"]) == (2, 13)
    assert whole["entropy"] == pytest.approx(stats.entropy([c for c in whole["counts"] if c]) / np.log(10))
    assert "global uses 7 of 10" in verdict(report)


# The whole evaluation


def test_a_run_is_evaluated_with_everything_in_its_place(run, store, generated, tmp_path):
    results = evaluate(store, generated, tmp_path / "e", checkpoint=run / "checkpoints" / "last.ckpt")
    assert Results.read(tmp_path / "e" / "results.json") == results
    assert {p.name for p in (tmp_path / "e").iterdir()} == {
        "results.json",
        "results.influence.json",
        "per_bin.csv",
        "per_slice.csv",
        "lesions.csv",
        "panels.npz",
        "features",
    }
    assert len(results.cells()) == 10
    frame = to_frame(results)
    assert len(frame) == sum(len(c.scores) for c in [*results.generation, *results.reconstruction])
    pooled = frame[(frame.score == "kid_radiomics") & frame.z_bin.isna()]
    assert pooled.value.tolist() == [results.pooled["kid_radiomics"].value]
    assert {"z_error_bins", "z_error_chance_bins", "control_empty", "lesion_present", "kid_radiomics"} <= set(
        results.pooled
    )
    assert [c.pathology for c in results.reconstruction if c.timestep == 300 and c.z_bin is None] == [None, 0, 1]
    assert results.provenance["real"]["store"] == store.fingerprint
    assert results.provenance["checkpoint"]["step"] == 4
    slices = read_csv(tmp_path / "e" / "per_slice.csv")
    assert len(slices) == len(generated.index)
    panels = Panels.read(tmp_path / "e" / "panels.npz")
    nearest = max(slices, key=lambda row: float(row["train_psnr"]))
    assert panels.copies_name[:, 0].tolist() == [nearest["slice"], nearest["nearest_train"]]
    assert panels.copies_psnr[0] == pytest.approx(float(nearest["train_psnr"]), abs=1e-4)
    assert set(panels.generated_name.ravel()) <= {row["slice"] for row in slices} | {""}
    lesions = read_csv(tmp_path / "e" / "lesions.csv")
    real = [row for row in lesions if row["origin"] == "real"]
    drawn = (store.index["z_index"] >= 5) & (store.index["z_index"] <= 34) & (store.index["pathology"] == 1)
    assert len(real) == drawn.sum()
    assert {row["patient"] for row in real} == set(store.patients[drawn])
    assert {float(row["area_mm2"]) for row in real} == {4 * 3 * 3.0 * 2.0}  # 4 x 3 pixels of 3 x 2 mm
    assert {(float(row["count"]), float(row["solidity"])) for row in real} == {(1, 1)}
    wanted = (generated.index["pathology"] == 1) & (generated.index["lesion_pixels"] > 0)
    assert len(lesions) - len(real) == wanted.sum()


@pytest.mark.parametrize("text", ["a,b\n1\n", "a,b\n1,2,3\n", 'a,b\n"1', b"a\n\xff\n"])
def test_a_damaged_table_is_no_table(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(JsddpmError, match="TABLE"):
        read_csv(tmp_path / "t.csv")


def test_stores_that_do_not_belong_together_are_refused(store, generated, tmp_path):
    with pytest.raises(JsddpmError, match="STORES"):
        evaluate(store, store, tmp_path / "e")
    with pytest.raises(JsddpmError, match="STORES"):
        evaluate(generated, generated, tmp_path / "e")


def test_reconstruction_of_the_exact_slice_is_perfect_and_of_the_wrong_one_is_not(store):
    x0 = SliceDataset(store, BINNING, "test").batch(range(6))["x0"]
    exact, wrong = slice_scores(x0, x0), slice_scores(x0.flip(0), x0)
    assert torch.isinf(exact["psnr"]).all()
    assert exact["ssim"].tolist() == pytest.approx([1] * 6)
    assert (wrong["psnr"] < 40).all()
    lesion = (x0[:, 1] > 0).flatten(1).any(1)
    assert torch.equal(torch.isnan(exact["lesion_dice"]), ~lesion)
    assert torch.equal(torch.isnan(exact["control_false_positive_pixels"]), lesion)
