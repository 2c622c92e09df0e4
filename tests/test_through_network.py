"""The benchmark of copies: training slices seen through a network, with one that answers exactly."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from jsddpm.diffusion.objective import alphas_cumprod
from jsddpm.diffusion.pipeline import JointPipeline

FOLDER = Path(__file__).parents[1] / "benchmarks" / "validity"
BESIDE = {path.stem for path in FOLDER.glob("*.py")}


@pytest.fixture
def through_network(monkeypatch):
    """The module, which is imported from its folder as its script imports it."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = {name: sys.modules.pop(name) for name in BESIDE & set(sys.modules)}
    yield import_module("through_network")
    for name in BESIDE & set(sys.modules):
        del sys.modules[name]
    sys.modules.update(before)


class Exact(nn.Module):
    """Predicts the clean slices, and keeps what it was given."""

    def __init__(self, clean):
        super().__init__()
        self.clean, self.seen = clean, []

    def forward(self, x_t, timesteps, tokens):
        self.seen.append((x_t, int(timesteps[0])))
        return self.clean


def test_an_exact_network_gives_back_what_it_sees(through_network, run):
    rng = np.random.default_rng(0)
    images, masks = rng.random((5, 32, 24)).astype(np.float32), rng.random((5, 32, 24)) < 0.1
    clean = torch.from_numpy(np.stack([images, masks.astype(np.float32)], 1)) * 2 - 1
    network = object.__new__(through_network.Network)
    pipe, exact = JointPipeline.from_checkpoint(run / "checkpoints" / "last.ckpt", device="cpu"), Exact(clean)
    network.pipeline = replace(pipe, denoiser=exact)
    found = network.seen(images, masks, np.zeros(5, np.int64), masks.any((1, 2)).astype(np.int64))
    assert np.abs(found[0] - images).max() < 1e-5
    assert np.array_equal(found[1], masks)
    abar = alphas_cumprod(network.pipeline.diffusion)
    assert len(exact.seen) == 20
    for x_t, t in exact.seen:  # with the noise of one step in all of them, it would grow
        assert float(((x_t - abar[t].sqrt() * clean) / (1 - abar[t]).sqrt()).std()) == pytest.approx(1, abs=0.05)
