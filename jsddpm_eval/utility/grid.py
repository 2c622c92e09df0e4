"""The grid of trainings: each cell is a file of its own, written when it ends, by whichever process or machine.

A cell depends only on the seed and its settings, so cells can be trained in any process and order. An interrupted grid
continues, and gives the same cells; other arms or seeds of the same plan can be added to a folder later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

from jsddpm.checksums import read_sealed, write_sealed
from jsddpm.errors import integrity_error, usage_error
from jsddpm.files import json_bytes, make_directory, parse_json
from jsddpm.parallel import in_processes
from jsddpm.progress import Progress
from jsddpm.publish import exclusive_lock
from jsddpm_eval.plan_file import begun_otherwise
from jsddpm_eval.utility.arms import Arm
from jsddpm_eval.utility.cohort import Cohort
from jsddpm_eval.utility.protocol import Training

Row = dict[str, Any]
Opener = Callable[..., Cohort]


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        fold: Number of the fold, from 1.
        arm: Name of the arm.
        network: Name of the network.
        seed: Number of the repeat, from 0.
    """

    fold: int
    arm: str
    network: str
    seed: int

    @property
    def key(self) -> str:
        """Its unique name, which is also its file name."""
        return f"{self.fold} {self.arm} {self.network} {self.seed}".replace(" ", "_")


def grid(folds: int, arms: Sequence[str], networks: Sequence[str], seeds: int) -> list[Cell]:
    """All cells, in an order that spreads what takes long evenly over shares.

    >>> [cell.seed for cell in grid(1, ["real"], ["unet"], 2)]
    [0, 1]
    """
    cells = [Cell(f, a, n, s) for s in range(seeds) for f in range(1, folds + 1) for a in arms for n in networks]
    return sorted(cells, key=lambda cell: (cell.seed, crc32(cell.key.encode())))


def run_cells(
    out: str | Path,
    cells: Sequence[Cell],
    opener: Opener,
    arguments: tuple[Any, ...],
    training: Training,
    *,
    seed: int,
    plan: dict[str, Any],
    share: tuple[int, int] = (0, 1),
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Row] | None:
    """Train the cells of a share that a folder does not hold yet.

    Args:
        out: Folder.
        cells: All cells, whoever trains them.
        opener: Module-level function that opens the cohort; every process calls it once.
        arguments: Its arguments, hashable.
        training: How every network is trained.
        seed: Seed of everything drawn.
        plan: Further settings that a cell depends on; a folder of another plan is refused.
        share: Number of this process, and how many there are.
        jobs: Processes.
        progress: Called with (done, total) of this share after each cell.

    Returns:
        The rows of all cells, in their order; None while other shares have some left.

    Raises:
        JsddpmError: ``UTILITY`` (status 2) when the folder is of another plan, ``LOCKED`` (status 5) when another
            process works on this share, ``CELL`` (status 4) when the file of a cell is damaged.
    """
    out, (number, count) = make_directory(out), share
    begin(out, {**plan, "training": asdict(training), "seed": seed})
    ours = list(cells[number::count])
    with exclusive_lock(out / f".share-{number + 1}-of-{count}.lock"):
        left = [cell for cell in ours if not _file(out, cell).is_file()]
        calls = [(out, cell, opener, arguments, training, seed) for cell in left]
        for done, _ in enumerate(in_processes(run_cell, calls, jobs=jobs), 1):
            if progress is not None:
                progress(len(ours) - len(left) + done, len(ours))
    return [read_cell(out, cell) for cell in cells] if all(_file(out, cell).is_file() for cell in cells) else None


def begin(out: Path, plan: dict[str, Any]) -> None:
    """Write the plan of a folder, or compare it with the one that is there.

    Raises:
        JsddpmError: ``UTILITY`` (status 2) when the folder is of another plan.
    """
    with exclusive_lock(out / ".lock", wait=True):
        differing = begun_otherwise(out, plan)
    if differing:
        what = f"was started with other settings: {', '.join(differing)}"
        raise usage_error(
            "UTILITY", what, fix="repeat the command with the same settings, or choose another --out", file=out
        )


def run_cell(out: Path, cell: Cell, opener: Opener, arguments: tuple[Any, ...], training: Training, seed: int) -> None:
    """Train, segment the fold's patients, and write the row of the cell."""
    import torch

    start, threads = time.process_time(), torch.get_num_threads()
    cohort = opened(opener, arguments)
    torch.set_num_threads(1)
    try:
        outcome = train_and_test(cell, cohort, training, seed)
    finally:
        torch.set_num_threads(threads)
    row = {"key": cell.key, **asdict(cell), "generator": cohort.folds[cell.fold - 1].generator, **outcome}
    make_directory(_file(out, cell).parent)
    write_sealed(_file(out, cell), json_bytes({**row, "seconds": round(time.process_time() - start, 2)}))


def train_and_test(cell: Cell, cohort: Cohort, training: Training, seed: int) -> Row:
    """The last loss, and a record of every patient of the fold; see :data:`~jsddpm_eval.utility.scores.Record`."""
    from jsddpm.runtime import best_device
    from jsddpm_eval.utility.batches import Batches
    from jsddpm_eval.utility.scores import records
    from jsddpm_eval.utility.training import segmented, trained

    fold, slices, device = cohort.folds[cell.fold - 1], cohort.slices, best_device()
    key = (seed, cell.fold, cell.seed, crc32(cell.network.encode()))  # the same for every arm: differences are paired
    batches = Batches(slices, fold, Arm.parse(cell.arm), training, key)
    network, loss = trained(cell.network, batches, training, crc32(repr(key).encode()), device)
    predicted = segmented(network, slices.images[fold.test], device)
    return {"loss": round(loss, 5), "patients": records(slices, fold.test, predicted)}


@lru_cache(maxsize=1)
def opened(opener: Opener, arguments: tuple[Any, ...]) -> Cohort:
    """The cohort that an opener opens, once in a process."""
    return opener(*arguments)


def _file(out: Path, cell: Cell) -> Path:
    return out / "cells" / f"{cell.key}.json"


def read_cell(out: Path, cell: Cell) -> Row:
    """The stored row of a cell.

    Raises:
        JsddpmError: ``CELL`` (status 4) when its file is damaged.
    """
    path = _file(out, cell)
    data = read_sealed(path)
    if data is None:
        raise integrity_error("CELL", "differs from its checksum", fix="remove it and repeat the command", file=path)
    return parse_json(data, path)
