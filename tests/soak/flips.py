"""Bits flipped in every kind of file that is read again, hundreds of each; prints what their readers made of them."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.table import Table

from conftest import TINY
from flips import OUTCOMES, flip, kinds
from jsddpm.config import load_config
from jsddpm.slices.store import SliceStore
from jsddpm.training.run import train
from jsddpm_cli.commands.sample import run_sampling
from synthetic import write_store


def main() -> None:
    """Print the table; status 1 when a bit was read in silence, or an error was none of ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start, table = time.monotonic(), Table("file", "flips", *OUTCOMES)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = train(load_config("demo", TINY), write_store(folder / "trained"), folder / "run").parents[1]
        generated = SliceStore(run_sampling(run, folder / "generated", {}, None, None, 0))
        (folder / "kinds").mkdir()
        for kind, file in kinds(folder / "kinds", run, generated).items():
            found = flip(file.path, file.use, options.trials, options.seed)
            table.add_row(kind, str(options.trials), *(str(found[outcome]) for outcome in OUTCOMES))
            wrong += found["silent wrong"] + found["raw"]
            print(kind, dict(found), file=sys.stderr)
    Console(width=110).print(table)
    print(f"{(time.monotonic() - start) / 60:.1f} min")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
