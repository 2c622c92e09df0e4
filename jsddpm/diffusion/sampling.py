"""What a sample is: its condition, its number, and the seed of everything random in it.

Each sample owns a random generator seeded by a hash of (run seed, condition, number), and draws its starting noise and
its step noise from it on the CPU; batch size, order, rank and device do not enter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch

from jsddpm.binning import Condition

_WORDS = slice(24, 24 + 624 * 8)
"""Where the 624 words of the Mersenne Twister, 64 bits each, lie in the state of PyTorch's CPU generator."""


@dataclass(frozen=True, order=True)
class SampleId:
    """One sample to draw: its condition and its number within the condition."""

    condition: Condition
    number: int

    def seed(self, run_seed: int) -> int:
        """63-bit seed of this sample.

        >>> SampleId(Condition(3, 1), 0).seed(7) == SampleId(Condition(3, 1), 0).seed(7)
        True
        """
        key = f"jsddpm:{run_seed}:{self.condition.z_bin}:{self.condition.pathology}:{self.number}"
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


def seeded_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on every bit of a 63-bit seed.

    ``manual_seed`` of the CPU generator reads the low 32 bits alone, so that some pair among 100 000 seeds would draw
    the same noise. Here NumPy's seed sequence fills the generator's whole state. Generators of a GPU read 64 bits.

    >>> low, high = (seeded_generator(s) for s in (5, 5 + 2**32))
    >>> bool(torch.equal(torch.randn(3, generator=low), torch.randn(3, generator=high)))
    False
    """
    generator = torch.Generator(device).manual_seed(seed)
    if generator.device.type != "cpu":
        return generator
    state = generator.get_state()
    state.numpy()[_WORDS].view(np.uint64)[:] = np.random.SeedSequence(seed).generate_state(624)
    return generator.set_state(state)
