"""Samples drawn at every check: which, that they are judged once, and that a run goes on exactly where it was left."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest

from conftest import TINY
from jsddpm.config import load_config
from jsddpm.diffusion.checkpoint import checkpoint_info
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.diffusion.sampling import SampleId, judged_seed
from jsddpm.errors import JsddpmError
from jsddpm.sections import SamplingConfig
from jsddpm.training.callbacks import KeepBest, KeepLast, SaveLogs
from jsddpm.training.folder import is_unbegun
from jsddpm.training.progress import RunProgress, chosen_checkpoint, read_choice
from jsddpm.training.run import train
from jsddpm.training.samples import JudgedSamples, Judgement, SamplePlan, affordable
from processes import two_processes
from state import digest
from synthetic import write_store

SETTINGS = [*TINY, "trainer.max_steps=6", "trainer.check_every=2", "logging.grid=0", "monitoring.samples=20"]


@pytest.fixture(scope="module")
def judged_store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("judged") / "store", patients=8, held_out=4, validation=3)


class Brightest:
    """A judge for whom the brightest samples are the best; it keeps what it saw, and stops where it is told to."""

    def __init__(self, stop_after=None):
        self.seen, self.best, self.stop_after, self.prepared = {}, None, stop_after, 0

    def prepare(self):
        self.prepared += 1

    def judge(self, step, output):
        self.seen[step] = output
        brightness = float(output.images.mean())
        better = self.best is None or brightness > self.best[1]
        self.best = (step, brightness) if better else self.best
        stop = "seen enough" if self.stop_after == step else ""
        return Judgement({"brightness": brightness}, better, stop)

    def state(self):
        return {"best": list(self.best) if self.best else None}

    def restore(self, state):
        self.best = state["best"] and tuple(state["best"])

    def record(self):
        return {"step": self.best and self.best[0], "reason": "the brightest", "stopped": None}


def test_every_check_is_judged_and_the_best_is_kept(judged_store, tmp_path):
    judge = Brightest()
    last = train(load_config("demo", SETTINGS), judged_store, tmp_path / "run", judge=judge)
    assert (judge.prepared, list(judge.seen)) == (1, [2, 4, 6])
    best = last.with_name("best.ckpt")
    assert checkpoint_info(best).step == judge.best[0]
    assert chosen_checkpoint(tmp_path / "run") == best
    assert chosen_checkpoint(tmp_path / "run", "last") == last
    said = read_choice(tmp_path / "run")
    assert (said["step"], said["samples"], said["not_judged"]) == (judge.best[0], 20, None)
    logged = RunProgress.read(tmp_path / "run").metrics["samples/brightness"]
    assert logged == [(step, pytest.approx(float(o.images.mean()))) for step, o in judge.seen.items()]
    cost = RunProgress.read(tmp_path / "run").metrics
    assert [step for step, _ in cost["samples/share_of_training"]] == [2, 4, 6]
    assert all(v > 0 for name in ("samples/share_of_training", "samples/seconds") for _, v in cost[name])
    seen = judge.seen[judge.best[0]]
    rows = (seen.z_bin == 0) & (seen.pathology == 0)
    pipe = JointPipeline.from_checkpoint(best)
    drawn, evaluated = (pipe([(0, 0)], num_per_condition=2, seed=seed) for seed in (judged_seed(0), 0))
    assert np.allclose(seen.images[rows], drawn.images, atol=1e-5)
    assert not np.isclose(seen.images[rows], evaluated.images, atol=1e-5).all(axis=(1, 2)).any()


def test_no_sample_that_chooses_is_drawn_again_later(judged_store):
    """``jsddpm sample`` draws the first numbers of every condition, by default with the seed of the training."""
    lesions = SamplePlan.of(load_config("demo", [*SETTINGS, "data.lesion_share=1"]), judged_store)
    assert {i.condition.pathology for i in lesions.ids} == {1}
    plan = SamplePlan.of(load_config("demo", [*SETTINGS, "monitoring.samples=200"]), judged_store)
    conditions, numbers = {i.condition for i in plan.ids}, range(500)
    for seed in (0, 1, 7):
        chose = {i.seed(judged_seed(seed)) for i in plan.ids}
        later = [SampleId(c, k) for c in conditions for k in numbers]
        drawn = {i.seed(seed) for i in later} | {i.volume_seed(seed) for i in later}
        assert len(chose) == len(plan.ids)
        assert not chose & drawn


@pytest.fixture(scope="module")
def whole(judged_store, tmp_path_factory):
    """The last checkpoint of a run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return train(load_config("demo", SETTINGS), judged_store, out, judge=Brightest())


