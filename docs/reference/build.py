"""Rebuild the pages made from the code: commands with their options, configuration keys, scores, checks and faults."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from jsddpm.config import RunConfig
from jsddpm.files import write_text
from jsddpm.keys import document_keys
from jsddpm.registry import PRESETS
from jsddpm_cli.commands import apps
from jsddpm_cli.usage import parameters
from jsddpm_eval.checks.verdict import checks
from jsddpm_eval.features.registry import EXTRACTORS
from jsddpm_eval.metrics.reconstruction import SPECS as RECONSTRUCTION
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.selftest.fault import known_faults
from jsddpm_eval.selftest.run import CORE

HERE = Path(__file__).parent
CLI = """# Command line

This page lists every command with its options. `jsddpm COMMAND --help` shows the same text. Results go to stdout, and
all other output goes to stderr. With `--format json`, stdout is strict JSON and nothing else. On a terminal, longer
work shows a progress bar. `jsddpm --debug COMMAND ...` shows tracebacks. `jsddpm --install-completion` sets up the
completion of commands, options and their values with the Tab key in the current shell (bash, zsh, fish or PowerShell);
`jsddpm --show-completion` prints the script and changes nothing. [Errors and exit statuses](errors.md) are on
another page.

*Made from the commands by `make reference`.*
"""
CONFIGURATION = """# Configuration

This page lists every setting of a training. The configuration is one YAML file, given to `jsddpm train --config FILE`.
`--preset {presets}` names such a
file of the package, and `--set section.key=value` overrides one key. An unknown key is an error, and the message names
the nearest known key. A value outside of its bounds is an error, and so are values that cannot work together; the
message names the key and the values that it accepts. Every run keeps its whole configuration in `config.yaml` and in
its checkpoints.

*Made from the configuration's types by `make reference`.*

## The run
"""
SCORES = """# Scores and checks

This page defines every score and every check of the verdict, and says which faults each score does not detect.
[Metrics](metrics.md) explains intervals, baselines and p-values. In the tables, *reference* is what the score was
tested against. *Difference* is the largest difference in the tests, in float64 unless another precision is named.

Scores with `_SPACE` compare features of images. They do not detect faults of masks, or differences that do not change
the features. A check can detect only a fault that one of its scores detects: [How the verdict is
reached](../explanation/verdict-measured.md) lists the planted faults that were missed.

*Made from the metrics and checks by `make reference`.*
"""
FAULTS = """# Planted faults

This page lists the faults that [`jsddpm selftest`](../how-to/selftest.md) can plant. `--fault` takes the name of a
fault or of a family. *Checks* are those that may find a fault, the right one first. Faults with ✓ are planted by
default.

*Made from the faults by `make reference`.*
"""


def build(out: Path = HERE) -> None:
    """Write ``cli.md``, ``configuration.md``, ``scores.md`` and ``faults.md``."""
    lines = [CLI]
    for command in apps():
        if command.info.name:
            name = f"jsddpm {command.info.name}"
            lines += [f"## {name}", "", _sentence(command.info.help), "", *_commands(command, name, 3)]
        else:
            lines += _commands(command, "jsddpm", 2)
    write_text(out / "cli.md", "\n".join(lines).rstrip() + "\n")
    write_text(
        out / "configuration.md",
        f"{CONFIGURATION.format(presets='|'.join(PRESETS.names()))}\n{document_keys(RunConfig).rstrip()}\n",
    )
    write_text(out / "scores.md", "\n".join([SCORES, *_scores()]).rstrip() + "\n")
    write_text(out / "faults.md", "\n".join([FAULTS, *_faults()]) + "\n")


def _scores() -> Iterator[str]:
    """A table of scores for each metric, a table of checks, and the extractors."""
    for metric in metrics().values():
        yield from [f"## {metric.name}", "", _sentence(inspect.getdoc(type(metric))), "", *_specs(metric.specs)]
    yield from [
        "## reconstruction",
        "",
        "Noise is added to held-out slices, a network removes it, and the results are compared with the slices.",
        "",
        *_specs(RECONSTRUCTION),
    ]
    yield from ["## Checks", "", "| check | shown as | rule |", "|---|---|---|"]
    yield from (f"| `{c.spec.name}` | {c.spec.heading} | {_sentence(c.spec.rule)} |" for c in checks())
    yield from ["", "## Feature extractors", "", "| name | what it is |", "|---|---|"]
    for name in EXTRACTORS.names():
        module = EXTRACTORS.load(name)
        yield f"| `{name.replace('_', '-')}` | {_sentence((module.__doc__ or '').partition(chr(10) * 2)[0])} |"


def _faults() -> Iterator[str]:
    """A row for each planted fault."""
    headings = {check.spec.name: check.spec.heading for check in checks()}
    yield from ["| family | fault | what it is | strengths | checks | default |", "|---|---|---|---|---|---|"]
    for fault in sorted(known_faults().values(), key=lambda f: (f.family, f.name)):
        strengths = f"{', '.join(f'{s:g}' for s in fault.strengths)} {fault.unit}".strip()
        found_by = ", ".join(headings[name] for name in fault.expected)
        default = "✓" if fault.name in CORE else ""
        cells = (f"`{fault.family}`", f"`{fault.name}`", _sentence(fault.title), strengths, found_by, default)
        yield f"| {' | '.join(cells)} |"


def _specs(specs: Sequence[ScoreSpec]) -> Iterator[str]:
    yield from [
        "| score | unit | better | definition | source | reference | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for spec in specs:
        reference, _, difference = spec.verified.partition(" | ")
        definition = spec.definition + (f"; p-value of: {spec.hypothesis}" if spec.hypothesis else "")
        cells = (f"`{_name(spec)}`", spec.unit, spec.better or "", definition, spec.source, reference, difference)
        yield "| " + " | ".join(_sentence(cell) or "–" for cell in cells) + " |"
    yield from ["", *_limits(specs), ""]


def _name(spec: ScoreSpec) -> str:
    return f"{spec.name}_SPACE" if spec.per_space else spec.name


def _limits(specs: Sequence[ScoreSpec]) -> Iterator[str]:
    """What scores do not detect: one line for all of a metric, or one for each kind."""
    faults = dict.fromkeys(spec.blind_to for spec in specs)
    for fault in faults:
        names = ", ".join(f"`{_name(spec)}`" for spec in specs if spec.blind_to == fault)
        yield f"{f'- Not detected by {names}' if len(faults) > 1 else 'Not detected'}: {fault}."


def _commands(commands: typer.Typer, parent: str, level: int) -> Iterator[str]:
    for command in commands.registered_commands:
        callback = command.callback
        if callback is None:
            continue
        yield from [f"{'#' * level} {parent} {command.name or callback.__name__}", ""]
        for part in (inspect.getdoc(callback) or "").split("\n\n"):
            yield from [_sentence(part), ""]
        yield from ["```sh", (command.epilog or "").removeprefix("Example: "), "```", ""]
        yield from _table(callback)


def _table(callback: Callable[..., Any]) -> Iterator[str]:
    """A row for each argument and option."""
    yield from ["| option | default | meaning |", "|---|---|---|"]
    for taken in parameters(callback):
        default = "required" if taken.required else f"`{taken.default}`" if taken.default else ""
        name, meaning = taken.name.replace("|", "\\|"), _sentence(taken.meaning.replace("\n", "; "))
        yield f"| `{name}` | {default} | {meaning} |"
    yield ""


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    build()
