"""Feature tables kept by content: the same slices through the same extractor are never extracted twice."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from jsddpm.errors import integrity_error
from jsddpm.files import write_array
from jsddpm_eval.features.extractor import Extractor


def cached(extractor: Extractor, folder: Path) -> Extractor:
    """The extractor with a memory: tables are files named after the extractor's key and the slices' content.

    Other weights or preprocessing, or one changed pixel, make another name.

    Args:
        extractor: Any extractor.
        folder: Existing folder of the tables.
    """

    def extract(images: Tensor) -> Tensor:
        pixels = np.ascontiguousarray(images.numpy())
        content = hashlib.sha256(f"{pixels.shape}".encode())
        content.update(pixels.data)
        path = folder / f"{extractor.name}-{extractor.key}-{content.hexdigest()[:24]}.npy"
        if path.is_file():
            return _read(path, len(images))
        table = extractor(images)
        write_array(path, table.numpy())
        return table

    return replace(extractor, extract=extract)


def _read(path: Path, count: int) -> Tensor:
    try:
        table = torch.from_numpy(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise integrity_error("FEATURES", f"cannot be read ({error})", fix="remove it", file=path) from error
    if table.dtype != torch.float64 or table.ndim != 2 or len(table) != count:
        raise integrity_error("FEATURES", f"holds {table.dtype} {tuple(table.shape)}", fix="remove it", file=path)
    return table
