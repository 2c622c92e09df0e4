"""A checkpoint's network as a pipeline of diffusers."""

from __future__ import annotations

import inspect
import json
import math
from pathlib import Path
from typing import Any

import diffusers
import torch

from jsddpm import __version__
from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.diffusion import standalone
from jsddpm.diffusion.checkpoint import CheckpointInfo, Weights, load_denoiser
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.exported import ABOUT, CARD, weight_files, write_exported
from jsddpm.diffusion.schedulers import make_scheduler
from jsddpm.files import encoded, json_bytes

_CARD = """---
library_name: diffusers
tags:
- diffusion
- medical-imaging
- mri
- brain
- jsddpm
---

# Brain MRI slices with lesion masks

A diffusion model that draws an axial slice and its lesion mask together, conditioned on the position in the brain (one
of {n_bins} bins of slices {low} to {high} of {n_slices}) and on pathology (0 control, 1 lesion). Slices are {height} x
{width} pixels of {row:g} x {column:g} mm; images are in [0, 1], masks are boolean.

```python
from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained("FOLDER", trust_remote_code=True)
samples = pipe([{pairs}], num_per_condition=4, seed=0)  # pairs (bin, pathology)
samples.images, samples.masks
```

`trust_remote_code` runs `pipeline.py` of this folder; read it first. Weights are safetensors, which run nothing. The
same seed draws the samples of `jsddpm sample`, {exactness}. `pipe.save_pretrained` saves
`pipeline.py` as well, but neither this card nor the files that jsddpm reads.

`unet` opens by itself as a `UNet2DModel`; its class labels are
`pathology * {n_bins} + bin`, and {null} for no condition.

| | |
|---|---|
| steps of training | {step} |
| weights | {weights} |
| prediction | {prediction} |
| training store (fingerprint) | {store} |
| conditions with a training slice | {trained} of {tokens} |
| written by | jsddpm {version} |

## Not known from the checkpoint

- Whether samples are right: evaluate them with `jsddpm eval --bin-aware`, and fill a card with `jsddpm card`.
- Whether the network memorised patients: `jsddpm checkpoint audit` asks.
- Who the training patients were, and the licence of these weights: whoever publishes them adds it here.
"""


def export_checkpoint(path: str | Path, out: str | Path, *, weights: Weights = "ema") -> Path:
    """Write a folder that ``diffusers.DiffusionPipeline.from_pretrained`` opens.

    It holds ``model_index.json``, ``pipeline.py`` (which needs diffusers and not jsddpm), ``scheduler``, ``unet`` and a
    model card. The condition embedding is a part of ``unet``, as the vectors of its class labels; the weights that make
    these vectors lie in ``condition_embedding.safetensors``. ``jsddpm.json`` has configuration, binning and step,
    ``SHA256SUMS`` the checksums. The network works on patches: fold the ``(B, 2, H, W)`` pair, and with
    self-conditioning the ``(B, 2, H, W)`` estimate of x0 after it, by ``torch.nn.functional.pixel_unshuffle`` with the
    configuration's ``patch_size``. Functions that read a checkpoint file also read the folder.

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
    scheduler = make_scheduler(info.config.diffusion, info.config.sampling)
    kind = _of_diffusers(scheduler)
    tokens = torch.arange(info.binning.null_token + 1)
    with torch.inference_mode():
        labels = denoiser.embedding(tokens).clone()
    unet = json.loads(denoiser.unet.to_json_string()) | {"class_embed_type": None, "num_class_embeds": len(tokens)}
    known = json.loads(scheduler.to_json_string())
    # strict JSON has no infinity; a value that equals an infinite default of the library is left out
    steps = {k: v for k, v in known.items() if not (isinstance(v, float) and math.isinf(v))} | {"_class_name": kind}
    index = {
        "_class_name": ["pipeline", standalone.JointSlicePipeline.__name__],
        "_diffusers_version": diffusers.__version__,
        "unet": ["diffusers", "UNet2DModel"],
        "scheduler": ["diffusers", kind],
        "settings": _settings(denoiser, info),
    }
    files = {
        ABOUT: json_bytes({**info.shareable(), "step": info.step, "weights": weights}),
        CARD: encoded(_card(info, weights)),
        "model_index.json": json_bytes(index),
        "pipeline.py": encoded(inspect.getsource(standalone)),
        "scheduler/scheduler_config.json": json_bytes(steps),
        "unet/config.json": json_bytes(unet),
        **weight_files(denoiser.state_dict(), labels),
    }
    write_exported(Path(out), files)
    return Path(out)


def _of_diffusers(scheduler: Any) -> str:
    """Name of the scheduler's class in the library, or of its base class there."""
    return next(c.__name__ for c in type(scheduler).__mro__ if c.__module__.startswith("diffusers."))


def _settings(denoiser: Denoiser, info: CheckpointInfo) -> dict[str, Any]:
    """Settings for :class:`~jsddpm.diffusion.standalone.JointSlicePipeline`."""
    sampling, n_bins = info.config.sampling, info.binning.n_bins
    return {
        "n_bins": n_bins,
        "size": list(info.size),
        "patch_size": denoiser.patch,
        "prediction_type": info.config.diffusion.prediction_type,
        "self_conditioned": denoiser.self_conditioned,
        "guided": info.config.unconditional_share > 0,
        "trained": [condition.token(n_bins) for condition in info.trained],
        "steps": sampling.steps,
        "timestep_spacing": sampling.spacing,
        "eta": sampling.eta,
        "guidance": sampling.guidance,
        "precision": sampling.precision,
        "z_range": list(info.binning.z_range),
        "scheme": info.binning.scheme,
        "spacing": list(info.spacing),
    }


def _card(info: CheckpointInfo, weights: Weights) -> str:
    binning, (height, width), (row, column, _) = info.binning, info.size, info.spacing
    ends = info.trained[0], info.trained[-1]
    table = info.config.model.condition_embedding == "token"
    exactness = "bit for bit on one machine" if table else "up to rounding (about 1e-5)"
    return _CARD.format(
        n_bins=binning.n_bins, low=binning.z_range[0], high=binning.z_range[1], n_slices=binning.n_slices,
        null=binning.null_token, tokens=binning.null_token, height=height, width=width, row=row, column=column,
        step=info.step, weights="averaged" if weights == "ema" else "raw",
        prediction=info.config.diffusion.prediction_type, store=info.store, trained=len(info.trained),
        pairs=", ".join(f'({c.z_bin}, "{PATHOLOGY_NAMES[c.pathology]}")' for c in dict.fromkeys(ends)),
        exactness=exactness, version=__version__,
    )  # fmt: skip
