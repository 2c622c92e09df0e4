"""States of a torchmetrics metric: those of all processes, and the batches of one as a tensor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed
from torchmetrics.utilities import dim_zero_cat
from torchmetrics.utilities.distributed import gather_all_tensors


def gathered(state: Tensor, group: Any = None) -> list[Tensor]:
    """The state of every process, in rank order; gathered by torchmetrics, also if a process has no slices.

    Args:
        state: Rows of this process, ``(n, ...)``; of any shape and type when there are none.
        group: Process group; all processes when None.
    """
    local = (tuple(state.shape[1:]), state.dtype) if len(state) else None
    described: list[tuple[tuple[int, ...], torch.dtype] | None] = [None] * distributed.get_world_size(group)
    distributed.all_gather_object(described, local, group=group)
    shape, dtype = next((d for d in described if d), ((), state.dtype))
    return gather_all_tensors(state if len(state) else state.new_empty((0, *shape), dtype=dtype), group)


def joined(state: Tensor | list[Tensor]) -> Tensor:
    """A state as one tensor on the CPU; an empty one without slices."""
    return torch.empty(0) if isinstance(state, list) and not state else dim_zero_cat(state).cpu()
