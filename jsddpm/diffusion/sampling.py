"""Identity of a sample: its condition, its number, and the seed of its noise.

The seed of a sample is a hash of (run seed, condition, number, attempt). Its starting noise and its step noise are
functions of this seed, computed where the network is; batch size, order, rank and device do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from jsddpm.binning import Condition
from jsddpm.diffusion.standalone import normal_noise, sample_seed


@dataclass(frozen=True, order=True)
class SampleId:
    """One sample to draw: its condition and its number within the condition.

    Attributes:
        condition: Its condition.
        number: Its number within the condition, or that of its volume.
        coherence: Correlation of its starting noise with that of the other slices of its volume, and share of the
            sampling steps, from the noisiest on, whose noise is that of the volume; 0 for an independent sample.
        attempt: How often it was drawn before (:mod:`jsddpm.diffusion.redraw`).
    """

    condition: Condition
    number: int
    coherence: float = 0.0
    attempt: int = 0

    def seed(self, run_seed: int) -> int:
        """63-bit seed of this sample.

        >>> SampleId(Condition(3, 1), 0).seed(7) == SampleId(Condition(3, 1), 0).seed(7)
        True
        """
        first = sample_seed(run_seed, self.condition.z_bin, self.condition.pathology, self.number)
        return sample_seed(first, -3, -3, self.attempt) if self.attempt else first  # -1 and -2 have other meanings

    def volume_seed(self, run_seed: int) -> int:
        """63-bit seed that all slices of a volume share."""
        return sample_seed(run_seed, -1, -1, self.number)


def judged_seed(run_seed: int) -> int:
    """The base of the seeds of samples that choose a checkpoint, which no sample of ``run_seed`` itself shares."""
    return sample_seed(run_seed, -2, -2, 0)  # no condition, and not the volumes' -1


class Noise:
    """Noise of samples: their own, or that of their volumes.

    Args:
        ids: The samples.
        seed: Base of all seeds.
        steps: Steps of sampling.
        size: ``(H, W)`` of the slices.
        device: Device that computes and holds it.
    """

    def __init__(
        self,
        ids: Sequence[SampleId],
        seed: int,
        steps: int,
        size: tuple[int, int],
        device: torch.device | str = "cpu",
    ) -> None:
        self.own, self.shared = [i.seed(seed) for i in ids], [i.volume_seed(seed) for i in ids]
        self.coherence, self.steps, self.size, self.device = [i.coherence for i in ids], steps, (2, *size), device

    def start(self) -> torch.Tensor:
        """Starting noise, float32 ``(N, 2, H, W)``."""
        own = normal_noise(self.own, 0, self.size, self.device)
        if not any(self.coherence):
            return own
        share = torch.tensor(self.coherence, device=self.device).view(-1, 1, 1, 1)
        return (1 - share).sqrt() * own + share.sqrt() * normal_noise(self.shared, 0, self.size, self.device)

    def of_step(self, step: int) -> torch.Tensor:
        """Noise of a sampling step, counted from 0, of the same shape."""
        seeds = [
            shared if step < coherence * self.steps else own
            for own, shared, coherence in zip(self.own, self.shared, self.coherence, strict=True)
        ]
        return normal_noise(seeds, step + 1, self.size, self.device)
