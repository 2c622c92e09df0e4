"""The configuration changed one key at a time, at random; `make soak` prints the table. Not part of the test run.

Plans: a change goes through `jsddpm train --dry-run` in this process. Trainings: a change that plans goes through
`jsddpm train` of two steps in a child with a time limit. Every answer is 0 or a typed error with its exit
status; an internal error (70), a traceback or a child that ends by a signal or late is a failure.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.table import Table

from calls import Found, call, child
from conftest import TINY
from corruptions import REFUSED
from jsddpm.config import load_config
from jsddpm.registry import EMBEDDINGS, SAMPLERS
from synthetic import write_store

SHORT = [*TINY, "trainer.max_steps=2", "trainer.check_every=2", "logging.grid=2"]
TYPED = {0, 2, 3, 4, 5, 6}
"""Exit statuses that a change of the configuration may have: done, or a typed error."""
ADDRESS_SPACE = 12 << 30
NUMBERS = (
    "0",
    "1",
    "2",
    "3",
    "5",
    "7",
    "16",
    "33",
    "64",
    "100",
    "999",
    "1000",
    "4096",
    "65536",
    "1e6",
    "1e12",
    "1e300",
)
"""Whole and other numbers at and beyond the bounds of many keys."""
FRACTIONS = (
    "0.0",
    "1e-30",
    "1e-6",
    "0.001",
    "0.1",
    "0.5",
    "0.9",
    "0.999",
    "1.0",
    "1.5",
    "4",
    "10",
    "-0.5",
    ".inf",
    ".nan",
)
ODD = (
    "null",
    "[]",
    "{}",
    "''",
    "word",
    "[1]",
    "[1, 2]",
    "{a: 1}",
    "true",
    "false",
    "!!binary aGk=",
    "2020-01-01",
    "0x1F",
)
WORDS = (
    "memory", "device", "mapped", "global", "local-inclusive", "sample", "v_prediction", "epsilon", "sigmoid", "linear",
    "scaled_linear", "squaredcos_cap_v2", "auto", "bf16-mixed", "16-mixed", "32-true", *SAMPLERS.names(),
    *EMBEDDINGS.names(),
)  # fmt: skip


def changes(seed: int) -> Iterator[tuple[str, str]]:
    """Endless single changes: key and value in YAML."""
    rng, config = random.Random(seed), load_config("demo", SHORT).model_dump(mode="json")
    keys = list(REFUSED)
    while True:
        key = rng.choice(keys)
        section, _, name = key.rpartition(".")
        value = (config[section] if section else config)[name]
        kind = rng.choices(("number", "fraction", "odd", "word", "refused", "near", "list"), (4, 3, 1, 2, 1, 4, 3))[0]
        if kind == "near" and isinstance(value, int | float) and not isinstance(value, bool):
            yield (
                key,
                repr(value * rng.choice((0.5, 2, 3, 10, 100)) if rng.random() < 0.7 else value + rng.choice((-1, 1))),
            )
        elif kind == "list" and isinstance(value, list):
            yield (
                key,
                json.dumps([rng.choice((*value, 0, 1, 8, 12, 16, 40, 64, 500)) for _ in range(rng.randint(1, 4))]),
            )
        elif kind == "refused":
            yield key, rng.choice(REFUSED[key])
        elif kind == "word" or isinstance(value, str):
            yield key, rng.choice(WORDS)
        elif kind == "odd":
            yield key, rng.choice(ODD)
        elif kind == "fraction" or isinstance(value, float):
            yield key, rng.choice(FRACTIONS)
        else:
            yield key, rng.choice(NUMBERS)


def words(folder: Path, out: str, key: str, value: str) -> list[str]:
    """The words of a training with one change."""
    settings = [part for s in (*SHORT, f"{key}={value}") for part in ("--set", s)]
    return ["train", "--preset", "demo", "--store", str(folder / "store"), "--out", str(folder / out), *settings]


def failed(found: Found, seconds: float, limit: float) -> str | None:
    """What is wrong with an answer that took these seconds of CPU, if anything."""
    if found.status not in TYPED:
        return f"status {found.status}"
    if "Traceback" in found.err or (found.status and "error[" not in found.err):
        return "no typed error"
    return f"{seconds:.0f} s" if seconds > limit else None


def plans(folder: Path, trials: int, seed: int) -> tuple[Counter[int], list[str], list[tuple[str, str]]]:
    """Answers of plans by exit status, what failed, and the changes that plan."""
    statuses: Counter[int] = Counter()
    problems, good = [], []
    for _, (key, value) in zip(range(trials), changes(seed), strict=False):
        start = time.process_time()  # other work on the machine is no fault of a plan
        found = call(*words(folder, "plan", key, value), "--dry-run")
        statuses[found.status] += 1
        if problem := failed(found, time.process_time() - start, 60):
            problems.append(f"plan {key}={value}: {problem}: {found.said[-300:]}")
        if (folder / "plan").exists():
            problems.append(f"plan {key}={value}: wrote a folder")
        good += [(key, value)] if found.status == 0 else []
    return statuses, problems, good


def trainings(folder: Path, chosen: list[tuple[str, str]], limit: float) -> tuple[Counter[int], list[str]]:
    """Answers of trainings by exit status, and what failed; a child that takes too long is killed."""
    statuses: Counter[int] = Counter()
    problems = []
    for number, (key, value) in enumerate(chosen):
        found = child(
            *words(folder, f"run-{number}", key, value),
            limits={resource.RLIMIT_AS: ADDRESS_SPACE, resource.RLIMIT_CPU: int(limit)},
        )
        statuses[found.status] += 1
        late = found.status == -signal.SIGKILL or found.status == -signal.SIGXCPU
        if problem := "too long" if late else failed(found, 0, limit):
            problems.append(f"training {key}={value}: {problem}: {found.said[-300:]}")
    return statuses, problems


def main() -> None:
    """Print the table; status 1 when an answer was not typed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=1000)
    parser.add_argument("--trainings", type=int, default=60)
    parser.add_argument("--limit", type=float, default=60, help="Seconds of CPU of a training.")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_store(folder / "store")
        planned, problems, good = plans(folder, options.plans, options.seed)
        rng = random.Random(options.seed)
        different = sorted(set(good))
        chosen = rng.sample(different, min(options.trainings, len(different)))
        trained, late = trainings(folder, chosen, options.limit)
    table = Table("what", "found")
    for what, statuses in (("plans", planned), ("trainings of two steps", trained)):
        table.add_row(f"{what}: one key changed", f"{statuses.total()}, {len(set(good))} different changes plan")
        for status, count in sorted(statuses.items()):
            table.add_row(f"{what}: exit status {status}", str(count))
    table.add_row("keys changed", f"{len({k for k, _ in good})} of {len(REFUSED)} in changes that plan")
    table.add_row("answers that are no typed error", str(len(problems) + len(late)))
    table.add_row("time", f"{(time.monotonic() - start) / 60:.1f} min")
    for problem in (*problems, *late):
        print(problem, file=sys.stderr)
    Console(width=110).print(table)
    sys.exit(bool(problems or late))


if __name__ == "__main__":
    main()
