"""What leaves a run: its plan, exported networks, NIfTI stacks and pictures."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from diffusers import UNet2DModel
from PIL import Image

from conftest import TINY
from jsddpm.binning import ZBinning
from jsddpm.config import load_config
from jsddpm.diffusion.checkpoint import load_denoiser, read_checkpoint, write_checkpoint
from jsddpm.diffusion.pictures import grid_picture
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.training.export import export_checkpoint
from jsddpm.training.plan import make_plan
from jsddpm.training.progress import last_checkpoint
from jsddpm.training.rebin import rebin_checkpoint
from jsddpm.training.run import train


@pytest.mark.parametrize("weights", ["ema", "raw"])
def test_an_exported_network_gives_the_same_numbers_in_diffusers(run, tmp_path, weights):
    folder = export_checkpoint(last_checkpoint(run), tmp_path / "model", weights=weights)
    network = UNet2DModel.from_pretrained(folder / "unet")
    ours, info = load_denoiser(last_checkpoint(run), weights=weights)
    x, t, tokens = torch.randn(3, 2, *info.size), torch.tensor([0, 500, 999]), torch.tensor([0, 4, 9])
    patch = info.config.model.patch_size
    with torch.no_grad():
        folded = torch.nn.functional.pixel_unshuffle(x, patch)
        theirs = torch.nn.functional.pixel_shuffle(network(folded, t, class_labels=tokens).sample, patch)
        assert torch.allclose(theirs, ours(x, t, tokens), atol=1e-5)
    embedding = safetensors.torch.load_file(folder / "condition_embedding.safetensors")
    summed = embedding["z_bin.weight"][tokens % 5] + embedding["pathology.weight"][tokens // 5]
    assert torch.equal(network.class_embedding.weight[tokens], summed)
    about = json.loads((folder / "jsddpm.json").read_text())
    assert ZBinning.from_dict(about["binning"]) == info.binning
    assert (about["step"], about["weights"]) == (4, weights)
    with pytest.raises(JsddpmError, match="EXISTS"):
        export_checkpoint(last_checkpoint(run), folder)
    again, same = load_denoiser(folder, weights=weights)
    assert same == replace(info, images=None)  # checksums of training images are not for others
    assert all(torch.equal(again.state_dict()[k], v) for k, v in ours.state_dict().items())
    sums = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True)
    assert (sums.returncode, sums.stdout.count(b"OK")) == (0, 7)


@pytest.mark.parametrize(("weights", "prefix"), [("ema", "ema.module."), ("raw", "denoiser.")])
def test_an_exported_network_can_be_rebinned_and_trained_on(run, store, tiny_config, tmp_path, weights, prefix):
    """It has one set of weights; a checkpoint with that set twice, made here by hand, gives the expected result."""
    last = last_checkpoint(run)
    folder = export_checkpoint(last, tmp_path / "model", weights=weights)
    loaded = read_checkpoint(last)
    own = {k.removeprefix(prefix): v for k, v in loaded["state_dict"].items() if k.startswith(prefix)}
    twice = {f"{p}{k}": v for p in ("denoiser.", "ema.module.") for k, v in own.items()}
    count = {"ema.n_averaged": torch.tensor(4)}
    write_checkpoint(tmp_path / "twice.ckpt", loaded | {"state_dict": twice | count})
    short = load_config("demo", [*TINY, "trainer.max_steps=1", "trainer.check_every=1", "logging.grid=0"])
    fewer = short.model_copy(update={"binning": short.binning.model_copy(update={"n_bins": 3})})
    states = []
    for name, start in (("folder", folder), ("file", tmp_path / "twice.ckpt")):
        other = tmp_path / f"{name}.ckpt"
        rebin_checkpoint(start, other, fewer.binning)
        for config, warm in ((short, start), (fewer, other)):
            trained = train(config, store, tmp_path / f"{name}-{config.binning.n_bins}", warm_start=warm)
            states.append(read_checkpoint(trained)["state_dict"])
    for mine, expected in zip(states[:2], states[2:], strict=True):
        assert mine.keys() == expected.keys()
        assert all(torch.equal(mine[k], expected[k]) for k in expected)


def test_a_full_disk_leaves_no_exported_network(run, tmp_path):
    """The disk is full from the first byte on, then within the file of the weights."""
    weights = last_checkpoint(run).stat().st_size // 8
    handler, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for limit in (0, weights):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
            with pytest.raises(JsddpmError, match="DISK_FULL") as caught:
                export_checkpoint(last_checkpoint(run), tmp_path / "model")
            assert caught.value.status is ExitStatus.ENVIRONMENT
            assert list(tmp_path.iterdir()) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_too_little_space_for_an_export_is_said_in_bytes(run, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(JsddpmError, match=r"DISK_FULL.*\d{5,} bytes are needed .*1 are free"):
        export_checkpoint(last_checkpoint(run), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_checks_draw_the_same_samples_into_a_picture(run, tiny_config):
    pictures = sorted((run / "pictures").iterdir())
    assert [p.name for p in pictures] == ["step-00000002.png", "step-00000004.png"]
    shown = np.asarray(Image.open(pictures[0]))
    assert shown.shape == (2 * 32, 8 * 24)
    assert set(np.unique(shown[32:])) <= {0, 255}


def test_a_grid_has_images_above_their_masks():
    x = torch.rand(3, 2, 4, 5) * 2 - 1
    grid = grid_picture(x)
    for k in range(3):
        expected = np.rint((x[k, 0].numpy() + 1) / 2 * 255)
        assert np.abs(grid[:4, 5 * k : 5 * k + 5] - expected).max() <= 1
        assert np.array_equal(grid[4:, 5 * k : 5 * k + 5], np.where(x[k, 1] > 0, 255, 0))


def tensors(value):
    """Every tensor in lists and dictionaries."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors(item)


