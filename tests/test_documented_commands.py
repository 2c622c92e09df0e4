"""The commands and snippets of the README and docs, run in the order a reader meets them.

Each page is run in a folder of its own, on a small cohort of bright balls. Text runs as it stands; :data:`SMALLER` adds
options that make it quick, :data:`NOT_RUN` lists what does not run here and why.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from brief import brief_training
from documented import PAGES, blocks
from jsddpm.binning import ZBinning
from jsddpm.config import load_config
from jsddpm.files import write_json
from jsddpm.slices.store import SliceStore
from jsddpm_cli.app import main
from jsddpm_cli.commands import demo
from jsddpm_eval import SliceTable
from synthetic import write_bids

NOT_RUN = {
    r"make [\w-]+( \w+=\w+)?( +#.*)?": "what CI runs; that the targets exist: test_docs.py, test_offline.py",
    r"(docker|apptainer) .*": "needs a registry of images; what the recipes call: test_offline.py",
    r"python tests/soak/.*": "takes up to half an hour: make soak; short forms are part of the test run",
    r"source .*": "this environment is there already",
    r"torchrun .*": "several processes: tests/jsddpm/training/test_distributed.py",
    r".*\bsbatch .*": "needs SLURM: tests/jsddpm/training/test_slurm.py",
    r"jsddpm utility .*": "trains networks for minutes: tests/cli/test_utility.py",
    r"jsddpm compare .*\.utility.*": "needs two such studies: tests/cli/test_utility.py",
    r"jsddpm compare .* --baseline .*": "needs trainings of several folds: tests/reports/test_comparison.py",
    r"python benchmarks/studies/.*": "trains for hours: tests/test_studies.py",
    r"jsddpm selftest .*": "needs sixteen patients and minutes: tests/cli/test_selftest.py",
    r"jsddpm eval .*inception-v3-compat.*": "fetches weights: tests/jsddpm_eval/features/test_extractors.py",
}
"""Commands that do not run here: a pattern of the whole line, and why."""

EXAMPLES = {
    "docs/reference/cli.md": "one example of each command, for no common data; test_docs.py checks their options"
}
"""Pages that are read and not followed."""

TINY = [
    "model.channels=[8,16]", "model.attention_levels=[]", "model.layers_per_block=1", "model.norm_num_groups=8",
    "trainer.max_steps=4", "trainer.check_every=2", "optimizer.warmup_steps=2", "data.batch_size=4", "sampling.steps=2",
    "sampling.per_condition=2", "evaluation.timesteps=[300]",
]  # fmt: skip
SMALLER = {
    "train": [part for setting in TINY for part in ("--set", setting)],
    "cache build": [
        "--shape",
        "16",
        "16",
        "128",
        "--spacing",
        "5",
        "5",
        "0.7",
        "--jobs",
        "1",
        "--val",
        "0.3",
        "--test",
        "0.3",
        "--z-range",
        "24",
        "93",
    ],
    "cohort scan": ["--jobs", "1"],
    "export": ["--z-range", "55", "58"],
    "cohort split": ["--jobs", "1"],
}
"""Options added to a command; the last of an option counts."""

ONCE = re.compile(r"jsddpm bins (?!.*--out)")
"""Commands that print and leave nothing, and take their time: of equal ones on several pages the first is run."""

STARTS_WITH = {
    "docs/tutorial/first-hour.md": ("my-bids", "runs/demo"),
    "docs/how-to/own-cohort.md": ("my-bids",),
    "docs/how-to/utility.md": ("my-bids", "store", "runs/first"),
    "docs/how-to/interrupted.md": ("my-bids", "store", "runs/first"),
}
"""What lies in a page's folder before its first command; elsewhere the store and the run of the README."""


def readers_arrays() -> dict[str, object]:
    """Arrays as a reader of the README has them: slices of its store in bins 0 to 9, and its run's samples."""
    real = SliceTable.from_store("store", ZBinning((24, 93), 10, n_slices=128))
    samples = SliceTable.from_store("runs/first/samples")
    return {
        "images": real.images.numpy(), "masks": real.masks.numpy(), "bins": real.z_bin.numpy(),
        "path": real.pathology.numpy(), "ids": real.patient_names, "test": real.held_out.numpy(),
        "gen": samples.images.numpy(), "gen_masks": samples.masks.numpy(),
        "asked_bin": samples.z_bin.numpy(), "asked": samples.pathology.numpy(),
    }  # fmt: skip


GIVEN: dict[str, Callable[[], dict[str, object]]] = {"README.md": readers_arrays}
"""Names that a page's snippets do not define, and what they stand for here."""


