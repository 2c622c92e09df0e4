"""Slice encoder: features of a small network trained here, on the real training slices, offline and in seconds.

It learns to tell a slice's position and whether it shows a lesion; the features are the mean activation of every
channel at three depths, so that texture and anatomy both count. As it has seen the training slices, only held-out
patients are a fair reference for it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm_eval.features.cache import kept_network
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.networks import SliceNetwork, fit, mirrored, shrunk

NAME = "slice-encoder"
_VERSION = 1
_STEPS = 250
_BATCH = 256


def make(images: Tensor, z_index: Tensor, lesion: Tensor, *, seed: int, folder: Path | None = None) -> Extractor:
    """Train the encoder, or read it back when the same slices and seed trained it before.

    Args:
        images: Real training slices, float32 ``(N, H, W)`` in [0, 1].
        z_index: Their positions, int64 ``(N,)``.
        lesion: Whether they show a lesion, ``(N,)``.
        seed: Seed of the training.
        folder: Where trained weights are kept; nowhere when None.
    """
    network = kept_network(
        lambda: SliceNetwork(2), lambda: _train(images, z_index, lesion.float(), seed),
        NAME, (_VERSION, _STEPS, seed), (images, z_index, lesion), folder,
    )  # fmt: skip
    weights = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        weights.update(name.encode() + value.numpy().tobytes())

    @torch.no_grad()
    def extract(batch: Tensor) -> Tensor:
        parts = [torch.cat([m.mean((2, 3)) for m in network.maps(p)], 1) for p in batch.split(_BATCH)]
        return torch.cat(parts).double() if parts else torch.empty((0, 112), dtype=torch.float64)

    preprocessing = {"range": [0, 1], "channels": 1, "size": "averaged down to 64 x 64 where larger", "seed": seed}
    return Extractor(NAME, extract, preprocessing, weights.hexdigest(), standardize=True, saw_training=True)


def _train(images: Tensor, z_index: Tensor, lesion: Tensor, seed: int) -> SliceNetwork:
    z, images = z_index.float(), shrunk(images)
    z = (z - z.mean()) / z.std().clamp_min(1.0)

    def loss(network: SliceNetwork, rows: Tensor) -> Tensor:
        place, logit = network(mirrored(images[rows])).unbind(1)
        return F.mse_loss(place, z[rows]) + F.binary_cross_entropy_with_logits(logit, lesion[rows])

    return fit(lambda: SliceNetwork(2), loss, len(images), steps=_STEPS, seed=seed)
