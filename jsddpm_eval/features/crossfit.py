"""Cross-fitted networks: one for each fold of patients, trained on all other patients.

A network predicts slices of its training patients better than new slices, so these real slices would not be a fair
baseline for generated slices. Predictions for real slices come from the network that was not trained on their patient,
and predictions for generated slices are the mean over all networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from jsddpm.weights import weights_hash
from jsddpm_eval.features.networks import MOST_SLICES, shrunk
from jsddpm_eval.memo import digest
from jsddpm_eval.slice_table import SliceTable

Network = TypeVar("Network", bound=nn.Module)

FOLDS = 3


@dataclass(frozen=True, eq=False)
class Fold:
    """The training data of one network.

    Attributes:
        number: Number of the fold.
        table: Slices of all patients but the fold's own.
        images: Averaged down to the size of the networks' input, float32 ``(N, h, w)`` in [0, 1].
    """

    number: int
    table: SliceTable
    images: Tensor


def fold_of(table: SliceTable) -> Tensor:
    """Fold of each real slice, int64 ``(N,)``: patients are assigned in turn, each to one fold.

    Those with lesion slices alone come first, then those with slices of both kinds, then those with control slices
    alone. So three patients with slices of a kind are in three folds, and no network lacks a kind.

    >>> table = SliceTable.from_arrays(None, z_bin=[0] * 4, pathology=[0] * 4, patient=["a", "a", "b", "c"])
    >>> fold_of(table).tolist()
    [0, 0, 1, 2]
    """
    _, owner = torch.unique(table.patient, return_inverse=True)
    slices = torch.zeros(int(owner.max()) + 1 if len(owner) else 0, 2, dtype=torch.int64)
    slices.index_put_((owner, table.pathology), torch.ones_like(owner), accumulate=True)
    control, lesion = (slices > 0).unbind(1)
    order = (control.long() - lesion.long()).argsort(stable=True)
    place: Tensor = order.argsort()[owner]
    return place % FOLDS


@dataclass(frozen=True, eq=False)
class CrossFit(Generic[Network]):
    """One network for each fold.

    Attributes:
        networks: In the order of the folds.
    """

    networks: Sequence[Network]

    @classmethod
    def fit(cls, real: SliceTable, fit: Callable[[Fold], Network]) -> CrossFit[Network]:
        """Train one network for each fold of the real patients, on all other patients.

        Args:
            real: Real slices of at least two patients.
            fit: Function that trains a network.
        """
        fold = fold_of(real)
        folds = range(int(fold.max()) + 1)
        networks = []
        for number in folds:
            others = real.where(fold != number).spread(MOST_SLICES)
            images = others.mapped(lambda batch: shrunk(batch.images))
            networks.append(fit(Fold(number, others, images)))
        return cls(networks)

    @torch.no_grad()
    def read_real(self, real: SliceTable, read: Callable[[Network, SliceTable], Tensor]) -> Tensor:
        """Predictions for real slices by the networks that were not trained on their patients; rows as in the table.

        Args:
            real: The very table the networks were fitted to.
            read: Prediction for a batch of slices, ``(n, ...)``.
        """
        fold = fold_of(real)
        parts = [real.where(fold == i).mapped(lambda b, n=n: read(n, b)) for i, n in enumerate(self.networks)]  # type: ignore[misc]
        rows = torch.cat([torch.nonzero(fold == i)[:, 0] for i in range(len(self.networks))])
        return torch.cat(parts)[rows.argsort()]

    @torch.no_grad()
    def read_generated(self, batch: SliceTable, read: Callable[[Network, SliceTable], Tensor]) -> Tensor:
        """Mean prediction of the networks for a batch of generated slices."""
        return torch.stack([read(network, batch) for network in self.networks]).mean(0)


def readings(
    table: SliceTable,
    real: SliceTable,
    fit: Callable[[Fold], Network],
    read: Callable[[Network, SliceTable], Tensor],
    *,
    name: str,
    settings: object,
) -> Tensor:
    """Predictions of cross-fitted networks for the slices of a table, ``(N, ...)``; computed once.

    Args:
        table: The real slices themselves, or generated ones.
        real: Real slices the networks are fitted to.
        fit: As :meth:`CrossFit.fit` takes it.
        read: Prediction for a batch of slices.
        name: Name of the prediction, used in file names.
        settings: Further settings on which the training depends.
    """
    key = (name, settings, FOLDS, digest(real.row, real.patient, real.z_index, real.pathology))
    networks = real.memo.once(key, lambda: CrossFit.fit(real, fit))
    if table.kind == "real":
        known = real.memo.values((f"{name} read", *key), lambda: networks.read_real(real, read).numpy())
        return torch.from_numpy(known)
    weights = real.memo.once((*key, "weights"), lambda: digest(*map(weights_hash, networks.networks)))
    return table.column(f"{name}-read", lambda batch: networks.read_generated(batch, read), settings=weights)
