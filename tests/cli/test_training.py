"""Training commands: the plan, samplers and outputs by name, export."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from calls import invoke
from conftest import TINY
from jsddpm.config import load_config, write_config
from jsddpm.diffusion.checkpoint import checkpoint_info
from jsddpm.errors import JsddpmError
from jsddpm.publish import exclusive_lock, lock_of
from jsddpm.registry import SAMPLERS
from jsddpm.slices.store import SliceStore
from jsddpm.training.progress import RunProgress, read_choice
from jsddpm_cli.commands.sample import _export
from synthetic import write_store


def test_a_dry_run_prints_the_plan_and_writes_nothing(store, tmp_path):
    settings = [part for s in TINY for part in ("--set", s)]
    common = ["train", "--preset", "demo", "--store", store.path, "--out", tmp_path / "run", *settings, "--dry-run"]
    found = invoke(*common)
    assert found.status == 0, found.err
    assert "4 of 4 slices" in " ".join(found.out.split())
    plan = json.loads(invoke(*common, "--format", "json").out)
    assert (plan["train_slices"], plan["slices_per_step"]) == (120, 4)
    assert not (tmp_path / "run").exists()


def test_training_draws_its_curves_and_goes_on_when_it_cannot(store, tmp_path):
    settings = [part for s in TINY for part in ("--set", s)]
    common = ["train", "--preset", "demo", "--store", store.path, *settings]
    found = invoke(*common, "--out", tmp_path / "run")
    assert found.status == 0, found.err
    width, height = Image.open(tmp_path / "run" / "curves.png").size
    assert min(width, height) > 400
    (tmp_path / "run" / "curves.png").unlink()
    (tmp_path / "run" / "curves.png").mkdir()
    again = invoke("train", "--resume", "--store", store.path, "--out", tmp_path / "run")
    assert again.status == 0, again.err
    assert "the curves were not drawn: error[NOT_WRITABLE]" in again.err


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_samplers_by_name_and_outputs_beside_the_store(run, tmp_path, sampler):
    out, nifti, png = (tmp_path / n for n in ("store", "nifti", "png"))
    common = ["sample", run, "--bins", 1, "--pathology", 1, "--per-condition", 2, "--sampler", sampler, "--steps", 3]
    found = invoke(*common, "--weights", "raw", "--out", out, "--nifti", nifti, "--png", png)
    assert found.status == 0, found.err
    generated = SliceStore(out)
    assert generated.info["sampling"]["sampler"] == sampler
    assert generated.info["provenance"]["weights"] == "raw"
    z = int(generated.index["z_index"][0])
    wanted = {f"synthetic_z{z:03d}_lesion_{k}.nii.gz" for k in ("image", "mask")}
    assert {p.name for p in nifti.glob("*.nii.gz")} == wanted
    assert len(list(png.glob("*.png"))) == 4
    assert invoke(*common, "--out", tmp_path / "more", "--png", png).status != 0
    assert not (tmp_path / "more").exists(), "an output that exists is found before anything is drawn"


def test_a_sampling_that_is_repeated_writes_the_files_that_are_missing(run, tmp_path):
    """Before: EXISTS for the complete folder, so what a kill between two folders left could not be finished."""
    out, nifti, png = (tmp_path / n for n in ("store", "nifti", "png"))
    draw = ["sample", run, "--bins", 1, "--per-condition", 2, "--steps", 2, "--seed"]
    assert invoke(*draw, 0, "--out", out, "--nifti", nifti).status == 0
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in nifti.iterdir()}
    for _ in range(2):
        found = invoke(*draw, 0, "--out", out, "--nifti", nifti, "--png", png)
        assert found.status == 0, found.err
        assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in nifti.iterdir()} == before
        assert len(list(png.glob("*.png"))) == 2 * len(SliceStore(out).index)
    other = tmp_path / "other"
    assert invoke(*draw, 1, "--out", other).status == 0
    for words in ((0, "--out", out, "--nifti", png), (1, "--out", other, "--nifti", nifti)):
        found = invoke(*draw, *words)
        assert "error[EXISTS]" in str(found.error)


def test_of_parts_that_end_together_one_writes_the_files(generated, tmp_path, capsys):
    """Both found the store published, and the second one failed."""
    with exclusive_lock(lock_of(tmp_path / "png")):
        _export(generated.path, tmp_path / "png", "png", shared=True)
        with pytest.raises(JsddpmError, match="LOCKED"):
            _export(generated.path, tmp_path / "png", "png", shared=False)
    _export(generated.path, tmp_path / "png", "png", shared=True)
    _export(generated.path, tmp_path / "png", "png", shared=True)
    assert "".join(capsys.readouterr().err.split()).count("iswrittenbyanotherpart") == 2
    assert len(list((tmp_path / "png").glob("*.png"))) == 2 * len(generated.index)


@pytest.mark.long
@pytest.mark.usefixtures("brief_networks")
def test_samples_choose_the_checkpoint_that_is_sampled_and_the_page_says_why(tmp_path):
    store = write_store(tmp_path / "store", patients=8, held_out=4, validation=3)
    more = ["monitoring.samples=20", "trainer.patience=9", "logging.grid=0"]
    settings = [part for s in (*TINY, *more) for part in ("--set", s)]
    run = tmp_path / "run"
    found = invoke("train", "--preset", "demo", "--store", store.path, "--out", run, *settings)
    assert found.status == 0, found.err
    said = " ".join(found.err.split())
    assert "each validation draws 20 samples of 10 conditions in 2 steps" in said
    step = read_choice(run)["step"]
    assert f"best checkpoint: step {step} (KID" in said
    assert checkpoint_info(run / "checkpoints" / "best.ckpt").step == step
    asked = (([], f"best.ckpt, step {step} (KID"), (["--checkpoint", "last"], "last.ckpt, step 4 (requested)"))
    for option, name in asked:
        drawn = invoke("sample", run, "--per-condition", 1, "--bins", 1, *option, "--out", tmp_path / name[:4])
        assert drawn.status == 0, drawn.err
        assert name in " ".join(drawn.err.split())
        assert SliceStore(tmp_path / name[:4]).info["provenance"]["step"] == (4 if option else step)
    assert invoke("report", run).status == 0
    page = (run / "report.html").read_text()
    assert f"Best checkpoint: step {step} (KID" in page
    assert "KID of samples" in page
    names = set(RunProgress.read(run).metrics)
    assert {"samples/kid", "samples/kid_radiomics", "samples/kid_slice-encoder", "samples/copied", "val/mse"} <= names


def test_a_checkpoint_is_exported(run, tmp_path):
    found = invoke("checkpoint", "export", run / "checkpoints" / "last.ckpt", tmp_path / "model")
    assert found.status == 0, found.err
    names = {p.name for p in (tmp_path / "model").iterdir()}
    assert names == {
        "README.md", "model_index.json", "pipeline.py", "scheduler", "unet", "condition_embedding.safetensors",
        "jsddpm.json", "SHA256SUMS",
    }  # fmt: skip
    assert "Example: jsddpm" in invoke("checkpoint", "export", "--help").out


def test_a_run_without_a_checkpoint_is_resumed_at_step_0_which_is_said(store, tmp_path):
    """What a run leaves that is killed before its first check; without its configuration it can only begin anew."""
    out = tmp_path / "run"
    (out / "checkpoints").mkdir(parents=True)
    refused = invoke("train", "--resume", "--store", store.path, "--out", out)
    assert (refused.error.code, refused.error.status) == ("NO_RUN", 2)
    assert "start a new run, without --resume" in str(refused.error)
    write_config(out / "config.yaml", load_config("demo", TINY))
    found = invoke("train", "--resume", "--store", store.path, "--out", out)
    assert found.status == 0, found.err
    assert "has no checkpoint yet; the run starts at step 0" in " ".join(found.err.split())
    assert checkpoint_info(out / "checkpoints" / "last.ckpt").step == 4
