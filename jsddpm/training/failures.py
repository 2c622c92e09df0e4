"""What ends a training from outside, in words: no memory, a worker that was killed, a compiler that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jsddpm.config import RunConfig
from jsddpm.errors import environment_error
from jsddpm.runtime import out_of_memory


@contextmanager
def explained(config: RunConfig, last: Path | None = None) -> Iterator[None]:
    """Explain what the block raises when the machine is at fault; everything else goes through.

    Args:
        config: The run's configuration.
        last: The run's last checkpoint, which the cure names if there is one.

    Raises:
        JsddpmError: ``MEMORY``, ``WORKER``, ``COMPILE`` (status 5).
    """
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        kept = last if last is not None and last.is_file() else None
        if out_of_memory(error):
            what = f"data.batch_size={config.data.batch_size}: memory ran out in a training step"
            cure = "halve data.batch_size and double trainer.accumulate"
            cure += f" in a new run with --warm-start {kept}" if kept else ""
            raise environment_error("MEMORY", what, fix=cure) from error
        if isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker"):
            what = f"a process of data.workers={config.data.workers} was killed ({str(error).splitlines()[0]})"
            cure = "give more memory, or use fewer data.workers"
            cure += "; --resume continues from the last checkpoint" if kept else ""
            raise environment_error("WORKER", what, fix=cure) from error
        if config.trainer.compile and type(error).__module__.startswith(("torch._inductor", "torch._dynamo")):
            cure = "set trainer.compile=false (--debug shows why)"
            raise environment_error("COMPILE", "torch.compile fails here", fix=cure) from error
        raise
