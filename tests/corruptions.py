"""Values that no key of the configuration takes, key by key, written out by hand: the fuzz draws from them too."""

from __future__ import annotations

from typing import Any

from jsddpm.config import RunConfig

COUNT = ("-1", "0", "1.5", "true", "'16'", "1e12", ".inf", ".nan", "null", "[]", "{}", "word")
"""For a number of things, of which there is at least one."""
SHARE = ("-0.1", "1.1", "true", "'0.5'", ".nan", "-.inf", "[0.5]", "word")
POSITIVE = ("0", "-1", "1e300", ".inf", ".nan", "'1'", "false", "[]", "word")
SWITCH = ("1", "0", "'yes'", "no", "null", "[]", "maybe")
WORD = ("1", "null", "[]", "true", "nothing", "''")

REFUSED: dict[str, tuple[str, ...]] = {
    "seed": ("-1", "2147483648", "1e40", "0.5", "true", "null", "'0'", ".nan", "word"),
    "unconditional_share": (*SHARE, "1", "null"),
    "data.batch_size": (*COUNT, "65537"),
    "data.lesion_share": SHARE,
    "data.residence": (*WORD, "Memory", "disk"),
    "data.workers": ("-1", "65", "500", "1.5", "true", "null", "'2'", ".inf", "[]"),
    "data.flip": SWITCH,
    "augmentation.probability": (*SHARE, "null"),
    "augmentation.flip": SWITCH,
    "augmentation.scale": (*SHARE, "null"),
    "augmentation.rotation": ("-1", "181", ".inf", ".nan", "null", "true", "'1'"),
    "augmentation.stretch": (*SHARE, "null"),
    "augmentation.shift": (*SHARE, "null"),
    "binning.scheme": (*WORD, "Local"),
    "binning.z_range": (
        "5", "[5]", "[5, 6, 7]", "[-1, 5]", "[5, 1e9]", "[5, 6.5]", "[true, 6]", "null", "['5', 6]", "{}",
    ),
    "binning.n_bins": (*COUNT, "4097"),
    "binning.allow_empty_bins": SWITCH,
    "model.channels": (
        "[]", "8", "[0]", "[-8, 16]", "[8.5]", "[1000000, 1000000]", "[100000000000, 8]", "[7, 8]", "[8, 12]", "null",
        "[8, 8, 8, 8, 8, 8, 8, 8, 8]", "['8']", "[true]", "[.nan]", "word",
    ),
    "model.layers_per_block": (*COUNT, "17", "1e5"),
    "model.attention_levels": ("[9]", "[-1]", "[2]", "[1, 1]", "1", "[0.5]", "null", "[true]", "['0']", "word"),
    "model.attention_head_dim": (*COUNT, "1025"),
    "model.norm_num_groups": (*COUNT, "3", "16", "1e4"),
    "model.dropout": (*SHARE, "1", "0.95", "null"),
    "model.patch_size": (*COUNT, "17"),
    "model.condition_embedding": (*WORD, "Token", "../token"),
    "model.self_conditioning": SHARE,
    "diffusion.prediction_type": (*WORD, "eps", "v"),
    "diffusion.beta_schedule": (*WORD, "cosine"),
    "diffusion.beta_start": (*POSITIVE, "1", "0.5"),
    "diffusion.beta_end": (*POSITIVE, "1", "0.00001"),
    "diffusion.num_train_timesteps": (*COUNT, "1", "1e8", "100001"),
    "diffusion.rescale_zero_snr": SWITCH,
    "objective.p_image": ("0", "0.5", "-1", "5", "1e300", ".inf", ".nan", "null", "'2'"),
    "objective.p_mask": ("0", "0.5", "-1", "5", "1e300", ".inf", ".nan", "null", "'2'"),
    "objective.mask_weight": POSITIVE,
    "objective.lesion_weight": ("0", "0.5", "-1", "1e300", ".inf", ".nan", "null", "'2'"),
    "objective.min_snr_gamma": (*POSITIVE, "0.5"),
    "objective.snr_floor": (*POSITIVE, "3"),
    "objective.frequency_weight": ("-1", "1e300", ".inf", ".nan", "null", "true", "'1'"),
    "objective.frequency_alpha": ("-1", "5", "1e300", ".inf", ".nan", "null", "true"),
    "optimizer.learning_rate": (*POSITIVE, "11", "null"),
    "optimizer.weight_decay": ("-1", "11", "1e300", ".inf", ".nan", "null", "true"),
    "optimizer.warmup_steps": ("-1", "1e21", "0.5", ".inf", ".nan", "null", "true", "'1'", "[]"),
    "optimizer.final_share": (*SHARE, "null"),
    "trainer.max_steps": (*COUNT, "1e9"),
    "trainer.check_every": (*COUNT, "1e9"),
    "trainer.patience": ("-1", "0", "1.5", "true", "'16'", "1e12", ".inf", "[]", "word"),
    "trainer.stop_at_memorisation": SWITCH,
    "trainer.accumulate": (*COUNT, "1025", "1e6"),
    "trainer.gradient_clip": (*POSITIVE, "1e-9", "null"),
    "trainer.precision": (*WORD, "16", "half"),
    "trainer.compile": SWITCH,
    "trainer.collective_timeout": (*COUNT, "86401"),
    "ema.decay": (*POSITIVE, "1", "null"),
    "ema.warmup_power": (*POSITIVE, "1.5", "null"),
    "sampling.sampler": (*WORD, "euler", "DDIM", "_private"),
    "sampling.steps": (*COUNT, "1001"),
    "sampling.redraws": (*(value for value in COUNT if value != "0"), "101"),
    "sampling.batch_size": tuple(value for value in COUNT if value != "null"),
    "sampling.precision": (*WORD, "16-mixed", "half"),
    "sampling.spacing": (*WORD, "Karras", "linear"),
    "sampling.eta": SHARE,
    "sampling.guidance": ("-1", "2", "0", "101", "1e300", ".inf", ".nan", "null", "true"),
    "sampling.per_condition": (*COUNT, "100001"),
    "evaluation.timesteps": (
        "[]", "[-1]", "[5000]", "[1000]", "[300, 300]", "300", "[0.5]", "null", "[true]", "['1']", "word",
    ),
    "monitoring.samples": ("-1", "4097", "1e9", "1.5", "true", "'16'", ".inf", "[]", "word"),
    "monitoring.share": (*POSITIVE, "1.5", "null"),
    "monitoring.steps": (*COUNT, "100001"),
    "logging.every": COUNT,
    "logging.grid": ("-1", "1e4", "1.5", "true", "null", "[]"),
    "logging.tensorboard": SWITCH,
    "logging.wandb": ("''", "1", "true", "[]", "{}"),
}  # fmt: skip
"""Key to values in YAML that are refused on top of the tests' small configuration."""


def changed(config: RunConfig, key: str, value: Any) -> dict[str, Any]:
    """A configuration's plain values with one of them changed."""
    values = config.model_dump(mode="json")
    section, _, name = key.rpartition(".")
    (values[section] if section else values)[name] = value
    return values
