"""The keys of the configuration in words: all of them, the nearest to a name, and their values."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsddpm.sections import Section


@cache
def known_keys(model: type[Section]) -> dict[str, str]:
    """Every key, sections included, with the values it takes in words.

    >>> from jsddpm.config import RunConfig
    >>> known_keys(RunConfig)["data.batch_size"]
    'a whole number from 1 to 65536'
    """
    return dict(_keys(model, ""))


def _keys(model: type[Section], prefix: str) -> Iterator[tuple[str, str]]:
    schemas = model.model_json_schema()["properties"]
    for key, info in model.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, Section):
            yield key, "a section: keys with their values"
            yield from _keys(section, f"{key}.")
        else:
            yield f"{prefix}{key}", allowed_values(schemas[key])


def cure_of_unknown(model: type[Section], key: str) -> str:
    """What to write in place of an unknown key: the most similar one, or the keys of its section.

    >>> from jsddpm.config import RunConfig
    >>> cure_of_unknown(RunConfig, "trainer.max_step"), cure_of_unknown(RunConfig, "trainer.learning_rate")
    ('did you mean trainer.max_steps?', 'did you mean optimizer.learning_rate?')
    >>> cure_of_unknown(RunConfig, "ema.wrong")
    'the section ema has the keys decay, warmup_power'
    """
    known, (section, _, name) = known_keys(model), key.rpartition(".")
    inside = [k.removeprefix(f"{section}.") for k in known if section and k.startswith(f"{section}.")]
    if near := difflib.get_close_matches(name, inside, n=1):
        return f"did you mean {section}.{near[0]}?"
    elsewhere = [k for k in known if k.endswith(f".{name}")]
    if len(elsewhere) == 1:
        return f"did you mean {elsewhere[0]}?"
    if inside:
        return f"the section {section} has the keys {', '.join(inside)}"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    return f"did you mean {near[0]}?" if near else "remove it"


def allowed_values(schema: Mapping[str, Any], *, several: bool = False) -> str:
    """The values that a JSON schema allows, in words; in the plural for items of a list.

    >>> allowed_values({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {"type": "null"}]})
    'a number above 0 and at most 1, or null'
    >>> allowed_values({"type": "array", "items": {"type": "integer", "minimum": 2}, "minItems": 1, "maxItems": 8})
    'a list of 1 to 8 whole numbers of at least 2'
    """
    if "anyOf" in schema:
        return ", or ".join(allowed_values(part) for part in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    kind = schema["type"]
    if kind == "array":
        items = schema.get("prefixItems")
        if items:
            return f"a list of {len(items)} {allowed_values(items[0], several=True)}"
        least, most = schema.get("minItems", 0), schema["maxItems"]
        return f"a list of {least} to {most} {allowed_values(schema['items'], several=True)}"
    noun = {"integer": "whole number", "number": "number", "boolean": "true or false", "null": "null", "string": "text"}
    if kind in ("integer", "number"):
        return f"{'' if several else 'a '}{noun[kind]}{'s' if several else ''}{_bounds(schema)}"
    if kind == "string" and "maxLength" in schema:
        return f"text of {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    return noun[kind]


def _bounds(schema: Mapping[str, Any]) -> str:
    least, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    most, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if least is not None and most is not None:
        return f" from {least:.10g} to {most:.10g}"
    low = f"of at least {least:.10g}" if least is not None else f"above {above:.10g}" if above is not None else ""
    high = f"at most {most:.10g}" if most is not None else f"below {below:.10g}" if below is not None else ""
    words = " and ".join(filter(None, (low, high)))
    return f" {words}" if words else ""


def document_keys(model: type[Section]) -> str:
    """The keys of every section as Markdown: type and bounds, default, meaning."""
    lines: list[str] = []

    def table(section: type[Section], prefix: str) -> None:
        values = known_keys(section)
        lines.extend(["| key | values | default | meaning |", "|---|---|---|---|"])
        for key, info in section.model_fields.items():
            if not isinstance(info.default, Section):
                default = json.dumps(section().model_dump(mode="json")[key])
                meaning = " ".join((info.description or "").split())
                lines.append(f"| `{prefix}{key}` | {values[key]} | `{default}` | {meaning} |")
        lines.append("")

    table(model, "")
    for name, info in model.model_fields.items():
        if isinstance(info.default, Section):
            kind = type(info.default)
            lines.extend([f"## {name}", "", str(kind.__doc__).split(";")[0].rstrip(".") + ".", ""])
            table(kind, f"{name}.")
    return "\n".join(lines)
