"""The typed run configuration and its YAML form; an unknown key is an error that names the nearest one.

Sections mirror the parts of the system; every key has a default and a comment. Presets are such files inside the
package (:mod:`jsddpm.presets`).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from jsddpm.binning import Scheme, ZBinning
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.files import atomic_open

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """Reading the store."""

    batch_size: Positive = 16
    lesion_share: Share | None = 0.5
    """Expected share of lesion slices in a batch, bins equally likely; null draws every slice equally often."""
    flip: bool = False
    """Mirror left and right at random (image and mask together)."""


class BinningConfig(_Section):
    """The z-bins; see :class:`jsddpm.binning.ZBinning`."""

    scheme: Scheme = "local"
    z_range: tuple[int, int] = (24, 93)
    n_bins: Positive = 10
    allow_empty_bins: bool = False
    """Accept more bins than slices; the empty ones get no training and are left out of sampling."""

    def for_store(self, n_slices: int) -> ZBinning:
        """The binning of a store's volumes."""
        return ZBinning(self.z_range, self.n_bins, self.scheme, n_slices, self.allow_empty_bins)


class ModelConfig(_Section):
    """The network."""

    channels: tuple[Positive, ...] = (64, 128, 256)
    layers_per_block: Positive = 2
    attention_levels: tuple[int, ...] = ()
    """Levels (0 is the finest) with self-attention."""
    attention_head_dim: Positive = 8
    norm_num_groups: Positive = 16
    dropout: Share = 0.0
    patch_size: Positive = 1
    """Side of the pixel blocks folded into channels before the first convolution."""
    condition_embedding: Literal["token", "factored"] = "token"


class DiffusionConfig(_Section):
    """The forward process and what is predicted."""

    prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    """Field names of diffusers: noise, x0 or velocity."""
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    num_train_timesteps: Positive = 1000


class ObjectiveConfig(_Section):
    """The loss, always against the exact noisy slice."""

    mask_weight: Annotated[float, Field(gt=0)] = 1.0
    """Weight of the mask channel against the image channel."""
    lesion_weight: Annotated[float, Field(ge=1)] = 1.0
    """Weight of lesion pixels in both channels."""
    min_snr_gamma: Annotated[float, Field(gt=0)] | None = None
    """Min-SNR loss weighting: the loss counts as min(SNR, gamma) times the error of x0; null sets no limit."""
    snr_floor: Annotated[float, Field(gt=0)] | None = None
    """Truncated SNR weighting: never less than this times the error of x0; null sets no floor."""


class OptimizerConfig(_Section):
    """AdamW with linear warm-up and cosine decay."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup_steps: Annotated[int, Field(ge=0)] = 500
    final_share: Share = 0.1
    """Learning rate at the last step, as a share of the highest."""


class TrainerConfig(_Section):
    """Length and limits of training."""

    max_steps: Positive = 50000
    check_every: Positive = 1000
    """Steps between validations and checkpoints."""
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"


class EmaConfig(_Section):
    """Exponential moving average of the weights, used for validation and sampling."""

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    warmup_power: Annotated[float, Field(gt=0, le=1)] = 0.75
    """The decay at step n is at most 1 - (1 + n) ** -warmup_power."""


class SamplingConfig(_Section):
    """How samples are drawn."""

    sampler: Literal["ddpm", "ddim"] = "ddim"
    steps: Positive = 50
    eta: Share = 0.0
    """Share of DDPM's step noise in DDIM."""
    guidance: Annotated[float, Field(ge=0)] = 1.0
    """Classifier-free guidance weight; 1 uses the conditional prediction alone."""
    per_condition: Positive = 8


class EvaluationConfig(_Section):
    """Exact reconstruction during validation and evaluation."""

    timesteps: tuple[int, ...] = (100, 300, 500)
    """Timesteps of the exact reconstruction, on noise fixed by the slice."""


class RunConfig(_Section):
    """Everything a run is made of."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    data: DataConfig = DataConfig()
    binning: BinningConfig = BinningConfig()
    model: ModelConfig = ModelConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    trainer: TrainerConfig = TrainerConfig()
    ema: EmaConfig = EmaConfig()
    sampling: SamplingConfig = SamplingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    unconditional_share: Share = 0.0
    """Share of training samples with the null token, for classifier-free guidance."""


PRESETS = ("demo", "seed")


def load_config(source: str | Path | None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a preset or a YAML file, apply ``section.key=value`` overrides, and check every key.

    Args:
        source: Name of a preset (``demo``, ``seed``), path of a YAML file, or None for the defaults.
        overrides: Values as YAML, such as ``trainer.max_steps=6``.

    Raises:
        JsddpmError: ``CONFIG`` (status 2) naming the key, and the nearest known one.

    >>> load_config("demo", ["trainer.max_steps=6"]).trainer.max_steps
    6
    """
    values: dict[str, Any] = {} if source is None else _read_yaml(source)
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise usage_error("CONFIG", f"override {override!r}", fix="write section.key=value")
        *sections, last = key.split(".")
        target = values
        for section in sections:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise usage_error("CONFIG", f"{section!r} in {key!r} is no section", fix="write section.key=value")
        target[last] = _parse_yaml(text, f"--set {override}")
    return parse_config(values, None if source is None else str(source))


def parse_config(values: dict[str, Any], file: str | None = None) -> RunConfig:
    """Check plain values; see :func:`load_config`."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, _known_keys(), n=1, cutoff=0.4)
            what, cure = f"unknown key {key}", f"did you mean {near[0]}?" if near else "remove it"
        else:
            what, cure = f"{key}: {first['msg']}", f"correct {key} (given {first['input']!r})"
        raise usage_error("CONFIG", what, fix=cure, file=file) from None


def write_config(path: str | Path, config: RunConfig) -> None:
    """Write a configuration as YAML, every key included."""
    with atomic_open(path) as stream:
        _yaml().dump(config.model_dump(mode="json"), stream)


def _known_keys() -> list[str]:
    keys = list(RunConfig.model_fields)
    for name, info in RunConfig.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, _Section):
            keys += [f"{name}.{key}" for key in info.annotation.model_fields]
    return keys


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)  # YAML 1.2: 1e-4 is a number, no is a word, a duplicate key is an error
    yaml.default_flow_style = None
    return yaml


def _read_yaml(source: str | Path) -> dict[str, Any]:
    if str(source) in PRESETS:
        text = resources.files("jsddpm.presets").joinpath(f"{source}.yaml").read_text(encoding="utf-8")
    else:
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise usage_error(
                "CONFIG",
                f"cannot be read ({error})",
                fix=f"a YAML file or a preset ({', '.join(PRESETS)})",
                file=source,
            ) from None
    values = _parse_yaml(text, str(source))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise usage_error("CONFIG", "is no mapping of sections", fix="write section: {key: value}", file=source)
    return values


def _parse_yaml(text: str, where: str) -> Any:
    try:
        return _yaml().load(text)
    except YAMLError as error:
        raise usage_error(
            "CONFIG", f"not valid YAML ({' '.join(str(error).split())})", fix="correct the line", file=where
        ) from None


__all__ = ["JsddpmError", "RunConfig", "load_config", "parse_config", "write_config"]
