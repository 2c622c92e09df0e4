"""Nothing is lost: exact resumption at every step, signals, kills, full disks."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import EVERYTHING, TINY
from jsddpm.config import load_config
from jsddpm.diffusion.checkpoint import checkpoint_info, read_checkpoint, write_checkpoint
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm.training.log import RunLog
from jsddpm.training.progress import RunProgress, read_metrics
from jsddpm.training.run import train
from state import digest, weights
from synthetic import synthetic_slices

STEPS = 6
SETTINGS = [
    *TINY, f"trainer.max_steps={STEPS}", "trainer.check_every=3", "logging.grid=0", "logging.every=1",
]  # fmt: skip


def stop_at(step, number):
    def progress(done, total, values):
        if done == step:
            os.kill(os.getpid(), number)

    return progress


@pytest.mark.long
@pytest.mark.parametrize("settings", [[], EVERYTHING], ids=["plain", "everything"])
def test_a_run_stopped_at_any_step_ends_with_the_bytes_of_an_uninterrupted_one(store, tmp_path, settings):
    config = load_config("demo", [*SETTINGS, *settings])
    whole = digest(train(config, store, tmp_path / "whole"))
    for step in range(1, STEPS):
        out = tmp_path / str(step)
        with pytest.raises(JsddpmError, match=rf"TERMINATED.*SIGTERM at step {step}") as caught:
            train(config, store, out, progress=stop_at(step, signal.SIGTERM))
        assert caught.value.status is ExitStatus.SIGTERM
        assert checkpoint_info(out / "checkpoints" / "last.ckpt").step == step
        assert digest(train(config, store, out, resume=True)) == whole
        with open(out / "metrics.csv", newline="") as stream:
            steps = [int(r["step"]) for r in csv.DictReader(stream) if r["train/loss"]]
        assert steps == list(range(STEPS)), "the log goes on, no step lost or twice"


@pytest.mark.parametrize("settings", [["data.workers=2"], ["data.workers=2", "data.residence=mapped"]])
def test_workers_and_mapped_slices_resume_to_the_same_weights(store, tmp_path, settings):
    whole = weights(train(load_config("demo", SETTINGS), store, tmp_path / "whole"))
    config = load_config("demo", [*SETTINGS, *settings])
    with pytest.raises(JsddpmError, match="TERMINATED"):
        train(config, store, tmp_path / "out", progress=stop_at(4, signal.SIGTERM))
    again = weights(train(config, store, tmp_path / "out", resume=True))
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGUSR1, JsddpmError)]
)  # fmt: skip
def test_signals_save_and_give_the_handlers_back(store, tmp_path, number, error):
    before = signal.getsignal(number)
    with pytest.raises(error):
        train(load_config("demo", SETTINGS), store, tmp_path / "run", progress=stop_at(2, number))
    assert checkpoint_info(tmp_path / "run" / "checkpoints" / "last.ckpt").step == 2
    assert signal.getsignal(number) is before


@pytest.fixture
def long_check(tmp_path):
    """A store whose validation takes two batches, unlike each other."""
    with new_store(tmp_path / "store", kind="real", n_slices=40, spacing=(3.0, 2.0, 1.5)) as writer:
        for p, split in enumerate((0, 1, 1, 1)):
            image, mask, _ = synthetic_slices(np.random.default_rng(p), lesion=range(0, 40, 2) if p % 2 else range(0))
            rows = {"z_index": np.arange(40), "pathology": mask.any(axis=(1, 2)), "split": split}
            writer.add(Shard(f"sub-{p}", image * (0.5 if p == 3 else 1), mask, rows))
    return SliceStore(tmp_path / "store")


@pytest.mark.parametrize("batch", [1, 2])
def test_a_check_left_in_the_middle_is_made_again_from_its_start(long_check, tmp_path, batch):
    config = load_config("demo", SETTINGS)
    whole = train(config, long_check, tmp_path / "whole")
    calls = iter(range(1, 1000))

    def validator(x0_hat, x0):
        if next(calls) == batch:
            os.kill(os.getpid(), signal.SIGTERM)
        return {}

    with pytest.raises(JsddpmError, match="TERMINATED"):
        train(config, long_check, tmp_path / "run", validator=validator)
    assert checkpoint_info(tmp_path / "run" / "checkpoints" / "last.ckpt").step == 3
    assert digest(train(config, long_check, tmp_path / "run", resume=True, validator=validator)) == digest(whole)

    def checks(folder):
        with open(tmp_path / folder / "metrics.csv", newline="") as stream:
            return [(r["step"], r["val/mse"]) for r in csv.DictReader(stream) if r["val/mse"]]

    assert checks("run") == checks("whole")
    assert len(checks("run")) == 2


@pytest.mark.parametrize("trial", range(3))
def test_kill_9_leaves_a_checkpoint_that_loads_and_resumes(store, tmp_path, trial):
    """A short version of ``make soak``: a child that writes a checkpoint every step, killed at a seeded moment."""
    out, settings = tmp_path / "run", [*SETTINGS, "trainer.check_every=1", "trainer.max_steps=400"]
    pid = os.fork()
    if pid == 0:
        try:
            train(load_config("demo", settings), store, out)
        finally:
            os._exit(70)
    last = out / "checkpoints" / "last.ckpt"
    while not last.exists():
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
        time.sleep(0.002)
    time.sleep(0.05 + 0.11 * trial)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    step = checkpoint_info(last).step
    assert step >= 1
    with pytest.raises(JsddpmError, match="TERMINATED"):
        train(load_config("demo", settings), store, out, resume=True, progress=stop_at(step + 1, signal.SIGTERM))
    assert checkpoint_info(last).step == step + 1
    assert not list(out.rglob("*.partial"))


def test_a_full_disk_leaves_the_checkpoint_before(run, tmp_path):
    path = Path(shutil.copy(run / "checkpoints" / "last.ckpt", tmp_path / "last.ckpt"))
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
        with pytest.raises(JsddpmError, match="DISK_FULL") as caught:
            write_checkpoint(path, read_checkpoint(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.status is ExitStatus.ENVIRONMENT
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["last.ckpt"]


@pytest.mark.parametrize("check", [3, 6])
def test_a_log_that_cannot_be_written_loses_no_step(store, tmp_path, check):
    """Before: an internal error, and the steps since the check before were lost."""
    config, out = load_config("demo", SETTINGS), tmp_path / "run"
    log = out / "metrics.csv"

    def block(done, total, values):
        if done == check - 1:
            log.unlink()
            log.mkdir()

    with pytest.raises(JsddpmError, match="NOT_WRITABLE") as caught:
        train(config, store, out, progress=block)
    assert (caught.value.status, caught.value.file) == (ExitStatus.ENVIRONMENT, str(log))
    assert checkpoint_info(out / "checkpoints" / "last.ckpt").step == check
    log.rmdir()
    assert RunProgress.read(out).state == "unfinished"
    whole = train(config, store, tmp_path / "whole")
    assert digest(train(config, store, out, resume=True)) == digest(whole)


def test_a_log_on_a_disk_that_was_full_for_a_while_has_every_row_once(tmp_path):
    log = RunLog(tmp_path)
    expected = [{"step": str(step), "loss": f"{step / 8}", "val": "" if step < 40 else "2"} for step in range(60)]
    log.log_metrics({"loss": 0.0}, 0)
    log.save()
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        for step in range(1, 50):
            log.log_metrics({"loss": step / 8} | ({"val": 2} if step >= 40 else {}), step)
            log.save()
        assert log.failure is not None
        assert log.failure.code == "DISK_FULL"
        kept = read_metrics(tmp_path / "metrics.csv")
        assert kept
        assert kept == [{k: row[k] for k in ("loss", "step")} for row in expected[: len(kept)]]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    for step in range(50, 60):
        log.log_metrics({"loss": step / 8, "val": 2}, step)
        log.save()
    assert log.failure is None
    with open(tmp_path / "metrics.csv", newline="") as stream:
        assert list(csv.DictReader(stream)) == expected


def test_too_little_space_is_found_before_the_first_step(store, tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(JsddpmError, match="DISK_FULL"):
        train(tiny_config, store, tmp_path / "run", progress=lambda *_: pytest.fail("a step was made"))


@pytest.mark.long
def test_the_command_leaves_with_the_signals_status(store, tmp_path):
    """Two signals on two children at once: each saves, says how to go on, and leaves with its status."""
    settings = [part for s in [*SETTINGS, "trainer.max_steps=100000"] for part in ("--set", s)]
    base = [sys.executable, "-c", "from jsddpm_cli.app import main; main()", "train", "--preset", "demo"]
    expected = {signal.SIGINT: 130, signal.SIGTERM: 143}
    children = {
        number: subprocess.Popen(
            [*base, "--store", str(store.path), "--out", str(tmp_path / number.name), *settings],
            stderr=subprocess.PIPE, text=True,
        )
        for number in expected
    }  # fmt: skip
    for number, child in children.items():
        last = tmp_path / number.name / "checkpoints" / "last.ckpt"
        while not last.exists():
            assert child.poll() is None
            time.sleep(0.02)
        child.send_signal(number)
        _, err = child.communicate(timeout=120)
        assert child.returncode == expected[number], err
        assert "--resume" in err
        assert "Traceback" not in err
        assert checkpoint_info(last).step >= 3
