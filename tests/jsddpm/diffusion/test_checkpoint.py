"""A checkpoint that is damaged, or says what cannot be, is refused by name."""

from __future__ import annotations

import io
import shutil
import zipfile

import pytest
import torch

from flips import flip
from jsddpm.diffusion.checkpoint import KEY, checkpoint_info, load_denoiser, read_checkpoint
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.training.run import train
from state import digest


def test_no_flipped_bit_is_loaded(checkpoint):
    found = flip(checkpoint, lambda: digest(checkpoint), 120)
    assert found["silent wrong"] == found["raw"] == 0
    assert found["refused"] > 60


def test_the_folder_of_a_run_is_refused_with_its_checkpoint(run):
    with pytest.raises(JsddpmError, match=r"MISSING.*run and not a checkpoint.*last\.ckpt") as raised:
        read_checkpoint(run)
    assert raised.value.status == ExitStatus.USAGE


INNER = {
    "no binning": lambda c: c[KEY].pop("binning"),
    "a binning of text": lambda c: c[KEY].update(binning="local"),
    "a binning without bins": lambda c: c[KEY]["binning"].pop("n_bins"),
    "bins as text": lambda c: c[KEY]["binning"].update(n_bins="5"),
    "no configuration": lambda c: c[KEY].pop("config"),
    "a configuration of text": lambda c: c[KEY].update(config="demo"),
    "an unknown key": lambda c: c[KEY]["config"]["model"].update(chanels=[8]),
    "no size": lambda c: c[KEY].pop("size"),
    "a size of one side": lambda c: c[KEY].update(size=[32]),
    "a huge size": lambda c: c[KEY].update(size=[2**20, 2**20]),
    "a size as text": lambda c: c[KEY].update(size=["32", "24"]),
    "no spacing": lambda c: c[KEY].update(spacing=None),
    "a spacing that is not finite": lambda c: c[KEY].update(spacing=[1.0, float("nan"), 1.0]),
    "no store": lambda c: c[KEY].update(store=3),
    "counts of other conditions": lambda c: c[KEY].update(token_counts=[1, 2]),
    "negative counts": lambda c: c[KEY].update(token_counts=[-1] * 10),
    "a step as text": lambda c: c.update(global_step="4"),
    "a negative step": lambda c: c.update(global_step=-4),
    "no weights": lambda c: c.pop("state_dict"),
    "weights of text": lambda c: c.update(state_dict="weights"),
    "a weight of text": lambda c: c["state_dict"].update({"denoiser.unet.conv_in.weight": "x"}),
}
NETWORK = {
    "another shape": lambda c: c["state_dict"].update({"ema.module.unet.conv_in.weight": torch.zeros(3)}),
    "another type": lambda c: c["state_dict"].update(
        {k: v.to(torch.int8) for k, v in c["state_dict"].items() if k.endswith("conv_in.weight")}
    ),
    "a weight too many": lambda c: c["state_dict"].update({"ema.module.more": torch.zeros(1)}),
    "a weight too few": lambda c: c["state_dict"].pop("ema.module.unet.conv_in.weight"),
    "a wider network": lambda c: c[KEY]["config"]["model"].update(channels=[2**12, 2**12]),
}


@pytest.mark.parametrize("change", INNER.values(), ids=INNER)
def test_what_it_says_of_itself_is_typed(checkpoint, change):
    loaded = torch.load(checkpoint, weights_only=True)
    change(loaded)
    torch.save(loaded, checkpoint)
    with pytest.raises(JsddpmError, match="CHECKPOINT") as caught:
        checkpoint_info(checkpoint)
    assert caught.value.status is ExitStatus.INTEGRITY


@pytest.mark.parametrize("change", NETWORK.values(), ids=NETWORK)
def test_weights_of_another_network_are_named_before_one_is_made(checkpoint, change):
    loaded = torch.load(checkpoint, weights_only=True)
    change(loaded)
    torch.save(loaded, checkpoint)
    with pytest.raises(JsddpmError, match=r"CHECKPOINT.*does not fit its network") as caught:
        load_denoiser(checkpoint)
    assert caught.value.status is ExitStatus.INTEGRITY


@pytest.mark.parametrize("missing", ["optimizer_states", "lr_schedulers", "loops"])
def test_a_run_does_not_resume_from_half_a_state(run, store, tiny_config, tmp_path, missing):
    shutil.copytree(run, tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    loaded = torch.load(last, weights_only=True)
    del loaded[missing]
    torch.save(loaded, last)
    with pytest.raises(JsddpmError, match=rf"CHECKPOINT.*{missing}.*--warm-start"):
        train(tiny_config, store, tmp_path / "run", resume=True)


def test_a_compressed_file_is_refused_unread(checkpoint):
    """1 GiB of zeros in a file of 5 MiB."""
    with (
        zipfile.ZipFile(checkpoint, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("c/data/0", "w") as stream,
    ):
        for _ in range(64):
            stream.write(bytes(1 << 24))
    with pytest.raises(JsddpmError, match=r"CHECKPOINT.*is compressed"):
        read_checkpoint(checkpoint)


def test_the_message_does_not_propose_to_load_it_unsafely(tmp_path):
    buffer = io.BytesIO()
    torch.save({KEY: open}, buffer)
    (tmp_path / "c.ckpt").write_bytes(buffer.getvalue())
    with pytest.raises(JsddpmError) as caught:
        read_checkpoint(tmp_path / "c.ckpt")
    assert "weights_only" not in str(caught.value)
