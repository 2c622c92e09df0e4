"""An evaluation: every condition is there, sides belong together, what was asked for is what is given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import metric_tester as tester
from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm_eval.evaluation import evaluate, evaluate_in_detail
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.slice_table import SliceTable
from synthetic import BINNING

pytestmark = pytest.mark.usefixtures("brief_networks")


def labelled(images, **labels):
    count = len(images)
    return SliceTable.from_arrays(images, **({"z_bin": [0] * count, "pathology": [0] * count} | labels))


IMAGES = torch.rand((6, 16, 14), generator=torch.Generator().manual_seed(0))
REAL = labelled(IMAGES, patient=list("aabbcc"))
MADE = labelled(IMAGES.flip(-1))


def test_every_condition_is_there_with_every_metric_by_default():
    real, generated = tester.real_table(), tester.table(tester.generated_arrays())
    results = evaluate(real, generated)
    places = [(k, p) for k in (None, 0, 1) for p in (None, 0, 1)]  # the whole, each pathology, then bin by bin
    assert [(c.z_bin, c.pathology) for c in results.generation] == places
    assert results.spaces() == ["radiomics", "slice-encoder"]
    assert {s.name for s in results.specs} == {s.name for m in metrics().values() for s in m.specs}
    assert results["kid_slice-encoder"].n_patients == 2  # it learned from the other patients
    assert [f["name"] for f in results.provenance["features"]] == results.provenance["features_asked"]
    assert results.provenance["features"][1]["reference"] == "held-out patients"
    assert {f.place for f in results.findings if f.check == "sharpness"} == set(places)
    made = len({f.check for f in results.findings})
    held_out = len(set(real.patient[real.held_out].tolist()))
    compared = f"{len(generated)} samples compared with slices of {real.n_patients} patients ({held_out} held out): "
    assert results.verdict[0].startswith(compared)
    assert f" of {made} checks " in results.verdict[0]


def test_only_what_is_asked_for_is_given():
    results = evaluate(REAL, MADE, metrics=["kid", "best_match"], features=["radiomics"])
    names = {name for c in results.generation for name in c.scores}
    best = {s.name for s in metrics()["best_match"].specs}
    assert names == {"kid_radiomics"} | best
    assert results.specs[0].name == "best_match_psnr"
    assert results.confusion == ()
    assert results["kid"].unit == metrics()["feature_distance"].specs[0].unit


def test_progress_says_what_is_done():
    said = []
    evaluate(REAL, MADE, metrics=["obedience"], features=[], progress=lambda *step: said.append(step))
    assert said[:2] == [("import check", 0, 1), ("feature extractors", 0, 1)]
    assert said[2:] == [("bin-aware metrics", k, 6) for k in range(7)]


def test_the_same_seed_gives_the_same_results_and_leaves_the_global_generator():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    asked = [m for m in metrics() if m != "position"]
    first, again, other = (
        evaluate(*map(tester.table, sides), seed=seed, features=["radiomics"], metrics=names)
        for seed, names in ((0, asked), (0, asked), (1, ["kid"]))
        for sides in [(tester.real_arrays(), tester.generated_arrays())]
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert first == again
    assert first["kid"].p_value != other["kid"].p_value
    assert first["kid"].value == other["kid"].value


def test_values_of_each_slice_are_in_the_order_of_the_slices():
    detail = evaluate_in_detail(REAL, labelled(torch.cat([IMAGES[3:4], IMAGES[:1] * 0.5])), ["best_match"], [])
    assert torch.isinf(detail.per_slice["best_match_psnr"]).tolist() == [True, False]
    assert detail.per_slice["train_row"].tolist()[0] == 3


@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (REAL, REAL, "generated slices are expected instead of real"),
        (MADE, MADE, "real slices are expected instead of generated"),
        (REAL, labelled(IMAGES[:, :12]), r"real slices have the size \(16, 14\), generated slices \(12, 14\)"),
        (labelled(IMAGES, patient=list("aabbcc"), z_bin=[0] * 5 + [7]), labelled(IMAGES, binning=BINNING), "bin 7"),
    ],
)
def test_sides_that_do_not_belong_together_are_refused(real, generated, message):
    with pytest.raises(JsddpmError, match=message) as caught:
        evaluate(real, generated, features=[])
    assert (caught.value.code, caught.value.status) == ("STORES", 3)


def test_the_split_is_that_of_a_store(store, tmp_path):
    part = SliceTable.from_store(store, BINNING)
    made = SliceTable.from_arrays(
        part.images[:4], z_index=part.z_index[:4], pathology=part.pathology[:4], binning=BINNING, spacing=store.spacing
    )
    asked = {"metrics": ["best_match_psnr"], "features": []}
    with pytest.raises(JsddpmError, match=r"SPLIT.*unknown split 'foo'.*train, val, test"):
        evaluate(store, made, split="foo", **asked)
    with pytest.raises(JsddpmError, match=r"OPTION.*'val' is given with a table.*held_out"):
        evaluate(part, made, split="val", **asked)
    splits = [
        evaluate(store, made, **asked, **split).provenance["real"]["held_out_split"] for split in ({}, {"split": "val"})
    ]
    assert splits == ["test", "val"]


def test_one_metric_and_one_extractor_may_be_given_alone():
    means = tester.MEANS
    alone = evaluate(REAL, MADE, metrics=metrics()["feature_distance"], features=means)
    assert alone == evaluate(REAL, MADE, metrics=[metrics()["feature_distance"]], features=[means])
    for features in (None, [None], type(means), [3]):
        with pytest.raises(JsddpmError, match=r"EXTRACTOR.*is no extractor.*instance"):
            evaluate(REAL, MADE, metrics="kid", features=features)


def test_another_spacing_is_refused_unless_it_is_rounded():
    real = labelled(IMAGES, patient=list("aabbcc"), spacing=(0.9375, 0.9375, 2.0))
    with pytest.raises(JsddpmError, match=r"\(0.9375, 0.9375, 2.0\) mm, generated slices \(1.0, 1.0, 1.0\)") as caught:
        evaluate(real, MADE, metrics=["kid"], features=["radiomics"])
    assert (caught.value.code, caught.value.status) == ("STORES", 3)
    assert "spacing=real.spacing" in caught.value.fix
    rounded = labelled(IMAGES.flip(-1), spacing=(0.938, 0.9375, 2.0))
    assert evaluate(real, rounded, metrics=["best_match"], features=[])["best_match_psnr", 0, 0].status == "ok"


def test_a_name_alone_is_one_name_and_no_metric_is_refused():
    alone = evaluate(REAL, MADE, metrics="kid", features="radiomics")
    listed = evaluate(REAL, MADE, metrics=["kid"], features=["radiomics"])
    assert (alone.pooled, alone.provenance) == (listed.pooled, listed.provenance)
    with pytest.raises(JsddpmError, match="no metric is asked for") as caught:
        evaluate(REAL, MADE, metrics=[])
    assert (caught.value.code, caught.value.status) == ("METRIC", 2)


def test_a_seed_is_a_whole_number_from_0():
    assert evaluate(REAL, MADE, metrics=["best_match"], features=[], seed=np.int64(3)).provenance["seed"] == 3
    for seed in (-1, 1.5, 2**64):
        with pytest.raises(JsddpmError, match="is not a whole number from 0"):
            evaluate(REAL, MADE, metrics=["best_match"], features=[], seed=seed)


def test_other_bins_are_refused():
    real = labelled(IMAGES, patient=list("aabbcc"), binning=ZBinning((5, 34), 6, n_slices=40))
    with pytest.raises(JsddpmError, match="BINNING_MISMATCH"):
        evaluate(real, labelled(IMAGES, binning=BINNING), features=[])


def test_bins_count_from_0_to_the_largest_of_either_side():
    results = evaluate(REAL, labelled(IMAGES.flip(-1), z_bin=[0, 0, 0, 3, 3, 3]), metrics=["best_match"], features=[])
    assert results.z_binning.n_bins == 4
    assert results["best_match_psnr", 3, 0].reason == "no real slice in this bin"
    assert results["best_match_psnr", 0, 0].status == "ok"


def test_an_extractor_given_twice_is_refused():
    with pytest.raises(JsddpmError, match="given twice"):
        evaluate(REAL, MADE, metrics=["kid"], features=["radiomics", "radiomics"])


def test_stores_that_do_not_belong_together_are_refused(store, generated):
    for pair in ((store, store), (generated, generated)):
        with pytest.raises(JsddpmError, match="give a store of real slices") as caught:
            evaluate(*pair)
        assert (caught.value.code, caught.value.status) == ("STORES", 3)


@pytest.mark.parametrize("asked", ["kid", "feature_distance", ["best_match", "manifold"]])
def test_a_metric_of_features_without_an_extractor_is_refused(asked):
    with pytest.raises(JsddpmError, match=r"(feature_distance|manifold) needs a feature extractor") as caught:
        evaluate(REAL, MADE, metrics=asked, features=[])
    assert caught.value.code == "METRIC"


def test_a_family_with_other_scores_needs_no_extractor():
    assert "diversity_rmse" in evaluate(REAL, MADE, metrics="diversity", features=[])["diversity_rmse", 0, 0].spec
