"""One writer of a run, and no folder that has to be removed by hand."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
import torch

from conftest import TINY
from crash import content
from jsddpm.config import load_config
from jsddpm.errors import JsddpmError
from jsddpm.training.folder import is_unbegun
from jsddpm.training.module import JointDDPM
from jsddpm.training.run import train
from state import digest

SETTINGS = [*TINY, "logging.grid=0"]


@pytest.fixture
def unbegun(store, tmp_path):
    """What a run leaves that is killed after its first step."""
    out = tmp_path / "run"
    child = os.fork()
    if child == 0:
        train(load_config("demo", SETTINGS), store, out, progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        os._exit(0)
    os.waitpid(child, 0)
    (out / "checkpoints" / ".last.ckpt.abc.partial").write_bytes(b"half")
    assert is_unbegun(out)
    return out


def test_a_second_writer_is_told_who_the_first_is(store, tmp_path):
    config, refused = load_config("demo", SETTINGS), []

    def second(done, total, values):
        for resume in (False, True):
            with pytest.raises(JsddpmError, match=rf"LOCKED.*process {os.getpid()} on .*since 2\d\d\d-") as caught:
                train(config, store, tmp_path / "run", resume=resume)
            refused.append(caught.value.status)

    last = train(config, store, tmp_path / "run", progress=second)
    assert refused == [5] * 8
    assert digest(last) == digest(train(config, store, tmp_path / "alone"))
    with pytest.raises(JsddpmError, match=r"EXISTS.* fix: continue it with --resume"):
        train(config, store, tmp_path / "run")
    assert {p.name for p in tmp_path.iterdir()} == {"run", "alone"}, "no lock is left"


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_killed_before_its_first_check_begins_anew(store, unbegun, tmp_path, resume):
    config = load_config("demo", SETTINGS)
    assert digest(train(config, store, unbegun, resume=resume)) == digest(train(config, store, tmp_path / "alone"))
    assert not list(unbegun.rglob("*.partial"))
    assert not is_unbegun(unbegun)


def test_refused_options_leave_an_unbegun_run_as_it_was(store, unbegun):
    before = content(unbegun)
    for setting in ("binning.z_range=[0,300]", "trainer.precision=16-mixed", "model.channels=[8,8,8,8,8]"):
        with pytest.raises(JsddpmError) as caught:
            train(load_config("demo", [*SETTINGS, "binning.n_bins=2", setting]), store, unbegun)
        assert caught.value.status == 2, setting
        assert content(unbegun) == before


def test_a_loss_that_is_not_finite_at_once_leaves_no_trap(store, tmp_path, monkeypatch):
    honest = JointDDPM.draw

    def poisoned(self, batch, chunk):
        drawn = honest(self, batch, chunk)
        return drawn._replace(noise=drawn.noise * torch.nan)

    monkeypatch.setattr(JointDDPM, "draw", poisoned)
    with pytest.raises(JsddpmError, match="NON_FINITE_LOSS"):
        train(load_config("demo", SETTINGS), store, tmp_path / "run")
    monkeypatch.undo()
    train(load_config("demo", [*SETTINGS, "optimizer.learning_rate=1e-5"]), store, tmp_path / "run")


def test_what_is_no_unbegun_run_is_never_cleared(run, store, unbegun, tmp_path):
    config = load_config("demo", SETTINGS)
    (tmp_path / "empty").mkdir()
    shutil.copytree(run, tmp_path / "trained")
    shutil.copytree(unbegun, tmp_path / "with-notes")
    (tmp_path / "with-notes" / "notes.txt").write_text("mine")
    shutil.copytree(unbegun, tmp_path / "with-weights")
    (tmp_path / "with-weights" / "checkpoints" / "epoch3.ckpt").write_text("mine")
    for name in ("empty", "trained", "with-notes", "with-weights"):
        before = content(tmp_path / name)
        with pytest.raises(JsddpmError, match="EXISTS"):
            train(config, store, tmp_path / name)
        assert content(tmp_path / name) == before
