"""Training and validation slices for Lightning."""

from __future__ import annotations

from typing import Literal

import lightning as L  # noqa: N812 - the library's own convention
from torch.utils.data import DataLoader, Dataset, Sampler

from jsddpm.binning import ZBinning
from jsddpm.slices.dataset import BalancedBatches, Batch, Residence, SliceDataset
from jsddpm.slices.store import SliceStore

VALIDATED_AT_ONCE = 64
"""Number of slices in a validation batch."""


class SliceDataModule(L.LightningDataModule):
    """Training and validation slices of one store for Lightning.

    Args:
        store: The store.
        binning: The z-bins.
        batch_size: Slices in a batch.
        lesion_share: See :class:`BalancedBatches`.
        seed: Seed of the order.
        residence: Where slices are held: in ``memory``, on the training ``device``, or ``mapped`` (read when needed).
        workers: Number of processes that make batches, which do not depend on it; must be 0 on a device.
    """

    def __init__(
        self,
        store: SliceStore,
        binning: ZBinning,
        *,
        batch_size: int,
        lesion_share: float | None,
        seed: int,
        residence: Residence | Literal["device"] = "memory",
        workers: int = 0,
    ) -> None:
        super().__init__()
        held: Residence = "mapped" if residence == "mapped" else "memory"
        self.train = SliceDataset(store, binning, "train", residence=held)
        self.val = SliceDataset(store, binning, "val", residence=held)
        self.on_device, self.workers = residence == "device", workers
        self.batch_size, self.lesion_share, self.seed = batch_size, lesion_share, seed

    def train_dataloader(self) -> DataLoader[Batch]:
        """Endless balanced batches, starting at the trainer's step.

        Batch ``j`` of a step on process ``r`` of ``w`` is number ``(step * accumulate + j) * w + r`` of one sequence: a
        resumed run continues it, and no two processes use the same batch.
        """
        trainer, first, stride = self.trainer, 0, 1
        if trainer is not None:
            stride = trainer.world_size
            first = trainer.global_step * trainer.accumulate_grad_batches * stride + trainer.global_rank
            if self.on_device:
                self.train.to(trainer.strategy.root_device)
        batches = BalancedBatches(
            self.train, self.batch_size, lesion_share=self.lesion_share, seed=self.seed, first=first, stride=stride
        )
        return _loader(self.train, batches, self.workers)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Every validation slice once, in index order."""
        order = [
            list(range(i, min(i + VALIDATED_AT_ONCE, len(self.val))))
            for i in range(0, len(self.val), VALIDATED_AT_ONCE)
        ]
        return _loader(self.val, order, 0)


class _Batched(Dataset[Batch]):
    """Adapter: the loader's "index" is a whole list of items, read at once."""

    def __init__(self, dataset: SliceDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, items: list[int]) -> Batch:
        return self.dataset.batch(items)


def _loader(dataset: SliceDataset, batches: Sampler[list[int]] | list[list[int]], workers: int) -> DataLoader[Batch]:
    return DataLoader(
        _Batched(dataset), batch_size=None, sampler=batches, num_workers=workers, persistent_workers=workers > 0
    )
