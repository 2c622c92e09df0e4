"""Base of condition embeddings: token to vector, including the null token, and their weights for another binning."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from jsddpm.binning import ZBinning
from jsddpm.registry import EMBEDDINGS


class ConditionEmbedding(nn.Module):
    """Base of the embeddings; a file of :mod:`jsddpm.diffusion.embeddings` holds its class as ``EMBEDDING``.

    ``forward`` takes int64 ``(B,)`` tokens (``pathology * n_bins + z_bin``, the null token ``2 * n_bins``) and returns
    ``(B, dim)``.

    Args:
        binning: The bins.
        dim: Size of the vector, even.
    """

    def __init__(self, binning: ZBinning, dim: int) -> None:
        super().__init__()
        self.n_bins, self._dim = binning.n_bins, dim

    def add_amounts(self, count: int) -> None:
        """Add ``count`` numbers as a condition: how a training slice was moved, 0 if it was not."""
        self.amounts = nn.Linear(count, self._dim, bias=False)

    def of_amounts(self, amounts: Tensor) -> Tensor:
        """Terms that such numbers ``(B, count)`` add to the vectors of the tokens, ``(B, dim)``; 0 for numbers of 0."""
        vectors: Tensor = self.amounts(amounts)
        return vectors

    @staticmethod
    def rebinned(weights: Mapping[str, Tensor], ancestors: Tensor) -> dict[str, Tensor]:
        """The weights for another binning; unchanged unless the embedding has weights of single bins.

        Args:
            weights: The embedding's ``state_dict``.
            ancestors: float64 ``(3, new bins, old bins)``, each row the shares of the old bins in a new one: for
                weights of controls, of lesions, and of both.
        """
        return dict(weights)


def load_embedding(name: str) -> type[ConditionEmbedding]:
    """The embedding class of this name."""
    embedding: type[ConditionEmbedding] = EMBEDDINGS.load(name).EMBEDDING
    return embedding


def mean_of_ancestors(vectors: Tensor, ancestors: Tensor) -> Tensor:
    """Vectors of the new bins ``(new, dim)`` as weighted means of those of the old bins ``(old, dim)``."""
    return (ancestors @ vectors.double()).to(vectors.dtype)
