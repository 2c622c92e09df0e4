"""Every key refuses what it cannot take, by its name, its value and its cure; what cannot be YAML is an error too."""

from __future__ import annotations

import time
from operator import attrgetter

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from conftest import TINY
from corruptions import REFUSED, changed
from jsddpm.config import RunConfig, _parse_yaml, load_config, parse_config, parse_sampling
from jsddpm.errors import ExitStatus, JsddpmError


def test_the_table_of_corruptions_names_every_key():
    names = {k for k, info in RunConfig.model_fields.items() if not _section(info)}
    names |= {f"{k}.{key}" for k, info in RunConfig.model_fields.items() if _section(info) for key in _section(info)}
    assert names == set(REFUSED)
    assert sum(map(len, REFUSED.values())) >= 400


def _section(info):
    kind = info.annotation
    return kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}


@pytest.mark.parametrize("key", REFUSED)
def test_a_wrong_value_is_refused_with_its_key_and_cure(tiny_config, key):
    """Nothing but a typed error comes out, and it names the key that was changed."""
    for value in REFUSED[key]:
        with pytest.raises(JsddpmError) as caught:
            parse_config(changed(tiny_config, key, YAML(typ="safe", pure=True).load(value)))
        assert (caught.value.code, caught.value.status) == ("CONFIG", ExitStatus.USAGE), value
        assert key in caught.value.what, value
        assert len(str(caught.value)) < 600, value


@pytest.mark.parametrize(
    ("settings", "key", "cure"),
    [
        (["diffusion.beta_start=0.03"], "diffusion.beta_start", "at most diffusion.beta_end"),
        (["model.channels=[7,8]"], "model.channels", "multiples of 8"),
        (["model.norm_num_groups=3"], "model.channels", "multiples of 3"),
        (["model.attention_levels=[2]"], "model.attention_levels", "from 0 to 1"),
        (["model.attention_levels=[1]", "model.attention_head_dim=6"], "model.attention_head_dim", "divisor"),
        (["model.attention_levels=[1]", "model.attention_head_dim=32"], "model.attention_head_dim", "divisor"),
        (["diffusion.num_train_timesteps=100"], "evaluation.timesteps", "num_train_timesteps=100"),
        (["sampling.steps=2000"], "sampling.steps", "num_train_timesteps=1000"),
        (["objective.snr_floor=3"], "objective.snr_floor", "at most objective.min_snr_gamma"),
        (["diffusion.rescale_zero_snr=true", "objective.snr_floor=null"], "objective.min_snr_gamma", "snr_floor"),
        (["diffusion.rescale_zero_snr=true", "diffusion.prediction_type=epsilon"], "rescale_zero_snr", "v_prediction"),
        (["sampling.guidance=3"], "sampling.guidance", "unconditional_share"),
        (["data.workers=2", "data.residence=device"], "data.workers", "data.workers=0"),
    ],
)
def test_combinations_that_cannot_work_name_the_key_and_a_cure_that_helps(settings, key, cure):
    with pytest.raises(JsddpmError) as caught:
        load_config("demo", [*TINY, *settings])
    assert key in caught.value.what
    assert cure in caught.value.fix


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["trainer.max_steps=1e5"], {"trainer.max_steps": 100000}),
        (
            ["objective.min_snr_gamma=null", "objective.snr_floor=null", "diffusion.rescale_zero_snr=true"],
            {"objective.min_snr_gamma": None, "objective.snr_floor": None, "diffusion.rescale_zero_snr": True},
        ),
        (["diffusion.rescale_zero_snr=true"], {"diffusion.rescale_zero_snr": True}),  # the demo's objective has a floor
        (
            ["sampling.guidance=3", "unconditional_share=0.1"],
            {"sampling.guidance": 3.0, "unconditional_share": 0.1},
        ),
        (
            ["diffusion.num_train_timesteps=100", "evaluation.timesteps=[0, 99]"],
            {"diffusion.num_train_timesteps": 100, "evaluation.timesteps": (0, 99)},
        ),
        (
            ["model.attention_levels=[0, 1]", "model.attention_head_dim=8"],
            {"model.attention_levels": (0, 1), "model.attention_head_dim": 8},
        ),
        (["data.lesion_share=null"], {"data.lesion_share": None}),
        (["ema.decay=0.0001"], {"ema.decay": 0.0001}),
    ],
)
def test_what_can_work_is_taken_as_it_is_written(settings, expected):
    """Nothing else changes."""
    config, before = load_config("demo", [*TINY, *settings]), load_config("demo", TINY)
    for key, value in expected.items():
        found = attrgetter(key)(config)
        assert (tuple(found) if isinstance(found, list) else found) == value
    flat, others = (_flat(c.model_dump()) for c in (config, before))
    assert {key for key in flat | others if flat.get(key) != others.get(key)} <= set(expected)


def _flat(values, above=""):
    found = {}
    for key, value in values.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "{a: " * 3000,
        "seed: " + "9" * 5000,
        "seed: 1e" + "9" * 5000,
        "seed: 2020-13-45",
        "seed: !!int word",
        "seed: !!bool word",
        "seed: !!timestamp word",
        "seed: !!python/name:os.system",
        "seed: &a {b: *a}",
        "&a [*a]",
        "? [1, 2]\n: 3",
        "1: 2",
        "data: 5\n",
        "<<: [1]",
        "seed: 1\nseed: 2",
        "seed: \x00",
        "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]\nseed: [*d,*d]",
        "x: '" + "y" * (1 << 20) + "'",
        "- seed",
        "word",
        "%YAML 9.9\n---\nseed: 1",
        "--- 1\n--- 2",
        "k" * 5000 + ": 1",
    ],
    ids=range(24),
)
def test_text_that_is_no_configuration_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(JsddpmError) as caught:
        load_config(path)
    assert (caught.value.code, caught.value.status) == ("CONFIG", ExitStatus.USAGE)
    assert caught.value.file == str(path)
    assert len(str(caught.value)) < 1000 + len(str(path))


def test_brackets_in_each_other_are_refused_from_101_on_before_they_are_parsed():
    """Five thousand took the parser 2.6 s."""
    assert _parse_yaml("a: " + "[" * 100 + "]" * 100 + "\nb: " + "[[], {}, " * 50 + "]" * 50, "here")["a"]
    for opened in ("[", "{a: ", "[{b: 1}, "):
        start = time.process_time()
        with pytest.raises(JsddpmError, match="nested too deeply"):
            _parse_yaml("a: " + opened * 101 + {"{": "}"}.get(opened[0], "]") * 101, "here")
        assert time.process_time() - start < 0.1


@pytest.mark.parametrize(
    "override", ["", "=", "=1", "seed", "a..b=1", ".=1", "data.batch_size.x=1", "seed=[", "data=5"]
)
def test_overrides_that_name_no_key_are_refused(override):
    with pytest.raises(JsddpmError) as caught:
        load_config("demo", [override])
    assert caught.value.status is ExitStatus.USAGE


def test_the_sampling_settings_alone_are_checked_by_their_full_key():
    assert parse_sampling({"steps": 2000}).steps == 2000
    with pytest.raises(
        JsddpmError, match=r"sampling.steps: 0 is below 1; fix: give sampling.steps a whole number from 1"
    ):
        parse_sampling({"steps": 0})
    with pytest.raises(JsddpmError, match=r"unknown key sampling.stepps; fix: did you mean sampling.steps"):
        parse_sampling({"stepps": 5})
