"""Failures of training caused by the machine: memory, a process that was killed or hangs, a compiler."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jsddpm.config import RunConfig
from jsddpm.errors import environment_error, first_line
from jsddpm.runtime import out_of_memory, processes

_LOST = re.compile("timed? ?out|closed by peer|connection (reset|refused)|broken pipe|heartbeat", re.IGNORECASE)
"""Parts of the messages of torch.distributed on a process that was killed or hangs."""


@contextmanager
def explained(config: RunConfig, last: Path | None = None, step: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Raise errors with a cure for failures of the machine in the block; other exceptions are not changed.

    Args:
        config: The run's configuration.
        last: The run's last checkpoint, which the cure names if it exists.
        step: Optimiser steps done.

    Raises:
        JsddpmError: ``MEMORY``, ``WORKER``, ``PROCESSES``, ``COMPILE`` (status 5).
    """
    try:
        yield
    except (RuntimeError, MemoryError, OSError, EOFError) as error:
        checkpoint = last if last is not None and last.is_file() else None
        if out_of_memory(error):
            what = f"data.batch_size={config.data.batch_size}: memory ran out in a training step"
            cure = "halve data.batch_size and double trainer.accumulate"
            cure += f" in a new run with --warm-start {checkpoint}" if checkpoint else ""
            raise environment_error("MEMORY", what, fix=cure) from error
        if _of_worker(error, config.data.workers):
            what = f"a process of data.workers={config.data.workers} was killed ({first_line(error)})"
            cure = "use a machine with more memory, or fewer data.workers"
            cure += "; --resume --set data.workers=0 continues from the last checkpoint" if checkpoint else ""
            raise environment_error("WORKER", what, fix=cure) from error
        if config.trainer.compile and type(error).__module__.startswith(("torch._inductor", "torch._dynamo")):
            cure = "set trainer.compile=false (--debug shows the reason)"
            raise environment_error("COMPILE", "torch.compile fails on this machine", fix=cure) from error
        if processes().world > 1 and isinstance(error, RuntimeError) and _LOST.search(str(error)):
            what = f"another process does not answer at step {step()} ({first_line(error)})"
            cure = f"read the messages of that process; each waits {config.trainer.collective_timeout} s for the others"
            raise environment_error("PROCESSES", what, fix=f"{cure} (trainer.collective_timeout)") from error
        raise


def _of_worker(error: Exception, workers: int) -> bool:
    """Whether a loading process was killed: between two batches, or while it handed one over."""
    if isinstance(error, RuntimeError):
        return str(error).startswith("DataLoader worker")
    return workers > 0 and isinstance(error, ConnectionError | EOFError)
