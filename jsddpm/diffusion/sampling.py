"""Identity of a sample: its condition, its number, and the seed of its noise.

Each sample owns a random generator seeded by a hash of (run seed, condition, number), and draws its starting noise and
its step noise from it on the CPU; batch size, order, rank and device do not matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from jsddpm.binning import Condition
from jsddpm.diffusion.standalone import sample_seed, seeded_generator


@dataclass(frozen=True, order=True)
class SampleId:
    """One sample to draw: its condition and its number within the condition.

    Attributes:
        condition: Its condition.
        number: Its number within the condition, or that of its volume.
        coherence: Correlation of its starting noise with that of the other slices of its volume, and share of the
            sampling steps, from the noisiest on, whose noise is that of the volume; 0 for an independent sample.
    """

    condition: Condition
    number: int
    coherence: float = 0.0

    def seed(self, run_seed: int) -> int:
        """63-bit seed of this sample.

        >>> SampleId(Condition(3, 1), 0).seed(7) == SampleId(Condition(3, 1), 0).seed(7)
        True
        """
        return sample_seed(run_seed, self.condition.z_bin, self.condition.pathology, self.number)

    def volume_seed(self, run_seed: int) -> int:
        """63-bit seed that all slices of a volume share."""
        return sample_seed(run_seed, -1, -1, self.number)


class Noise:
    """Random generators of samples: their own, or those of their volumes.

    Args:
        ids: The samples.
        seed: Base of all seeds.
        steps: Steps of sampling.
    """

    def __init__(self, ids: Sequence[SampleId], seed: int, steps: int) -> None:
        self.own = [seeded_generator(i.seed(seed)) for i in ids]
        self.shared = [seeded_generator(i.volume_seed(seed)) if i.coherence > 0 else None for i in ids]
        self.coherence, self.steps = [i.coherence for i in ids], steps

    def start(self, size: tuple[int, int]) -> torch.Tensor:
        """Starting noise, float32 ``(N, 2, *size)`` on the CPU; call it before :meth:`generators`."""
        return torch.stack(
            [self._start((2, *size), *one) for one in zip(self.own, self.shared, self.coherence, strict=True)]
        )

    @staticmethod
    def _start(
        shape: tuple[int, ...], own: torch.Generator, shared: torch.Generator | None, coherence: float
    ) -> torch.Tensor:
        noise = torch.randn(shape, generator=own)
        if shared is not None:
            noise = math.sqrt(1 - coherence) * noise + math.sqrt(coherence) * torch.randn(shape, generator=shared)
        return noise

    def generators(self, step: int) -> list[torch.Generator]:
        """A generator of the step noise for each sample at a step, counted from 0."""
        return [
            own if shared is None or step >= coherence * self.steps else shared
            for own, shared, coherence in zip(self.own, self.shared, self.coherence, strict=True)
        ]
