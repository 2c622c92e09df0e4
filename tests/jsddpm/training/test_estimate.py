"""The memory of a run: worked out before it is asked for, held against what processes really took."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conftest import TINY
from jsddpm.binning import Condition
from jsddpm.config import load_config
from jsddpm.diffusion.checkpoint import checkpoint_info
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.footprint import ALLOCATOR_SHARE, network_bytes
from jsddpm.diffusion.generate import generate_store
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.diffusion.sampling import SampleId
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.training.estimate import estimate_run, require_memory
from jsddpm.training.failures import explained
from jsddpm.training.plan import make_plan
from jsddpm.training.run import prepare, train

NEAR = (0.6, 1.5)
"""Measured over estimated, as the docstring of :func:`~jsddpm.training.estimate.estimate_run` promises."""


def in_child(work):
    """What ``work()`` returns, a number, from a forked process: what it does to memory ends with it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        status = 1
        try:
            os.write(writing, str(float(work())).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return float(text)


def grown(work):
    """Bytes by which the resident memory of a process grows at most during ``work()``."""

    def measure():
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
        status = Path("/proc/self/status")
        ctypes.CDLL(None).mallopt(-3, 1 << 17)  # glibc raises this threshold after large frees, and then fragments
        before = int(status.read_text().split("VmRSS:")[1].split()[0])
        work()
        return (int(status.read_text().split("VmHWM:")[1].split()[0]) - before) * 1024

    return in_child(measure)


def two_steps(config, store):
    module, data, _ = prepare(config, store)
    optimizer = module.configure_optimizers()["optimizer"]
    batch = next(iter(data.train_dataloader()))
    for step in range(2):
        module.loss(batch, step, step).total.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the system keeps no resettable peak")
@pytest.mark.parametrize(
    "settings",
    [
        ["data.batch_size=256", "model.channels=[32,64]", "model.patch_size=2"],
        ["data.batch_size=4", "model.channels=[256,384]", "model.patch_size=4"],
        ["data.batch_size=64", "model.channels=[16,32]", "model.attention_levels=[0]", "model.patch_size=1"],
        ["data.batch_size=48", "model.channels=[32,64]", "model.patch_size=1", "objective.frequency_weight=1"],
    ],
    ids=["activations", "weights", "attention", "full resolution"],
)
@pytest.mark.long
def test_the_estimate_of_training_is_near_the_measured_peak(store, settings):
    config = load_config("demo", [*TINY, "model.layers_per_block=1", "optimizer.warmup_steps=0", *settings])
    measured, estimated = grown(lambda: two_steps(config, store)), estimate_run(config, store).total
    print(f"measured {measured / 1e6:.0f} MB, estimated {estimated / 1e6:.0f} MB: {measured / estimated:.2f}")
    assert estimated > 100e6
    assert NEAR[0] < measured / estimated < NEAR[1]


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the system keeps no resettable peak")
@pytest.mark.long
def test_the_estimate_of_sampling_is_near_the_measured_peak(store):
    config = load_config("demo", [*TINY, "model.channels=[128,256]", "model.patch_size=1", "model.layers_per_block=1"])
    module, _, info = prepare(config, store)
    pipe = JointPipeline.of(module.averaged.eval(), info)
    ids = [SampleId(Condition(1, 1), k) for k in range(64)]
    measured = grown(lambda: pipe.sample(ids, pipe.sampling_with(steps=2), 0))
    estimated = ALLOCATOR_SHARE * network_bytes(module.averaged, store.size, 64, gradient=False)
    print(f"measured {measured / 1e6:.0f} MB, estimated {estimated / 1e6:.0f} MB: {measured / estimated:.2f}")
    assert NEAR[0] < measured / estimated < NEAR[1]


class _Layers(nn.Module):
    """Two linear layers over the 8 numbers of a pair: every tensor that lives can be counted on paper."""

    def __init__(self):
        super().__init__()
        self.wide, self.narrow = nn.Linear(8, 100, bias=False), nn.Linear(100, 8, bias=False)

    def forward(self, x, timesteps, tokens):
        return self.narrow(self.wide(x.flatten(1))).view_as(x)


def test_live_bytes_of_two_layers_are_those_counted_on_paper():
    slices = 10
    inputs = slices * 8 * 4 + 2 * slices * 8  # the pair in float32; timesteps and tokens in int64
    forward = slices * (100 + 8) * 4
    assert network_bytes(_Layers(), (2, 2), slices, gradient=False) == inputs + forward
    gradients = 4 * (8 * 100 + 100 * 8)  # of both weights, alive at the end
    least = inputs + slices * 100 * 4 + gradients
    assert least <= network_bytes(_Layers(), (2, 2), slices, gradient=True) <= least + 8 * slices * 100 * 4


def test_the_estimate_counts_weights_slices_and_workers(run, store):
    config = load_config("demo", [*TINY, "data.workers=3"])
    estimate = estimate_run(config, store)
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert estimate.parameters == sum(v.numel() for k, v in state.items() if k.startswith("denoiser."))
    assert estimate.network == estimate.parameters * 4 * 4
    assert estimate.slices == 5 * 30 * 32 * 24 * 3  # patients of train and val, slices in the range, pixels, bytes
    assert estimate.workers > estimate_run(load_config("demo", [*TINY, "data.workers=1"]), store).workers > 0
    assert estimate_run(load_config("demo", [*TINY, "data.residence=mapped"]), store).slices == 0


@pytest.mark.parametrize(
    ("asked", "batch", "drawn"),
    [(1024, "null", 45), (1024, 35, 35), (40, "null", 40), (8, "null", 30), (0, "null", 30)],
)
def test_the_picture_of_samples_counts(store, asked, batch, drawn):
    """It was promised and left out. In 30 bins of one slice, training patients have 30 controls and 15 lesion slices.

    The one patient for validation has 30 slices, and draws no samples to judge.
    """
    many = ["binning.n_bins=30", f"logging.grid={asked}", f"sampling.batch_size={batch}", "trainer.precision=32-true"]
    config = load_config("demo", [*TINY, *many])
    network = Denoiser(config.model, config.binning.for_store(store.n_slices), store.size)
    needed = int(ALLOCATOR_SHARE * network_bytes(network, store.size, drawn, gradient=False))
    assert estimate_run(config, store).check == needed


@pytest.mark.parametrize("half", [True, False])
def test_the_precision_auto_needs_what_the_one_that_it_means_needs(store, monkeypatch, half):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": half}, raising=False)
    meant = "bf16-mixed" if half else "32-true"
    steps = [estimate_run(load_config("demo", [*TINY, f"trainer.precision={p}"]), store).step for p in ("auto", meant)]
    assert steps[0] == steps[1] > 0


def test_slices_that_lie_on_a_gpu_need_its_memory(store, monkeypatch):
    """The training split has 4 patients with 30 slices of 32 x 24 pixels in the range, 3 bytes each."""
    config = load_config("demo", [*TINY, "data.residence=device", "trainer.precision=32-true"])
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    parts, slices = estimate_run(config, store).parts, 4 * 30 * 32 * 24 * 3
    others = parts["model.channels"] + parts["data.batch_size"]
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (others + slices, None))
    require_memory(config, store)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (others + slices - 1, None))
    with pytest.raises(JsddpmError, match=r"data.residence [\d.]+ GB"):
        require_memory(config, store)
    require_memory(load_config("demo", [*TINY, "trainer.precision=32-true"]), store)


