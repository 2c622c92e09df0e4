"""An exported model in diffusers, without jsddpm and without a network: the samples of ``jsddpm sample``."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, UNet2DModel
from huggingface_hub import ModelCard

from conftest import TINY
from jsddpm.config import load_config
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.diffusion.schedulers import make_scheduler
from jsddpm.diffusion.standalone import JointSlicePipeline
from jsddpm.training.export import export_checkpoint
from jsddpm.training.progress import last_checkpoint
from jsddpm.training.run import train

ELSEWHERE = """
import sys
sys.modules["jsddpm"] = None  # importing it fails
import numpy as np, torch
from diffusers import DiffusionPipeline
torch.set_num_threads(1)
pipe = DiffusionPipeline.from_pretrained(sys.argv[1], trust_remote_code=True)
pipe.set_progress_bar_config(disable=True)
made = pipe(num_per_condition=2)
np.savez(sys.argv[2], images=made.images, masks=made.masks, z_bin=made.z_bin, pathology=made.pathology)
"""


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    return export_checkpoint(last_checkpoint(run), tmp_path_factory.mktemp("exported") / "model")


@pytest.mark.long
def test_diffusers_draws_the_stored_samples_without_jsddpm(exported, generated, tmp_path):
    environment = os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", ELSEWHERE, exported, tmp_path / "made.npz"], env=environment, check=True)
    with np.load(tmp_path / "made.npz") as made:
        rows = np.arange(len(generated.index))
        np.testing.assert_array_equal(np.rint(made["images"] * 65535), generated.levels(rows))
        np.testing.assert_array_equal(made["masks"], generated.masks(rows))
        np.testing.assert_array_equal(made["pathology"], generated.index["pathology"])


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize(
    "changes",
    [
        {"sampler": "ddim", "steps": 7},
        {"sampler": "ddim", "steps": 6, "eta": 0.7},
        {"sampler": "ddpm", "steps": 5},
        {"sampler": "dpmpp", "steps": 5},
        {"sampler": "unipc", "steps": 5, "spacing": "karras"},
        {"sampler": "dpmpp_sde", "steps": 5, "spacing": "karras"},
        {"sampler": "ddim", "steps": 5, "guidance": 1.5},
        {"sampler": "ddim", "steps": 5, "precision": "bf16-mixed"},
    ],
    ids=lambda c: "-".join(map(str, c.values())),
)
def test_every_sampler_and_prediction_draws_the_same(run, exported, changes, prediction):
    ours = JointPipeline.from_checkpoint(last_checkpoint(run), device="cpu")
    zero_snr = prediction != "epsilon"
    diffusion = ours.diffusion.model_copy(update={"prediction_type": prediction, "rescale_zero_snr": zero_snr})
    precision = changes.get("precision", "32-true")
    ours = replace(ours, diffusion=diffusion, guided=True, sampling=ours.sampling_with(precision=precision))
    settings = dict(JointSlicePipeline.load_config(exported)["settings"])
    settings |= {"prediction_type": prediction, "guided": True, "precision": precision}
    settings["timestep_spacing"] = changes.get("spacing", "trailing")
    scheduler = make_scheduler(diffusion, ours.sampling_with(**changes))
    theirs = JointSlicePipeline(UNet2DModel.from_pretrained(exported / "unet").eval(), scheduler, settings)
    theirs.set_progress_bar_config(disable=True)
    asked, seed = [(1, 0), (3, 1)], 11
    expected = ours(
        asked, num_per_condition=2, sampler=changes["sampler"], num_inference_steps=changes["steps"],
        spacing=changes.get("spacing"), guidance_scale=changes.get("guidance"), eta=changes.get("eta"), seed=seed,
    )  # fmt: skip
    made = theirs(
        asked, num_per_condition=2, num_inference_steps=changes["steps"], guidance_scale=changes.get("guidance"),
        eta=changes.get("eta", 0.0), seed=seed,
    )  # fmt: skip
    np.testing.assert_array_equal(made.images, expected.images)
    np.testing.assert_array_equal(made.masks, expected.masks)
    np.testing.assert_array_equal(made.z_bin, expected.z_bin)


@pytest.mark.parametrize("embedding", ["sinusoidal", "token"])
def test_other_embeddings_and_self_conditioning_draw_the_same(store, embedding, tmp_path):
    changes = [f"model.condition_embedding={embedding}", "model.self_conditioning=0.5"]
    train(load_config("demo", [*TINY, *changes]), store, tmp_path / "run")
    folder = export_checkpoint(last_checkpoint(tmp_path / "run"), tmp_path / "model")
    ours, theirs = (
        JointPipeline.from_checkpoint(folder, device="cpu"),
        JointSlicePipeline.from_pretrained(folder, trust_remote_code=True),
    )
    theirs.set_progress_bar_config(disable=True)
    expected, made = (pipe([(2, 1), (4, 0)], num_per_condition=2) for pipe in (ours, theirs))
    np.testing.assert_allclose(made.images, expected.images, rtol=0, atol=1e-5)  # a network's vectors, rounded apart
    exact = embedding == "token"  # a table of vectors
    assert ("bit for bit" in (folder / "README.md").read_text()) == exact
    assert not exact or np.array_equal(made.images, expected.images)


def test_what_was_not_trained_is_refused(exported):
    pipe = JointSlicePipeline.from_pretrained(exported, trust_remote_code=True)
    with pytest.raises(ValueError, match=r"no training slice of the pairs \(z_bin, pathology\) \[\(9, 1\)\]$"):
        pipe([(9, 1), (2, 1)])
    with pytest.raises(ValueError, match=r"given more than once: \[\(2, 1\)\]$"):
        pipe([(2, 1), (4, 0), (2, "lesion")])
    for nothing in ({"conditions": []}, {"conditions": [(2, 1)], "num_per_condition": 0}):
        with pytest.raises(ValueError, match="no sample"):
            pipe(**nothing)
    with pytest.raises(TypeError, match="seed="):
        pipe([(2, 1)], generator=torch.Generator())
    with pytest.raises(TypeError):
        pipe([(2, "tumour")])


@pytest.mark.parametrize("whence", ["module", "folder"])
def test_a_pipeline_that_is_saved_again_draws_the_same(exported, tmp_path, whence):
    """diffusers saved no pipeline.py, and named a class that it did not find in itself."""
    of = JointSlicePipeline if whence == "module" else DiffusionPipeline
    of.from_pretrained(exported, trust_remote_code=True).save_pretrained(tmp_path / "again")
    again = DiffusionPipeline.from_pretrained(tmp_path / "again", trust_remote_code=True)
    again.save_pretrained(tmp_path / "thrice")
    made = []
    for folder in (exported, tmp_path / "thrice"):
        pipe = DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
        pipe.set_progress_bar_config(disable=True)
        made.append(pipe([(2, "lesion"), (4, "control")], num_inference_steps=2))
    np.testing.assert_array_equal(made[0].images, made[1].images)
    assert made[0].pathology.tolist() == [1, 0]


def test_the_example_of_the_card_is_of_trained_pairs(exported):
    text = (exported / "README.md").read_text()
    pairs = ast.literal_eval(re.search(r"pipe\((\[.*?\])", text)[1])
    pipe = JointSlicePipeline.from_pretrained(exported, trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    assert len(pipe(pairs, num_inference_steps=1).images) == len(pairs) == 2


@pytest.mark.parametrize("spacing", ["trailing", "karras"])
@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_numbers_of_steps_are_refused(exported, spacing, steps):
    """Of 150 steps in 100 levels some were visited twice, or counted from the end; 0 meant the default."""
    pipe = JointSlicePipeline.from_pretrained(exported, trust_remote_code=True)
    pipe.register_to_config(settings=dict(pipe.config.settings) | {"timestep_spacing": spacing})
    with pytest.raises(ValueError, match=f"{steps} steps are not possible: give 1 to 1000"):
        pipe([(2, 1)], num_inference_steps=steps)


def test_a_sample_is_that_of_a_number_however_the_number_is_written(exported):
    """The text of True, and of a number of NumPy, gave another seed."""
    pipe = JointSlicePipeline.from_pretrained(exported, trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    expected = pipe([(1, 1)], num_inference_steps=1, seed=0).images
    for pair, seed in (((True, np.int64(1)), 0), ((1, 1), False), ((torch.tensor(1), True), np.uint8(0))):
        np.testing.assert_array_equal(pipe([pair], num_inference_steps=1, seed=seed).images, expected)
    for pair, seed, error in (((1, 1), 0.0, TypeError), ((1.0, 1), 0, TypeError), ((1, 1), -1, ValueError)):
        with pytest.raises(error):
            pipe([pair], num_inference_steps=1, seed=seed)


def test_a_network_of_half_precision_draws_nearly_the_same(exported):
    pipe = JointSlicePipeline.from_pretrained(exported, trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    expected = pipe([(2, 1)], num_inference_steps=2).images
    half = pipe.to(torch.float16)
    assert {p.dtype for p in half.unet.parameters()} == {torch.float16}
    assert 0 < np.abs(half([(2, 1)], num_inference_steps=2).images - expected).max() <= 0.01


@pytest.mark.parametrize("sampler", ["dpmpp", "dpmpp_sde", "unipc"])
def test_both_start_alike_from_a_level_without_signal(run, exported, sampler):
    """Of 2000 linear levels the second has less signal than the library gives the last."""
    ours = JointPipeline.from_checkpoint(last_checkpoint(run), device="cpu")
    changes = {"prediction_type": "v_prediction", "rescale_zero_snr": True, "num_train_timesteps": 2000}
    ours = replace(ours, diffusion=ours.diffusion.model_copy(update=changes | {"beta_schedule": "linear"}))
    settings = dict(JointSlicePipeline.load_config(exported)["settings"]) | {"prediction_type": "v_prediction"}
    scheduler = make_scheduler(ours.diffusion, ours.sampling_with(sampler=sampler, steps=20))
    theirs = JointSlicePipeline(UNet2DModel.from_pretrained(exported / "unet").eval(), scheduler, settings)
    theirs.set_progress_bar_config(disable=True)
    expected = ours([(3, 1)], num_per_condition=1, sampler=sampler, num_inference_steps=20, spacing="trailing", seed=2)
    made = theirs([(3, 1)], num_inference_steps=20, seed=2)
    np.testing.assert_array_equal(made.images, expected.images)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_samples_that_are_not_finite_are_refused(exported, value):
    pipe = JointSlicePipeline.from_pretrained(exported, trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    pipe.unet.conv_out.bias.data.fill_(float(value))
    with pytest.raises(ValueError, match="not finite"):
        pipe([(2, 1)], num_inference_steps=1)


def test_the_card_has_a_header_that_the_hub_reads(exported):
    card = ModelCard.load(exported / "README.md")
    assert card.data.library_name == "diffusers"
    assert "not known" in card.text.lower()
