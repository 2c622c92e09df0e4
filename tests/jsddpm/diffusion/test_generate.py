"""Samples in a store: killed or shared out, none is missing, doubled or different."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
import torch

from crash import content, killed_at
from jsddpm.binning import Condition
from jsddpm.diffusion.generate import generate_store
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.errors import JsddpmError
from jsddpm.sections import SamplingConfig
from jsddpm.slices.store import SliceStore
from jsddpm.training.progress import last_checkpoint


@pytest.fixture
def draw(pipe):
    """Draw 3 samples of 4 conditions, in batches of 2."""

    def call(out, *, per_condition=3, **options):
        return generate_store(
            pipe,
            out,
            conditions=[Condition(b, p) for p in (0, 1) for b in (1, 2)],
            sampling=SamplingConfig(steps=2, per_condition=per_condition, batch_size=2),
            seed=7,
            **options,
        )

    return call


@pytest.fixture
def whole(draw, tmp_path):
    return content(draw(tmp_path / "whole"))


@pytest.mark.parametrize("moment", [0, 3, 11, 24, 38])
def test_killed_at_any_moment_the_same_command_goes_on_to_the_same_bytes(draw, whole, tmp_path, moment):
    out = tmp_path / "out"
    assert killed_at(moment, lambda: draw(out))
    if not out.exists():
        draw(out)
    assert content(out) == whole
    index = SliceStore(out).index
    assert set(Counter(index["seed"].tolist()).values()) == {1}
    assert len(index) == 12


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shares_make_the_store_of_one_process(draw, whole, tmp_path, order):
    out = tmp_path / "out"
    for done, number in enumerate(order):
        assert not out.exists(), f"published after {done} of 3 shares"
        draw(out, share=(number, 3))
    assert content(out) == whole
    assert draw(out, share=(0, 3)) == draw(out) == out
    assert content(out) == whole
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5, 6, 7), (7, 6, 0, 1, 2, 3, 4, 5)])
def test_parts_that_have_no_batch_end_well(draw, whole, tmp_path, order):
    """Six batches and eight parts: those after the last batch were refused, because the store was there."""
    for number in order:
        draw(tmp_path / "out", share=(number, 8))
    assert content(tmp_path / "out") == whole


def test_samples_of_another_network_are_neither_taken_nor_mixed_in(draw, pipe, tmp_path, monkeypatch):
    """Runs of one seed, store and length differ in their weights alone; an interrupted sampling mixed them."""
    draw(tmp_path / "complete")
    draw(tmp_path / "begun", share=(0, 2))
    bias = pipe.denoiser.unet.conv_out.bias
    monkeypatch.setattr(bias, "data", bias.data + 0.1)
    for name, code in (("complete", "EXISTS"), ("begun", "PLAN_DIFFERS.*network")):
        with pytest.raises(JsddpmError, match=code):
            draw(tmp_path / name, share=(1, 2))


@pytest.mark.parametrize(
    "other",
    [{"seed": 8}, {"per_condition": 2}, {"steps": 3}, {"batch_size": 3}, {"first": 2}, {"weights": "raw"}, "real"],
)
def test_a_store_of_another_request_is_not_taken_for_this_one(run, store, tmp_path, other):
    def ask(*, seed=7, per_condition=3, steps=2, batch_size=2, first=1, weights="ema"):
        pipe = JointPipeline.from_checkpoint(last_checkpoint(run), weights=weights)
        conditions = [Condition(b, p) for p in (0, 1) for b in (first, 3)]
        sampling = SamplingConfig(steps=steps, per_condition=per_condition, batch_size=batch_size)
        return generate_store(pipe, tmp_path / "out", conditions=conditions, sampling=sampling, seed=seed)

    if other == "real":
        shutil.copytree(store.path, tmp_path / "out")
        other = {}
    else:
        assert ask() == ask()
    before = content(tmp_path / "out")
    with pytest.raises(JsddpmError, match="EXISTS") as caught:
        ask(**other)
    assert (caught.value.status, content(tmp_path / "out")) == (2, before)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_volumes_are_not_taken_for_independent_samples(pipe, tmp_path):
    asked = {"conditions": [(1, 0)], "sampling": pipe.sampling_with(per_condition=1, steps=2)}
    generate_store(pipe, tmp_path / "out", **asked, coherence=0.5)
    with pytest.raises(JsddpmError, match="EXISTS"):
        generate_store(pipe, tmp_path / "out", **asked)


def test_shares_run_side_by_side(draw, whole, tmp_path):
    out = tmp_path / "out"
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            try:
                draw(out, share=(number, 3))
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert content(out) == whole


def test_other_samples_are_not_mixed_in(draw, tmp_path):
    draw(tmp_path / "out", share=(0, 2))
    with pytest.raises(JsddpmError, match=r"PLAN_DIFFERS.*per_condition"):
        draw(tmp_path / "out", share=(1, 2), per_condition=4)


class Wide(JointPipeline):
    """Draws three batches at once, as a GPU does."""

    def at_once(self, sampling):
        return 6


@pytest.mark.parametrize("interrupted_at", [None, 5])
def test_batches_that_are_drawn_together_are_those_drawn_one_by_one(pipe, tmp_path, interrupted_at):
    sampling, calls = pipe.sampling_with(per_condition=3, steps=2, batch_size=2), []
    generate_store(pipe, tmp_path / "alone", sampling=sampling)
    wide = Wide(**{f.name: getattr(pipe, f.name) for f in fields(pipe)})

    def progress(done, total):
        calls.append((done, total))
        if len(calls) == interrupted_at:
            raise KeyboardInterrupt

    if interrupted_at:
        with pytest.raises(KeyboardInterrupt):
            generate_store(wide, tmp_path / "together", sampling=sampling, progress=progress)
    generate_store(wide, tmp_path / "together", sampling=sampling, progress=progress)
    alone, together = (SliceStore(tmp_path / name) for name in ("alone", "together"))
    for name in ("z_index", "pathology", "sample", "seed"):
        np.testing.assert_array_equal(alone.index[name], together.index[name])
    rows = np.arange(len(alone.index))
    np.testing.assert_allclose(together.images(rows), alone.images(rows), atol=1e-4)
    np.testing.assert_array_equal(together.masks(rows), alone.masks(rows))
    assert calls[-1] == (calls[-1][1],) * 2
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_a_refused_request_leaves_nothing_that_refuses_the_next(pipe, tmp_path):
    sampling = pipe.sampling_with(per_condition=1, steps=2)
    with pytest.raises(JsddpmError, match="STEPS"):
        generate_store(pipe, tmp_path / "s", sampling=pipe.sampling_with(steps=9999))
    assert list(tmp_path.iterdir()) == []
    generate_store(pipe, tmp_path / "s", sampling=sampling)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"share": (5, 2)}, r"OPTION.*\(5, 2\) is not a part"),  # returned the path of a store that nobody wrote
        ({"share": (2, 2)}, "OPTION"),
        ({"share": (-1, 2)}, "OPTION"),
        ({"share": (0.0, 2)}, "OPTION"),
        ({"seed": 1.5}, "OPTION.*seed 1.5"),
        ({"coherence": 2, "conditions": [(1, 0)]}, "OPTION.*coherence 2"),  # said that the network's numbers are bad
        ({"coherence": float("nan"), "conditions": [(1, 0)]}, "OPTION"),
        ({"coherence": "0.5", "conditions": [(1, 0)]}, "OPTION"),
        ({"coherence": 0.5}, r"CONDITIONS.*two slices of bin 0, control and lesion"),
        ({"coherence": 0.5, "conditions": [(2, 1), (1, 0), (1, 1)]}, r"CONDITIONS.*two slices of bin 1"),
    ],
)
def test_what_makes_no_store_is_refused_before_anything_is_written(pipe, tmp_path, options, what):
    with pytest.raises(JsddpmError, match=what) as caught:
        generate_store(pipe, tmp_path / "s", sampling=pipe.sampling_with(per_condition=2, steps=2), **options)
    assert caught.value.status == 2
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_numpy_make_the_store_of_numbers_of_python(pipe, tmp_path):
    """A seed of NumPy was an internal error."""
    sampling, conditions = pipe.sampling_with(per_condition=2, steps=2), [Condition(1, 0), Condition(2, 1)]
    for name, kind, real in (("python", int, float), ("numpy", np.int64, np.float32)):
        generate_store(
            pipe, tmp_path / name, conditions=conditions, sampling=sampling,
            seed=kind(3), share=(kind(0), kind(1)), coherence=real(0.5),
        )  # fmt: skip
    assert content(tmp_path / "numpy") == content(tmp_path / "python")


def test_samples_that_are_not_finite_leave_nothing_that_refuses_the_next(pipe, tmp_path):
    """Numbers turn bad in the second batch: the first one lies there already."""
    sampling, steps = pipe.sampling_with(per_condition=1, steps=2, batch_size=2), []

    def poison(done, total):
        steps.append(done)
        if done == sampling.steps + 1:
            pipe.denoiser.unet.conv_out.bias.data.fill_(torch.nan)

    bias = pipe.denoiser.unet.conv_out.bias.data.clone()
    with pytest.raises(JsddpmError, match="NON_FINITE"):
        generate_store(pipe, tmp_path / "s", sampling=sampling, progress=poison)
    pipe.denoiser.unet.conv_out.bias.data.copy_(bias)
    assert len(steps) == 2 * sampling.steps
    assert list(tmp_path.iterdir()) == []
    generate_store(pipe, tmp_path / "s", sampling=sampling, seed=1)


def test_a_sampling_killed_before_its_first_batch_hinders_no_other(pipe, tmp_path):
    child = os.fork()
    if child == 0:
        generate_store(pipe, tmp_path / "s", seed=1, progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / ".s.building").is_dir()
    generate_store(pipe, tmp_path / "s", seed=2, sampling=pipe.sampling_with(per_condition=1, steps=2))
    assert [p.name for p in tmp_path.iterdir() if not p.name.endswith((".lock", ".holder"))] == ["s"]


def test_a_share_at_work_is_not_thrown_away_by_another_request(pipe, tmp_path):
    sampling, refused = pipe.sampling_with(per_condition=1, steps=2, batch_size=2), []

    def another(done, total):
        if not refused:
            with pytest.raises(JsddpmError, match="PLAN_DIFFERS") as caught:
                generate_store(pipe, tmp_path / "s", sampling=sampling, seed=5, share=(1, 2))
            refused.append(caught.value.status)

    generate_store(pipe, tmp_path / "s", sampling=sampling, share=(0, 2), progress=another)
    generate_store(pipe, tmp_path / "s", sampling=sampling, share=(1, 2))
    assert (refused, (tmp_path / "s").is_dir()) == ([4], True)