@pytest.mark.parametrize(
    ("settings", "key", "cure"),
    [
        (["data.batch_size=65536", "model.channels=[64,64]"], "data.batch_size=65536", r"data.batch_size=\d+ or less"),
        (["model.patch_size=2", "model.channels=[4096,4096,4096]"], r"model.channels=\[4096", "fewer channels"),
        (["data.batch_size=30000", "model.channels=[4096]"], "data.batch_size=30000", "larger model.patch_size"),
    ],
)
def test_a_run_that_cannot_fit_is_refused_at_once_and_nothing_is_written(store, tmp_path, settings, key, cure):
    config = load_config("demo", [*TINY, *settings])
    start = time.monotonic()
    for work in (make_plan, train):
        with pytest.raises(JsddpmError, match=rf"{key}.* needs .* GB .* GB are available; fix: .*{cure}") as caught:
            work(config, store, tmp_path / "run")
        assert (caught.value.code, caught.value.status) == ("MEMORY", ExitStatus.ENVIRONMENT)
    assert time.monotonic() - start < 60
    assert not (tmp_path / "run").exists()


def test_the_batch_that_the_cure_names_fits(store):
    config = load_config("demo", [*TINY, "data.batch_size=65536", "model.channels=[512,512]", "model.patch_size=1"])
    with pytest.raises(JsddpmError) as caught:
        require_memory(config, store)
    fits = int(caught.value.fix.split("data.batch_size=")[1].split()[0])
    smaller = config.model_copy(update={"data": config.data.model_copy(update={"batch_size": int(0.95 * fits)})})
    require_memory(smaller, store)


def test_sampling_that_cannot_fit_is_refused_before_anything_is_written(run, tmp_path):
    info = checkpoint_info(run / "checkpoints" / "last.ckpt")
    pipe = JointPipeline.from_checkpoint(run / "checkpoints" / "last.ckpt")
    huge = JointPipeline(**{**vars(pipe), "size": (32 * 4096, 24 * 4096)})
    with pytest.raises(JsddpmError, match=r"needs [\d.]+ GB .* available") as caught:
        generate_store(huge, tmp_path / "out", conditions=info.trained[:1])
    assert (caught.value.code, caught.value.status) == ("MEMORY", ExitStatus.ENVIRONMENT)
    assert list(tmp_path.iterdir()) == []


def test_memory_that_runs_out_in_spite_of_the_estimate_is_explained(tiny_config, tmp_path):
    def exhaust():
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 28), used + (1 << 28)))
        count = 0
        for make in (lambda: torch.empty(1 << 32), lambda: np.ones(1 << 32)):
            try:
                with explained(tiny_config):
                    make()
            except JsddpmError as error:
                count += (error.code, error.status) == ("MEMORY", ExitStatus.ENVIRONMENT)
        return count

    assert in_child(exhaust) == 2


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), EOFError()])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_worker_killed_while_it_hands_a_batch_over_is_named(error, workers):
    config = load_config("demo", [*TINY, f"data.workers={workers}"])
    with pytest.raises(JsddpmError if workers else type(error)) as caught, explained(config):
        raise error
    assert not workers or caught.value.code == "WORKER"


def test_a_killed_worker_ends_training_with_its_number_and_a_cure(store, tmp_path):
    config = load_config("demo", [*TINY, "data.workers=1", "trainer.max_steps=4000", "logging.grid=0"])
    start = time.monotonic()

    def kill(done, total, values):
        if done == 3:
            for worker in multiprocessing.active_children():
                os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises(
        JsddpmError, match=r"WORKER.*data.workers=1 was killed.*fewer data.workers.*; --resume --set data.workers=0"
    ) as caught:
        train(config, store, tmp_path / "run", progress=kill)
    assert caught.value.status is ExitStatus.ENVIRONMENT
    assert time.monotonic() - start < 60
    assert checkpoint_info(tmp_path / "run" / "checkpoints" / "last.ckpt").step == 2
