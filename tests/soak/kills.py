"""kill -9 at a random moment of every long command; prints what was left, and whether the same command finished.

After each kill everything that is published opens and fits its checksums, the command that the documentation names goes
on without a folder being removed by hand, and the result is the one of a command that was never killed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.table import Table

from calls import Found, child
from conftest import TINY
from contract.case import SMALL
from crash import content
from jsddpm.diffusion.checkpoint import load_denoiser
from jsddpm.errors import JsddpmError
from jsddpm.files import read_json
from jsddpm.slices.store import SliceStore
from jsddpm_eval.results.results import Results
from state import digest
from synthetic import write_bids, write_store

_TRAIN = ["--preset", "demo", *(word for s in (*TINY, "logging.grid=0") for word in ("--set", s))]
_LAST = Path("checkpoints") / "last.ckpt"
_FIRST = ("lightning", "torchio", "diffusers", "jsddpm.slices.build", "jsddpm.training.run", "jsddpm_eval.evaluation",
          "jsddpm_eval.selftest.run", "jsddpm_eval.utility.run", "jsddpm_reports.page",
          "jsddpm_reports.terminal")  # fmt: skip
"""Imported before the first trial: a child is a fork, which is killed while it works and has nothing to import."""


@dataclass(frozen=True)
class Stage:
    """A command that is killed.

    Attributes:
        name: What it makes.
        words: Its words; ``OUT`` stands for its output.
        again: Given the output, the words that go on.
        result: What must be as if it had never been killed.
        opens: Opens what is published of it; an error of ours means that it cannot be read.
        trials: How many kills.
    """

    name: str
    words: tuple[object, ...]
    again: Callable[[Path], tuple[object, ...]]
    result: Callable[[Path], object]
    opens: Callable[[Path], object]
    trials: int


@dataclass
class Counts:
    """What kills of a stage came to."""

    kills: int = 0
    finished: int = 0
    unreadable: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    different: int = 0
    left: set[str] = field(default_factory=set)


def killed(words: tuple[object, ...], out: Path, delay: float) -> Found:
    """A command killed so long after its start."""

    def kill(pid: int) -> None:
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)

    return child(*_named(words, out), while_running=kill)


def _named(words: tuple[object, ...], out: Path) -> list[str]:
    return [str(word).replace("OUT", str(out)) for word in words]


def _store(out: Path) -> None:
    if out.exists() and (damaged := SliceStore(out).verify()):
        raise AssertionError(damaged)


def _checkpoint(out: Path) -> None:
    if (out / _LAST).exists():
        load_denoiser(out / _LAST)


def _results(out: Path) -> None:
    if (out / "results.json").exists():
        Results.read(out / "results.json")


def stages(folder: Path) -> list[Stage]:
    """The commands, on small data made in the folder."""
    bids, store = write_bids(folder / "bids"), write_store(folder / "store").path
    for words in (
        ("train", *_TRAIN, "--store", store, "--out", folder / "run"),
        ("sample", folder / "run", "--out", folder / "made", "--per-condition", 8),
    ):
        found = child(*words)
        assert found.status == 0, found.err

    build = ("cache", "build", bids, "--out", "OUT", *SMALL)
    train = ("train", *_TRAIN, "--store", store, "--out", "OUT")
    sample = ("sample", folder / "run", "--out", "OUT", "--per-condition", 8)
    evaluate = ("eval", "--real", store, "--generated", folder / "made", "--bin-aware", "--features", "radiomics",
                "--metrics", "kid", "--metrics", "best_match", "--feature-cache", "OUT.cache", "--out",
                "OUT")  # fmt: skip
    cohort = write_store(folder / "cohort", patients=16).path
    selftest = ("selftest", cohort, "--z-range", 5, 34, "--bins", 2, "--samples", 2, "--perfect", 1, "--quick",
                "--fault", "blur", "--jobs", 1, "--out", "OUT")  # fmt: skip

    utility = ("utility", cohort, "--z-range", 5, 34, "--bins", 2, "--preset", "quick", "--steps", 3,
               "--seeds", 2, "--folds", 2, "--arm", "real", "--arm", "real+poisson", "--jobs", 1,
               "--out", "OUT")  # fmt: skip

    def resume(out: Path) -> tuple[object, ...]:
        return ("train", "--resume", "--store", store, "--out", "OUT") if (out / _LAST).exists() else train

    def trials(out: Path) -> object:
        return {name: value for name, value in read_json(out / "selftest.json").items() if name != "seconds"}

    def cells(out: Path) -> object:
        values = read_json(out / "utility.json")
        return values | {"cells": [{**cell, "seconds": 0} for cell in values["cells"]]}

    return [
        Stage("cache build", build, lambda out: build if out.exists() else (*build, "--resume"), content, _store, 40),
        Stage("train", train, resume, lambda out: digest(out / _LAST), _checkpoint, 30),
        Stage("sample", sample, lambda out: sample, content, _store, 30),
        Stage("eval", evaluate, lambda out: evaluate, lambda out: (out / "results.json").read_bytes(), _results, 6),
        Stage("selftest", selftest, lambda out: selftest, trials, lambda out: None, 2),
        Stage("utility", utility, lambda out: utility, cells, lambda out: None, 4),
    ]  # fmt: skip


def try_stage(stage: Stage, folder: Path, rng: random.Random, share: float) -> Counts:
    """Kill, look, go on, compare; ``share`` of the stage's trials."""
    folder.mkdir()
    start, counts = time.monotonic(), Counts()
    whole = child(*_named(stage.words, folder / "whole"))
    assert whole.status in (0, 7), whole.err
    duration, expected = time.monotonic() - start, stage.result(folder / "whole")
    for trial in range(round(share * stage.trials)):
        out = folder / f"trial-{trial}" / "new"
        out.parent.mkdir()
        ended = killed(stage.words, out, rng.uniform(0, duration))
        counts.kills += ended.status == -signal.SIGKILL
        counts.finished += ended.status != -signal.SIGKILL
        try:
            stage.opens(out)
        except (JsddpmError, AssertionError) as error:
            counts.unreadable.append(f"{stage.name}: {error}")
        if ended.status == -signal.SIGKILL and not (out.exists() and stage.result is content):
            found = child(*_named(stage.again(out), out))
            if found.status not in (0, 7):
                counts.stuck.append(f"{stage.name}: {found.err.strip().splitlines()[-1:]}")
                continue
        counts.different += stage.result(out) != expected
        counts.left |= {p.name for p in out.parent.rglob("*") if p.name.endswith((".partial", ".building", ".holder"))}
        shutil.rmtree(out.parent)
    return counts


