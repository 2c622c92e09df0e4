"""Slices with everything the metrics need to know of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torchmetrics.utilities.distributed import gather_all_tensors


@dataclass(frozen=True)
class Samples:
    """Real and generated slices side by side, row by row.

    Attributes:
        image: float32 ``(N, H, W)`` in [0, 1].
        token: Condition tokens, int64 ``(N,)``.
        patient: Patient numbers, -1 for generated slices, int64 ``(N,)``.
        held_out: Real slices the generator was not trained on, boolean ``(N,)``.
        row: Position in the whole, int64 ``(N,)``; kept by :meth:`where`.
        features: Standardized features by extractor, float64 ``(N, d)``.
    """

    image: Tensor
    token: Tensor
    patient: Tensor
    held_out: Tensor
    row: Tensor
    features: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.image)

    @property
    def generated(self) -> Tensor:
        """Which slices are generated, boolean ``(N,)``."""
        return self.patient < 0

    @property
    def n_patients(self) -> int:
        """Patients of the real slices."""
        return len(self.patient[self.patient >= 0].unique())

    @property
    def light(self) -> Samples:
        """The same without pixels, for what needs features only: picking from it copies no image."""
        return replace(self, image=self.image[:, :0, :0])

    def where(self, keep: Tensor) -> Samples:
        """The slices a boolean mask or an index picks."""
        features = {name: values[keep] for name, values in self.features.items()}
        return Samples(
            self.image[keep], self.token[keep], self.patient[keep], self.held_out[keep], self.row[keep], features
        )


def numbered(names: NDArray[np.str_]) -> Tensor:
    """Patient names as numbers from 0, in name order, int64 ``(N,)``."""
    return torch.from_numpy(np.unique(names, return_inverse=True)[1].astype(np.int64))


def gathered(state: Tensor, group: Any = None) -> list[Tensor]:
    """The state of every process, in rank order; torchmetrics' gathering, also where a process has seen no slice.

    Args:
        state: Rows of this process, ``(n, ...)``; of any shape and type when there are none.
        group: Process group; all processes when None.
    """
    own = (tuple(state.shape[1:]), state.dtype) if len(state) else None
    described: list[tuple[tuple[int, ...], torch.dtype] | None] = [None] * distributed.get_world_size(group)
    distributed.all_gather_object(described, own, group=group)
    shape, dtype = next((d for d in described if d), ((), state.dtype))
    return gather_all_tensors(state if len(state) else state.new_empty((0, *shape), dtype=dtype), group)
