"""Slice encoder: features of a small network, trained on the real training slices, offline and in seconds.

It is trained to predict the position of a slice and whether it shows a lesion; the features are the mean activation of
every channel at three depths, so that texture and anatomy both count. Because it is trained on the training slices,
only held-out patients are a fair reference for it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm.weights import weights_hash
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.networks import SliceNetwork, kept_network, mirrored
from jsddpm_eval.features.training import TrainingSlices
from jsddpm_eval.slice_table import SliceTable

NAME = "slice-encoder"
_VERSION = 1
_STEPS = 250
_FEWEST = 2  # training slices
_NO_TRAINING = "fewer than two real slices are not held out, so the features have nothing to learn from"


def make(real: SliceTable, *, seed: int, folder: Path | None = None) -> Extractor:
    """The extractor by its name; see :func:`train`. With fewer than two training slices it cannot be used.

    Args:
        real: Real slices.
        seed: Seed of the training.
        folder: Folder for trained weights; None keeps none.
    """
    if int((~real.held_out).sum()) < _FEWEST:
        return Extractor(NAME, _untrained, {}, saw_training=True, missing=_NO_TRAINING)
    return real.memo.once((NAME, seed), lambda: train(TrainingSlices.of(real), seed=seed, folder=folder))


def train(slices: TrainingSlices, *, seed: int, folder: Path | None = None) -> Extractor:
    """Train the encoder, or read it if it was trained with the same slices and seed before.

    Args:
        slices: Real training slices.
        seed: Seed of the training.
        folder: Folder for trained weights; None keeps none.
    """
    images, z, lesion = slices.images, slices.z_index.float(), slices.lesion.float()
    z = (z - z.mean()) / z.std().clamp_min(1.0)

    def loss(network: SliceNetwork, rows: Tensor, draw: torch.Generator) -> Tensor:
        place, logit = network(mirrored(images[rows], draw)).unbind(1)
        return F.mse_loss(place, z[rows]) + F.binary_cross_entropy_with_logits(logit, lesion[rows])

    network = kept_network(
        lambda: SliceNetwork(2), loss, len(images), steps=_STEPS, seed=seed, name=NAME,
        settings=(_VERSION, slices.digest), folder=folder,
    )  # fmt: skip

    @torch.no_grad()
    def extract(batch: Tensor) -> Tensor:
        return torch.cat([m.mean((2, 3)) for m in network.maps(batch)], 1).double()

    preprocessing = {"range": [0, 1], "channels": 1, "size": "averaged down to 64 x 64 where larger", "seed": seed}
    return Extractor(NAME, extract, preprocessing, weights_hash(network), standardize=True, saw_training=True)


def _untrained(images: Tensor) -> Tensor:
    raise RuntimeError(_NO_TRAINING)
