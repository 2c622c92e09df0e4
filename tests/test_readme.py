"""Commands in the README, CONTRIBUTING and docs exist, with the options they show; links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from jsddpm_cli.app import app

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {page: page.read_text() for page in PAGES}
COMMANDS = sorted(
    {
        line.strip()
        for text in TEXTS.values()
        for line in re.findall(r"^(?:torchrun .*? )?(jsddpm .*)$", text.replace("\\\n", " "), re.MULTILINE)
    }
)
LINKS = [(page, link) for page, text in TEXTS.items() for link in re.findall(r"\]\(([^)#]+)\)", text)]


def test_the_readme_shows_the_commands_of_the_mission():
    for command in (
        "jsddpm train",
        "jsddpm eval",
        "jsddpm bins report --z-range 24 93",
        "jsddpm cache build",
        "jsddpm sample",
    ):
        assert re.search(rf"^{command}", TEXT, re.MULTILINE), command


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_of_the_docs_exist(line):
    words = shlex.split(line, comments=True)[1:]
    command = get_command(app)
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {o for p in command.params for o in p.opts} | {"--help"}
    assert {w for w in words if w.startswith("--")} <= known


@pytest.mark.parametrize("target", re.findall(r"make ([a-z]+)", TEXT + (ROOT / "CONTRIBUTING.md").read_text()))
def test_make_targets_of_the_docs_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("page", "link"), LINKS, ids=[f"{p.name} {k}" for p, k in LINKS])
def test_links_of_the_docs_lead_somewhere(page, link):
    assert link.startswith("https://") or (page.parent / link).exists()
