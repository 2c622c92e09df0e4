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
from jsddpm.slices.writer import Shard, finished, mark_finished, shared_store, write_shard

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
    share: tuple[int, int] = (0, 1),
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draw ``sampling.per_condition`` samples of every condition into a new store.

    Interrupted, it keeps its finished batches and goes on with them when called again. With shares, so many processes
    draw a part each, wherever they see the folder; the last to finish publishes the store. A sample's ``z_index`` is
    the middle slice of its bin, so the store reads back into the same bins.

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
        share: Number of this process, and how many there are.
        progress: Called with (network calls done, in all) of this share.

    Raises:
        JsddpmError: ``EXISTS`` (status 2); ``PLAN_DIFFERS`` (status 4) when other samples were begun at ``out``;
            ``NON_FINITE`` (status 6), such a batch is not kept.
    """
    ids = [SampleId(c, k) for c in conditions for k in range(sampling.per_condition)]
    batches = {f"generated-{i // _BATCH:04d}": ids[i : i + _BATCH] for i in range(0, len(ids), _BATCH)}
    own = list(batches)[share[0] :: share[1]]
    total = len(own) * sampling.steps
    with shared_store(
        out,
        list(batches),
        share=share,
        kind="generated",
        n_slices=binning.n_slices,
        spacing=spacing,
        binning=binning.to_dict(),
        conditions=[c.token(binning.n_bins) for c in conditions],
        sampling=sampling.model_dump(mode="json"),
        seed=seed,
        provenance=provenance,
        created_by=f"jsddpm {__version__}",
    ) as root:
        for number, name in enumerate(own):
            if finished(root, name) is not None:
                continue
            batch, before = batches[name], number * sampling.steps
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
            mark_finished(root, write_shard(root, Shard(name, image, (x[:, 1] > 0).numpy(), rows)))
    return Path(out)
