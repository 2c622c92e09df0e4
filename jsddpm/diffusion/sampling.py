"""Identity of a sample: its condition, its number, and the seed of its noise.

Each sample owns a random generator seeded by a hash of (run seed, condition, number), and draws its starting noise and
its step noise from it on the CPU; batch size, order, rank and device do not matter.
"""

from __future__ import annotations

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
        coherence: Share of the sampling steps, from the noisiest on, in which it has the noise of its volume,
            including the starting noise; 0 for an independent sample.
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
        self.last = [i.coherence * steps for i in ids]

    def generators(self, step: int) -> list[torch.Generator]:
        """A generator for each sample at a step, counted from 0."""
        return [
            own if shared is None or step >= last else shared
            for own, shared, last in zip(self.own, self.shared, self.last, strict=True)
        ]
