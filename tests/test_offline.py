"""Installing without a network: what make and the recipes of containers do; that wheels are enough is tried by hand."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.specifiers import SpecifierSet

from documented import ROOT

RECIPES = [ROOT / "docs" / "how-to" / name for name in ("Dockerfile", "jsddpm.def")]


def planned(tmp_path, *words):
    """What make would run in a fresh checkout."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(["make", "--dry-run", *words], cwd=tmp_path, capture_output=True, text=True, check=True)
    return done.stdout.replace("\\\n", " ")


@pytest.mark.parametrize("target", ["setup", "demo", "test"])
def test_a_wheelhouse_is_the_only_place_that_is_looked_into(tmp_path, target):
    (install,) = [line for line in planned(tmp_path, target, "WHEELHOUSE=wheels").splitlines() if " install " in line]
    assert f"--no-index --find-links {tmp_path}/wheels -c constraints.txt" in install
    assert "--no-index" not in planned(tmp_path, target)


def test_the_wheelhouse_has_what_setup_installs_and_what_builds_it(tmp_path):
    (wheels,) = [line for line in planned(tmp_path, "wheelhouse").splitlines() if " wheel " in line]
    (install,) = [line for line in planned(tmp_path, "setup").splitlines() if " install " in line]
    extras = re.search(r"'\.\[[a-z,]+\]'", install)[0]
    assert extras in wheels
    built_by = re.search(r'requires = \["([a-z]+)', (ROOT / "pyproject.toml").read_text())[1]
    assert built_by in wheels.split()
    assert "-c constraints.txt" in wheels


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_a_recipe_calls_targets_that_exist_and_copies_what_is_there(path):
    text = path.read_text()
    targets = set(re.findall(r"make (?:-C \S+ )?([a-z]+) PYTHON", text))
    assert targets == {"setup"}
    copied = copied_by(text)
    assert all((ROOT / name).exists() for name in copied)
    if (ROOT / ".git").exists():  # no more than the checkout, as beside it stores of patients may lie
        assert copied == tracked() - {".gitignore"}


def test_only_what_the_image_copies_is_sent_to_its_builder():
    first, *lines = (ROOT / "docs" / "how-to" / "Dockerfile.dockerignore").read_text().splitlines()[1:]
    assert first == "*"
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert sent == copied_by(RECIPES[0].read_text()) | {"wheelhouse"}


def copied_by(recipe):
    """Names at the top of the checkout that a recipe copies, in one of the two languages."""
    words = [line.split()[1:-1] for line in recipe.splitlines() if line.startswith("COPY ")]
    return {name for line in words for name in line} | set(re.findall(r"^ +(\S+) /opt/jsddpm/$", recipe, re.MULTILINE))


def tracked():
    """Names at the top of the checkout that are part of it."""
    done = subprocess.run(["git", "ls-tree", "--name-only", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return set(done.stdout.split())


def test_every_pinned_package_runs_on_the_first_release_of_each_python():
    """Debian 12 has Python 3.11.2: a package that needs a later 3.11 would end the README's first command there."""
    wanted = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    needs = {name: found.metadata["Requires-Python"] for name in pinned if (found := find(name))}
    assert len(needs) > 0.9 * len(pinned)
    refused = {
        name: needed
        for name, needed in needs.items()
        if needed and not all(f"{version}.0" in SpecifierSet(needed) for version in wanted)
    }
    assert not refused


def find(name):
    """An installed package; None for one of other systems."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None
