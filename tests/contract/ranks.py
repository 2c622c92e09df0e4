"""Group I: two processes of one training. A dead one ends the other, and nothing they have is doubled."""

from __future__ import annotations

import os
import time

from calls import Found
from conftest import TINY
from contract.case import Elsewhere, Row, World
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

_TRAINING, _SCORES = "jsddpm/training/test_distributed.py", "jsddpm_eval/test_distributed.py"
ELSEWHERE = (
    Elsewhere("107", "one of two processes hangs",
              f"{_TRAINING}::test_a_process_that_hangs_ends_the_other_within_the_limit_and_names_the_step"),
    Elsewhere("108", "shares of unequal length", f"{_SCORES}::test_two_processes_give_the_scores_of_one"),
    Elsewhere("108", "a process without a slice", f"{_SCORES}::test_a_process_without_any_slice_takes_part"),
    Elsewhere("109", "the writing process fails",
              f"{_TRAINING}::test_only_the_first_process_writes_and_its_failure_reaches_the_other"),
    Elsewhere("110", "weights of two processes",
              f"{_TRAINING}::test_weights_are_the_same_on_both_processes_after_every_step"),
    Elsewhere("110", "noise of two processes", f"{_TRAINING}::test_every_chunk_has_its_own_noise"),
)  # fmt: skip
