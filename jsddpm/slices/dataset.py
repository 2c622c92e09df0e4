"""Slices as training samples: dataset and balanced sampling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from jsddpm.binning import ZBinning
from jsddpm.errors import usage_error
from jsddpm.slices.layout import LEVELS
from jsddpm.slices.opened import Store, opened
from jsddpm.slices.rows import Rows, row_numbers

Residence = Literal["memory", "mapped"]
_SHIFT = 1 << 15


class Batch(TypedDict):
    """One batch of slices.

    ``x0`` is float32 ``(B, 2, H, W)`` in [-1, 1], image then mask; the other entries are int64 ``(B,)``.
    """

    x0: Tensor
    z_index: Tensor
    z_bin: Tensor
    pathology: Tensor
    token: Tensor
    row: Tensor


class SliceDataset(Dataset[dict[str, Tensor]]):
    """The slices of a store inside a binning's range.

    A sample has ``x0``, ``z_index``, ``z_bin``, ``pathology`` and ``token``; ``row`` is its row in the store's index.
    Another binning needs another ``SliceDataset`` of the same store.

    Args:
        store: Store or its folder.
        binning: The z-bins; its ``n_slices`` must be the store's.
        split: ``train``, ``val``, ``test``, or None for all.
        residence: ``memory`` holds the slices (3 bytes a pixel), on a device after :meth:`to`; ``mapped`` reads each
            batch from the store's files.

    Raises:
        JsddpmError: ``NO_SLICES`` (status 2) when the split has none in the range; ``SPLIT`` (status 2) for an unknown
            split; ``STORE_SLICES`` (status 2) when the binning is for volumes of other slices; ``BINNING`` (status 2)
            for anything else than a binning.
    """

    def __init__(
        self,
        store: Store,
        binning: ZBinning,
        split: str | None = None,
        *,
        residence: Residence = "memory",
    ) -> None:
        self.store = opened(store)
        if not isinstance(binning, ZBinning):
            raise usage_error("BINNING", f"{binning!r} is not a binning", fix="give a ZBinning")
        self.binning = binning
        self.rows = self.store.select(binning=binning, split=split)
        if len(self.rows) == 0:
            what, cure = f"no {split or ''} slice lies in the {binning}", "change the z-range or the split"
            if split and not len(self.store.select(split=split)):
                what = f"no patient has the split {split}"
                cure = "assign the splits anew: jsddpm cache resplit, or jsddpm cache build with --val and --test"
            raise usage_error("NO_SLICES", what, fix=cure, file=self.store.path)
        index = self.store.index[self.rows]
        self.z_index = torch.from_numpy(index["z_index"].astype(np.int64))
        self.pathology = torch.from_numpy(index["pathology"].astype(np.int64))
        self.z_bin = binning.index(self.z_index)
        self.token = binning.token(self.z_index, self.pathology)
        self.device = torch.device("cpu")
        self._held: tuple[Tensor, Tensor] | None = None
        if residence == "memory":
            # PyTorch has no arithmetic on unsigned 16-bit integers: the levels are shifted to signed ones
            levels = (self.store.levels(self.rows) ^ np.uint16(_SHIFT)).view(np.int16)
            self._held = torch.from_numpy(levels), torch.from_numpy(self.store.masks(self.rows))

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, items: Rows | Tensor) -> Batch:
        """Many samples at once, by number or by a boolean for each of the data set, without a loop over slices.

        Raises:
            JsddpmError: ``SLICES`` (status 2) for numbers that are not whole, or booleans for another number of slices.
        """
        chosen = torch.from_numpy(row_numbers(items, len(self)))
        if self._held is None:
            rows = self.rows[chosen.numpy()]
            image, mask = torch.from_numpy(self.store.images(rows)), torch.from_numpy(self.store.masks(rows))
        else:
            at = chosen.to(self.device)
            image, mask = self._held[0][at].float().add_(_SHIFT).div_(LEVELS), self._held[1][at]
        x0 = torch.stack([image, mask.float()], dim=1).mul_(2).sub_(1)
        return Batch(
            x0=x0,
            z_index=self.z_index[chosen],
            z_bin=self.z_bin[chosen],
            pathology=self.pathology[chosen],
            token=self.token[chosen],
            row=torch.from_numpy(self.rows)[chosen],
        )

    def to(self, device: torch.device | str) -> SliceDataset:
        """Hold the slices on a device, so that batches are made there and never copied; needs ``memory``."""
        if self._held is None:
            raise usage_error("RESIDENCE", "mapped slices stay in their files", fix='use residence "memory"')
        self.device = torch.device(device)
        self._held = self._held[0].to(self.device), self._held[1].to(self.device)
        return self

    def __getitem__(self, item: int) -> dict[str, Tensor]:
        return {name: values[0] for name, values in self.batch([item]).items()}  # type: ignore[index]


class BalancedBatches(Sampler[list[int]]):
    """Endless batches with a chosen share of lesion slices, bins equally likely within each pathology.

    A batch depends on (seed, its number) alone, so training resumes at any step with the same data. Other random
    numbers of a step need a stream number besides, which must not be 0: NumPy pads seeds with zeros.

    Args:
        dataset: The slices to draw from.
        batch_size: Slices in a batch.
        lesion_share: Expected share of lesion slices in [0, 1]; None draws every slice equally often.
        seed: Seed of the order.
        first: Number of the first batch in the sequence.
        stride: Take every ``stride``-th batch; processes that train together share one sequence.
    """

    def __init__(
        self,
        dataset: SliceDataset,
        batch_size: int,
        *,
        lesion_share: float | None,
        seed: int,
        first: int = 0,
        stride: int = 1,
    ) -> None:
        self.weights = sampling_weights(dataset, lesion_share)
        self.batch_size, self.seed, self.first, self.stride = batch_size, seed, first, stride

    def __iter__(self) -> Iterator[list[int]]:
        for number in count(self.first, self.stride):
            rng = np.random.default_rng([self.seed, number])
            yield rng.choice(len(self.weights), self.batch_size, p=self.weights).tolist()


def is_drawn(tokens: Tensor, n_bins: int, lesion_share: float | None) -> Tensor:
    """Whether :func:`sampling_weights` of slices with these condition tokens are above 0, bool of their shape."""
    share = 0.5 if lesion_share is None else lesion_share
    return torch.where(tokens >= n_bins, share > 0, share < 1)


def sampling_weights(dataset: SliceDataset, lesion_share: float | None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Probability of each slice to be sampled; with a share, equal over (pathology, bin) cells that have slices.

    Raises:
        JsddpmError: ``NO_SLICES`` (status 2) when only slices of a pathology without any would be drawn.
    """
    tokens = dataset.token.numpy()
    if lesion_share is None:
        return np.full(len(tokens), 1 / len(tokens))
    used, cell, count = np.unique(tokens, return_inverse=True, return_counts=True)
    lesion = used >= dataset.binning.n_bins
    share = np.where(lesion, lesion_share, 1 - lesion_share)
    cells = np.where(lesion, max(lesion.sum(), 1), max((~lesion).sum(), 1))
    weights = (share / cells / count)[cell]
    if not weights.any():
        what = f"data.lesion_share={lesion_share:g} draws from {'lesion' if lesion_share else 'control'} slices alone"
        cure = "set data.lesion_share=null, or train on a store that has them"
        raise usage_error("NO_SLICES", f"{what}, and none lies in the {dataset.binning}", fix=cure)
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True)
class ClassDistribution:
    """Distribution of a data set before and after balanced sampling.

    Attributes:
        slices: Number of slices.
        lesion_share: Share of lesion slices among the sampled slices.
        stored_lesion_share: Share of lesion slices in the data set.
        effective_slices: Effective sample size ``1 / sum(p ** 2)`` (Kish).
        most_frequent: Highest probability of a slice, relative to an equal draw.
    """

    slices: int
    lesion_share: float
    stored_lesion_share: float
    effective_slices: float
    most_frequent: float

    @classmethod
    def of(cls, dataset: SliceDataset, lesion_share: float | None) -> ClassDistribution:
        """The distribution :class:`BalancedBatches` draws from."""
        weights, lesion = sampling_weights(dataset, lesion_share), dataset.pathology.numpy() == 1
        return cls(
            len(weights),
            float(weights[lesion].sum()),
            float(lesion.mean()),
            float(1 / (weights**2).sum()),
            float(weights.max() * len(weights)),
        )
