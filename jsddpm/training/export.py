"""A checkpoint's network in the formats others read."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch

from jsddpm.diffusion.checkpoint import Weights, load_denoiser
from jsddpm.files import write_bytes, write_json
from jsddpm.publish import published_directory


def export_checkpoint(path: str | Path, out: str | Path, *, weights: Weights = "ema") -> Path:
    """Write a folder that ``diffusers.UNet2DModel.from_pretrained`` opens.

    Beside the network lie ``condition_embedding.safetensors`` (its output goes in as ``class_labels``) and
    ``jsddpm.json`` (configuration, binning, step). The network works on patches: fold the ``(B, 2, H, W)`` pair, and
    with self-conditioning the ``(B, 2, H, W)`` estimate of x0 after it, by ``torch.nn.functional.pixel_unshuffle`` with
    the configuration's ``patch_size``.

    Args:
        path: Checkpoint file.
        out: New folder.
        weights: Averaged weights, or the raw ones.

    Raises:
        JsddpmError: ``EXISTS`` (status 2); ``CHECKPOINT`` (status 4).
    """
    denoiser, info = load_denoiser(path, weights=weights)
    denoiser.to(memory_format=torch.contiguous_format)
    with published_directory(out) as folder:
        denoiser.unet.save_pretrained(folder)
        write_bytes(folder / "condition_embedding.safetensors", safetensors.torch.save(denoiser.embedding.state_dict()))
        write_json(folder / "jsddpm.json", {**info.to_dict(), "step": info.step, "weights": weights})
    return Path(out)
