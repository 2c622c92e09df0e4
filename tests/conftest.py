"""Shared fixtures: a synthetic store, a tiny run on it, its samples, a small BIDS tree."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # a forked child waits for ever for threads that only its parent has

import pytest
from hypothesis import settings

from jsddpm.config import load_config
from jsddpm.slices.store import SliceStore
from synthetic import write_bids, write_store

TINY = [
    "model.channels=[8,16]",
    "trainer.max_steps=4",
    "trainer.check_every=2",
    "optimizer.warmup_steps=1",
    "binning.z_range=[5,34]",
    "binning.n_bins=5",
    "data.batch_size=4",
    "sampling.steps=2",
    "sampling.per_condition=2",
    "evaluation.timesteps=[300]",
]
EVERYTHING = [
    "model.dropout=0.2", "model.self_conditioning=0.5", "data.flip=true", "unconditional_share=0.2",
    "trainer.accumulate=2", "objective.frequency_weight=0.1", "model.condition_embedding=sinusoidal",
    "augmentation.probability=0.5",
]  # fmt: skip
"""Settings of everything that draws random numbers or keeps a state of its own."""


settings.register_profile("tests", deadline=None, derandomize=True)  # the same examples each time, on slow machines too
settings.load_profile("tests")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a background job of a shell; children would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = (
    "test_slurm.py", "test_documented_commands.py", "test_every_metric.py", "test_contract.py",
    "test_copies.py", "test_lesion_contrast.py",
)  # fmt: skip
"""Files that take a minute and more: begun first, so that no worker is left alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest files first, the others in their order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> SliceStore:
    return write_store(tmp_path_factory.mktemp("store") / "store")


@pytest.fixture(scope="session")
def tiny_config():
    return load_config("demo", TINY)


@pytest.fixture(scope="session")
def run(tmp_path_factory, store, tiny_config) -> Path:
    """A run of four steps on the synthetic store."""
    from jsddpm.training.run import train
    from jsddpm_eval.metrics.reconstruction import slice_scores

    out = tmp_path_factory.mktemp("runs") / "tiny"
    train(tiny_config, store, out, validator=slice_scores)
    return out


@pytest.fixture(scope="session")
def generated(tmp_path_factory, run) -> SliceStore:
    """Two samples of each trained condition of the tiny run."""
    from jsddpm_cli.commands.sample import run_sampling

    return SliceStore(run_sampling(run, tmp_path_factory.mktemp("generated") / "store", {}, None, None, 0))


@pytest.fixture
def brief_networks():
    """Networks of evaluations are trained for a few steps: what they read is not what the test is about."""
    from brief import brief_training

    with brief_training():
        yield


@pytest.fixture
def checkpoint(tmp_path, run) -> Path:
    """A copy of the tiny run's last checkpoint, which may be damaged."""
    from jsddpm.training.progress import last_checkpoint

    return shutil.copy(last_checkpoint(run), tmp_path / "c.ckpt")


@pytest.fixture
def bids(tmp_path) -> Path:
    return write_bids(tmp_path / "bids")