class Killed(BaseException):
    """Ends a training as a kill does: nothing is written afterwards."""


def killed_at(place, check, monkeypatch):
    """A training is ended after the writer of a file was called at a check, counted from 1."""
    writer, method = {
        "logs": (SaveLogs, "on_validation_end"),
        "best": (KeepBest, "on_validation_end"),
        "last": (KeepLast, "on_validation_end"),
        "choice": (JudgedSamples, "write"),
    }[place]
    honest, calls = getattr(writer, method), iter(range(1, 100))

    def write(*args):
        honest(*args)
        if next(calls) == check:
            raise Killed

    monkeypatch.setattr(writer, method, write)


@pytest.mark.parametrize("check", [1, 3])
@pytest.mark.parametrize("place", ["logs", "best", "last", "choice"])
def test_a_run_killed_between_two_files_of_a_check_goes_on(judged_store, whole, tmp_path, monkeypatch, place, check):
    """Before: a run that was killed after its first best.ckpt could neither be started nor resumed, and one that was
    killed in its last check was finished by its log.
    """
    config, out = load_config("demo", SETTINGS), tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_at(place, check, patch)
        train(config, judged_store, out, judge=Brightest())
    assert RunProgress.read(out).state == "unfinished"
    assert is_unbegun(out) == (check == 1 and place in ("logs", "best"))
    train(config, judged_store, out, judge=Brightest(), resume=True)
    assert RunProgress.read(out).state == "finished"
    assert digest(out / "checkpoints" / "last.ckpt") == digest(whole)
    best = out / "checkpoints" / "best.ckpt"
    assert digest(best) == digest(whole.with_name("best.ckpt"))
    assert read_choice(out) == read_choice(whole.parent.parent)
    assert checkpoint_info(best).step == read_choice(out)["step"]


def test_a_run_whose_last_checkpoint_was_removed_is_not_cleared(judged_store, tmp_path):
    config, out = load_config("demo", SETTINGS), tmp_path / "run"
    train(config, judged_store, out, judge=Brightest()).unlink()
    for resume, code in ((False, "EXISTS"), (True, "NO_CHECKPOINT")):
        with pytest.raises(JsddpmError, match=code):
            train(config, judged_store, out, judge=Brightest(), resume=resume)
    assert (out / "checkpoints" / "best.ckpt").is_file()


def test_judging_changes_no_weight(judged_store, tmp_path):
    config = load_config("demo", SETTINGS)
    with_judge = train(config, judged_store, tmp_path / "a", judge=Brightest())
    assert digest(with_judge) == digest(train(config, judged_store, tmp_path / "b"))
    assert not (tmp_path / "b" / "checkpoints" / "best.ckpt").exists()
    assert read_choice(tmp_path / "b")["not_judged"] == "no judge was given"
    assert chosen_checkpoint(tmp_path / "b").name == "last.ckpt"


@pytest.mark.parametrize("where", ["sampling", "judging", "step"])
def test_a_run_left_at_a_check_is_judged_as_one_that_was_not(judged_store, tmp_path, where, monkeypatch):
    config = load_config("demo", SETTINGS)
    whole = Brightest()
    expected = digest(train(config, judged_store, tmp_path / "whole", judge=whole))

    class Leaving(Brightest):
        def judge(self, step, output):
            if step == 4 and where == "judging":
                os.kill(os.getpid(), signal.SIGTERM)
            return super().judge(step, output)

    honest, calls = JointPipeline.sample, iter(range(100))

    def sample(self, ids, sampling, seed, callback=None):
        if where == "sampling" and next(calls) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return honest(self, ids, sampling, seed, callback)

    def stop(done, total, values):
        if where == "step" and done == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(JointPipeline, "sample", sample)
    with pytest.raises(JsddpmError, match="TERMINATED"):
        train(config, judged_store, tmp_path / "run", judge=Leaving(), progress=stop)
    assert checkpoint_info(tmp_path / "run" / "checkpoints" / "last.ckpt").step == (3 if where == "step" else 4)
    again = Brightest()
    assert digest(train(config, judged_store, tmp_path / "run", resume=True, judge=again)) == expected
    assert again.best == whole.best
    assert list(again.seen) == ([4, 6] if where != "judging" else [6])
    parts = [RunProgress.read(tmp_path / name) for name in ("run", "whole")]
    assert parts[0].metrics["samples/brightness"] == parts[1].metrics["samples/brightness"]
    assert checkpoint_info(chosen_checkpoint(tmp_path / "run")).step == whole.best[0]


