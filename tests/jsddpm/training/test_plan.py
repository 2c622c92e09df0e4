"""What no key forbids and the store, the machine or the arithmetic does: the plan and the training refuse it alike."""

from __future__ import annotations

import time

import numpy as np
import pytest

from calls import refusal
from conftest import TINY
from jsddpm.config import load_config
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.errors import JsddpmError
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm.training.plan import make_plan
from jsddpm.training.progress import last_checkpoint
from jsddpm.training.run import train
from synthetic import N_SLICES, synthetic_slices

LINEAR = "diffusion.beta_schedule=linear"
REFUSED = [
    (["binning.z_range=[5, 40]"], 2, "Z_RANGE", "exceeds the volume of 40 slices"),
    (["binning.z_range=[34, 5]"], 2, "Z_RANGE", "reversed"),
    (["binning.n_bins=31"], 2, "N_BINS", "31"),
    (["model.patch_size=5"], 2, "SIZE", "cannot be divided"),
    (["model.channels=[8,8,8,8,8,8]"], 2, "SIZE", "6 levels"),
    ([LINEAR, "diffusion.beta_end=0.999"], 2, "CONFIG", "diffusion.beta_end"),
    ([LINEAR, "diffusion.beta_start=1e-8"], 2, "CONFIG", "diffusion.beta_start: 1e-08 leaves no noise"),
    ([LINEAR, "diffusion.num_train_timesteps=100000"], 2, "CONFIG", "diffusion.num_train_timesteps"),
    ([LINEAR, "diffusion.beta_end=0.16", "diffusion.prediction_type=epsilon", "objective.snr_floor=1e6",
      "objective.min_snr_gamma=1e6"], 2, "CONFIG", "objective.snr_floor"),
    (["data.batch_size=65536", "model.channels=[1024,1024]"], 5, "MEMORY", "data.batch_size=65536"),
    (["model.channels=[4096,4096]", "model.layers_per_block=16"], 5, "MEMORY", "model.channels"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "status", "code", "said"), REFUSED)
def test_what_cannot_be_trained_is_refused_by_plan_and_training_alike(store, tmp_path, settings, status, code, said):
    config = load_config("demo", [*TINY, *settings])
    start = time.monotonic()
    for work in (make_plan, train):
        found = refusal(lambda work=work: work(config, store, tmp_path / "run"))
        assert (found.status, found.err.split("]")[0]) == (status, f"error[{code}"), found.err
        assert said in found.err
        assert code != "Z_RANGE" or all(w in found.err for w in (str(store.path), "--set binning.z_range=[LO,HI]"))
        assert not (tmp_path / "run").exists()
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    "settings",
    [
        ["diffusion.num_train_timesteps=2", "evaluation.timesteps=[0]", "sampling.steps=1"],
        ["model.channels=[2]", "model.norm_num_groups=2"],
        ["model.channels=[8]", "model.patch_size=8"],
        ["binning.n_bins=31", "binning.allow_empty_bins=true"],
        ["data.lesion_share=0"],
        ["data.lesion_share=1"],
        [LINEAR, "diffusion.beta_end=0.15"],
        [LINEAR, "diffusion.beta_start=1e-7", "sampling.steps=20", "sampling.spacing=karras"],
        [LINEAR, "diffusion.beta_end=0.15", "diffusion.prediction_type=epsilon"],
        ["diffusion.prediction_type=epsilon", "objective.snr_floor=1e6", "objective.min_snr_gamma=1e6"],
    ],
)
def test_the_outermost_values_that_are_taken_train(store, tmp_path, settings):
    config = load_config("demo", [*TINY, "trainer.max_steps=1", "trainer.check_every=1", *settings])
    assert train(config, store, tmp_path / "run").is_file()


@pytest.mark.parametrize(
    ("settings", "code"),
    [([], ""), (["diffusion.prediction_type=epsilon"], "WARM_START"), (["binning.n_bins=6"], "BINNING_MISMATCH"),
     (["model.channels=[8,8]"], "CHECKPOINT"), (None, "MISSING")],
)  # fmt: skip
def test_a_warm_start_is_refused_by_plan_and_training_alike(store, run, tmp_path, settings, code):
    """Before: the plan did not open the checkpoint."""
    config = load_config("demo", [*TINY, "trainer.max_steps=1", "trainer.check_every=1", *(settings or [])])
    start = last_checkpoint(run) if settings is not None else tmp_path / "no.ckpt"
    for work in (make_plan, train):
        found = refusal(lambda work=work: work(config, store, tmp_path / "run", warm_start=start))
        assert found.err.partition("]")[0] == (f"error[{code}" if code else ""), found.err


@pytest.mark.parametrize("share", [0, 1])
def test_a_pathology_that_is_never_drawn_is_not_trained(store, tmp_path, share):
    """It counted as trained wherever the store has slices of it."""
    settings = [f"data.lesion_share={share}", "trainer.max_steps=1", "trainer.check_every=1", "logging.grid=0"]
    pipe = JointPipeline.from_checkpoint(train(load_config("demo", [*TINY, *settings]), store, tmp_path / "run"))
    assert {c.pathology for c in pipe.trained} == {share}
    with pytest.raises(JsddpmError, match=r"UNTRAINED.*training drew no slice of the condition bin 1"):
        pipe([(1, 1 - share)])


def test_a_share_of_slices_that_the_store_does_not_have_is_refused(tmp_path):
    with new_store(tmp_path / "controls", kind="real", n_slices=N_SLICES, spacing=(1.0, 1.0, 1.0)) as writer:
        for name, split in (("train", 0), ("val", 1)):
            image, mask, inside = synthetic_slices(np.random.default_rng(split))
            rows = {"z_index": np.arange(N_SLICES), "pathology": mask.any(axis=(1, 2)), "split": split,
                    "brain_fraction": inside.mean(axis=(1, 2))}  # fmt: skip
            writer.add(Shard(name, image, mask, rows, {"patient": name, "split": name}))
    store = SliceStore(tmp_path / "controls")
    for share, status in ((1, 2), (0.5, 0), (0, 0)):
        config = load_config("demo", [*TINY, f"data.lesion_share={share}"])
        found = refusal(lambda config=config: make_plan(config, store, tmp_path / "run"))
        assert found.status == status, found.err
        assert not status or "data.lesion_share=1 draws from lesion slices alone" in found.err
