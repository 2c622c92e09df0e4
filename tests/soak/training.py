"""Long trials of what must never be lost; `make soak` prints the table. Not part of the test run.

Kill: a child trains, writing a checkpoint every step, and is killed with SIGKILL at a seeded random moment; its last
checkpoint must load, and the next trial goes on from it. At the end the run that was killed all those times is
compared, byte by byte, with one that never was. Resume: a run is stopped at every step by SIGTERM and resumed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.table import Table

from conftest import EVERYTHING, TINY
from jsddpm.config import RunConfig, load_config
from jsddpm.diffusion.checkpoint import checkpoint_info, load_denoiser
from jsddpm.errors import JsddpmError
from jsddpm.slices.store import SliceStore
from jsddpm.training.run import train
from state import digest
from synthetic import write_store

QUIET = ["logging.grid=0", "trainer.check_every=1", "evaluation.timesteps=[500]"]
LARGER = ["model.channels=[32,64]", "trainer.max_steps=1000000"]


def stop_at(step: int):
    """Ends training after a step, as a batch system would."""

    def progress(done: int, total: int, values: object) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return progress


def stopped(config: RunConfig, store: SliceStore, out: Path, step: int, *, resume: bool) -> Path:
    """Train to a step, and no further."""
    try:
        train(config, store, out, resume=resume, progress=stop_at(step))
    except JsddpmError as error:
        if error.code != "TERMINATED":
            raise
    return out / "checkpoints" / "last.ckpt"


def killed_child(config: RunConfig, store: SliceStore, out: Path, delay: float) -> None:
    """Train in a child from its last checkpoint, and kill it ``delay`` seconds after it has written one more."""
    last = out / "checkpoints" / "last.ckpt"
    before = last.stat().st_mtime_ns if last.exists() else 0
    pid = os.fork()
    if pid == 0:
        try:
            train(config, store, out, resume=bool(before))
        finally:
            os._exit(70)
    while not last.exists() or last.stat().st_mtime_ns == before:
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            raise SystemExit("the child ended by itself")
        time.sleep(0.001)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


Row = tuple[str, str, bool]
"""What, found, whether nothing was lost."""


def kills(store: SliceStore, folder: Path, trials: int, seed: int) -> list[Row]:
    """Kill again and again; count what is left."""
    config, rng, out = load_config("demo", [*TINY, *QUIET, *LARGER]), random.Random(seed), folder / "killed"
    unreadable = backward = in_the_middle = step = 0
    for trial in range(trials):
        killed_child(config, store, out, rng.uniform(0, 0.25))
        in_the_middle += bool(list((out / "checkpoints").glob(".*.partial")))
        try:
            load_denoiser(out / "checkpoints" / "last.ckpt")
            found = checkpoint_info(out / "checkpoints" / "last.ckpt").step
            backward, step = backward + (found <= step), found
        except JsddpmError as error:
            unreadable += 1
            print(f"trial {trial}: {error}", file=sys.stderr)
    target = step + 2
    same = digest(stopped(config, store, out, target, resume=True)) == digest(
        stopped(config, store, folder / "never", target, resume=False)
    )
    return [
        ("kill -9 at a random moment", f"{trials} trials, {in_the_middle} in the middle of writing a checkpoint", True),
        ("last checkpoint unreadable", f"{unreadable} of {trials}", not unreadable),
        ("last checkpoint no later than the one before", f"{backward} of {trials}", not backward),
        (f"step {target} after {trials} kills: bytes of a run never killed", "yes" if same else "NO", same),
    ]


def resumes(store: SliceStore, folder: Path, steps: int) -> list[Row]:
    """Stop and resume at every step."""
    rows = []
    for name, settings in (("plain", []), ("every option", EVERYTHING)):
        config = load_config("demo", [*TINY, *QUIET, f"trainer.max_steps={steps}", "trainer.check_every=5", *settings])
        whole, exact = digest(train(config, store, folder / name)), 0
        for step in range(1, steps):
            out = folder / f"{name}-{step}"
            stopped(config, store, out, step, resume=False)
            exact += digest(train(config, store, out, resume=True)) == whole
        all_exact = exact == steps - 1
        rows.append((f"stopped at a step and resumed, {name}: exact", f"{exact} of {steps - 1}", all_exact))
    return rows


def main() -> None:
    """Print the table; status 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = write_store(folder / "store")
        rows = [*resumes(store, folder, options.steps), *kills(store, folder, options.trials, options.seed)]
    table = Table("what", "found")
    for what, found, _ in [*rows, ("time", f"{(time.monotonic() - start) / 60:.1f} min", True)]:
        table.add_row(what, found)
    Console(width=110).print(table)
    sys.exit(not all(kept for *_, kept in rows))


if __name__ == "__main__":
    main()
