"""One vector for each pair of bin and pathology."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from jsddpm.binning import ZBinning
from jsddpm.diffusion.conditioning import ConditionEmbedding, mean_of_ancestors


class TokenEmbedding(ConditionEmbedding):
    """A table of ``2 * n_bins + 1`` vectors, the null token's last."""

    def __init__(self, binning: ZBinning, dim: int) -> None:
        super().__init__(binning, dim)
        self.token = nn.Embedding(2 * self.n_bins + 1, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B,)`` tokens to ``(B, dim)``."""
        return cast(Tensor, self.token(tokens))

    @staticmethod
    def rebinned(weights: Mapping[str, Tensor], ancestors: Tensor) -> dict[str, Tensor]:
        """Each new bin is the weighted mean of its ancestors of the same pathology; the null vector stays."""
        control, lesion, null = weights["token.weight"].tensor_split([ancestors.shape[2], 2 * ancestors.shape[2]])
        sides = [mean_of_ancestors(side, own) for side, own in zip((control, lesion), ancestors[:2], strict=True)]
        return {"token.weight": torch.cat([*sides, null])}


EMBEDDING = TokenEmbedding