def test_a_judge_stops_training(judged_store, tmp_path):
    last = train(load_config("demo", SETTINGS), judged_store, tmp_path / "run", judge=Brightest(stop_after=4))
    assert checkpoint_info(last).step == 4


def test_two_processes_draw_the_samples_of_one(judged_store, tmp_path):
    config = load_config("demo", [*SETTINGS, "trainer.max_steps=2"])

    def work(rank):
        judge = Brightest()
        train(config, judged_store, tmp_path / "two", judge=judge)
        seen = [[float(image.mean()) for image in o.images] for o in judge.seen.values()]
        (tmp_path / f"{rank}.json").write_text(json.dumps(seen))

    assert two_processes(work) == [0, 0]
    one = Brightest()
    train(
        load_config("demo", [*SETTINGS, "trainer.max_steps=2", "trainer.accumulate=2"]),
        judged_store,
        tmp_path / "one",
        judge=one,
    )
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert second == []
    assert np.allclose(first[0], one.seen[2].images.mean((1, 2)), atol=1e-3)
    assert checkpoint_info(tmp_path / "two" / "checkpoints" / "best.ckpt").step == 2


def test_a_failure_of_the_first_process_ends_the_other(judged_store, tmp_path):
    """The other one waited for a judgement until it gave up."""

    class Failing(Brightest):
        def judge(self, step, output):
            raise ValueError("seen nothing")

    def work(rank):
        try:
            train(
                load_config("demo", [*SETTINGS, "trainer.max_steps=2"]), judged_store, tmp_path / "run", judge=Failing()
            )
        except ValueError as error:
            (tmp_path / f"{rank}").write_text(str(error))

    assert two_processes(work) == [0, 0]
    assert (tmp_path / "0").read_text() == "seen nothing"
    assert "PROCESSES]: the first process cannot judge samples (seen nothing)" in (tmp_path / "1").read_text()


def test_the_plan_of_a_run(judged_store, store):
    config = load_config("demo", [*SETTINGS, "sampling.steps=50"])
    plan = SamplePlan.of(config, judged_store)
    assert (len(plan.ids), plan.sampling.steps, plan.reason) == (20, 20, "")
    train_tokens, val_tokens = (
        set(judged_store.tokens(judged_store.select(binning=b, split=s), b).tolist())
        for b in [config.binning.for_store(40)] for s in ("train", "val")
    )  # fmt: skip
    assert {i.condition.token(5) for i in plan.ids} == train_tokens & val_tokens
    assert "20 samples of 10 conditions in 20 steps" in plan.sentence
    for changed, reason in (
        ("monitoring.samples=0", "monitoring.samples is 0"),
        ("monitoring.samples=15", "monitoring.samples is 15, and 16 are needed"),  # blamed on the time that was left
        ("monitoring.samples=null", "the 2 steps between two validations leave time for 0 samples"),
    ):
        assert reason in SamplePlan.of(load_config("demo", [*SETTINGS, changed]), judged_store).reason
    assert SamplePlan.of(config, store).reason == "3 validation patients are needed, there are 1"


def test_samples_are_as_many_as_their_share_of_the_cost_allows():
    """400 steps of 16 slices are 19 200 passes of a slice with the gradient; 5 % are 960, in 20 steps 48 samples."""
    config = load_config("demo", ["trainer.check_every=400"])
    assert affordable(config, SamplingConfig(steps=20)) == 48
    assert affordable(config, SamplingConfig(steps=20, guidance=2.0)) == 24
    assert affordable(config, SamplingConfig(steps=20), workers=2) == 96


@pytest.mark.parametrize("key", ["trainer.patience=2", "trainer.stop_at_memorisation=true"])
def test_what_samples_decide_needs_samples(judged_store, store, tmp_path, key):
    config = load_config("demo", [*SETTINGS, key])
    for where, judge, why in ((judged_store, None, "no judge"), (store, Brightest(), "3 validation patients")):
        with pytest.raises(JsddpmError, match=rf"CONFIG.*none are generated: {why}"):
            train(config, where, tmp_path / "run", judge=judge)
    with pytest.raises(JsddpmError, match=r"monitoring\.samples=0 generates none"):
        load_config("demo", [key, "monitoring.samples=0"])
