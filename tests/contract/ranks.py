"""Group I: two processes of one training. A dead one ends the other, and nothing they have is doubled."""

from __future__ import annotations

import os
import time

from calls import Found
from conftest import TINY
from contract.case import Row, World
from jsddpm.config import load_config
from jsddpm.training.run import train
from processes import two_processes


def one_dies(world: World) -> Found:
    """The second process ends at its second step; the first leaves soon, and not with 0."""
    config = load_config("demo", [*TINY, "trainer.max_steps=100000", "logging.grid=0"])

    def work(rank: int) -> None:
        def die(done: int, total: int, values: object) -> None:
            if rank == 1 and done == 2:
                os._exit(9)

        train(config, world.store, world.tmp / "new", progress=die)

    start = time.monotonic()
    statuses = two_processes(work)
    assert statuses[1] == 9
    assert statuses[0] not in (0, 9)
    assert time.monotonic() - start < 30
    return Found(0)


ROWS = (Row("106", "one of two processes dies", one_dies, seconds=40),)