def jsddpm(words: list[str]) -> int:
    """Run the command in this process; its exit status."""
    before, sys.argv = sys.argv, ["jsddpm", *words]
    try:
        main()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    finally:
        sys.argv = before
    return 0


def follow(command: str, where: str) -> None:
    """Run a command line as a shell would, expanded by one; jsddpm in this process, because it starts faster."""
    if any(re.fullmatch(pattern, command) for pattern in NOT_RUN):
        return
    expanded = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True)
    program, *words = expanded.stdout.rstrip("\0").split("\0")
    if program != "jsddpm":
        subprocess.run(["bash", "-c", command], check=True)
        return
    name = next((n for n in SMALLER if words[: n.count(" ") + 1] == n.split()), "")
    added = [] if name == "train" and "--resume" in words else SMALLER.get(name, [])
    status = jsddpm(words + added)
    assert status == 0, f"{where}: {command} exited with status {status}"


def execute(text: str, names: dict[str, object], where: str) -> None:
    """Run a snippet; one that shows a session must print what it shows."""
    if not text.startswith(">>>"):
        exec(compile(text, where, "exec"), names)
        return
    session = doctest.DocTestParser().get_doctest(text, names, where, where, 0)
    outcome = doctest.DocTestRunner(verbose=False).run(session, clear_globs=False)
    names.update(session.globs)
    assert outcome.failed == 0, where


def read(page: str, done: set[str]) -> None:
    """Follow a page in the current folder."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        where = f"{page}:{block.line}"
        for command in block.commands:
            if command not in done:
                follow(command, where)
            done |= {command} if ONCE.match(command) else set()
        if block.language == "python":
            names = GIVEN.get(page, dict)() | names
            execute(block.text, names, where)


@pytest.fixture(scope="module", autouse=True)
def brief():
    """Every evaluation of every page trains networks; what they read is not what a page says."""
    with brief_training():
        yield


@pytest.fixture(scope="module")
def done():
    """Commands of :data:`ONCE` that were run."""
    return set()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, done, brief):
    """The folder in which the README was followed, on a cohort and another generator's slices; and a finished demo."""
    folder, before = tmp_path_factory.mktemp("finished"), Path.cwd()
    write_bids(folder / "my-bids", 6, lesion=(4, 24))
    (folder / "generated").mkdir()
    rng, rows = np.random.default_rng(0), ["image,z_bin,pathology"]
    for number in range(40):
        np.savez(folder / "generated" / f"{number}.npz", image=rng.random((16, 16)), mask=np.eye(16) * (number % 2))
        rows.append(f"{number}.npz,{number // 4},{number % 2}")
    (folder / "generated" / "slices.csv").write_text("\n".join(rows))
    SMALLER["eval"] = ["--feature-cache", str(folder / "features")]  # networks of equal slices are trained once
    torch.set_num_threads(1)
    os.chdir(folder)
    try:
        read("README.md", done)
    finally:
        os.chdir(before)
    for source, target in (("my-bids", "cohort"), ("store", "store"), ("runs/first", "run")):
        shutil.copytree(folder / source, folder / "runs" / "demo" / target)
    plan = {"seed": 0, "subjects": demo.SUBJECTS, "controls": demo.CONTROLS}
    write_json(folder / "runs" / "demo" / "demo.json", plan | {"config": load_config("demo").model_dump(mode="json")})
    return folder


@pytest.mark.long
def test_the_readme_can_be_followed(finished):
    """What its commands promise is there; 3 bins x 32 samples, and the 40 slices that were imported."""
    assert len(SliceStore(finished / "more").index) == 96
    assert len(SliceStore(finished / "generated-store").index) == 40
    for evaluation in ("runs/first/evaluation", "evaluation"):
        for name in ("results.json", "per_bin.csv", "per_slice.csv", "report.html"):
            assert (finished / evaluation / name).stat().st_size > 0


@pytest.mark.long
@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if p not in ("README.md", *EXAMPLES) and any(b.language in ("sh", "python") for b in blocks(p))],
)
def test_a_page_can_be_followed(page, finished, done, tmp_path, monkeypatch):
    for name in STARTS_WITH.get(page, ("store", "runs/first")):
        shutil.copytree(finished / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    read(page, done)


def test_what_does_not_run_is_in_the_docs():
    """A pattern that fits nothing any more is removed; none fits everything."""
    commands = {c for page in PAGES if page not in EXAMPLES for b in blocks(page) for c in b.commands}
    for pattern in NOT_RUN:
        assert 0 < sum(bool(re.fullmatch(pattern, c)) for c in commands) < len(commands) / 2, pattern
