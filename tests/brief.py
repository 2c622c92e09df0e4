"""The networks that an evaluation trains, trained for a moment: for tests of everything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jsddpm_eval.features.extractors import slice_encoder
from jsddpm_eval.metrics import lesion_detector, position

STEPS = 4
TRAINING = (position, lesion_detector, slice_encoder)
"""The modules that train networks, each with its number of steps."""


@contextmanager
def brief_training() -> Iterator[None]:
    """So few steps for every network; what reads and keeps them is as it always is."""
    with pytest.MonkeyPatch.context() as patch:
        for module in TRAINING:
            patch.setattr(module, "_STEPS", STEPS)
        yield
