"""Every key is documented, presets are what they say, what was written before is still read."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from jsddpm.config import RunConfig, combined_config, load_config, parse_config
from jsddpm.errors import JsddpmError


def test_every_key_says_what_it_does():
    for name, info in RunConfig.model_fields.items():
        section = info.annotation
        fields = section.model_fields if isinstance(section, type) and issubclass(section, BaseModel) else {name: info}
        for key, field in fields.items():
            assert field.description, f"{name}.{key}"


def test_presets():
    slimdiff, zbins = load_config("slimdiff"), load_config("zbins")
    assert (slimdiff.binning.z_range, slimdiff.binning.n_bins) == ((34, 115), 30)
    assert slimdiff.model.channels == (64, 128, 256, 256)
    assert (slimdiff.objective.p_image, slimdiff.objective.p_mask) == (1.5, 2)
    assert (slimdiff.model.self_conditioning, slimdiff.diffusion.prediction_type) == (0.5, "sample")
    assert (zbins.binning.z_range, zbins.binning.n_bins) == ((24, 93), 10)


FIRST_FORM = {
    "seed": 3,
    "data": {"batch_size": 16, "lesion_share": 0.5, "flip": False},
    "binning": {"scheme": "local", "z_range": [24, 93], "n_bins": 10, "allow_empty_bins": False},
    "model": {
        "channels": [64, 128, 256], "layers_per_block": 2, "attention_levels": [], "attention_head_dim": 8,
        "norm_num_groups": 16, "dropout": 0.0, "patch_size": 1, "condition_embedding": "token",
    },
    "diffusion": {"prediction_type": "epsilon", "beta_schedule": "linear", "num_train_timesteps": 1000},
    "objective": {"mask_weight": 1.0, "lesion_weight": 1.0, "min_snr_gamma": None, "snr_floor": None},
    "optimizer": {"learning_rate": 0.0001, "weight_decay": 0.01, "warmup_steps": 500, "final_share": 0.1},
    "trainer": {"max_steps": 50000, "check_every": 1000, "gradient_clip": 1.0, "precision": "32-true"},
    "ema": {"decay": 0.999, "warmup_power": 0.75},
    "sampling": {"sampler": "ddim", "steps": 50, "eta": 0.0, "guidance": 1.0, "per_condition": 8},
    "evaluation": {"timesteps": [100, 300, 500]},
    "unconditional_share": 0.0,
}  # fmt: skip


def test_the_configuration_of_version_0_1_means_what_it_meant():
    """A literal copy of a checkpoint's configuration before the later keys: what is missing changes nothing."""
    config = parse_config(FIRST_FORM)
    assert config == load_config(None, ["seed=3"])
    neutral = config.objective, config.diffusion, config.model, config.trainer
    assert (neutral[0].p_image, neutral[0].p_mask, neutral[0].frequency_weight) == (2, 2, 0)
    assert (neutral[1].rescale_zero_snr, neutral[1].beta_start, neutral[1].beta_end) == (False, 1e-4, 0.02)
    assert (neutral[2].self_conditioning, neutral[3].accumulate, neutral[3].patience) == (0, 1, None)


def test_a_section_without_keys_changes_nothing(tmp_path):
    """It was an error, and with ``--set`` one that named a section as if it were none."""
    path = tmp_path / "run.yaml"
    path.write_text("seed: 3\ntrainer:\n  # max_steps: 6\n")
    assert load_config(path) == load_config(None, ["seed=3"])
    assert load_config(path, ["trainer.max_steps=6"]) == load_config(None, ["seed=3", "trainer.max_steps=6"])
    assert combined_config("demo", {"trainer": None}, (), None) == load_config("demo")
    path.write_text("seed:\n")
    with pytest.raises(JsddpmError, match="seed"):
        load_config(path)


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("trainer.acumulate=2", "did you mean trainer.accumulate"),
        ("trainer.learning_rate=1", "did you mean optimizer.learning_rate"),
        ("evaluation.wrong=1", "unknown key evaluation.wrong; fix: the section evaluation has the keys timesteps"),
        ("objective.p_image=0.5", "0.5 is below 1"),
        ("diffusion.rescale_zero_snr=true", "no signal to recover x0"),
        ("sampling.sampler=euler", "'euler' is none of ddim, ddpm, dpmpp, dpmpp_sde, unipc"),
        ("model.condition_embedding=none", "'none' is none of factored, sinusoidal, token"),
        ("trainer.precision=half", "'auto'"),
        ("evaluation.timesteps=[-1]", "-1 is below 0; fix: give evaluation.timesteps a list of 1 to 100 whole numbers"),
        ("evaluation.timesteps=[300, 1000]", "1000 is not one of the 1000 noise levels"),
    ],
)
def test_wrong_values_are_named_with_their_key(setting, what):
    with pytest.raises(JsddpmError, match=what) as caught:
        load_config(None, [setting])
    assert setting.split("=")[0].rsplit(".", 1)[0] in caught.value.what
    assert caught.value.file == f"--set {setting}"


def test_an_error_is_that_of_the_file_or_of_the_setting_that_has_it(tmp_path):
    """A wrong ``--set`` was said to stand in the file."""
    file = tmp_path / "config.yaml"
    for text, settings, where in (
        ("seed: 1", ["seed=-1"], "--set seed=-1"),
        ("seed: -1", [], str(file)),
        ("seed: -1", ["trainer.max_steps=5"], str(file)),
        ("seed: -1", ["seed=-2"], "--set seed=-2"),
        ("seed: 1", ["trainer.max_steps=5", "data.batch_size=0"], "--set data.batch_size=0"),
        # 900 sampling steps of the file do not fit the 500 noise levels of the setting
        ("sampling: {steps: 900}", ["diffusion.num_train_timesteps=500"], "--set diffusion.num_train_timesteps=500"),
    ):
        file.write_text(text)
        with pytest.raises(JsddpmError, match="CONFIG") as caught:
            load_config(file, settings)
        assert caught.value.file == where
    file.write_text("seed: -1")
    assert load_config(file, ["seed=3"]).seed == 3


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("trainer.patience=abc", "trainer.patience: 'abc' is not a number"),
        ("trainer.max_steps=1.5", "trainer.max_steps: 1.5 is not a whole number"),
        ("trainer.max_steps=0", "trainer.max_steps: 0 is below 1"),
        ("data.lesion_share=2", "data.lesion_share: 2 is above 1"),
        ("data.residence=disk", "data.residence: 'disk' is not 'memory', 'device' or 'mapped'"),
    ],
)
def test_a_value_that_does_not_fit_is_named_in_plain_words(setting, what):
    """Messages of pydantic stood here: "this is no number, given 'abc'"."""
    with pytest.raises(JsddpmError) as caught:
        load_config(None, [setting])
    assert (caught.value.code, caught.value.what) == ("CONFIG", what)


def test_a_range_that_exceeds_a_store_is_named_with_the_slices_and_the_range_of_the_store():
    with pytest.raises(JsddpmError) as caught:
        load_config("real128").binning.for_store(88, "store", (2, 80))
    said = str(caught.value)
    assert "Z_RANGE] store: binning.z_range [24, 93] exceeds the volume of 88 slices (0..87)" in said
    assert said.endswith("and the store proposes [2, 80]; fix: give --set binning.z_range=[2,80]")
    assert load_config("real128", ["binning.z_range=[2,80]"]).binning.for_store(88).z_range == (2, 80)  # the cure
    with pytest.raises(JsddpmError, match=r"fix: give --set binning.z_range=\[LO,HI\] with LO <= HI <= 87"):
        load_config("real128").binning.for_store(88, "store")
