"""Two gloo processes take the steps of one; a dead one ends the job."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from conftest import TINY
from jsddpm.config import load_config
from jsddpm.diffusion.checkpoint import checkpoint_info, read_checkpoint
from jsddpm.errors import JsddpmError
from jsddpm.training.module import JointDDPM
from jsddpm.training.run import train
from processes import free_port, two_processes

SETTINGS = [*TINY, "trainer.check_every=2", "model.self_conditioning=0.5", "data.flip=true"]


def test_two_processes_take_the_steps_of_one_with_the_same_global_batch(store, tmp_path):
    config = load_config("demo", SETTINGS)

    def work(rank):
        seen = []
        train(config, store, tmp_path / "two", progress=lambda done, *_: seen.append(done))
        (tmp_path / f"rank-{rank}").write_text(str(seen))

    assert two_processes(work) == [0, 0]
    assert [(tmp_path / f"rank-{r}").read_text() for r in range(2)] == ["[1, 2, 3, 4]"] * 2
    one = train(load_config("demo", [*SETTINGS, "trainer.accumulate=2"]), store, tmp_path / "one")
    two = tmp_path / "two" / "checkpoints" / "last.ckpt"
    assert checkpoint_info(two).step == checkpoint_info(one).step == 4
    states = [read_checkpoint(p) for p in (one, two)]
    moments = [s["optimizer_states"][0]["state"] for s in states]  # the first moments are sums of gradients
    for number, moment in moments[0].items():
        assert torch.allclose(moment["exp_avg"], moments[1][number]["exp_avg"], atol=1e-5)
    weights = [{k: v for k, v in s["state_dict"].items() if v.is_floating_point()} for s in states]
    assert max(float((weights[0][k] - weights[1][k]).abs().max()) for k in weights[0]) < 1e-4
    files = {p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*") if p.is_file()}
    alone = {p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()}
    assert files == alone


def test_a_resumed_pair_goes_on_like_one_never_stopped(store, tmp_path):
    config = load_config("demo", SETTINGS)

    def stopped_and_resumed(rank):
        def stop(done, total, values):
            if done == 1 and rank == 1:  # a signal to one process ends both at the same step
                os.kill(os.getpid(), signal.SIGTERM)

        try:
            train(config, store, tmp_path / "a", progress=stop)
        except Exception as error:
            if "TERMINATED" not in str(error):
                raise
        torch.distributed.destroy_process_group()
        os.environ["MASTER_PORT"] = port
        train(config, store, tmp_path / "a", resume=True)

    port = str(free_port())
    assert two_processes(stopped_and_resumed) == [0, 0]
    assert two_processes(lambda _: train(config, store, tmp_path / "b")) == [0, 0]
    a, b = (read_checkpoint(tmp_path / n / "checkpoints" / "last.ckpt")["state_dict"] for n in "ab")
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_every_chunk_has_its_own_noise(store, tiny_config):
    module = JointDDPM(tiny_config, tiny_config.binning.for_store(store.n_slices), store.size)
    batch = {"x0": torch.zeros(4, 2, *store.size), "token": torch.zeros(4, dtype=torch.int64)}
    chunks = [*range(6), 50699, 55170]  # the seeds of the last two agree in their low 32 bits
    noises = [module.draw(batch, chunk)[3] for chunk in chunks]
    assert all((noises[i] - noises[j]).abs().mean() > 0.5 for i in range(8) for j in range(i))
    assert torch.equal(noises[2], module.draw(batch, 2)[3])


def children_of(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(p) for p in text.split()]


@pytest.mark.long
def test_torchrun_starts_the_same_command_and_a_dead_process_ends_it(store, tmp_path):
    settings = [part for s in [*SETTINGS, "trainer.max_steps=100000", "logging.grid=0"] for part in ("--set", s)]
    command = ["train", "--preset", "demo", "--store", str(store.path), "--out", str(tmp_path / "run"), *settings]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port"]
    jsddpm = ["--no-python", sys.executable, "-c", "from jsddpm_cli.app import main; main()"]
    job = subprocess.Popen(
        [*launcher, str(free_port()), *jsddpm, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    try:
        while not last.exists():
            assert job.poll() is None, job.communicate()[0]
            time.sleep(0.05)
        ranks = children_of(job.pid)
        assert len(ranks) == 2
        os.kill(ranks[1], signal.SIGKILL)
        start = time.monotonic()
        job.communicate(timeout=60)
    finally:
        if job.poll() is None:
            job.kill()
    assert job.returncode != 0
    assert time.monotonic() - start < 30
    assert not any(Path(f"/proc/{pid}").exists() for pid in ranks)
    assert checkpoint_info(last).step >= 2


def test_weights_are_the_same_on_both_processes_after_every_step(store, tmp_path):
    """Each process scores what its own averaged network makes of the same validation slices, at every step."""
    config = load_config("demo", [*SETTINGS, "trainer.check_every=1", "ema.decay=0.001"])

    def work(rank):
        seen = []

        def validator(x0_hat, x0):
            seen.append(hashlib.sha256(x0_hat.numpy().tobytes()).hexdigest())
            return {}

        train(config, store, tmp_path / "run", validator=validator)
        (tmp_path / f"{rank}.json").write_text(json.dumps(seen))

    assert two_processes(work) == [0, 0]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert first == second
    assert len(set(first)) == len(first) >= 4, "every step changed the weights"


@pytest.mark.long
def test_a_process_that_hangs_ends_the_other_within_the_limit_and_names_the_step(store, tmp_path):
    config = load_config("demo", [*SETTINGS, "trainer.collective_timeout=5", "trainer.max_steps=50"])

    def work(rank):
        stepped = [0.0]

        def hang(done, total, values):
            stepped[0] = time.monotonic()
            if rank == 1 and done == 2:
                time.sleep(20)
                os._exit(3)

        try:
            train(config, store, tmp_path / "run", progress=hang)
        except JsddpmError as error:
            (tmp_path / "said").write_text(f"{time.monotonic() - stepped[0] < 15} {error.status} {error}")
            os._exit(5)

    assert two_processes(work) == [5, 3]
    said = (tmp_path / "said").read_text()
    assert said.startswith("True 5 error[PROCESSES]")
    assert "does not answer at step 2" in said
    assert "waits 5 s for the others (trainer.collective_timeout)" in said


def test_only_the_first_process_writes_and_its_failure_reaches_the_other(store, tmp_path):
    """A disk that is full for the first process alone, at its first checkpoint."""
    config = load_config("demo", [*SETTINGS, "trainer.collective_timeout=20", "logging.grid=0"])

    def work(rank):
        if rank == 0:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        try:
            train(config, store, tmp_path / "out" / "run")
        except JsddpmError as error:
            os.write(2, f"{error}\n".encode())
            os._exit(10 + rank if error.code == ("DISK_FULL", "PROCESSES")[rank] else 70)

    start = time.monotonic()
    assert two_processes(work) == [10, 11]
    assert time.monotonic() - start < 60
    assert not list((tmp_path / "out").rglob("*.ckpt"))
    assert not list((tmp_path / "out").rglob("*.partial"))
