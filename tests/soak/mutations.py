"""Guards removed one at a time, each in a copy of the tree: every removal must fail the tests that are named with it.

Prints a table of the guards with their tests; status 1 when a guard can go without a test failing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from guards import GUARDS, Guard
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
COPIED = ("jsddpm", "jsddpm_eval", "cli", "reports", "tests", "pyproject.toml")
_FIRST = ("torch", "lightning", "torchio", "diffusers", "nibabel", "pandas", "skimage", "sklearn", "matplotlib",
          "typer", "pydantic", "hypothesis", "torchmetrics")  # fmt: skip
"""Imported before the first trial: each trial is a fork, and has them at once. None of the packages tested is."""

KILLED, SURVIVED = 1, 0
"""What pytest leaves with when a test failed, and when none did."""


def without(tree: Path, guard: Guard) -> int:
    """What the guard's tests leave with, in a fork, in a tree without it."""
    path = tree / guard.file
    whole = path.read_text(encoding="utf-8")
    if whole.count(guard.text) != 1:
        raise SystemExit(f"{guard.what}: {guard.file} holds the guard {whole.count(guard.text)} times")
    path.write_text(whole.replace(guard.text, guard.replacement), encoding="utf-8")
    try:
        return run_tests(tree, guard.tests)
    finally:
        path.write_text(whole, encoding="utf-8")


def run_tests(tree: Path, arguments: tuple[str, ...]) -> int:
    """Exit status of pytest in a fork."""
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            os.chdir(tree)
            sys.path[:0] = [str(tree), str(tree / "cli"), str(tree / "reports")]
            status = int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *arguments]))
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> None:
    """Print the table; status 1 when a guard survives, or its tests do not run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="guards whose name holds this text")
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first guard")
    options = parser.parse_args()
    chosen = [guard for guard in GUARDS[options.first :] if options.only in guard.what]
    start, statuses = time.monotonic(), {}
    sys.dont_write_bytecode = True
    for name in _FIRST:
        import_module(name)
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        tree.mkdir()
        for part in COPIED:
            ignored = shutil.ignore_patterns("__pycache__", "gallery")
            (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(
                ROOT / part, tree / part, **({"ignore": ignored} if (ROOT / part).is_dir() else {})
            )
        for guard in chosen:
            statuses[guard.what] = without(tree, guard)
            print(statuses[guard.what], guard.what, file=sys.stderr, flush=True)
    table = Table("guard", "file", "tests", "removed")
    words = {KILLED: "a test fails", SURVIVED: "NO test fails"}
    for guard in chosen:
        status = statuses[guard.what]
        tests = " ".join(guard.tests).removeprefix("tests/").replace("contract/test_contract.py -k", "row")
        table.add_row(guard.what, guard.file, tests, words.get(status, f"tests do not run ({status})"))
    killed = sum(status == KILLED for status in statuses.values())
    console = Console(width=150)
    console.print(table)
    console.print(f"{killed} of {len(chosen)} removals fail a test, {(time.monotonic() - start) / 60:.1f} min")
    sys.exit(killed < len(chosen))


if __name__ == "__main__":
    main()
