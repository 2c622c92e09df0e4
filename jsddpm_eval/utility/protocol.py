"""The protocol of a utility study: how every network is trained, and which trainings there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Training:
    """Training of a segmentation network, the same for every arm.

    Attributes:
        steps: Optimiser steps.
        batch_size: Slices of a step.
        learning_rate: Largest learning rate; it falls to 0 along half a cosine.
        lesion_share: Share of a batch that shows a lesion.
        width: Channels of the networks' first level.
    """

    steps: int = 300
    batch_size: int = 8
    learning_rate: float = 2e-3
    lesion_share: float = 0.5
    width: int = 8


@dataclass(frozen=True)
class Protocol:
    """Which trainings there are.

    Attributes:
        networks: Names of networks.
        seeds: Trainings of each network on each arm in each fold.
        folds: Folds that are drawn where none are given.
        training: How each is trained.
    """

    networks: tuple[str, ...]
    seeds: int
    folds: int
    training: Training

    def changed(
        self,
        *,
        networks: Sequence[str] | None = None,
        seeds: int | None = None,
        folds: int | None = None,
        steps: int | None = None,
    ) -> Protocol:
        """The protocol with other values where they are given.

        >>> PRESETS["quick"].changed(seeds=5).seeds
        5
        """
        training = self.training if steps is None else replace(self.training, steps=steps)
        return Protocol(tuple(networks or self.networks), seeds or self.seeds, folds or self.folds, training)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


PRESETS = {
    "quick": Protocol(("unet",), seeds=4, folds=3, training=Training()),
    "cpu": Protocol(("unet", "segresnet", "swin-unetr"), seeds=2, folds=3, training=Training()),
    "gpu": Protocol(
        ("unet", "segresnet", "swin-unetr"), seeds=3, folds=5,
        training=Training(steps=4000, batch_size=32, learning_rate=1e-3, width=24),
    ),
}  # fmt: skip
"""Protocols by name: minutes on two cores, under an hour on two cores, and hours of a GPU."""
