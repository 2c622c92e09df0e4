"""Groups E and F: training and sampling. The last good checkpoint stays, and nothing half is left."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from calls import Found, child, refusal
from conftest import TINY
from contract.case import Build, Elsewhere, Row, World
from jsddpm.binning import Condition
from jsddpm.diffusion.checkpoint import KEY, checkpoint_info, read_checkpoint, write_checkpoint
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.slices.writer import Shard, new_store
from jsddpm.training.run import train
from state import digest
from synthetic import synthetic_slices

LAST = "checkpoints/last.ckpt"
SAMPLE = ("sample", "{run}", "--out", "{tmp}/new")
RESUME = ("train", "--resume", "--store", "{store}", "--out", "{tmp}/begun")


def train_words(*settings: str, store: str = "{store}", out: str = "{tmp}/new") -> tuple[object, ...]:
    """A training of four steps, some settings otherwise."""
    chosen = [part for s in (*TINY, "logging.grid=0", *settings) for part in ("--set", s)]
    return ("train", "--preset", "demo", "--store", store, "--out", out, *chosen)


def begun(world: World) -> Path:
    """A run that SIGTERM stopped at its third step of four, after the check of the second."""

    def stop(done: int, total: int, values: object) -> None:
        if done == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    out = world.tmp / "begun"
    found = refusal(lambda: train(_config(world), world.store, out, progress=stop))
    assert found.status == 143
    return out


def _config(world: World) -> Any:
    from jsddpm.config import load_config

    return load_config(world.run / "config.yaml")


def copied(world: World) -> Path:
    """A copy of the shared run, whose files may be changed."""
    shutil.copytree(world.run, world.tmp / "begun")
    return world.tmp / "begun"


def altered(change: Callable[[dict[str, Any]], object], of: Callable[[World], Path] = copied) -> Build:
    """A run whose checkpoint was changed: a copy of the shared one, or that of another builder."""

    def build(world: World) -> None:
        path = of(world) / LAST
        loaded = read_checkpoint(path)
        change(loaded)
        write_checkpoint(path, loaded)

    return build


def huge(part: str) -> Callable[[dict[str, Any]], object]:
    """Weights whose products are beyond the largest float."""

    def change(loaded: dict[str, Any]) -> None:
        for name, weight in loaded["state_dict"].items():
            if name.startswith(part) and weight.is_floating_point():
                weight.fill_(1e38)

    return change


def replaced(data: Callable[[bytes], bytes]) -> Build:
    """The shared run with other bytes for a checkpoint."""

    def build(world: World) -> None:
        path = copied(world) / LAST
        path.write_bytes(data(path.read_bytes()))

    return build


def on_a_full_disk(size: int, *words: object) -> Callable[[World], Found]:
    """A command that can write no file of more bytes."""
    return lambda world: child(*map(world.fill, words), limits={resource.RLIMIT_FSIZE: size})


class Gadget:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return (open, (self.path, "w"))


def gadget(world: World) -> None:
    """A checkpoint that would run code."""
    torch.save({KEY: Gadget(world.tmp / "fired")}, copied(world) / LAST)


def signalled(number: int, *, again: bool = False) -> Callable[[World], Found]:
    """A training of many steps that gets a signal after its first checkpoint."""

    def command(world: World) -> Found:
        last = world.tmp / "new" / LAST

        def send(pid: int) -> None:
            while not last.exists():
                time.sleep(0.01)
            os.kill(pid, number)
            if again:
                time.sleep(0.01)
                os.kill(pid, number)

        words = train_words("trainer.max_steps=100000")
        found = child(*map(world.fill, words), while_running=send)
        assert checkpoint_info(last).step >= 2
        return found

    return command


def killed_while_saving(world: World) -> Found:
    """A run that saves at every step, killed at six moments of one save: the last checkpoint loads."""
    words = [world.fill(w) for w in train_words("trainer.max_steps=100000", "trainer.check_every=1", out="{tmp}/begun")]
    last = world.tmp / "begun" / LAST

    def kill(pid: int) -> None:
        while not last.exists() or not list(last.parent.glob(".*.partial")):
            time.sleep(0.0005)
        os.kill(pid, signal.SIGKILL)

    assert child(*words, while_running=kill).status == -signal.SIGKILL
    step = checkpoint_info(last).step
    assert step >= 1
    found = child(*map(world.fill, RESUME), while_running=lambda pid: _after(last, pid))
    assert checkpoint_info(last).step > step
    assert not list(last.parent.glob(".*.partial"))
    return found


def _after(last: Path, pid: int) -> None:
    before = last.stat().st_mtime_ns
    while last.stat().st_mtime_ns == before:
        time.sleep(0.005)
    os.kill(pid, signal.SIGTERM)


def resumed(world: World) -> Found:
    """The state of the run that was never stopped."""
    found = world.call(*RESUME)
    assert digest(world.tmp / "begun" / LAST) == digest(world.run / LAST)
    return found


def set_in_config(old: str, new: str) -> Build:
    """A stopped run whose configuration was edited."""

    def build(world: World) -> None:
        path = copied(world) / "config.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return build


def other_store(splits: tuple[int, ...]) -> Build:
    """A store of some patients with these splits."""

    def build(world: World) -> None:
        with new_store(world.tmp / "other", kind="real", n_slices=40, spacing=(3.0, 2.0, 1.5)) as writer:
            for p, split in enumerate(splits):
                picture, mask, _ = synthetic_slices(np.random.default_rng(p), lesion=range(0, 40, 2))
                rows = {"z_index": np.arange(40), "pathology": mask.any(axis=(1, 2)), "split": split}
                writer.add(Shard(f"sub-{p}", picture, mask, rows))

    return build


def batch_sizes(world: World) -> Found:
    """Samples do not depend on which others are drawn beside them."""
    pipe = JointPipeline.from_checkpoint(world.run / LAST)
    conditions = [Condition(k, p) for k in (1, 3) for p in (0, 1)]
    drawn = [
        replace(pipe, sampling=pipe.sampling_with(batch_size=size))(conditions, num_per_condition=2, seed=3)
        for size in (1, 3, 8)
    ]
    for other in drawn[1:]:
        assert float(np.abs(drawn[0].images - other.images).max()) < 1e-5
        assert np.array_equal(drawn[0].masks, other.masks)
    return Found(0)


def bins_of_every_batch(world: World) -> Found:
    """A bin without a training slice is named by the plan."""
    found = world.call(*train_words("binning.z_range=[5,12]", "binning.n_bins=12", "binning.allow_empty_bins=true"),
                       "--dry-run")  # fmt: skip
    assert "bin" in found.said
    return found


def kill_sampling(world: World) -> Found:
    """Killed in the middle, the same command makes the bytes of an uninterrupted one."""
    from crash import content, killed_at

    words = [world.fill(word) for word in SAMPLE]
    whole = world.call(*("{tmp}/whole" if w == "{tmp}/new" else w for w in SAMPLE))
    assert whole.status == 0
    assert killed_at(9, lambda: world.call(*words))
    assert not (world.tmp / "new").exists()
    found = world.call(*SAMPLE)
    assert content(world.tmp / "new") == content(world.tmp / "whole")
    return found


def without_average(loaded: dict[str, Any]) -> None:
    loaded["state_dict"] = {k: v for k, v in loaded["state_dict"].items() if not k.startswith("ema.")}


def not_finite(loaded: dict[str, Any]) -> None:
    loaded["state_dict"] = {
        k: torch.full_like(v, torch.nan) if v.is_floating_point() else v for k, v in loaded["state_dict"].items()
    }


def other_network(loaded: dict[str, Any]) -> None:
    state = loaded["state_dict"]
    name = next(k for k in state if k.startswith("ema.") and k.endswith("conv_in.weight"))
    state[name] = state[name][:4]


BEGUN = ("sample", "{tmp}/begun", "--out", "{tmp}/new")
NEW = ("new", "new/*")
RESUMED = ("begun/metrics.csv", "begun/provenance.json", "begun/SHA256SUMS")
DRAWN = (*RESUMED, "begun/curves.png", "begun/pictures", "begun/pictures/*")
CHECKPOINT = (
    Row("72", "a checkpoint that would run code", BEGUN, 4, "CHECKPOINT", ("cannot be loaded safely",), gadget),
    Row("73", "a checkpoint cut in the middle", BEGUN, 4, "CHECKPOINT", (), replaced(lambda b: b[: len(b) // 2])),
    Row("73", "an empty checkpoint", BEGUN, 4, "CHECKPOINT", (), replaced(lambda b: b"")),
    Row("73", "a text for a checkpoint", BEGUN, 4, "CHECKPOINT", (), replaced(lambda b: b"text")),
    Row("73", "a checkpoint of a later version", BEGUN, 4, "CHECKPOINT", ("version 99",),
        altered(lambda loaded: loaded[KEY].update(version=99))),
    Row("73", "a checkpoint of another network", BEGUN, 4, "CHECKPOINT", ("does not fit",), altered(other_network)),
    Row("73", "a checkpoint of something else", BEGUN, 4, "CHECKPOINT", ("not a checkpoint of jsddpm",),
        lambda world: torch.save({"state_dict": {}}, copied(world) / LAST)),
    *(Row("M7", f"a checkpoint without {key}", BEGUN, 4, "CHECKPOINT", (),
          altered(lambda loaded, key=key: loaded[KEY].pop(key)))
      for key in ("binning", "config", "size", "spacing", "token_counts")),
)  # fmt: skip
ELSEWHERE = (
    Elsewhere("63", "memory that runs out in a step",
              "jsddpm/training/test_estimate.py::test_memory_that_runs_out_in_spite_of_the_estimate_is_explained"),
    Elsewhere("71", "a run resumed on another device",
              "jsddpm/training/test_train.py::test_a_resumption_elsewhere_is_allowed_and_recorded"),
    Elsewhere("74", "a killed worker",
              "jsddpm/training/test_estimate.py::test_a_killed_worker_ends_training_with_its_number_and_a_cure"),
    Elsewhere("H4", "two writers of one run",
              "jsddpm/training/test_folder.py::test_a_second_writer_is_told_who_the_first_is"),
    Elsewhere("M5", "a run killed before its first check",
              "jsddpm/training/test_folder.py::test_a_run_killed_before_its_first_check_begins_anew"),
)  # fmt: skip
TRAINING = (
    Row("62", "16-bit floats that overflow again and again", train_words("trainer.precision=16-mixed"),
        needs="needs a GPU: loss scaling has none on a CPU", here=torch.cuda.is_available(), leaves=NEW),
    Row("62", "16-bit floats without a GPU", train_words("trainer.precision=16-mixed"), 2, "PRECISION",
        needs="needs a machine without a GPU", here=not torch.cuda.is_available()),
    Row("63", "a batch that no memory holds", train_words("data.batch_size=65536", "model.channels=[512,512]",
        "model.layers_per_block=8"), 5, "MEMORY", ("data.batch_size",)),
    Row("61", "a loss that is not finite", RESUME, 6, "NON_FINITE_LOSS",
        ("the loss is", "at step 3", "--warm-start {tmp}/begun/checkpoints/last.ckpt (step 3"),
        altered(huge("denoiser."), begun), changes=RESUMED),
    Row("61", "an average that is not finite", RESUME, 6, "NON_FINITE_LOSS", ("reconstruction at timestep 300",),
        altered(huge("ema."), begun), changes=RESUMED),
    Row("64", "Ctrl-C in training", signalled(signal.SIGINT), 130, "TERMINATED", ("--resume",), leaves=NEW),
    Row("65", "SIGTERM in training", signalled(signal.SIGTERM), 143, "TERMINATED", ("is saved",), leaves=NEW),
    Row("65", "SIGUSR1 in training", signalled(signal.SIGUSR1), 143, "TERMINATED", ("--resume",), leaves=NEW),
    Row("66", "kill -9 in the middle of a save", killed_while_saving, 143, "TERMINATED", leaves=("begun", "begun/*")),
    Row("67", "a full disk at a save", on_a_full_disk(60_000, *RESUME), 5, "DISK_FULL", (), begun,
        changes=DRAWN),
    Row("68", "a file in the way of a run", train_words(out="{tmp}/file/run"), 5, "NOT_WRITABLE", (),
        lambda world: (world.tmp / "file").write_text("")),
    Row("69", "resumed after a signal: the bytes of an uninterrupted run", resumed, build=begun,
        changes=("begun/*",)),
    Row("70", "resumed with another seed", RESUME, 2, "RESUME", ("seed: 0 before, 1 now",),
        set_in_config("seed: 0", "seed: 1")),
    Row("70", "resumed with other bins", RESUME, 2, "BINNING_MISMATCH", ("n_bins",),
        set_in_config("n_bins: 5", "n_bins: 6")),
    Row("70", "resumed with another store", ("train", "--resume", "--store", "{tmp}/other", "--out", "{tmp}/begun"), 2,
        "RESUME", ("store",), lambda world: [copied(world), other_store((0, 0, 1, 2))(world)]),
    Row("75", "an existing run", train_words(out="{run}"), 2, "EXISTS", ("{run}",)),
    Row("76", "no patient to validate with", train_words(store="{tmp}/other"), 2, "NO_SLICES", ("val",),
        other_store((0, 0, 2))),
    Row("76", "no patient to train with", train_words(store="{tmp}/other"), 2, "NO_SLICES", ("train",),
        other_store((1, 1, 2))),
    Row("60", "bins without a slice in the plan", bins_of_every_batch),
    Row("95", "a preset that does not exist", ("train", "--preset", "zbin", "--store", "{store}", "--out", "{tmp}/new"),
        2, "CONFIG", ("zbins",)),
    Row("39", "options that exclude each other", (*train_words(), "--config", "{run}/config.yaml"), 2, "OPTION"),
)  # fmt: skip
SAMPLING = (
    Row("77", "no samples of a condition", (*SAMPLE, "--per-condition", 0), 2, "", ("--per-condition",)),
    Row("77", "a bin that does not exist", (*SAMPLE, "--bins", 5), 2, "OPTION", ("from 0 to 4",)),
    Row("77", "bins that are a word", (*SAMPLE, "--bins", "x"), 2, "OPTION", ("from 0 to 4",)),
    Row("77", "more steps than noise levels", (*SAMPLE, "--steps", 99999), 2, "STEPS"),
    Row("77", "guidance of a network without it", (*SAMPLE, "--guidance", 2), 2, "GUIDANCE"),
    Row("77", "a share beyond their number", (*SAMPLE, "--share", "3/2"), 2, "OPTION"),
    Row("78", "no averaged weights", BEGUN, 4, "CHECKPOINT", ("has no ema weights",), altered(without_average)),
    Row("79", "samples in batches of 1, 3 and 8", batch_sizes),
    Row("80", "samples that are not finite", BEGUN, 6, "NON_FINITE", (), altered(not_finite)),
    Row("81", "sampling killed in the middle", kill_sampling),
    Row("82", "an output that exists", ("sample", "{run}", "--out", "{store}"), 2, "EXISTS", ("{store}",)),
    Row("82", "a full disk while sampling", on_a_full_disk(2000, *SAMPLE), 5, "DISK_FULL", leaves=(".new.*",)),
    Row("96", "a run that has no checkpoint", BEGUN, 2, "NO_CHECKPOINT", ("wait",),
        lambda world: shutil.rmtree(copied(world) / "checkpoints")),
    Row("96", "a folder that is no run", ("sample", "{tmp}", "--out", "{tmp}/new"), 2, "NO_RUN"),
)  # fmt: skip
