"""One vector for each bin plus one for each pathology."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from jsddpm.binning import ZBinning
from jsddpm.diffusion.conditioning import ConditionEmbedding, mean_of_ancestors


class FactoredEmbedding(ConditionEmbedding):
    """A sum of two vectors, so that the vector of lesions is trained by slices of all bins."""

    def __init__(self, binning: ZBinning, dim: int) -> None:
        super().__init__(binning, dim)
        self.z_bin = nn.Embedding(self.n_bins + 1, dim)
        self.pathology = nn.Embedding(3, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B,)`` tokens to ``(B, dim)``."""
        z_bin = torch.where(tokens == 2 * self.n_bins, self.n_bins, tokens % self.n_bins)
        return cast(Tensor, self.z_bin(z_bin) + self.pathology(tokens // self.n_bins))

    @staticmethod
    def rebinned(weights: Mapping[str, Tensor], ancestors: Tensor) -> dict[str, Tensor]:
        """Each new bin is the weighted mean of its ancestors; null vector and pathologies stay."""
        bins, null = weights["z_bin.weight"].tensor_split([ancestors.shape[2]])
        return {**weights, "z_bin.weight": torch.cat([mean_of_ancestors(bins, ancestors[2]), null])}


EMBEDDING = FactoredEmbedding
