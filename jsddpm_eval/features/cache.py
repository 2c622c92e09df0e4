"""Feature tables and trained networks kept by content: nothing is extracted or trained twice from the same slices."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from jsddpm.errors import integrity_error
from jsddpm.files import atomic_open, write_array
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.networks import Network


def cached(extractor: Extractor, folder: Path) -> Extractor:
    """The extractor with a memory: tables are files named after the extractor's key and the slices' content.

    Other weights or preprocessing, or one changed pixel, make another name.

    Args:
        extractor: Any extractor.
        folder: Existing folder of the tables.
    """

    def extract(images: Tensor) -> Tensor:
        path = folder / f"{extractor.name}-{extractor.key}-{_digest('', [images])}.npy"
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


def kept_network(
    make: Callable[[], Network],
    train: Callable[[], Network],
    name: str,
    settings: object,
    data: Sequence[Tensor],
    folder: Path | None,
) -> Network:
    """Train a network, or read it back when the same data and settings trained it before.

    Args:
        make: Makes an untrained network, into which kept weights are read.
        train: Makes and trains one.
        name: First part of the file's name.
        settings: All else the training depends on; its text enters the file's name.
        data: What it is trained on; every value enters the file's name.
        folder: Existing folder of the weights; nothing is kept when None.

    Returns:
        The network, ready for use.

    Raises:
        JsddpmError: ``NETWORK`` (status 4) when kept weights cannot be read.
    """
    if folder is None:
        return train().eval()
    path = folder / f"{name}-{_digest(f'{name} {settings}', data)}.npz"
    if path.is_file():
        with torch.random.fork_rng(devices=[]):  # making one draws weights; the caller's generator stays as it was
            network = make()
        _load(network, path)
    else:
        network = train()
        with atomic_open(path) as stream:
            np.savez(stream, **{key: value.numpy() for key, value in network.state_dict().items()})
    return network.eval()


def _digest(settings: str, data: Sequence[Tensor]) -> str:
    """24 characters that change with the settings and with every shape and value of the data."""
    content = hashlib.sha256(settings.encode())
    for part in data:
        content.update(f"{tuple(part.shape)}".encode())
        content.update(np.ascontiguousarray(part.numpy()).data)
    return content.hexdigest()[:24]


def _load(network: nn.Module, path: Path) -> None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            network.load_state_dict({name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays.files})
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise integrity_error("NETWORK", f"cannot be read ({error})", fix="remove it", file=path) from error
