"""The generator of a training batch depends on every bit of its seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm.training.generator import seeded_generator


@pytest.mark.parametrize("seed", [0, 5, 5 + 2**32, 2**63 - 1])
def test_a_generator_is_the_mersenne_twister_that_numpy_fills(seed):
    """The raw stream of NumPy's own MT19937, whose state is set to the words of the seed sequence."""
    numpy = np.random.MT19937()
    words = np.random.SeedSequence(seed).generate_state(624)
    numpy.state = {"bit_generator": "MT19937", "state": {"key": words, "pos": 624}}
    drawn = torch.empty(2000, dtype=torch.int64).random_(0, 2**16, generator=seeded_generator(seed))
    assert drawn.tolist() == (numpy.random_raw(2000) % 2**16).tolist()
