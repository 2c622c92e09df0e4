"""The batches of training: a run's data as a sequence of chunks, shared out over steps and processes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from torch.utils.data import DataLoader, Sampler

from jsddpm.slices.dataset import BalancedBatches, Batch, SliceDataModule


class Chunks(Sampler[list[int]]):
    """Every ``world``-th batch of an endless sequence, from ``rank`` on."""

    def __init__(self, batches: BalancedBatches, rank: int, world: int) -> None:
        self.batches, self.rank, self.world = batches, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        return islice(iter(self.batches), self.rank, None, self.world)


class TrainingData(SliceDataModule):
    """The slices of a store for training that accumulates batches, on any number of processes.

    Batch ``j`` of a step on process ``r`` of ``w`` is chunk ``(step * accumulate + j) * w + r`` of one sequence that
    depends on the seed alone: a resumed run goes on in it, and no two processes see the same chunk.
    """

    def train_dataloader(self) -> DataLoader[Batch]:
        """Endless balanced batches of this process, starting at the trainer's step."""
        trainer, loader = self.trainer, super().train_dataloader()
        if trainer is None:
            return loader
        first = trainer.global_step * trainer.accumulate_grad_batches * trainer.world_size
        batches = BalancedBatches(
            self.train, self.batch_size, lesion_share=self.lesion_share, seed=self.seed, first_step=first
        )
        return DataLoader(
            loader.dataset, batch_size=None, sampler=Chunks(batches, trainer.global_rank, trainer.world_size)
        )
