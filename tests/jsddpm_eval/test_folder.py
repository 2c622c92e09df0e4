"""A whole evaluation in a folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch

from jsddpm.binning import ZBinning
from jsddpm.checksums import remove_recorded, require_recorded, sha256, write_recorded
from jsddpm.cohort.records import SPLITS
from jsddpm.csvfiles import read_rows
from jsddpm.diffusion.checkpoint import read_checkpoint, write_checkpoint
from jsddpm.errors import JsddpmError
from jsddpm.files import write_json
from jsddpm.publish import beside
from jsddpm_cli.commands.sample import run_sampling
from jsddpm_eval.comparison import compare
from jsddpm_eval.folder import SELFTEST, evaluate_into, revealed
from jsddpm_eval.privacy import read_statement
from jsddpm_eval.results.panels import Panels
from jsddpm_eval.results.results import Results
from jsddpm_eval.slice_table import SliceTable
from jsddpm_reports.page import write_page
from synthetic import BINNING

pytestmark = pytest.mark.usefixtures("brief_networks")


@pytest.mark.long
def test_a_run_is_evaluated_with_everything_in_its_place(run, store, generated, tmp_path):
    results = evaluate_into(tmp_path / "e", store, generated, checkpoint=run / "checkpoints" / "last.ckpt")
    assert Results.read(tmp_path / "e" / "results.json") == results
    assert {p.name for p in (tmp_path / "e").iterdir()} == {
        "results.json",
        "results.influence.json",
        "per_bin.csv",
        "per_slice.csv",
        "lesions.csv",
        "panels.npz",
        "privacy.json",
        "features",
        "SHA256SUMS",
    }
    assert len(results.cells()) == 10
    frame = results.to_frame()
    assert len(frame) == sum(len(c.scores) for c in [*results.generation, *results.reconstruction])
    pooled = frame[(frame.score == "kid_radiomics") & frame.z_bin.isna()]
    assert pooled.value.tolist() == [results.pooled["kid_radiomics"].value]
    assert {"z_error_bins", "z_error_chance_bins", "control_empty", "lesion_present", "kid_radiomics"} <= set(
        results.pooled
    )
    assert [c.pathology for c in results.reconstruction if c.timestep == 300 and c.z_bin is None] == [None, 0, 1]
    assert results.provenance["real"]["store"] == store.fingerprint
    assert results.provenance["checkpoint"]["step"] == 4
    page = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text()
    said = set(re.findall("`([a-z_]+)`", re.search("pairs real patients in these scores: (.*?);", page, re.S)[1]))
    paired = {
        s.spec or n
        for c in results.generation
        for n, s in c.scores.items()
        if s.influence and s.influence.patients and s.unit != "SD"
    }
    assert {"kid", "fid", "lesion_mmd"} < paired <= said
    apart = ("copy_closeness", "intensity_varied", "intensity_tilted", "detail_varied", "head_place_varied",
             "head_tilt_varied")  # fmt: skip
    in_sd = [
        s for c in results.generation for n, s in c.scores.items() if s.unit == "SD" and s.interval and n not in apart
    ]
    assert in_sd
    assert all(s.influence.patients and s.influence.samples for s in in_sd)
    slices = read_rows(tmp_path / "e" / "per_slice.csv")
    assert len(slices) == len(generated.index)
    panels = Panels.read(tmp_path / "e" / "panels.npz")
    nearest = max(slices, key=lambda row: float(row["copy_score"]))
    assert panels.copies_name[:, 0].tolist() == [nearest["slice"], nearest["nearest_copy"]]
    assert panels.copies_nearness[0] == pytest.approx(float(nearest["copy_score"]), abs=1e-4)
    statement = read_statement(tmp_path / "e")
    assert statement["rates"]["patients"]["of"] == len(
        set(store.patients[store.index["split"] == SPLITS.index("train")])
    )
    copied = [row["slice"] for row in slices if float(row["copy_score"]) > 1]
    assert sorted(pair["sample"] for pair in statement["copies"] if pair["what"] == "slice") == sorted(copied)
    assert set(panels.generated_name.ravel()) <= {row["slice"] for row in slices} | {""}
    lesions = read_rows(tmp_path / "e" / "lesions.csv")
    real = [row for row in lesions if row["origin"] == "real"]
    drawn = (store.index["z_index"] >= 5) & (store.index["z_index"] <= 34) & (store.index["pathology"] == 1)
    assert len(real) == drawn.sum()
    assert {row["patient"] for row in real} == set(store.patients[drawn])
    assert {float(row["area_mm2"]) for row in real} == {4 * 3 * 3.0 * 2.0}  # 4 x 3 pixels of 3 x 2 mm
    assert {(float(row["count"]), float(row["solidity"])) for row in real} == {(1, 1)}
    wanted = (generated.index["pathology"] == 1) & (generated.index["lesion_pixels"] > 0)
    assert len(lesions) - len(real) == wanted.sum()


def test_a_network_alone_is_evaluated_too(run, store, tmp_path):
    results = evaluate_into(tmp_path / "e", store.path, checkpoint=run / "checkpoints" / "last.ckpt")
    assert {p.name for p in (tmp_path / "e").iterdir()} == {"results.json", "per_bin.csv", "SHA256SUMS"}  # one patient
    assert (results.generation, results.findings, results.verdict) == ((), (), ())
    assert results.specs[0].name == "psnr"
    assert {c.timestep for c in results.reconstruction} == {300, None}
    one = next(c for c in results.reconstruction if c.key == (None, None, 300)).scores
    assert "too small for five scales" in one["ms_ssim"].reason
    assert one["psnr"].n_patients == 1


def test_a_network_alone_is_compared_with_one_whose_samples_were_evaluated_too(run, store, generated, tmp_path):
    """Both state the same real patients, the held-out ones among them, which pooling over folds weighs."""
    network = run / "checkpoints" / "last.ckpt"
    alone = evaluate_into(tmp_path / "a", store, checkpoint=network)
    both = evaluate_into(tmp_path / "b", store, generated, checkpoint=network, metrics=["obedience"], features=[])
    drawn = (store.index["z_index"] >= 5) & (store.index["z_index"] <= 34)
    aside = set(store.patients[drawn & (store.index["split"] != SPLITS.index("train"))])
    assert alone.provenance["real"]["held_out_patients"] == len(aside)
    assert alone.provenance["real"] == both.provenance["real"]
    assert {d.difference for d in compare(alone, both)} == {0.0}


@pytest.mark.parametrize("masks", [True, False], ids=["masks alone", "conditions alone"])
def test_samples_without_images_are_evaluated_and_shown_without_pictures(store, generated, tmp_path, masks):
    samples = SliceTable.from_store(generated)
    labels = {"z_index": samples.z_index, "pathology": samples.pathology, "binning": samples.binning}
    alone = SliceTable.from_arrays(None, samples.masks if masks else None, spacing=samples.spacing, **labels)
    results = evaluate_into(tmp_path / "e", store, alone, metrics=["obedience", "lesion_shape"], features=[])
    assert (results.pooled["lesion_present"].value is not None) == masks
    panels = Panels.read(tmp_path / "e" / "panels.npz")
    assert not panels.generated_image.any()
    expected = torch.stack([samples.masks[samples.token(5) == t][0] for t in range(10)]).numpy() if masks else False
    assert (panels.generated_mask[:, 0] == expected).all()
    assert panels.real_image.any()
    assert panels.copies.shape[:2] == (2, 0)
    assert len(read_rows(tmp_path / "e" / "per_slice.csv")) == len(samples)
    assert "obedience" in write_page(tmp_path / "e", tmp_path / "e.html").read_text()


def test_samples_of_another_step_or_of_raw_weights_are_not_shown_with_a_reconstruction(run, store, generated, tmp_path):
    last = run / "checkpoints" / "last.ckpt"
    earlier, raw = tmp_path / "earlier.ckpt", tmp_path / "raw"
    write_checkpoint(earlier, read_checkpoint(last) | {"global_step": 2})
    with pytest.raises(JsddpmError, match=r"step 4 instead of 2") as refused:
        evaluate_into(tmp_path / "e", store, generated, checkpoint=earlier)
    assert (refused.value.code, refused.value.status) == ("OTHER_NETWORK", 2)
    assert "jsddpm sample" in refused.value.fix
    run_sampling(run, raw, {"per_condition": 1}, "1", "1", 0, weights="raw")
    with pytest.raises(JsddpmError, match=r"weights raw instead of ema"):
        evaluate_into(tmp_path / "e", store, raw, checkpoint=last)
    other = read_checkpoint(last)
    other["jsddpm"]["config"]["seed"] += 1
    write_checkpoint(earlier, other)
    with pytest.raises(JsddpmError, match=r"training_seed 0 instead of 1"):
        evaluate_into(tmp_path / "e", store, generated, checkpoint=earlier)
    assert not (tmp_path / "e").exists()


def test_nothing_of_an_earlier_evaluation_is_left(run, store, generated, tmp_path):
    out = tmp_path / "e"
    samples = SliceTable.from_store(generated)
    evaluate_into(out, store, samples, metrics=["copies"], features=[])
    write_page(out, out / "report.html")
    earlier = (out / "privacy.json").read_bytes()
    assert read_statement(out)["of"] == sha256(out / "results.json")
    evaluate_into(out, store, samples, metrics=["best_match"], features=[])
    left = {p.name for p in out.iterdir()} - {"features", "results.influence.json"}
    assert left == {"results.json", "per_bin.csv", "per_slice.csv", "lesions.csv", "panels.npz", "SHA256SUMS"}
    assert read_statement(out) is None
    require_recorded(out, ["results.json"], "RESULTS", "evaluate again")  # the record names no file that is gone
    write_recorded(out / "privacy.json", earlier)
    assert read_statement(out) is None  # it is of other results
    (out / "results.json").unlink()
    assert read_statement(out) is None  # nor are there any
    evaluate_into(out, store, checkpoint=run / "checkpoints" / "last.ckpt")
    assert {p.name for p in out.iterdir()} - {"features"} == {"results.json", "per_bin.csv", "SHA256SUMS"}


def test_two_evaluations_into_one_folder_exclude_each_other(run, store, tmp_path):
    refused = []

    def second(part, done, total):
        if not refused:
            with pytest.raises(JsddpmError, match="LOCKED") as caught:
                evaluate_into(tmp_path / "e", store, checkpoint=run / "checkpoints" / "last.ckpt")
            refused.append(caught.value.status)

    evaluate_into(tmp_path / "e", store, checkpoint=run / "checkpoints" / "last.ckpt", progress=second)
    assert refused == [5]
    assert not (tmp_path / "e" / ".lock").exists()


def test_nothing_to_evaluate_is_refused(store, tmp_path):
    with pytest.raises(JsddpmError, match="nothing to evaluate"):
        evaluate_into(tmp_path / "e", store)


def test_what_a_selftest_of_this_store_and_these_bins_found_is_taken_over(store):
    file = beside(store.path, SELFTEST) / "selftest.json"
    said = ["Blur: 0.5 px would not be seen.", "Copies: named right from 0.25 on."]
    rows = [("blur", "sharpness"), ("blur", "sharpness"), ("copy", "copies")]  # two strengths of one fault
    told = {"sentences": said, "faults": [{"fault": fault, "family": family} for fault, family in rows]}
    told |= {"perfect": {"count": 0, "trials": 20, "share": 0.0}}
    cohort = {"store": store.fingerprint, "binning": BINNING.to_dict()}
    file.parent.mkdir()
    try:
        assert revealed(store, BINNING) is None
        write_json(file, {"cohort": cohort, **told})
        expected = {"sentences": said, "copies": said[1:], "perfect": {"count": 0, "trials": 20}}
        assert revealed(store, BINNING) == expected
        assert revealed(store, ZBinning((5, 34), 6, n_slices=40)) is None
        write_json(file, {"cohort": cohort | {"store": "another"}, **told})
        assert revealed(store, BINNING) is None
    finally:
        shutil.rmtree(file.parent)


@pytest.mark.parametrize("name", ["results.json", "lesions.csv", "report.html"])
def test_files_that_no_evaluation_wrote_are_kept(store, generated, tmp_path, name):
    """They were replaced, or removed."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text('{"mine": 1}')
    with pytest.raises(JsddpmError, match=f"EXISTS.*has {name}, which no evaluation wrote") as caught:
        evaluate_into(tmp_path / "mine", store, generated, metrics=["best_match"], features=[])
    assert caught.value.status == 2
    assert [(p.name, p.read_text()) for p in (tmp_path / "mine").iterdir()] == [(name, '{"mine": 1}')]


