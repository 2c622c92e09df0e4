"""A checkpoint's network in the formats others read."""

from __future__ import annotations

from pathlib import Path

import torch

from jsddpm.diffusion.checkpoint import Weights, load_denoiser
from jsddpm.diffusion.exported import write_exported


def export_checkpoint(path: str | Path, out: str | Path, *, weights: Weights = "ema") -> Path:
    """Write a folder that ``diffusers.UNet2DModel.from_pretrained`` opens.

    Beside the network lie ``condition_embedding.safetensors`` (its output goes in as ``class_labels``),
    ``jsddpm.json`` (configuration, binning, step) and ``SHA256SUMS``. The network works on patches: fold the
    ``(B, 2, H, W)`` pair, and with self-conditioning the ``(B, 2, H, W)`` estimate of x0 after it, by
    ``torch.nn.functional.pixel_unshuffle`` with the configuration's ``patch_size``. What reads a checkpoint file reads
    the folder too.

    Args:
        path: Checkpoint file.
        out: New folder.
        weights: Averaged weights, or the raw ones.

    Raises:
        JsddpmError: ``EXISTS`` (status 2); ``CHECKPOINT`` (status 4); ``DISK_FULL`` (status 5) with the bytes that are
            needed.
    """
    denoiser, info = load_denoiser(path, weights=weights)
    denoiser.to(memory_format=torch.contiguous_format)
    about = {**info.to_dict(), "step": info.step, "weights": weights}
    write_exported(Path(out), about, denoiser.unet.to_json_string(), denoiser.state_dict())
    return Path(out)
