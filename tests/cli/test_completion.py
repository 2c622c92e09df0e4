"""Completion in a shell: bash itself completes the commands, options and values of the help."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

import pytest

JSDDPM = [sys.executable, "-m", "jsddpm_cli"]
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


def bash(script, tmp_path):
    """Run lines in a bash whose home is a folder of the test."""
    environment = os.environ | {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    (tmp_path / "jsddpm").write_text(f'#!/bin/sh\nexec {shlex.join(JSDDPM)} "$@"\n')
    (tmp_path / "jsddpm").chmod(0o755)
    # the last line keeps bash as the parent of the command before it, by which the shell is recognised
    lines = ["bash", "--norc", "-c", f"{script}\ntrue"]
    return subprocess.run(lines, env=environment, capture_output=True, text=True, check=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["jsddpm", "c"], {"cohort", "cache", "compare", "card", "checkpoint"}),
        (["jsddpm", "cache", "v"], {"verify"}),
        (["jsddpm", "card", "--k"], {"--kind"}),
        (["jsddpm", "card", "--kind", ""], {"model", "data"}),
        (["jsddpm", "bins", "sweep", "--bins", "5", "10", "--z"], {"--z-range"}),
        (["jsddpm", "--s"], {"--show-completion"}),
    ],
)
def test_bash_completes_what_the_help_lists(tmp_path, words, expected):
    typed = " ".join(map(shlex.quote, words))
    found = bash(
        f'eval "$(jsddpm --show-completion)"\nCOMP_WORDS=({typed})\nCOMP_CWORD={len(words) - 1}\n'
        'complete -p jsddpm >&2\n_jsddpm_completion jsddpm\nprintf "%s\\n" "${COMPREPLY[@]}"',
        tmp_path,
    )
    assert "_jsddpm_completion jsddpm" in found.stderr
    assert set(found.stdout.split()) == expected


def test_completion_is_installed_in_the_home_folder_and_named_in_the_first_help_alone(tmp_path):
    found = bash("jsddpm --install-completion\njsddpm --help\njsddpm cache --help\njsddpm bins report --help", tmp_path)
    assert "_jsddpm_completion" in (tmp_path / ".bash_completions" / "jsddpm.sh").read_text()
    assert "jsddpm.sh" in (tmp_path / ".bashrc").read_text()
    assert found.stdout.count("--install-completion") == found.stdout.count("--show-completion") == 1
