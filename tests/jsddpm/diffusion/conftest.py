"""The network of the tiny run, to draw from."""

from __future__ import annotations

import pytest

from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.training.progress import last_checkpoint


@pytest.fixture(scope="module")
def pipe(run) -> JointPipeline:
    """A test that changes its weights restores them."""
    return JointPipeline.from_checkpoint(last_checkpoint(run))
