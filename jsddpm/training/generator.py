"""The random generator of a training batch."""

from __future__ import annotations

import numpy as np
import torch

_WORDS = slice(24, 24 + 624 * 8)
"""Position of the 624 words of the Mersenne Twister, 64 bits each, in the state of PyTorch's CPU generator."""


def seeded_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on every bit of a 63-bit seed.

    ``manual_seed`` of the CPU generator reads only the low 32 bits, so that some pair among 100 000 seeds would draw
    the same noise. Here NumPy's seed sequence fills the whole state of the generator. Generators of a GPU read 64 bits.

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
