"""From a trained network to a generated slice store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jsddpm import __version__
from jsddpm.binning import Condition, ZBinning
from jsddpm.config import DiffusionConfig, SamplingConfig
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.sampling import SampleId, sample
from jsddpm.slices.writer import Shard, new_store

_BATCH = 64


def best_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def generate_store(
    denoiser: Denoiser,
    out: str | Path,
    *,
    conditions: Sequence[Condition],
    binning: ZBinning,
    diffusion: DiffusionConfig,
    sampling: SamplingConfig,
    size: tuple[int, int],
    spacing: tuple[float, float, float],
    seed: int,
    provenance: dict[str, Any],
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draw ``sampling.per_condition`` samples of every condition into a new store.

    A sample's ``z_index`` is the middle slice of its bin, so the store reads back into the same bins.

    Args:
        denoiser: The network, in evaluation mode.
        out: New store folder.
        conditions: What to draw.
        binning: The network's binning.
        diffusion: Its forward process.
        sampling: Sampler and number per condition.
        size: ``(H, W)``.
        spacing: ``(row, column, z)`` in mm.
        seed: Base of all seeds.
        provenance: What made the network, for ``store.json``.
        progress: Called with (network calls done, in all).

    Raises:
        JsddpmError: ``EXISTS`` (status 2), ``NON_FINITE`` (status 6); nothing is left behind then.
    """
    ids = [SampleId(c, k) for c in conditions for k in range(sampling.per_condition)]
    batches = [ids[i : i + _BATCH] for i in range(0, len(ids), _BATCH)]
    total = len(batches) * sampling.steps
    with new_store(
        out,
        kind="generated",
        n_slices=binning.n_slices,
        spacing=spacing,
        binning=binning.to_dict(),
        sampling=sampling.model_dump(mode="json"),
        seed=seed,
        provenance=provenance,
        created_by=f"jsddpm {__version__}",
    ) as writer:
        for number, batch in enumerate(batches):
            before = number * sampling.steps
            x = sample(
                denoiser,
                batch,
                binning=binning,
                diffusion=diffusion,
                sampling=sampling,
                size=size,
                run_seed=seed,
                callback=(lambda step, before=before: progress(before + step, total)) if progress else None,  # type: ignore[misc]
            )
            rows = {
                "z_index": [binning.representative(i.condition.z_bin) for i in batch],
                "pathology": [i.condition.pathology for i in batch],
                "sample": [i.number for i in batch],
                "seed": [i.seed(seed) for i in batch],
            }
            image = ((x[:, 0] + 1) / 2).numpy().astype(np.float32)
            writer.add(Shard(f"generated-{number:04d}", image, (x[:, 1] > 0).numpy(), rows))
    return Path(out)
