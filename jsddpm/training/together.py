"""Work of all processes of a training: samples of which each draws a share, and what the first one does for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import lightning as L  # noqa: N812 - the library's own convention
import numpy as np
from numpy.typing import NDArray
from torch import distributed

from jsddpm.errors import environment_error

Item = TypeVar("Item")
Result = TypeVar("Result")
Arrays = tuple[NDArray[Any] | None, ...]


def drawn_together(
    trainer: L.Trainer, items: Sequence[Item], draw: Callable[[Sequence[Item]], Arrays]
) -> Arrays | None:
    """Samples that all processes draw, in the order of their items; None on all processes but the first.

    Args:
        trainer: The trainer of the processes.
        items: What to draw, at least one; every ``world_size``-th is drawn by one process.
        draw: Arrays of the samples of some items, ``(n, ...)``; None for an array that there is not. A process without
            a share draws the first item, because a module may need all processes; the result is not used.
    """
    world, rank = trainer.world_size, trainer.global_rank
    part = draw(items[rank::world] or items[:1])
    if world == 1:
        return part
    parts: list[Any] = [None] * world
    distributed.all_gather_object(parts, part)
    return None if rank else tuple(_in_order(arrays, len(items)) for arrays in zip(*parts, strict=True))


def _in_order(parts: Sequence[NDArray[Any] | None], count: int) -> NDArray[Any] | None:
    """The arrays of all processes as one.

    >>> _in_order([np.array([0, 2]), np.array([1])], 3), _in_order([np.array([0]), np.array([0])], 1)
    (array([0, 1, 2]), array([0]))
    """
    if parts[0] is None:
        return None
    whole = np.empty((count, *parts[0].shape[1:]), parts[0].dtype)
    for rank, part in enumerate(parts):
        share = whole[rank :: len(parts)]
        share[:] = cast(NDArray[Any], part)[: len(share)]
    return whole


def on_first(trainer: L.Trainer, work: Callable[[], Result], name: str) -> Result:
    """The result of work on the first process, on every process; if it fails, all end with its reason.

    Args:
        trainer: The trainer of the processes.
        work: The work.
        name: What it does, such as ``judge samples``, for the message of the other processes.

    Raises:
        JsddpmError: ``PROCESSES`` (status 5) on the other processes.
    """
    result: Result | None = None
    failure: Exception | None = None
    if trainer.is_global_zero:
        try:
            result = work()
        except Exception as error:  # the others wait for it, so they are informed first
            failure = error
    result, reason = trainer.strategy.broadcast((result, None if failure is None else str(failure)))
    if failure is not None:
        raise failure
    if reason is not None:
        cure = "read the message of the first process"
        raise environment_error("PROCESSES", f"the first process cannot {name} ({reason})", fix=cure)
    return cast(Result, result)
