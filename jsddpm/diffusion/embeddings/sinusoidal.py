"""The position of the bin in the volume plus one vector for each pathology."""

from __future__ import annotations

from typing import cast

import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor, nn

from jsddpm.binning import ZBinning
from jsddpm.diffusion.conditioning import ConditionEmbedding


class SinusoidalEmbedding(ConditionEmbedding):
    """A small network on sines and cosines of the bin's middle slice (Vaswani et al. 2017, arXiv 1706.03762).

    Neighbouring bins are neighbours from the start, and no weight depends on the bins. An empty bin, which is neither
    trained nor sampled, has the position of slice 0.
    """

    waves: Tensor

    def __init__(self, binning: ZBinning, dim: int) -> None:
        super().__init__(binning, dim)
        self.pathology = nn.Embedding(3, dim)
        middle = torch.tensor([binning.middle(k) or 0 for k in range(self.n_bins)])
        waves = get_timestep_embedding(middle, dim, max_period=4 * binning.n_slices)
        self.register_buffer("waves", waves, persistent=False)  # follows from the binning
        self.position = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B,)`` tokens to ``(B, dim)``; the null token has no position."""
        position = self.position(self.waves[tokens % self.n_bins])
        pathology = self.pathology(tokens // self.n_bins)
        return cast(Tensor, torch.where((tokens == 2 * self.n_bins)[:, None], 0, position) + pathology)


EMBEDDING = SinusoidalEmbedding
