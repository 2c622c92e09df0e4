"""A checkpoint as one object: what it draws is in the run's store, and what it was not trained for is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from jsddpm.binning import Condition, ZBinning
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.errors import JsddpmError
from jsddpm.training.progress import last_checkpoint


def test_it_draws_what_the_command_writes_into_a_store(pipe, generated):
    """``jsddpm sample`` with the run's settings and seed 0; a store keeps 16 bits of an image."""
    output, index = pipe(seed=0), generated.index
    assert (output.images.dtype, output.masks.dtype) == (np.float32, np.bool_)
    assert 0 <= output.images.min() <= output.images.max() <= 1
    for name in ("z_index", "pathology"):
        assert np.array_equal(getattr(output, name), index[name])
    assert np.array_equal(output.z_bin, pipe.binning.index(output.z_index))
    rows = np.arange(len(index))
    assert np.abs(output.images - generated.images(rows)).max() <= 0.5 / 65535 + 1e-7
    assert np.array_equal(output.masks, generated.masks(rows))


def test_conditions_may_be_pairs_and_every_setting_can_be_named(pipe):
    chosen = {"sampler": "ddpm", "num_inference_steps": 3, "num_per_condition": 2, "seed": 5}
    output = pipe([(1, 0), Condition(3, 1)], **chosen)
    assert output.images.shape == output.masks.shape == (4, *pipe.size)
    assert (output.z_bin.tolist(), output.pathology.tolist()) == ([1, 1, 3, 3], [0, 0, 1, 1])
    alone = pipe([(3, 1)], **chosen)
    assert np.abs(output.images[2:] - alone.images).max() < 1e-4
    other = pipe([(3, 1)], **chosen | {"sampler": "dpmpp"})
    assert np.abs(other.images - alone.images).max() > 1e-3
    assert np.abs(pipe([(3, 1)], **chosen | {"seed": 6}).images - alone.images).max() > 1e-3
    assert np.array_equal(pipe([(3, 1)], **chosen | {"guidance_scale": 1.0}).images, alone.images)


def test_batches_and_precision_are_those_asked_for(pipe):
    """Three samples in batches of two take two calls in each of two steps."""
    calls = []

    def heard(_module, _given, result):
        if result[0].device.type != "meta":  # the estimate of memory
            calls.append(result[0].dtype)

    hook = pipe.denoiser.unet.register_forward_hook(heard)
    try:
        asked = {"num_per_condition": 3, "num_inference_steps": 2}
        by_two = pipe([(3, 1)], **asked, batch_size=2)
        assert calls == [torch.float32] * 4
        calls.clear()
        half = pipe([(3, 1)], **asked, precision="bf16-mixed")
        assert calls == [torch.bfloat16] * 2
    finally:
        hook.remove()
    assert np.abs(by_two.images - pipe([(3, 1)], **asked).images).max() < 1e-4
    assert 0 < np.abs(half.images - by_two.images).max() < 0.1


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"conditions": [(5, 0)]}, r"BIN.*5 is not one of 0..4"),
        ({"conditions": [(1, 2)]}, "PATHOLOGY"),
        ({"conditions": []}, r"CONDITIONS.*\[\] is no list of conditions"),
        ({"conditions": 3}, r"CONDITIONS.*3 is no list of conditions"),
        ({"conditions": (0, 1)}, r"CONDITIONS.*0 is not a condition.*such as \[\(3, 1\)\]"),
        ({"conditions": ["31"]}, r"CONDITIONS.*'31' is not a condition"),
        ({"conditions": [(3, 1, 0)]}, "CONDITIONS"),
        ({"conditions": [(3, True)]}, "CONDITIONS"),
        ({"seed": "3"}, r"OPTION.*'3' is not a whole number"),
        ({"seed": True}, "OPTION"),
        ({"seed": 1.5}, "OPTION"),
        ({"seed": -1}, "OPTION"),
        ({"conditions": [(3, 1), (1, 0), Condition(3, 1)]}, r"CONDITIONS.*bin 3 lesion: given more than once"),
        ({"guidance_scale": 2.0}, "GUIDANCE"),
        ({"sampler": "euler"}, "CONFIG.*sampler"),
        ({"batch_size": 0}, r"CONFIG.*sampling\.batch_size"),
        ({"precision": "half"}, r"CONFIG.*sampling\.precision"),
        ({"num_inference_steps": 0}, r"CONFIG.*sampling\.steps"),
        ({"num_inference_steps": 1001}, "STEPS"),
        ({"eta": 1.5}, r"CONFIG.*sampling\.eta"),
    ],
)
def test_what_cannot_be_drawn_is_refused(pipe, options, what):
    with pytest.raises(JsddpmError, match=what):
        pipe(**options)


def test_numbers_of_numpy_are_numbers(pipe):
    asked = {"num_per_condition": 1, "num_inference_steps": 2}
    array = pipe(np.array([[3, 1], [1, 0]]), seed=np.int64(3), **asked)
    assert np.array_equal(array.images, pipe([(3, 1), (1, 0)], seed=3, **asked).images)


def test_samples_that_cannot_fit_are_refused_before_any_is_drawn(pipe):
    huge = replace(pipe, size=(32 * 4096, 24 * 4096))
    with pytest.raises(JsddpmError, match=r"MEMORY.*needs [\d.]+ GB .* available"):
        huge([(3, 1)])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"weights": "EMA"}, "the weights 'EMA' are unknown; fix: give ema or raw"),
        ({"device": "gpu"}, "the device 'gpu' cannot be used"),
        ({"device": "cuda:99"}, "the device 'cuda:99' cannot be used"),
        ({"device": 1.5}, "the device '1.5' cannot be used"),
    ],
)
def test_unknown_weights_and_devices_are_refused_before_the_file_is_read(tmp_path, options, what):
    with pytest.raises(JsddpmError, match=f"OPTION.*{what}") as caught:
        JointPipeline.from_checkpoint(tmp_path / "none.ckpt", **options)
    assert caught.value.status == 2


def test_a_condition_without_training_slices_is_refused(pipe):
    partly = replace(pipe, trained=(Condition(0, 0), Condition(0, 1)))
    assert partly(num_per_condition=1).z_bin.tolist() == [0, 0]
    with pytest.raises(JsddpmError, match=r"UNTRAINED.*bin 1 control"):
        partly([(0, 0), (1, 0)])


def test_another_binning_is_refused(run):
    with pytest.raises(JsddpmError, match="BINNING_MISMATCH"):
        JointPipeline.from_checkpoint(last_checkpoint(run), expected=ZBinning((6, 34), 5, n_slices=40))
