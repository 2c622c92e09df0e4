"""A warm start says from which networks the weights came, and refuses weights that saw patients now held out."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import pytest

from conftest import TINY
from jsddpm.config import load_config
from jsddpm.diffusion.checkpoint import (
    KEY,
    Ancestor,
    checkpoint_info,
    read_checkpoint,
    write_checkpoint,
)
from jsddpm.diffusion.generate import generate_store
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.errors import JsddpmError
from jsddpm.slices.resplit import resplit
from jsddpm.slices.store import SliceStore
from jsddpm.training.export import export_checkpoint
from jsddpm.training.progress import last_checkpoint, read_provenance
from jsddpm.training.rebin import rebin_checkpoint
from jsddpm.training.run import train
from synthetic import write_store

SHORT = [*TINY, "trainer.max_steps=1", "trainer.check_every=1", "logging.grid=0"]


def with_splits(store, out, **changes):
    """The store with other splits of some patients."""
    with open(out.with_suffix(".csv"), "w", newline="") as stream:
        table = csv.writer(stream)
        table.writerows([("patient", "split"), *(store.splits | changes).items()])
    return SliceStore(resplit(store, out.with_suffix(".csv"), out))


def of(store, split):
    return sorted(patient for patient, own in store.splits.items() if own == split)


def test_the_chain_of_networks_is_in_checkpoint_provenance_and_samples(run, store, tmp_path):
    """Of a second store with one training patient more, whose network starts a third one by way of other bins."""
    other = with_splits(store, tmp_path / "other", **{of(store, "val")[0]: "train", of(store, "test")[0]: "val"})
    second = train(load_config("demo", SHORT), other, tmp_path / "second", warm_start=last_checkpoint(run))
    assert [vars(a) | {"images": None} for a in checkpoint_info(second).ancestors] == [
        {"store": store.fingerprint, "seed": 0, "step": 4, "images": None, "compared": True}
    ]
    config = load_config("demo", [*SHORT, "binning.n_bins=3"])
    rebin_checkpoint(second, tmp_path / "start.ckpt", config.binning)
    third = train(config, other, tmp_path / "third", warm_start=tmp_path / "start.ckpt")
    expected = [
        {"store": store.fingerprint, "seed": 0, "step": 4, "compared": True},
        {"store": other.fingerprint, "seed": 0, "step": 1, "compared": True},
    ]
    assert read_provenance(tmp_path / "third")["ancestors"] == expected
    pipe = JointPipeline.from_checkpoint(third)
    generate_store(pipe, tmp_path / "samples", sampling=pipe.sampling_with(per_condition=1, steps=1))
    assert SliceStore(tmp_path / "samples").info["provenance"]["ancestors"] == expected
    about = json.loads((export_checkpoint(third, tmp_path / "model") / "jsddpm.json").read_text())
    assert about["ancestors"] == expected
    assert "images" not in about
    assert "ancestors" not in read_provenance(run)


def test_weights_that_saw_a_patient_now_held_out_are_refused(run, store, tmp_path):
    """Also by way of another training."""
    moved = of(store, "train")[:2]
    held_out = with_splits(store, tmp_path / "held-out", **{moved[0]: "test", moved[1]: "val"})
    said = rf"WARM_START.*trained on 2 patients who are for validation or test.*such as {moved[0]}.*cache resplit"
    config = load_config("demo", SHORT)
    with pytest.raises(JsddpmError, match=said) as caught:
        train(config, held_out, tmp_path / "run", warm_start=last_checkpoint(run))
    assert caught.value.status == 2
    fewer = with_splits(store, tmp_path / "fewer", **{of(store, "test")[0]: "val"})
    second = train(config, fewer, tmp_path / "second", warm_start=last_checkpoint(run))
    loaded = dict(read_checkpoint(second))
    loaded[KEY] = loaded[KEY] | {"images": []}  # the second network alone would not be refused
    write_checkpoint(tmp_path / "chain.ckpt", loaded)
    with pytest.raises(JsddpmError, match=said):
        train(config, held_out, tmp_path / "run", warm_start=tmp_path / "chain.ckpt")


def test_of_other_patients_nothing_is_known(run, store, tmp_path):
    """Of another store, of a checkpoint that does not record its images, and of an exported folder."""
    other = write_store(tmp_path / "other", seed=7)
    fewer = with_splits(store, tmp_path / "fewer", **{of(store, "test")[0]: "val"})
    old = dict(read_checkpoint(last_checkpoint(run)))
    old[KEY] = {name: value for name, value in old[KEY].items() if name not in ("images", "ancestors")}
    write_checkpoint(tmp_path / "old.ckpt", old)
    model = export_checkpoint(last_checkpoint(run), tmp_path / "model")
    config = load_config("demo", SHORT)
    for number, (start, on) in enumerate(((last_checkpoint(run), other), (tmp_path / "old.ckpt", fewer),
                                          (model, fewer))):  # fmt: skip
        path = train(config, on, tmp_path / f"run-{number}", warm_start=start)
        assert [(a.store, a.compared) for a in checkpoint_info(path).ancestors] == [(store.fingerprint, False)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            "diffusion.prediction_type=v_prediction",
            "diffusion.prediction_type: {} in the checkpoint, v_prediction here",
        ),
        ("diffusion.beta_schedule=sigmoid", "diffusion.beta_schedule: {} in the checkpoint, sigmoid here"),
        ("diffusion.num_train_timesteps=500", "diffusion.num_train_timesteps: {} in the checkpoint, 500 here"),
        ("augmentation.probability=0.5", "augmentation.probability: 0.0 in the checkpoint, 0.5 here"),
    ],
)
def test_another_meaning_of_the_weights_is_refused(run, store, tiny_config, tmp_path, changed, said):
    key = changed.split("=")[0].removeprefix("diffusion.")
    said = said.format(getattr(tiny_config.diffusion, key, ""))
    with pytest.raises(JsddpmError, match=f"WARM_START.*{said}.*--config of its run") as caught:
        train(load_config("demo", [*SHORT, changed]), store, tmp_path / "run", warm_start=last_checkpoint(run))
    assert caught.value.status == 2


def test_a_resumed_run_keeps_where_it_started(run, store, tiny_config, tmp_path):
    """And a run that was to start from other weights does not begin with random ones."""

    def stop(done, total, values):
        if done == stop.at:
            raise RuntimeError("stopped")

    out = tmp_path / "run"
    for stop.at in (3, 1):
        shutil.rmtree(out, ignore_errors=True)
        with pytest.raises(RuntimeError, match="stopped"):
            train(tiny_config, store, out, warm_start=last_checkpoint(run), progress=stop)
        if stop.at == 3:
            resumed = checkpoint_info(train(tiny_config, store, out, resume=True))
            assert (resumed.step, [a.step for a in resumed.ancestors]) == (4, [4])
    with pytest.raises(JsddpmError, match=r"RESUME.*to start from the weights of another run.*--warm-start"):
        train(tiny_config, store, out, resume=True)


def test_an_ancestor_is_named_beside_the_store(run):
    info = checkpoint_info(last_checkpoint(run))
    assert "ancestors" not in info.network()
    named = replace(info, ancestors=(Ancestor(store="abc", seed=1, step=2, images=["def"]),)).network()
    assert named["ancestors"] == [{"store": "abc", "seed": 1, "step": 2, "compared": False}]
