"""Training data of the networks: real training slices, averaged down, with a limit on their number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from jsddpm_eval.features.networks import MOST_SLICES, shrunk
from jsddpm_eval.memo import digest
from jsddpm_eval.slice_table import SliceTable


@dataclass(frozen=True, eq=False)
class TrainingSlices:
    """The training data of an extractor.

    Attributes:
        images: Averaged down to at most 64 x 64, float32 ``(N, h, w)`` in [0, 1].
        z_index: Positions, int64 ``(N,)``.
        lesion: Whether they show a lesion, int64 ``(N,)``.
    """

    images: Tensor
    z_index: Tensor
    lesion: Tensor

    @cached_property
    def digest(self) -> str:
        """Hash of all slices."""
        return digest(self.images, self.z_index, self.lesion)

    @classmethod
    def of(cls, real: SliceTable) -> TrainingSlices:
        """The slices of a real table that are not held out, read once."""

        def read() -> TrainingSlices:
            train = real.where(~real.held_out).spread(MOST_SLICES)
            return cls(train.mapped(lambda batch: shrunk(batch.images)), train.z_index, train.pathology)

        return real.memo.once(("training slices",), read)
