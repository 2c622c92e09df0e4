"""BinAwareMetrics: what it takes, that it is an evaluation of tables, and that torchmetrics can handle it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torchmetrics import MetricCollection

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm_eval.comparison import compare
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractors.radiomics import EXTRACTOR
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.torchmetric import BinAwareMetrics, BinAwareScore
from metric_tester import MEANS, SEEN, generated_arrays, real_arrays, table
from worlds import BINNING

pytestmark = pytest.mark.usefixtures("brief_networks")

REAL, MADE = real_arrays(), generated_arrays()
SHARED = {"binning": BINNING}
EVERY = [m for m in metrics() if m != "position"]


def filled(**settings):
    metric = BinAwareMetrics(BINNING, **({"features": (MEANS,)} | settings))
    metric.update(**REAL, real=True)
    metric.update(**MADE, real=False)
    return metric


def same(first, second):
    for a, b in zip(first.generation, second.generation, strict=True):
        assert a.key == b.key
        for name, score in a.scores.items():
            other = b.scores[name]
            assert (score.value is None) == (other.value is None), name
            assert score.value is None or score.value == pytest.approx(other.value, rel=1e-9, abs=1e-12), name
            assert score.baseline is None or score.baseline == pytest.approx(other.baseline, rel=1e-9, abs=1e-12), name
            assert (score.n_real, score.n_generated, score.n_patients) == (
                other.n_real, other.n_generated, other.n_patients,
            ), name  # fmt: skip


def test_results_are_those_of_the_tables():
    metric = filled(metrics=EVERY, features=(MEANS, SEEN))
    tables = [table(arrays | SHARED) for arrays in (REAL, MADE)]
    expected = evaluate(*tables, metrics=EVERY, features=[MEANS, SEEN])
    found = metric.results()
    same(found, expected)
    assert found.verdict == expected.verdict
    assert found.findings == expected.findings


def test_batches_and_order_do_not_enter():
    together = filled(metrics=EVERY)
    parts = BinAwareMetrics(BINNING, features=(MEANS,), metrics=EVERY)
    for rows in torch.arange(16).split(5):
        parts.update(**{k: v[rows] for k, v in MADE.items()}, real=False)
    for rows in torch.arange(24).split(11):
        parts.update(**{k: v[rows] for k, v in REAL.items()}, real=True)
    same(together.results(), parts.results())


@pytest.mark.long
def test_volumes_are_carried_through_batches_with_and_without_them():
    group = torch.arange(16) // 2
    metric = BinAwareMetrics(BINNING, features=(MEANS,), metrics=EVERY)
    metric.update(**REAL, real=True)
    for rows in (slice(0, 5), slice(5, 12)):  # the third volume is in both
        metric.update(**{k: v[rows] for k, v in MADE.items()}, group=group[rows].tolist(), real=False)
    metric.update(**{k: v[12:] for k, v in MADE.items()}, real=False)
    grouped = table(MADE | SHARED | {"group": torch.where(torch.arange(16) < 12, group, -1)})
    expected, found = evaluate(table(REAL | SHARED), grouped, metrics=EVERY, features=[MEANS]), metric.results()
    same(found, expected)
    for a, b in zip(found.generation, expected.generation, strict=True):
        assert [s.interval for s in a.scores.values()] == [
            s.interval and pytest.approx(s.interval, rel=1e-6, abs=1e-9) for s in b.scores.values()
        ]
    assert found["kid"].n_units == 10


def test_compute_gives_the_pooled_scores_as_tensors():
    metric = filled()
    found, pooled = metric.compute(), metric.results().pooled
    assert set(found) == set(pooled)
    for name, value in found.items():
        assert isinstance(value, torch.Tensor)
        assert value.ndim == 0
        score = pooled[name].value
        assert bool(value.isnan()) if score is None else float(value) == pytest.approx(score, rel=1e-6)
    assert "kid_means" in found


def test_no_pixel_is_kept_unless_a_metric_needs_it():
    assert filled().kept == ()
    sizes = {name: sum(x.numel() for x in getattr(filled(), name)) for name in filled()._defaults}
    assert max(sizes.values()) == 40 * 16  # the features: 16 columns of 40 slices
    assert BinAwareMetrics(BINNING, metrics=["best_match_psnr"]).kept == ("pixels",)
    assert BinAwareMetrics(BINNING, metrics=["obedience"]).kept == ("masks",)
    assert filled().metric_state.keys() >= {"features_0", "z_bin", "patient"}


def test_metrics_of_masks_alone_need_no_pixel():
    found = filled(metrics=["obedience", "lesion_shape"]).results()
    expected = evaluate(
        *(table(a | SHARED) for a in (REAL, MADE)), metrics=["obedience", "lesion_shape"], features=[MEANS]
    )
    same(found, expected)
    assert found["lesion_present"].value is not None


def test_it_can_be_pickled_cloned_reset_and_moved():
    metric = filled(features=(), metrics=["best_match"])
    expected = metric.results()
    for copy in (pickle.loads(pickle.dumps(metric)), metric.clone(), metric.double(), metric.to("cpu")):
        same(copy.results(), expected)
    metric.reset()
    assert metric.results().pooled == BinAwareMetrics(BINNING, features=(), metrics=["best_match"]).results().pooled
    metric.update(**REAL, real=True)
    metric.update(**MADE, real=False)
    same(metric.results(), expected)


def test_radiomics_can_be_pickled_too():
    metric = BinAwareMetrics(BINNING)
    metric.update(**MADE, real=False)
    assert pickle.loads(pickle.dumps(metric)).results() == metric.results()


def test_nothing_added_is_undefined_and_no_error():
    for asked in (None, EVERY):
        metric = BinAwareMetrics(BINNING, features=(MEANS,), metrics=asked)
        with pytest.warns(UserWarning, match="before the ``update`` method"):
            found = metric.compute()
        assert found
        assert all(value.isnan() for name, value in found.items() if name != "exact_copies")


def test_one_side_alone_is_undefined_and_no_error():
    for side in (0, 1):
        metric = BinAwareMetrics(BINNING, features=(MEANS,), metrics=EVERY)
        metric.update(**(REAL, MADE)[side], real=not side)
        assert metric.compute()["kid_means"].isnan()


def test_forward_gives_the_scores_of_the_batch_and_accumulates():
    metric = BinAwareMetrics(BINNING, features=(MEANS,), metrics=["obedience", "kid"])
    metric.update(**REAL, real=True)
    first = {k: v[:8] for k, v in MADE.items()}
    second = {k: v[8:] for k, v in MADE.items()}
    batch = metric(**first, real=False)
    assert float(batch["control_empty"]) == 1.0
    assert batch["lesion_present"].isnan() or float(batch["lesion_present"]) >= 0
    assert batch["kid_means"].isnan()  # a batch has no real slices
    metric(**second, real=False)
    whole = filled(metrics=["obedience", "kid"])
    same(metric.results(), whole.results())


def test_it_works_in_a_collection():
    collection = MetricCollection({"bins": BinAwareMetrics(BINNING, features=(MEANS,), metrics=["kid"])})
    collection.update(**REAL, real=True)
    collection.update(**MADE, real=False)
    (value,) = [v for k, v in collection.compute().items() if "kid_means" in k]
    assert float(value) == pytest.approx(filled(metrics=["kid"]).results()["kid"].value, rel=1e-6)


def test_the_dtype_of_labels_does_not_enter():
    metric = BinAwareMetrics(BINNING, features=(MEANS,), metrics=["kid", "best_match"])
    metric.update(
        REAL["images"].double()[:, None], z_bin=REAL["z_bin"].int(), pathology=REAL["pathology"].to(torch.uint8),
        patient=REAL["patient"].tolist(), held_out=REAL["held_out"].int(), real=True,
    )  # fmt: skip
    metric.update(**{k: v for k, v in MADE.items() if k != "masks"}, real=False)
    same(metric.results(), filled(metrics=["kid", "best_match"]).results())


def test_extractors_can_be_named_unless_they_are_trained():
    by_name = filled(features=["radiomics"], metrics=["kid"])
    same(by_name.results(), filled(features=(EXTRACTOR,), metrics=["kid"]).results())
    assert BinAwareScore("kid", BINNING, feature="radiomics").features == (EXTRACTOR,)
    for features, why in ((["slice-encoder"], "trained on real slices.*evaluate"), (["radiomix"], "radiomix")):
        with pytest.raises(JsddpmError, match=f"EXTRACTOR.*{why}") as caught:
            BinAwareMetrics(BINNING, features=features)
        assert caught.value.status == 2


def test_areas_are_in_mm_of_the_spacing():
    """Pixels of 2 x 3 mm: an area is six times that of pixels of 1 mm, and so is a difference of areas."""
    areas = [
        filled(metrics=["lesion_shape", "obedience"], features=(), **settings).results()
        for settings in ({}, {"spacing": (2.0, 3.0, 5.0)})
    ]
    expected = evaluate(
        *(table(a | SHARED | {"spacing": (2.0, 3.0, 5.0)}) for a in (REAL, MADE)), metrics=["lesion_shape"], features=[]
    )
    in_mm = {s.name for s in areas[0].specs if "mm2" in s.unit}
    assert in_mm
    for name in in_mm:
        one, six = (found[name].value for found in areas)
        assert six == pytest.approx(6 * one)
        assert six == pytest.approx(expected[name].value)
    score = BinAwareScore(min(in_mm), BINNING, spacing=(2.0, 3.0, 5.0))
    score.update(**REAL, real=True)
    score.update(**MADE, real=False)
    assert float(score.compute()) == pytest.approx(expected[min(in_mm)].value, rel=1e-5)


def test_metrics_of_the_same_real_slices_are_compared_and_of_others_refused():
    """Whatever batches they came in; slices of as many strangers, or the patients exchanged, are other slices."""
    whole = filled(metrics=["kid"]).results()
    batches = BinAwareMetrics(BINNING, features=(MEANS,), metrics=["kid"])
    for rows in torch.randperm(24, generator=torch.Generator().manual_seed(0)).split(7):
        batches.update(**{k: v[rows] for k, v in REAL.items()}, real=True)
    batches.update(**MADE, real=False)
    assert compare(whole, batches.results())
    assert compare(whole, evaluate(table(REAL | SHARED), table(MADE | SHARED), metrics=["kid"], features=[MEANS]))
    strangers = REAL | {"images": (REAL["images"] + 0.01).clamp(0, 1)}
    exchanged = REAL | {"patient": REAL["patient"] ^ 1}
    for other in (strangers, exchanged):
        metric = BinAwareMetrics(BINNING, features=(MEANS,), metrics=["kid"])
        metric.update(**other, real=True)
        metric.update(**MADE, real=False)
        with pytest.raises(JsddpmError, match=r"NOT_COMPARABLE.*real.slices_digest"):
            compare(whole, metric.results())


# What is refused


ONE = {"z_bin": torch.tensor([0]), "pathology": torch.tensor([0])}
SLICE = torch.rand((1, 12, 12), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("images", "changed", "message"),
    [
        (SLICE * 200, {}, r"\[0, 1\]"),
        (SLICE - 1, {}, r"\[0, 1\]"),
        (SLICE * torch.nan, {}, "nan or inf"),
        (SLICE, {"z_bin": torch.tensor([2])}, "bins from 0 to 1"),  # silently in no cell
        (SLICE, {"z_bin": torch.tensor([-1])}, "bins from 0 to 1"),
        (SLICE, {"z_bin": torch.tensor([0, 1])}, "z_bin"),
        (SLICE, {"pathology": torch.tensor([2])}, "0 for control, 1 for lesion"),
        (SLICE, {"real": True}, "real slices need patients"),  # silently counted as generated
        (SLICE, {"patient": torch.tensor([4])}, "generated slices have no patients"),
        (SLICE, {"real": True, "patient": ["anna"]}, "patient"),
        (SLICE, {"real": True, "patient": torch.tensor([4]), "group": torch.tensor([1])}, "group: given for real"),
        (SLICE, {"group": torch.tensor([1, 2])}, "one volume, or None, for each slice"),
        (SLICE, {"group": ["anna"]}, "group"),
        (SLICE, {"real": True, "patient": ["anna"]}, r"patient.*numpy.unique\(names"),
        (SLICE, {"held_out": torch.tensor([2])}, "held_out"),
        (SLICE, {"masks": SLICE}, "masks: float32 with values from .*masks > 0.5"),
    ],
)
def test_slices_that_do_not_fit_are_refused(images, changed, message):
    metric = BinAwareMetrics(BINNING)
    with pytest.raises(JsddpmError, match=message) as caught:
        metric.update(images, **({"real": False} | ONE | changed))
    assert (caught.value.code, caught.value.status) == ("SLICES", 2)
    assert not metric.z_bin  # and nothing of the batch is kept


def test_a_metric_needs_a_binning_and_a_whole_seed():
    for settings, code in (({"binning": None}, "BINNING"), ({"seed": -1}, "OPTION")):
        with pytest.raises(JsddpmError, match=code):
            BinAwareMetrics(**{"binning": BINNING} | settings)
    assert BinAwareMetrics(BINNING, metrics="kid").asked == ("kid",)


def test_bfloat16_is_taken_like_float32():
    metric = BinAwareMetrics(BINNING, metrics=["best_match"])
    metric.update(SLICE.bfloat16(), **ONE, real=False)
    assert len(metric.z_bin) == 1


def test_masks_are_needed_where_a_metric_reads_them():
    metric = BinAwareMetrics(BINNING, metrics=["obedience"])
    with pytest.raises(JsddpmError, match="the argument masks is missing"):
        metric.update(SLICE, **ONE, real=False)


def test_other_metrics_are_refused_when_it_is_made():
    with pytest.raises(JsddpmError, match="unknown metric or score 'psnr_best'"):
        BinAwareMetrics(BINNING, metrics=["psnr_best"])


def test_the_seeds_function_takes_the_best_of_the_bin():
    metric = BinAwareMetrics(ZBinning((5, 34), 5, n_slices=40))
    slices = {0: [torch.zeros(4, 4), torch.full((4, 4), 0.4)], 1: [torch.full((4, 4), 0.5)]}
    assert metric.compute_bin_aware_psnr(torch.full((4, 4), 0.5), 0, slices) == pytest.approx(20, abs=1e-5)
    with pytest.raises(ValueError, match="bin 3 has no reference"):
        metric.compute_bin_aware_psnr(torch.zeros(4, 4), 3, slices)
    arrays = {k: [s.numpy() for s in v] for k, v in slices.items()}
    for z_bin in (0, np.int64(0), torch.tensor(0)):  # a tensor was the key of no bin
        found = metric.compute_bin_aware_psnr(np.full((4, 4), 0.5, np.float32), z_bin, arrays)
        assert found == pytest.approx(20, abs=1e-5)
    with pytest.raises(JsddpmError, match=r"BIN.*0\.5"):
        metric.compute_bin_aware_psnr(torch.zeros(4, 4), 0.5, slices)
    with pytest.raises(JsddpmError, match=r"SLICES.*\(4, 4\), the generated one \(2, 8\)"):
        metric.compute_bin_aware_psnr(torch.zeros(2, 8), 0, slices)


# One score as a tensor


@pytest.mark.parametrize(
    ("name", "z_bin", "pathology"),
    [("kid", None, None), ("lesion_present", None, None), ("best_match_psnr", 0, 0), ("best_match_psnr", 0, "Control")],
)
def test_a_single_score_is_that_of_the_results(name, z_bin, pathology):
    metric = BinAwareScore(name, BINNING, feature=MEANS, z_bin=z_bin, pathology=pathology)
    metric.update(**REAL, real=True)
    metric.update(**MADE, real=False)
    expected = filled(metrics=[name]).results()[name, z_bin, pathology]
    assert float(metric.compute()) == pytest.approx(expected.value, rel=1e-6)


def test_single_scores_share_their_slices_in_a_collection_and_are_logged_by_name():
    collection = MetricCollection({
        "kid": BinAwareScore("kid", BINNING, feature=MEANS), "fid": BinAwareScore("fid", BINNING, feature=MEANS),
        "bin": BinAwareScore("kid", BINNING, feature=MEANS, z_bin=0, pathology=0),
    })  # fmt: skip
    collection.update(**REAL, real=True)
    collection.update(**MADE, real=False)
    found = collection.compute()
    assert set(found) == {"kid", "fid", "bin"}
    assert all(value.ndim == 0 for value in found.values())
    assert [sorted(group) for group in collection.compute_groups.values()] == [["bin", "fid", "kid"]]
    whole = filled(metrics=["kid", "fid"]).results()
    assert [float(found[n]) for n in ("kid", "fid")] == pytest.approx(
        [whole[n].value for n in ("kid", "fid")], rel=1e-6
    )
    assert float(found["bin"]) == pytest.approx(whole["kid", 0, "control"].value, rel=1e-6)
    assert [collection[n].higher_is_better for n in ("kid", "fid")] == [False, False]


def test_a_single_score_can_be_cloned_and_needs_a_score():
    metric = BinAwareScore("lesion_present", BINNING, feature=MEANS).clone()
    metric.update(**MADE, real=False)
    assert float(metric.compute()) >= 0
    assert metric.higher_is_better is True
    for name, place, why in (
        ("kid", {"z_bin": 5, "pathology": 0}, "no 'kid' of bin 5 and pathology 0 in 2 bins"),
        ("kid", {"z_bin": -1, "pathology": 0}, "no 'kid' of bin -1"),
        ("kid", {"z_bin": 0, "pathology": 2}, "pathology 2 is unknown"),
        ("lesion_area", {"z_bin": 2}, "no 'lesion_area' of bin 2"),
        ("feature_distance", {}, "is a family of scores"), ("kidd", {}, "unknown metric or score"),
        ("best_match_psnr", {"pathology": 0}, "no 'best_match_psnr' of bin None and pathology 0"),
    ):  # fmt: skip
        with pytest.raises(JsddpmError, match=f"(METRIC|PATHOLOGY).*{why}"):
            BinAwareScore(name, BINNING, **place)


@pytest.mark.parametrize("data_range", [0, -1.0, float("nan"), float("inf")])
def test_a_range_of_values_is_above_0(data_range):
    with pytest.raises(JsddpmError, match="is not above 0"):
        BinAwareMetrics.compute_bin_aware_psnr(torch.zeros(4, 4), 0, {0: [torch.ones(4, 4)]}, data_range)


def test_a_metric_draws_its_first_score():
    metric = BinAwareMetrics(ZBinning((0, 1), 2, n_slices=2), metrics=["best_match_psnr"])
    metric.update(**real_arrays(), real=True)
    metric.update(**generated_arrays(), real=False)
    figure, axes = metric.plot()
    assert axes in figure.axes
    assert axes.lines or axes.collections
    assert axes.get_ylabel() == metric.results().plot("best_match_psnr").get_ylabel()


def collection_of_two():
    scores = {"kid": BinAwareScore("kid", BINNING, feature=MEANS), "fid": BinAwareScore("fid", BINNING, feature=MEANS)}
    collection = MetricCollection(scores)
    collection.update(**REAL, real=True)
    collection.update(**MADE, real=False)
    return collection


def heights(axes):
    return [line.get_ydata() for line in axes.lines]


def test_a_collection_draws_single_scores_each_by_itself():
    """Before, the value was taken for the name of a score."""
    collection = collection_of_two()
    values, axes = collection.compute(), [Figure().subplots() for _ in range(2)]
    for drawn in (collection.plot(), collection.plot(ax=axes), collection.plot(values)):
        for name, (figure, place) in zip(values, drawn, strict=True):
            assert place in figure.axes
            assert place.get_ylabel() == name
            assert [float(v) for y in heights(place) for v in y] == [pytest.approx(float(values[name]))]


def test_a_collection_draws_scores_over_steps_and_together():
    collection = collection_of_two()
    steps = [{"kid": torch.tensor(k), "fid": torch.tensor(10 * k)} for k in (3.0, 2.0, float("nan"))]
    kid, fid = (dict(zip(collection, collection.plot(steps), strict=True))[name][1] for name in ("kid", "fid"))
    assert np.array_equal(heights(kid)[0], [3, 2, np.nan], equal_nan=True)
    assert np.array_equal(heights(fid)[0], [30, 20, np.nan], equal_nan=True)
    _, together = collection.plot(steps, together=True)
    assert [len(y) for y in heights(together)] == [3, 3]
    assert len(heights(collection.plot(together=True)[1])) == 2


def test_a_metric_of_all_scores_draws_what_it_computed_and_a_score_by_name():
    metric = filled(metrics=["kid", "fid"])
    values = metric.compute()
    _, axes = metric.plot(values)
    assert [float(y[0]) for y in heights(axes)] == [pytest.approx(float(v)) for v in values.values()]
    _, axes = metric.plot("fid_means")
    assert axes.get_ylabel() == "fid_means"
    with pytest.raises(JsddpmError, match="SCORE"):
        metric.plot("obedience")
