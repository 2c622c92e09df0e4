"""The folder of an exported network: a pipeline for diffusers, the files that jsddpm reads, and their checksums."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from jsddpm.checksums import record_folder, require_recorded
from jsddpm.errors import integrity_error
from jsddpm.files import make_directory, parse_json, read_bytes, require_space, write_bytes
from jsddpm.publish import published_directory

ABOUT = "jsddpm.json"
CARD = "README.md"
"""The model card, which users complete before they publish the folder; it has no checksum."""
WEIGHTS = {"unet.": "unet/diffusion_pytorch_model.safetensors", "embedding.": "condition_embedding.safetensors"}
"""Files of the weights, by the first part of their names."""
LABELS = "class_embedding.weight"
"""Prefix of the condition embedding as a table of vectors, which the network of diffusers looks up."""


def weight_files(state: Mapping[str, Tensor], labels: Tensor) -> dict[str, bytes]:
    """Files of a network's ``state_dict``.

    Args:
        state: The network's ``state_dict``.
        labels: Vectors of all condition tokens and the null token, ``(2 * n_bins + 1, dim)``.
    """
    files = {}
    for prefix, name in WEIGHTS.items():
        part = {k.removeprefix(prefix): v.contiguous() for k, v in state.items() if k.startswith(prefix)}
        part |= {LABELS: labels.contiguous()} if prefix == "unet." else {}
        files[name] = safetensors.torch.save(part, metadata={"format": "pt"})
    return files


def write_exported(out: Path, files: Mapping[str, bytes]) -> None:
    """Publish the folder.

    Args:
        out: New folder.
        files: Content of its files, by their paths within it.

    Raises:
        JsddpmError: ``EXISTS`` (status 2), ``DISK_FULL`` (status 5) with the bytes that are needed.
    """
    with published_directory(out) as folder:
        require_space(folder, sum(map(len, files.values())))
        for name, data in files.items():
            make_directory((folder / name).parent)
            write_bytes(folder / name, data)
        record_folder(folder, free=[CARD])


def read_exported(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The description of the network and its ``state_dict``; every file is compared with its checksum first.

    Raises:
        JsddpmError: ``CHECKPOINT`` (status 4) when a file is damaged or missing.
    """
    cure = "export the checkpoint again"
    require_recorded(folder, [ABOUT, *WEIGHTS.values()], "CHECKPOINT", cure)
    state: dict[str, Tensor] = {}
    try:
        for prefix, name in WEIGHTS.items():
            state |= {prefix + k: v for k, v in safetensors.torch.load(read_bytes(folder / name)).items()}
    except safetensors.SafetensorError as error:
        raise integrity_error("CHECKPOINT", f"{name}: {error}", fix=cure, file=folder) from error
    state.pop(f"unet.{LABELS}", None)
    return parse_json(read_bytes(folder / ABOUT), folder / ABOUT), state
