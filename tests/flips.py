"""One flipped bit in a file: what a reader makes of it."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from jsddpm.errors import JsddpmError

OUTCOMES = ("silent wrong", "refused", "no effect", "raw")
"""Another value, and no word; a typed refusal; the same value; an error that is none of ours."""


def digest(*parts) -> str:
    """Hash of arrays, tensors and plain values, NaN included."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, torch.Tensor | np.ndarray):
            array = np.ascontiguousarray(part.numpy() if isinstance(part, torch.Tensor) else part)
            found.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
        elif isinstance(part, dict):
            found.update(digest(*(piece for item in sorted(part.items()) for piece in item)).encode())
        else:
            found.update(repr(part).encode())
    return found.hexdigest()


def flip(path: Path, use: Callable[[], str], trials: int, seed: int = 0) -> Counter[str]:
    """Flip one bit of a file at a time, anywhere in it, and use it; the file is restored after each trial.

    Args:
        path: The file.
        use: Reads it as the packages do, and gives a hash of what was read.
        trials: How many bits.
        seed: Seed of their places.
    """
    clean, rng, found = path.read_bytes(), random.Random(f"{path.name} {seed}"), Counter()
    right = use()
    path.chmod(0o644)
    try:
        for _ in range(trials):
            damaged = bytearray(clean)
            damaged[rng.randrange(len(clean))] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            try:
                found["no effect" if use() == right else "silent wrong"] += 1
            except JsddpmError as error:
                found["refused" if error.status == 4 and error.file and error.fix else "raw"] += 1
            except Exception:
                found["raw"] += 1
    finally:
        path.write_bytes(clean)
    return found
