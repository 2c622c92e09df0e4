"""Protocol 1, exact reconstruction: held-out slices against themselves, on fixed noise and timesteps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from jsddpm.binning import CONTROL, LESION
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.objective import alphas_cumprod
from jsddpm.diffusion.reconstruct import fixed_noise, reconstruct
from jsddpm.slices.dataset import SliceDataset
from jsddpm.training.checkpoint import CheckpointInfo
from jsddpm_eval.functional.masks import false_positive_pixels, lesion_dice
from jsddpm_eval.functional.reconstruction import psnr, ssim
from jsddpm_eval.results import Cell, Score
from jsddpm_eval.uncertainty import mean_interval

UNITS = {"psnr": "dB", "ssim": "", "lesion_dice": "", "control_false_positive_pixels": "pixels"}
_REASONS = {
    "lesion_dice": "no slice with a lesion here",
    "control_false_positive_pixels": "no slice without a lesion here",
}
_BATCH = 64


def slice_scores(x0_hat: Tensor, x0: Tensor) -> dict[str, Tensor]:
    """Scores of each reconstruction against its exact slice; also what training logs during validation.

    Args:
        x0_hat: ``(B, 2, H, W)`` in [-1, 1], image then mask.
        x0: The exact slices.

    Returns:
        ``psnr`` and ``ssim`` of the image on [0, 1], ``lesion_dice`` and ``control_false_positive_pixels`` of the mask
        (threshold 0.5), each ``(B,)``; NaN where undefined.
    """
    image, exact = (x0_hat[:, 0] + 1) / 2, (x0[:, 0] + 1) / 2
    mask, lesion = x0_hat[:, 1] > 0, x0[:, 1] > 0
    return {
        "psnr": psnr(image, exact, data_range=1.0),
        "ssim": ssim(image, exact, data_range=1.0).double(),
        "lesion_dice": lesion_dice(mask, lesion),
        "control_false_positive_pixels": false_positive_pixels(mask, lesion),
    }


def evaluate_reconstruction(
    denoiser: Denoiser,
    info: CheckpointInfo,
    dataset: SliceDataset,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Cell]:
    """Scores by timestep, by timestep and pathology, and by bin, with intervals over patients.

    Args:
        denoiser: The network, in evaluation mode.
        info: Its checkpoint.
        dataset: Held-out slices in the checkpoint's binning.
        progress: Called with (batches done, in all).
    """
    device = next(denoiser.parameters()).device
    abar = alphas_cumprod(info.config.diffusion).to(device)
    timesteps = info.config.evaluation.timesteps
    parts = torch.arange(len(dataset)).split(_BATCH)
    collected: list[dict[str, Tensor]] = []
    for t in timesteps:
        for part in parts:
            batch = dataset.batch(part)
            x0 = batch["x0"].to(device)
            noise = fixed_noise(batch["row"], x0.shape[1:], info.config.seed).to(device)
            x0_hat = reconstruct(
                denoiser, x0, batch["token"].to(device), noise, t, abar, info.config.diffusion.prediction_type
            )
            collected.append(slice_scores(x0_hat.cpu(), batch["x0"]))
            if progress:
                progress(len(collected), len(timesteps) * len(parts))
    values = {name: torch.cat([c[name] for c in collected]).reshape(len(timesteps), -1) for name in UNITS}
    patients = dataset.store.patients[dataset.rows]
    cells = []
    for i, t in enumerate(timesteps):
        at = {name: v[i] for name, v in values.items()}
        for pathology in (None, CONTROL, LESION):
            keep = slice(None) if pathology is None else (dataset.pathology == pathology).numpy()
            cells.append(Cell(timestep=t, pathology=pathology, scores=_summarize(at, patients, keep)))
    mean = {name: v.mean(dim=0) for name, v in values.items()}
    for z_bin in range(dataset.binning.n_bins):
        cells.append(Cell(z_bin=z_bin, scores=_summarize(mean, patients, (dataset.z_bin == z_bin).numpy())))
    return cells


def _summarize(values: dict[str, Tensor], patients: np.ndarray, keep: np.ndarray | slice) -> dict[str, Score]:
    scores = {}
    for name, value in values.items():
        chosen, who = value[keep], patients[keep]
        defined = torch.isfinite(chosen)
        chosen, who = chosen[defined], who[defined.numpy()]
        if len(chosen) == 0:
            reason = _REASONS.get(name, "no held-out slice here")
            scores[name] = Score.undefined(reason, unit=UNITS[name], n_real=0, n_patients=0)
            continue
        scores[name] = Score(
            value=float(chosen.double().mean()), unit=UNITS[name], n_real=len(chosen), n_patients=len(np.unique(who)),
            interval=mean_interval(chosen, who),
        )  # fmt: skip
    return scores
