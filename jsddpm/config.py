"""The typed run configuration and its YAML form; an unknown key is an error that names the nearest one.

The sections are in :mod:`jsddpm.sections`, the presets in :mod:`jsddpm.presets`: one YAML file each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from jsddpm import keys, rules, sections
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.files import atomic_open
from jsddpm.registry import PRESETS
from jsddpm.wording import misfit

AnySection = TypeVar("AnySection", bound=sections.Section)
MOST_CHARACTERS = 1 << 20
"""Largest length of a configuration's text; a file with all keys has two thousand characters."""

_DEEPEST = 100  # brackets inside each other; the time of the parser grows with their square


class RunConfig(sections.Section):
    """The whole configuration of a run."""

    seed: Annotated[int, Field(ge=0, lt=2**31), sections.NUMERIC] = 0
    """Seed of the weights, the order of the data, the noise, the flips and the augmentation."""
    data: sections.DataConfig = sections.DataConfig()
    augmentation: sections.AugmentationConfig = sections.AugmentationConfig()
    binning: sections.BinningConfig = sections.BinningConfig()
    model: sections.ModelConfig = sections.ModelConfig()
    diffusion: sections.DiffusionConfig = sections.DiffusionConfig()
    objective: sections.ObjectiveConfig = sections.ObjectiveConfig()
    optimizer: sections.OptimizerConfig = sections.OptimizerConfig()
    trainer: sections.TrainerConfig = sections.TrainerConfig()
    ema: sections.EmaConfig = sections.EmaConfig()
    sampling: sections.SamplingConfig = sections.SamplingConfig()
    evaluation: sections.EvaluationConfig = sections.EvaluationConfig()
    monitoring: sections.MonitoringConfig = sections.MonitoringConfig()
    logging: sections.LoggingConfig = sections.LoggingConfig()
    unconditional_share: Annotated[sections.Number, Field(ge=0, lt=1)] = 0.0
    """Share of training samples with the null token, for classifier-free guidance."""

    @model_validator(mode="after")
    def _works_together(self) -> Self:
        for conflict in rules.conflicts(self):
            raise PydanticCustomError("conflict", "{what}", conflict._asdict())
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
    values = {} if source is None else read_yaml(source)
    return _overridden(values, overrides, None if source is None else str(source))


def combined_config(
    preset: str | None, changed: Mapping[str, Any], overrides: Sequence[str], file: str | None
) -> RunConfig:
    """A preset with some keys of its sections changed.

    Args:
        preset: Name of a preset; None for the defaults.
        changed: Changed keys by section.
        overrides: See :func:`load_config`.
        file: File of the changes.

    Raises:
        JsddpmError: ``CONFIG`` (status 2).

    >>> combined_config("demo", {"trainer": {"max_steps": 100, "check_every": 50}}, (), None).data.batch_size
    16
    """
    values = {} if preset is None else read_yaml(preset)
    for name, changes in _with_empty_sections(changed).items():
        known = values.get(name)
        values[name] = {**known, **changes} if isinstance(known, dict) and isinstance(changes, Mapping) else changes
    return _overridden(values, overrides, file)


def require_preset(name: object, file: str | Path | None = None) -> None:
    """Refuse a name that is not that of a preset.

    Raises:
        JsddpmError: ``CONFIG`` (status 2).
    """
    if name not in PRESETS.names():
        cure = f"give one of {', '.join(PRESETS.names())}"
        raise usage_error("CONFIG", f"unknown preset {str(name)[:80]!r}", fix=cure, file=file)


