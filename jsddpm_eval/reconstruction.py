"""Protocol 1, exact reconstruction: a network's reconstruction of held-out slices, on fixed noise and timesteps."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from jsddpm.binning import ZBinning
from jsddpm.diffusion.checkpoint import CheckpointInfo, load_denoiser
from jsddpm.diffusion.objective import alphas_cumprod
from jsddpm.diffusion.reconstruct import fixed_noise, reconstruct
from jsddpm.progress import Progress
from jsddpm.runtime import best_device
from jsddpm.slices.dataset import SliceDataset
from jsddpm.slices.store import SliceStore
from jsddpm_eval.metrics.outline import brain_masks
from jsddpm_eval.metrics.reconstruction import condition_scores, full_scores
from jsddpm_eval.results.score import Cell
from jsddpm_eval.slice_table import SliceTable

_BATCH = 64


def reconstruct_held_out(
    checkpoint: str | Path,
    store: SliceStore,
    split: str,
    *,
    expected: ZBinning | None = None,
    progress: Progress | None = None,
) -> tuple[list[Cell], CheckpointInfo]:
    """Scores of a checkpoint's averaged network on the held-out slices of a store, and the checkpoint's information.

    Args:
        checkpoint: The network.
        store: Real store.
        split: Held-out split.
        expected: Required binning of the checkpoint; None allows any.
        progress: Called with (batches done, in all).

    Raises:
        JsddpmError: ``BINNING_MISMATCH``, ``NO_SLICES`` (status 2), ``CHECKPOINT`` (status 4).
    """
    device = best_device()
    denoiser, info = load_denoiser(checkpoint, expected=expected, device=device)
    dataset = SliceDataset(store, info.binning, split)
    abar = alphas_cumprod(info.config.diffusion).to(device)
    timesteps, kind = info.config.evaluation.timesteps, info.config.diffusion.prediction_type
    collected: list[list[dict[str, Tensor]]] = [[] for _ in timesteps]
    parts = torch.arange(len(dataset)).split(_BATCH)
    for number, part in enumerate(parts):
        batch = dataset.batch(part)
        brain = brain_masks((batch["x0"][:, 0] + 1) / 2)
        x0, token = batch["x0"].to(device), batch["token"].to(device)
        noise = fixed_noise(batch["row"], x0.shape[1:], info.config.seed).to(device)
        for t, scores in zip(timesteps, collected, strict=True):
            x0_hat = reconstruct(denoiser, x0, token, noise, t, abar, kind)
            scores.append(full_scores(x0_hat.cpu(), batch["x0"], brain, store.spacing[:2]))
        if progress:
            progress(number + 1, len(parts))
    names = list(collected[0][0])
    values = {n: torch.stack([torch.cat([c[n] for c in scores]) for scores in collected]) for n in names}
    slices = SliceTable.from_store(store, info.binning, split=split)
    return condition_scores(values, timesteps, slices.where(slices.in_split), info.binning.n_bins), info