def test_the_plan_counts_what_a_run_would_do(run, store, tmp_path):
    config = load_config("demo", [*TINY, "trainer.accumulate=3", "trainer.max_steps=40"])
    plan = make_plan(config, store, tmp_path / "new" / "run")
    assert not (tmp_path / "new").exists()
    assert (plan.train_slices, plan.val_slices) == (4 * 30, 30)
    assert (plan.slices_per_step, plan.epochs) == (12, 12 * 40 / 120)
    state = read_checkpoint(last_checkpoint(run))["state_dict"]
    assert plan.parameters == sum(v.numel() for k, v in state.items() if k.startswith("denoiser."))
    held = read_checkpoint(last_checkpoint(run))
    stored = [held["state_dict"], held["optimizer_states"]]  # weights and their average; moments
    assert plan.checkpoint == sum(v.nbytes for v in tensors(stored) if v.ndim)
    assert plan.train_seconds == pytest.approx(40 * plan.step_seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else peak
    assert 0.9 * peak < plan.memory <= peak
    with pytest.raises(JsddpmError, match="EXISTS"):
        make_plan(config, store, run)


def test_what_this_machine_lacks_is_said_before_the_first_step(store, tmp_path, monkeypatch):
    monkeypatch.setattr("jsddpm.errors.find_spec", lambda _: None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for setting, code, status in (
        (
            "logging.tensorboard=true",
            r"MISSING_PACKAGE.*logging.tensorboard.*pip install 'jsddpm\[logs\]'",
            ExitStatus.ENVIRONMENT,
        ),
        (
            "logging.wandb=project",
            r"MISSING_PACKAGE.*logging.wandb.*pip install 'jsddpm\[logs\]'",
            ExitStatus.ENVIRONMENT,
        ),
        ("trainer.precision=16-mixed", "PRECISION", ExitStatus.USAGE),
    ):
        with pytest.raises(JsddpmError, match=code) as caught:
            make_plan(load_config("demo", [*TINY, setting]), store, tmp_path / "run")
        assert caught.value.status is status
