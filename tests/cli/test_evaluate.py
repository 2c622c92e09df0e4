"""``jsddpm eval``: which scores are asked for, and what evaluations of one store share."""

from __future__ import annotations

import json
import shutil

import pytest

from calls import invoke
from jsddpm.diffusion.checkpoint import read_checkpoint, write_checkpoint
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm_eval.results.results import Results
from synthetic import BINNING

pytestmark = pytest.mark.usefixtures("brief_networks")


@pytest.fixture
def stores(store, tmp_path):
    """A real store and slices of it as if they were generated."""
    shutil.copytree(store.path, tmp_path / "real")
    rows = store.select(binning=BINNING, split="train")[::5]
    columns = {name: store.index[name][rows] for name in ("z_index", "pathology")} | {"sample": list(range(len(rows)))}
    info = {"binning": BINNING.to_dict(), "kind": "generated", "n_slices": 40, "spacing": store.spacing}
    with new_store(tmp_path / "generated", **info) as writer:
        writer.add(Shard("all", store.images(rows), store.masks(rows), columns))
    return tmp_path / "real", tmp_path / "generated"


def evaluate(stores, out, *more):
    real, generated = stores
    words = ["eval", "--real", real, "--generated", generated, "--bin-aware", "--features", "radiomics", "--out", out]
    return invoke(*words, *more, "--format", "json")


def test_only_the_scores_asked_for_are_computed_and_the_page_says_how(stores, tmp_path):
    found = evaluate(stores, tmp_path / "e", "--metrics", "kid", "--metrics", "obedience")
    assert found.status == 7, found.err
    assert [s["name"] for s in json.loads(found.out)["specs"]] == ["kid", "control_empty", "lesion_present"]
    assert "--metrics kid --metrics obedience" in (tmp_path / "e" / "report.html").read_text()
    results = Results.read(tmp_path / "e" / "results.json")
    assert "fine" not in results.answers().values()  # checks that were not made are no passes
    error = evaluate(stores, tmp_path / "f", "--metrics", "kidd").error
    assert (error.status, error.code) == (2, "METRIC")
    assert "feature_distance" in str(error)


@pytest.mark.long
def test_undefined_scores_are_an_exit_status_only_where_they_were_asked_for(stores, tmp_path):
    """Few patients leave scores undefined; an evaluation that ran is no failure for that."""
    ran = evaluate(stores, tmp_path / "e")
    assert (ran.status, ran.err.count("scores are undefined")) == (0, 1)
    assert evaluate(stores, tmp_path / "g", "--metrics", "diversity_ms_ssim").status == 7  # small slices
    family = evaluate(stores, tmp_path / "h", "--metrics", "feature_distance")  # its scores were not named
    assert (family.status, family.err.count("scores are undefined")) == (0, 1)
    assert evaluate(stores, tmp_path / "f", "--metrics", "feature_distance", "--strict").status == 7


def test_evaluations_share_what_they_compute_of_one_real_store(stores, tmp_path):
    for name in ("a", "b"):
        assert evaluate(stores, tmp_path / name, "--metrics", "kid").status == 7
        assert not (tmp_path / name / "features").exists()
    assert list((tmp_path / "real.cache").iterdir())
    assert SliceStore(tmp_path / "real").verify() == []
    evaluate(stores, tmp_path / "c", "--metrics", "kid", "--feature-cache", str(tmp_path / "mine"))
    assert list((tmp_path / "mine").iterdir())


def test_a_smaller_evaluation_says_what_it_replaces(stores, tmp_path):
    larger = evaluate(stores, tmp_path / "e", "--metrics", "kid", "--metrics", "obedience")
    smaller = evaluate(stores, tmp_path / "e", "--metrics", "obedience")
    lost = {n for c in json.loads(larger.out)["generation"] for n in c["scores"]} - {
        "control_empty",
        "lesion_present",
    }
    assert lost == {"kid_radiomics"}
    assert "had 1 score that these lack, such as kid_radiomics" in " ".join(smaller.err.split())
    again = evaluate(stores, tmp_path / "e", "--metrics", "obedience")
    assert "lack" not in larger.err + again.err


def test_a_run_that_does_not_exist_is_named_before_samples_are_announced(tmp_path):
    found = invoke("eval", str(tmp_path / "none"), "--bin-aware")
    assert (found.error.code, "drawn now" in found.err) == ("MISSING", False)


def test_where_nothing_can_be_written_beside_the_store_the_results_hold_the_cache(stores, tmp_path):
    (tmp_path / "real.cache").write_text("in the way")
    assert evaluate(stores, tmp_path / "a", "--metrics", "kid").status == 7
    assert list((tmp_path / "a" / "features").iterdir())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--generated", "made"], "--generated"),
        (["--metrics", "kid", "--features", "radiomics"], "--metrics, --features"),
        (["--feature-cache", "folder"], "--feature-cache"),
    ],
)
def test_options_of_the_bin_aware_part_are_refused_without_it(run, options, named):
    found = invoke("eval", str(run), *options)
    assert (found.error.code, found.error.status) == ("OPTION", 2)
    assert f"{named} without --bin-aware would have no effect" in str(found.error)


def test_a_checkpoint_of_no_run_is_refused(stores, tmp_path):
    error = evaluate(stores, tmp_path / "e", "--checkpoint", "last").error
    assert (error.code, error.status) == ("OPTION", 2)


def test_the_samples_of_a_run_that_was_trained_on_are_not_evaluated_as_its_network(run, store, generated, tmp_path):
    """The checkpoint says step 2, the samples step 4."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.copytree(generated.path, copy / "samples")
    last = copy / "checkpoints" / "last.ckpt"
    write_checkpoint(last, read_checkpoint(last) | {"global_step": 2})
    found = invoke("eval", str(copy), "--real", str(store.path), "--bin-aware")
    assert (found.error.code, found.error.status) == ("OTHER_NETWORK", 2)
    assert not (copy / "evaluation").exists()