def _with_empty_sections(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with an empty section for one whose keys are all commented out, which YAML reads as null."""
    known = {name: isinstance(field.default, sections.Section) for name, field in RunConfig.model_fields.items()}
    return {name: {} if value is None and known.get(name) else value for name, value in values.items()}


def _overridden(values: dict[str, Any], overrides: Sequence[str], file: str | None) -> RunConfig:
    before = _with_empty_sections(values)
    values = deepcopy(before)
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise usage_error("CONFIG", f"the setting {override!r} has no value", fix="write section.key=value")
        *path, last = key.split(".")
        target = values
        for section in path:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise usage_error("CONFIG", f"{section!r} in {key!r} is not a section", fix="write section.key=value")
        target[last] = _parse_yaml(text, f"--set {override}")
    try:
        return parse_config(values, file)
    except JsddpmError as error:
        if not overrides or _is_fault_of(before, error):
            raise
        named = [o for o in overrides if re.search(rf"\b{re.escape(o.partition('=')[0])}\b", error.what)] or overrides
        raise usage_error("CONFIG", error.what, fix=error.fix, file=" ".join(f"--set {o}" for o in named)) from None


def _is_fault_of(values: dict[str, Any], error: JsddpmError) -> bool:
    """Whether these values alone have the error."""
    try:
        parse_config(values)
    except JsddpmError as alone:
        return alone.what == error.what
    return False


def parse_config(values: dict[str, Any], file: str | None = None) -> RunConfig:
    """Check plain values; see :func:`load_config`."""
    return _checked(RunConfig, values, "", file)


def parse_sampling(values: dict[str, Any]) -> sections.SamplingConfig:
    """Check the values of the section ``sampling`` alone; see :func:`load_config`."""
    return _checked(sections.SamplingConfig, values, "sampling.", None)


def _checked(model: type[AnySection], values: dict[str, Any], prefix: str, file: str | None) -> AnySection:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    key, context = prefix + ".".join(place), first.get("ctx", {})
    values_of = {f"{prefix}{name}": text for name, text in keys.known_keys(model).items()}
    if first["type"] == "conflict":
        what, cure = f"{context['key']}: {context['what']}", context["fix"]
    elif first["type"] == "extra_forbidden":
        what, cure = f"unknown key {key[:80]}", keys.cure_of_unknown(RunConfig, key)
    else:
        paths = [prefix + ".".join(place[:n]) for n in range(len(place), 0, -1)]
        owner = next((path for path in paths if path in values_of), "")
        what = f"{key}: {misfit(first)}"
        cure = f"give {owner} {values_of[owner]}" if owner else "write section: {key: value}"
    raise usage_error("CONFIG", what, fix=cure, file=file)


def write_config(path: str | Path, config: RunConfig) -> None:
    """Write a configuration as YAML, every key included."""
    with atomic_open(path) as stream:
        _yaml().dump(config.model_dump(mode="json"), stream)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)  # YAML 1.2: 1e-4 is a number, no is a word, a duplicate key is an error
    yaml.default_flow_style = None
    return yaml


def read_yaml(source: str | Path) -> dict[str, Any]:
    """The values of a preset or a YAML file, unchecked.

    Raises:
        JsddpmError: ``CONFIG`` (status 2) when it cannot be read, or is not a mapping.
    """
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
    cure = "correct the line"
    if len(text) > MOST_CHARACTERS:
        what = f"has {len(text)} characters, and a configuration has at most {MOST_CHARACTERS}"
        raise usage_error("CONFIG", what, fix="give the configuration's file", file=where)
    try:
        if max(accumulate(1 if c in "[{" else -1 for c in re.findall(r"[\[\]{}]", text)), default=0) > _DEEPEST:
            raise RecursionError
        return _yaml().load(text)
    except RecursionError:
        raise usage_error("CONFIG", "is nested too deeply", fix="write section: {key: value}", file=where) from None
    except MemoryError:
        raise
    except Exception as error:  # ill-formed numbers, dates and tags raise errors of Python
        reason = " ".join(str(error).split())
        reason = reason if isinstance(error, YAMLError) else f"a value cannot be read: {reason[:200]}"
        raise usage_error("CONFIG", f"is not valid YAML ({reason})", fix=cure, file=where) from None
