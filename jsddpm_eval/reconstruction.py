"""Protocol 1, exact reconstruction: held-out slices against themselves, on fixed noise and timesteps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.binning import CONTROL, LESION
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.objective import alphas_cumprod
from jsddpm.diffusion.reconstruct import fixed_noise, reconstruct
from jsddpm.slices.dataset import SliceDataset
from jsddpm.training.checkpoint import CheckpointInfo
from jsddpm_eval.functional.masks import false_positive_pixels, hausdorff95, lesion_dice
from jsddpm_eval.functional.reconstruction import ms_ssim, ms_ssim_fits, psnr, ssim
from jsddpm_eval.plausibility import brain_masks
from jsddpm_eval.results import Cell, Score
from jsddpm_eval.uncertainty import mean_fields

UNITS = {
    "psnr": "dB",
    "psnr_brain": "dB",
    "ssim": "",
    "ssim_brain": "",
    "ms_ssim": "",
    "lesion_dice": "",
    "lesion_hd95": "mm",
    "lesion_missed": "share",
    "control_false_positive": "share",
    "control_false_positive_pixels": "pixels",
}
_NO_LESION = "no slice with a lesion here"
_REASONS = {
    "lesion_dice": _NO_LESION,
    "lesion_missed": _NO_LESION,
    "lesion_hd95": "no slice with a lesion here that was not missed",
    "control_false_positive": "no slice without a lesion here",
    "control_false_positive_pixels": "no slice without a lesion here",
}
_OF_LESION = {"lesion_dice", "lesion_hd95", "lesion_missed"}
_OF_CONTROL = {"control_false_positive", "control_false_positive_pixels"}
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


def full_scores(x0_hat: Tensor, x0: Tensor, brain: Tensor, spacing: tuple[float, float]) -> dict[str, Tensor]:
    """Every score of each reconstruction: :func:`slice_scores` and those that take longer.

    Args:
        x0_hat: ``(B, 2, H, W)`` in [-1, 1], image then mask.
        x0: The exact slices.
        brain: Brain of the exact slices, boolean ``(B, H, W)``.
        spacing: Size of a pixel in mm, (row, column).

    Returns:
        Also ``psnr_brain`` and ``ssim_brain`` over the brain alone, ``ms_ssim`` where the slices are large enough,
        ``lesion_hd95`` (mm; NaN for a missed lesion), ``lesion_missed`` and ``control_false_positive`` (0 or 1).
    """
    image, exact = (x0_hat[:, 0] + 1) / 2, (x0[:, 0] + 1) / 2
    mask, lesion = x0_hat[:, 1] > 0, x0[:, 1] > 0
    drawn, there = (m.flatten(1).any(1) for m in (mask, lesion))
    scores = slice_scores(x0_hat, x0) | {
        "psnr_brain": psnr(image, exact, data_range=1.0, mask=brain),
        "ssim_brain": ssim(image, exact, data_range=1.0, mask=brain).double(),
        "lesion_hd95": hausdorff95(mask, lesion, spacing),
        "lesion_missed": torch.where(there, (~drawn).double(), torch.nan),
        "control_false_positive": torch.where(there, torch.nan, drawn.double()),
    }
    if ms_ssim_fits(tuple(image.shape[1:])):
        scores["ms_ssim"] = ms_ssim(image, exact, data_range=1.0).double()
    return scores


def evaluate_reconstruction(
    denoiser: Denoiser,
    info: CheckpointInfo,
    dataset: SliceDataset,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Cell]:
    """Scores by timestep, by timestep x pathology, by bin, and by timestep x bin x pathology; intervals over patients.

    A condition without a held-out slice has no cell by timestep; its bin still has one, with the reason.

    Args:
        denoiser: The network, in evaluation mode.
        info: Its checkpoint.
        dataset: Held-out slices in the checkpoint's binning.
        progress: Called with (batches done, in all).
    """
    device = next(denoiser.parameters()).device
    abar = alphas_cumprod(info.config.diffusion).to(device)
    timesteps = info.config.evaluation.timesteps
    spacing = dataset.store.spacing[:2]
    collected: list[list[dict[str, Tensor]]] = [[] for _ in timesteps]
    parts = torch.arange(len(dataset)).split(_BATCH)
    for number, part in enumerate(parts):
        batch = dataset.batch(part)
        brain = brain_masks((batch["x0"][:, 0] + 1) / 2)
        x0 = batch["x0"].to(device)
        noise = fixed_noise(batch["row"], x0.shape[1:], info.config.seed).to(device)
        for t, scores in zip(timesteps, collected, strict=True):
            x0_hat = reconstruct(
                denoiser, x0, batch["token"].to(device), noise, t, abar, info.config.diffusion.prediction_type
            )
            scores.append(full_scores(x0_hat.cpu(), batch["x0"], brain, spacing))
        if progress:
            progress(number + 1, len(parts))
    names = [name for name in UNITS if name in collected[0][0]]
    values = {n: torch.stack([torch.cat([c[n] for c in scores]) for scores in collected]) for n in names}
    return _cells(values, timesteps, dataset)


def _cells(values: dict[str, Tensor], timesteps: tuple[int, ...], dataset: SliceDataset) -> list[Cell]:
    patients = dataset.store.patients[dataset.rows]
    z_bin, pathology = dataset.z_bin.numpy(), dataset.pathology.numpy()
    cells = []
    for i, t in enumerate(timesteps):
        at = {name: v[i] for name, v in values.items()}
        for kind in (None, CONTROL, LESION):
            keep = np.ones(len(patients), bool) if kind is None else pathology == kind
            cells.append(Cell(timestep=t, pathology=kind, scores=_summarize(at, patients, keep, kind)))
    mean = {name: v.mean(dim=0) for name, v in values.items()}
    for k in range(dataset.binning.n_bins):
        cells.append(Cell(z_bin=k, scores=_summarize(mean, patients, z_bin == k, None)))
    for i, t in enumerate(timesteps):
        at = {name: v[i] for name, v in values.items()}
        for kind in (CONTROL, LESION):
            for k in range(dataset.binning.n_bins):
                keep = (z_bin == k) & (pathology == kind)
                if keep.any():
                    scores = _summarize(at, patients, keep, kind)
                    cells.append(Cell(timestep=t, z_bin=k, pathology=kind, scores=scores))
    return cells


def _summarize(
    values: dict[str, Tensor], patients: NDArray[np.str_], keep: NDArray[np.bool_], pathology: int | None
) -> dict[str, Score]:
    """Means over slices; scores of lesions are not asked of control slices, nor the reverse."""
    unasked = {CONTROL: _OF_LESION, LESION: _OF_CONTROL}.get(-1 if pathology is None else pathology, set())
    scores = {}
    for name, value in values.items():
        if name in unasked:
            continue
        chosen, who = value[torch.from_numpy(keep)], patients[keep]
        defined = torch.isfinite(chosen)
        chosen, who = chosen[defined], who[defined.numpy()]
        if len(chosen) == 0:
            reason = _REASONS.get(name, "no held-out slice here") if keep.any() else "no held-out slice here"
            scores[name] = Score.undefined(reason, unit=UNITS[name], n_real=0, n_patients=0)
            continue
        scores[name] = Score(
            value=float(chosen.double().mean()), unit=UNITS[name], n_real=len(chosen), n_patients=len(np.unique(who)),
            **mean_fields(chosen, who),
        )  # fmt: skip
    return scores