def try_demo(folder: Path, rng: random.Random, trials: int) -> Counts:
    """One demo killed again and again on its way through all stages, and then let finish."""
    counts, out = Counts(), folder / "demo"
    words = ("demo", "--out", "OUT")
    for _ in range(trials):
        ended = killed(words, out, rng.uniform(1, 45))
        counts.kills += ended.status == -signal.SIGKILL
        counts.finished += ended.status != -signal.SIGKILL
        if ended.status not in (0, -signal.SIGKILL):
            counts.stuck.append(f"demo: {ended.err.strip().splitlines()[-1:]}")
        for opens, place in (
            (_store, "store"),
            (_checkpoint, "run"),
            (_store, "run/samples"),
            (_results, "run/evaluation"),
        ):
            try:
                opens(out / place)
            except (JsddpmError, AssertionError) as error:
                counts.unreadable.append(f"demo {place}: {error}")
    if trials:
        found = child(*_named(words, out))
        if found.status != 0:
            counts.stuck.append(f"demo: {found.err.strip().splitlines()[-1:]}")
        counts.left = {p.name for p in out.rglob("*") if p.name.endswith((".partial", ".building", ".holder"))}
    return counts


def main() -> None:
    """Print the table; status 1 when anything was lost, or had to be removed by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the trials")
    parser.add_argument("--demo", type=int, default=4, help="kills of the demo, which takes minutes")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start, rng, found = time.monotonic(), random.Random(options.seed), {}
    for module in _FIRST:
        import_module(module)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stage in stages(folder):
            found[stage.name] = try_stage(stage, folder / stage.name.replace(" ", "-"), rng, options.share)
            print(stage.name, found[stage.name], file=sys.stderr, flush=True)
        found["demo"] = try_demo(folder, rng, options.demo)
    table = Table("command", "killed", "ended before", "unreadable", "by hand", "different", "left over")
    for stage_name, c in found.items():
        table.add_row(
            stage_name, *map(str, (c.kills, c.finished, len(c.unreadable), len(c.stuck), c.different, len(c.left)))
        )
    console = Console(width=110)
    console.print(table)
    faults = [line for c in found.values() for line in (*c.unreadable, *c.stuck, *sorted(c.left))]
    for fault in faults:
        console.print(fault, markup=False, highlight=False)
    kills = sum(c.kills for c in found.values())
    console.print(f"{kills} kills, {(time.monotonic() - start) / 60:.1f} min")
    sys.exit(bool(faults) or any(c.different for c in found.values()))


if __name__ == "__main__":
    main()
