"""The identity of a network's weights."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def weights_hash(network: nn.Module) -> str:
    """SHA-256 of a network's weights and their names.

    >>> weights_hash(nn.Identity()) == weights_hash(nn.Identity()) != weights_hash(nn.Linear(1, 1))
    True
    """
    content = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        content.update(key.encode() + value.cpu().flatten().view(torch.uint8).numpy().tobytes())
    return content.hexdigest()
