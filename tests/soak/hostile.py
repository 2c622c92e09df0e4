"""Thousands of hostile calls, and the memory that hostile files take; prints both tables. Not part of the test run.

A call may be refused, with its status and its typed line, or do its work. A bug (70), a traceback, a refusal without
its line or its cure, an escape character on the terminal, a call that has to be stopped and a changed input are faults.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from rich.console import Console
from rich.table import Table

from calls import child, forked
from conftest import TINY
from crash import content
from hostile import FAMILIES, Call, Outcome, Playground, attempt, calls
from jsddpm.cohort.nifti import write_nifti
from jsddpm.config import load_config
from jsddpm.training.run import train
from jsddpm_cli.commands.sample import run_sampling
from synthetic import write_store

MEMORY = 12 << 30
"""Address space of a process that calls: what asks for more is refused by the system, as on a small machine."""

PEAK = 1.5
"""How much more memory than the honest file a hostile one may take."""


def inputs(folder: Path) -> Playground:
    """What the calls work on."""
    store = write_store(folder / "store")
    train(load_config("demo", [*TINY, "logging.grid=0"]), store, folder / "run")
    run_sampling(folder / "run", folder / "made", {}, None, None, 0)
    (folder / "play").mkdir()
    return Playground(folder / "play", store.path, folder / "run", folder / "made")


def fuzz(playground: Playground, seed: int, count: int) -> list[Outcome]:
    """The calls of a seed, in a child that is started again where a call ends it."""
    hostile, log = list(calls(playground, seed, count)), playground.tmp / f"seed-{seed}"
    log.touch()
    while (done := len(log.read_text().splitlines())) < count:
        ended = forked(lambda first=done: _attempts(playground, hostile[first:], log))
        reached = len(log.read_text().splitlines())
        if reached < count:
            lost = hostile[reached]
            fault = f"the process ended with {ended.status}: {' '.join(lost.words)[:300]!r}"
            _write(log, Outcome(lost.family, "ended", (fault,)))
    return [Outcome(**json.loads(line)) for line in log.read_text().splitlines()]


def _attempts(playground: Playground, hostile: list[Call], log: Path) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    tempfile.tempdir = str(playground.tmp)
    os.chdir(playground.tmp / "folder")
    for one in hostile:
        _write(log, attempt(playground, one))
    return 0


def _write(log: Path, outcome: Outcome) -> None:
    with log.open("a") as stream:
        stream.write(json.dumps(asdict(outcome)) + "\n")


SIDES = (160, 192, 160)
AFFINE = np.diag([1.2, 1.2, 1.2, 1.0])


def _voxels() -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SIDES], indexing="ij"))
    noise = np.random.default_rng(0).integers(0, 20, SIDES)
    return (np.where((grid**2).sum(0) < 0.6, 500, 0) + noise).astype(np.int16)


def _headed(raw: bytes, *changes: tuple) -> bytes:
    edited = bytearray(raw)
    for offset, layout, *values in changes:
        struct.pack_into(layout, edited, offset, *values)
    return bytes(edited)


def _zeros(stream: gzip.GzipFile, count: int) -> None:
    block = bytes(1 << 24)
    for _ in range(count >> 24):
        stream.write(block)


def hostile_files(folder: Path) -> dict[str, Callable[[], object]]:
    """Writers of the image, by what is hostile about it; the others of the cohort are honest."""
    path = folder / "image.nii.gz"
    write_nifti(folder / "honest.nii.gz", _voxels(), AFFINE)
    write_nifti(folder / "mask.nii.gz", (_voxels() > 510).astype(np.uint8), AFFINE)
    (folder / "cohort.csv").write_text("image,mask,patient\nimage.nii.gz,mask.nii.gz,p\n")
    raw = gzip.decompress((folder / "honest.nii.gz").read_bytes())

    def packed(*parts: bytes, zeros: int = 0) -> None:
        with gzip.open(path, "wb", compresslevel=1) as stream:
            for part in parts:
                stream.write(part)
            _zeros(stream, zeros)

    def dims(*sizes: int) -> tuple:
        return (40, "<8h", *sizes, *[1] * (8 - len(sizes)))

    return {
        "honest": lambda: packed(raw),
        "4 GiB of zeros behind the voxels": lambda: packed(raw, zeros=4 << 30),
        "header of 3.7 GiB, as many zeros": lambda: packed(_headed(raw, dims(3, 1290, 1290, 1200)), zeros=4 << 30),
        "header of 3.7 GiB, a small body": lambda: packed(_headed(raw, dims(3, 1290, 1290, 1200))),
        "header of 32767 voxels a side": lambda: packed(_headed(raw, dims(3, 32767, 32767, 32767))),
        "seven dimensions of 60": lambda: packed(_headed(raw, dims(7, *[60] * 7)), zeros=1 << 30),
        "float64 announced": lambda: packed(_headed(raw, (70, "<2h", 64, 64))),
        "voxels that begin at 16 MiB": lambda: packed(_headed(raw, (108, "<f", float(1 << 24)))),
        "a slope of 1e19": lambda: packed(_headed(raw, (112, "<f", 1e19))),
        "text of 1 GiB": lambda: packed(b"subject,age\n", zeros=1 << 30),
    }


def peaks(folder: Path) -> list[tuple[str, int, float, float]]:
    """Status, peak memory beside the honest file's, and seconds of a scan that reads each hostile file."""
    folder.mkdir()
    rows, honest = [], 0
    for what, write in hostile_files(folder).items():
        write()
        found = child("cohort", "scan", folder / "cohort.csv", "--read", "--jobs", 1)
        honest = honest or found.peak
        rows.append((what, found.status, found.peak / honest, found.seconds))
    return rows


def main() -> None:
    """Print the tables; status 1 for any fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=525, help="of each seed")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--first", type=int, default=1, help="first seed; the test run has 0")
    options = parser.parse_args()
    start, outcomes = time.monotonic(), []
    with tempfile.TemporaryDirectory() as name:
        playground = inputs(Path(name))
        before = [content(p) for p in (playground.store, playground.run, playground.made, playground.bids)]
        for seed in range(options.first, options.first + options.seeds):
            outcomes += fuzz(playground, seed, options.calls)
        after = [content(p) for p in (playground.store, playground.run, playground.made, playground.bids)]
        measured = peaks(Path(name) / "peaks")
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    faults += ["an input was changed"] * (before != after)
    faults += [f"{ratio:.2f} times the honest file's memory: {what}" for what, _, ratio, _ in measured if ratio > PEAK]
    counts = Counter((o.status, o.family) for o in outcomes)
    table = Table("status", *FAMILIES, "all")
    for status in sorted({o.status for o in outcomes}):
        of_family = [counts[status, family] for family in FAMILIES]
        table.add_row(status, *map(str, of_family), str(sum(of_family)))
    memory = Table("file", "status", "peak, of the honest one", "seconds")
    for what, status, ratio, seconds in measured:
        memory.add_row(what, str(status), f"{ratio:.2f}", f"{seconds:.1f}")
    console = Console(width=110)
    console.print(table, memory)
    for fault in faults:
        console.print(fault, markup=False, highlight=False)
    minutes = (time.monotonic() - start) / 60
    console.print(f"{len(outcomes)} calls, {len(faults)} faults, {minutes:.1f} min")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