def test_an_interrupted_or_damaged_evaluation_is_done_again(store, generated, tmp_path):
    out = tmp_path / "e"
    evaluate_into(out, store, generated, metrics=["best_match"], features=[])
    expected = (out / "results.json").read_bytes()
    (out / "results.json").write_bytes(expected[:99])
    evaluate_into(out, store, generated, metrics=["best_match"], features=[])
    assert (out / "results.json").read_bytes() == expected
    remove_recorded(out, ["results.json", "per_bin.csv"])  # which are written last
    evaluate_into(out, store, generated, metrics=["best_match"], features=[])
    assert (out / "results.json").read_bytes() == expected


@pytest.mark.parametrize("below", ["", "evaluation"])
def test_nothing_is_written_into_a_store(store, generated, tmp_path, below):
    """Its verification then found files that it does not list."""
    shutil.copytree(store.path, tmp_path / "store")
    before = sorted((tmp_path / "store").rglob("*"))
    inside = tmp_path / "store" / below
    with pytest.raises(JsddpmError, match=r"EXISTS.*lies in the store") as caught:
        evaluate_into(inside, store, generated, metrics=["best_match"], features=[])
    assert caught.value.status == 2
    with pytest.raises(JsddpmError, match=r"EXISTS.*lies in the store"):
        evaluate_into(tmp_path / "e", store, generated, metrics=["best_match"], features=[], cache=inside)
    assert sorted((tmp_path / "store").rglob("*")) == before
    assert not (tmp_path / "e").exists()


def test_a_full_disk_leaves_no_folder_without_results(store, generated, tmp_path, monkeypatch):
    """The files before the results were left, as half an evaluation."""

    def full(*_):
        raise JsddpmError("DISK_FULL", "no space left", fix="free space")

    monkeypatch.setattr(Results, "write", full)
    with pytest.raises(JsddpmError, match="DISK_FULL"):
        evaluate_into(tmp_path / "e", store, generated, metrics=["best_match"], features=[], cache=tmp_path / "cache")
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("METRIC", {"metrics": ["kidd"]}),
        ("OPTION", {"seed": 2**64}),
        ("EXTRACTOR", {"features": ["none"]}),
        ("STORES", {}),
    ],
)
def test_a_refused_evaluation_leaves_no_folder(store, generated, tmp_path, code, given):
    samples = store if code == "STORES" else generated
    with pytest.raises(JsddpmError, match=code):
        evaluate_into(tmp_path / "a" / "b", store, samples, **given)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").mkdir()
    with pytest.raises(JsddpmError, match=code):
        evaluate_into(tmp_path / "a", store, samples, **given)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
