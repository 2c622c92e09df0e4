"""The help of every command: whole, in the words of the reference, with an example."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from documented import TEXTS
from jsddpm.slices.importing.layouts import import_layouts
from jsddpm_cli.app import command


def leaves(node, *words):
    """The words of every command below a command."""
    inner = getattr(node, "commands", None)
    return [words] if inner is None else [leaf for name in inner for leaf in leaves(inner[name], *words, name)]


@pytest.mark.parametrize("words", leaves(command()), ids=" ".join)
def test_a_seed_out_of_range_is_refused_by_every_command_that_takes_one(jsddpm, words):
    """It was an internal error where an option forgot an end."""
    node = command()
    for word in words:
        node = node.commands[word]
    if any("--seed" in parameter.opts for parameter in node.params):
        status, _, err = jsddpm(*words, "--seed", -1)
        assert status == 2
        assert re.search(r"USAGE.*--seed.*-1 is below 0", err), err
        status, _, err = jsddpm(*words, "--seed", 2**64)  # more than PyTorch takes
        assert (status, "USAGE" in err, "--seed" in err) == (2, True, True), err


@pytest.mark.parametrize("words", leaves(command()), ids=" ".join)
def test_every_command_has_help_with_an_example(jsddpm, words):
    status, out, _ = jsddpm(*words, "--help")
    assert status == 0
    assert f"Example: jsddpm {' '.join(words)} " in " ".join(out.split()) + " "


@pytest.mark.parametrize("words", [(), ("cache",), *leaves(command())], ids=" ".join)
def test_the_help_of_80_columns_cuts_nothing_and_hides_nothing(jsddpm, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "80")
    out = jsddpm(*words, "--help")[1]
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    prose = [line for line in out.splitlines() if line[:2] not in ("╭─", "╰─", "│ ")]
    paragraphs = "\n".join(line.rstrip() for line in prose).split("\n\n")
    for line, following in ((a, b) for p in paragraphs for a, b in pairwise(p.strip("\n").split("\n"))):
        assert len(line) + len(following.split()[0]) + 1 > 79, line  # the next word had no room
    node = command()
    for word in words:
        node = node.commands[word]
    meant, shown = ({w.rstrip(".") for w in s.split()} for s in (" ".join(p.help or "" for p in node.params), out))
    assert meant <= shown


@pytest.mark.parametrize("words", leaves(command()), ids=" ".join)
def test_the_help_has_the_words_of_the_reference(jsddpm, monkeypatch, words):
    """Python's words, such as ``<list[Path]>`` and ``{source}``, stood in their place."""
    monkeypatch.setenv("COLUMNS", "200")
    out = jsddpm(*words, "--help")[1]
    reference = TEXTS["docs/reference/cli.md"].split(f" jsddpm {' '.join(words)}\n", 1)[1].split("\n#")[0]
    rows = [re.split(r"(?<!\\\\) \| ", line.strip("| ")) for line in reference.splitlines() if line.startswith("| `")]
    shown = [line.strip("│ ") for line in out.splitlines()]
    arguments = []
    for name, default, _ in ([cell.strip(" `").replace("\\|", "|") for cell in row] for row in rows):
        assert any(line == name or line.startswith(f"{name}  ") for line in shown), name
        assert f"[{default}]" in out if default == "required" else not default or f"[default: {default}]" in out
        if not name.startswith("-"):
            arguments.append(name if default == "required" else f"[{name}]")
    (usage,) = (line for line in shown if line.startswith("Usage: "))
    assert usage.endswith(" ".join(["jsddpm", *words, "[OPTIONS]", *arguments]))


def test_the_help_shows_defaults_as_they_are_typed_and_a_line_for_each_layout(jsddpm, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert "[default: 160 160 128]" in jsddpm("cache", "build", "--help")[1]
    lines = jsddpm("cache", "import", "--help")[1].splitlines()
    found = [found[1] for found in (re.search(r" - ([a-z0-9-]+): ", line) for line in lines) if found]
    assert found == [*import_layouts(), "auto"]


def test_the_help_lists_the_commands_in_the_order_of_the_work(jsddpm):
    shown = [line.split()[1] for line in jsddpm("--help")[1].splitlines() if re.match("│ [a-z]", line)]
    work = ["demo", "cohort", "cache", "bins", "train", "sample", "eval", "compare", "report"]
    assert [name for name in shown if name in work] == work
