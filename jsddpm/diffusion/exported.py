"""The folder of an exported network: files that others read too, and their checksums."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from jsddpm.checksums import record_folder, require_recorded
from jsddpm.errors import integrity_error
from jsddpm.files import json_bytes, parse_json, read_bytes, require_space, write_bytes
from jsddpm.publish import published_directory

ABOUT = "jsddpm.json"
WEIGHTS = {"unet.": "diffusion_pytorch_model.safetensors", "embedding.": "condition_embedding.safetensors"}
"""Files of the weights, by the first part of their names."""


def write_exported(out: Path, about: Mapping[str, Any], config: str, state: Mapping[str, Tensor]) -> None:
    """Publish the folder.

    Args:
        out: New folder.
        about: What the network is, as plain values.
        config: diffusers' configuration of the network, JSON.
        state: The network's ``state_dict``.

    Raises:
        JsddpmError: ``EXISTS`` (status 2), ``DISK_FULL`` (status 5) with the bytes that are needed.
    """
    files = {ABOUT: json_bytes(about), "config.json": config.encode()}
    for prefix, name in WEIGHTS.items():
        part = {k.removeprefix(prefix): v.contiguous() for k, v in state.items() if k.startswith(prefix)}
        files[name] = safetensors.torch.save(part, metadata={"format": "pt"})
    with published_directory(out) as folder:
        require_space(folder, sum(map(len, files.values())))
        for name, data in files.items():
            write_bytes(folder / name, data)
        record_folder(folder)


def read_exported(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the network is, and its ``state_dict``; every file is compared with its checksum first.

    Raises:
        JsddpmError: ``CHECKPOINT`` (status 4) when a file is damaged or missing.
    """
    cure = "export the checkpoint again"
    require_recorded(folder, [ABOUT, "config.json", *WEIGHTS.values()], "CHECKPOINT", cure)
    state: dict[str, Tensor] = {}
    try:
        for prefix, name in WEIGHTS.items():
            state |= {prefix + k: v for k, v in safetensors.torch.load(read_bytes(folder / name)).items()}
    except safetensors.SafetensorError as error:
        raise integrity_error("CHECKPOINT", f"{name}: {error}", fix=cure, file=folder) from error
    return parse_json(read_bytes(folder / ABOUT), folder / ABOUT), state
