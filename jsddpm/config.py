"""The typed run configuration and its YAML form; an unknown key is an error that names the nearest one.

The sections are in :mod:`jsddpm.sections`, the presets in :mod:`jsddpm.presets`: one YAML file each.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from jsddpm import sections
from jsddpm.errors import usage_error
from jsddpm.files import atomic_open
from jsddpm.registry import PRESETS


class RunConfig(sections.Section):
    """The whole configuration of a run."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the weights, the order of the data, the noise and the flips."""
    data: sections.DataConfig = sections.DataConfig()
    binning: sections.BinningConfig = sections.BinningConfig()
    model: sections.ModelConfig = sections.ModelConfig()
    diffusion: sections.DiffusionConfig = sections.DiffusionConfig()
    objective: sections.ObjectiveConfig = sections.ObjectiveConfig()
    optimizer: sections.OptimizerConfig = sections.OptimizerConfig()
    trainer: sections.TrainerConfig = sections.TrainerConfig()
    ema: sections.EmaConfig = sections.EmaConfig()
    sampling: sections.SamplingConfig = sections.SamplingConfig()
    evaluation: sections.EvaluationConfig = sections.EvaluationConfig()
    logging: sections.LoggingConfig = sections.LoggingConfig()
    unconditional_share: sections.Share = 0.0
    """Share of training samples with the null token, for classifier-free guidance."""

    @model_validator(mode="after")
    def _timesteps_exist(self) -> Self:
        levels = self.diffusion.num_train_timesteps
        if wrong := [t for t in self.evaluation.timesteps if not 0 <= t < levels]:
            raise ValueError(f"evaluation.timesteps: {wrong[0]} is none of the {levels} noise levels (from 0)")
        return self


def load_config(source: str | Path | None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a preset or a YAML file, apply ``section.key=value`` overrides, and check every key.

    Args:
        source: Name of a preset (a file of :mod:`jsddpm.presets`), path of a YAML file, or None for the defaults.
        overrides: Values as YAML, such as ``trainer.max_steps=6``.

    Raises:
        JsddpmError: ``CONFIG`` (status 2) naming the key, and the nearest valid one.

    >>> load_config("demo", ["trainer.max_steps=6"]).trainer.max_steps
    6
    """
    values: dict[str, Any] = {} if source is None else _read_yaml(source)
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise usage_error("CONFIG", f"override {override!r}", fix="write section.key=value")
        *path, last = key.split(".")
        target = values
        for section in path:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise usage_error("CONFIG", f"{section!r} in {key!r} is not a section", fix="write section.key=value")
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
            given = first["input"]
            message = first["msg"].removeprefix("Value error, ")
            key = key or message.partition(":")[0]  # a rule on several sections names its key itself
            what = message if message.startswith(f"{key}:") else f"{key}: {message}"
            cure = f"correct {key}" + ("" if isinstance(given, dict) else f" (given {given!r})")
        raise usage_error("CONFIG", what, fix=cure, file=file) from None


def write_config(path: str | Path, config: RunConfig) -> None:
    """Write a configuration as YAML, every key included."""
    with atomic_open(path) as stream:
        _yaml().dump(config.model_dump(mode="json"), stream)


def _known_keys() -> list[str]:
    keys = list(RunConfig.model_fields)
    for name, info in RunConfig.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, sections.Section):
            keys += [f"{name}.{key}" for key in info.annotation.model_fields]
    return keys


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)  # YAML 1.2: 1e-4 is a number, no is a word, a duplicate key is an error
    yaml.default_flow_style = None
    return yaml


def _read_yaml(source: str | Path) -> dict[str, Any]:
    if str(source) in PRESETS.names():
        text = PRESETS.read(str(source))
    else:
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            cure = f"give a YAML file or a preset ({', '.join(PRESETS.names())})"
            raise usage_error("CONFIG", f"cannot be read ({error})", fix=cure, file=source) from None
    values = _parse_yaml(text, str(source))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise usage_error("CONFIG", "is not a mapping of sections", fix="write section: {key: value}", file=source)
    return values


def _parse_yaml(text: str, where: str) -> Any:
    try:
        return _yaml().load(text)
    except YAMLError as error:
        cure = "correct the line"
        raise usage_error("CONFIG", f"not valid YAML ({' '.join(str(error).split())})", fix=cure, file=where) from None


def document_config() -> str:
    """The keys of every section as Markdown: type, default, meaning."""
    lines: list[str] = []

    def table(section: type[sections.Section], prefix: str) -> None:
        lines.extend(["| key | default | meaning |", "|---|---|---|"])
        for key, info in section.model_fields.items():
            if not isinstance(info.default, sections.Section):
                default = json.dumps(section().model_dump(mode="json")[key])
                lines.append(f"| `{prefix}{key}` | `{default}` | {' '.join((info.description or '').split())} |")
        lines.append("")

    table(RunConfig, "")
    for name, info in RunConfig.model_fields.items():
        if isinstance(info.default, sections.Section):
            kind = type(info.default)
            lines.extend([f"## {name}", "", str(kind.__doc__).split(";")[0].rstrip(".") + ".", ""])
            table(kind, f"{name}.")
    return "\n".join(lines)
