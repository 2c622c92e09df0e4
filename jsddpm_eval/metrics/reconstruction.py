"""Exact reconstruction: held-out slices against themselves; scores of slices, and of the conditions they make up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.binning import CONTROL, LESION
from jsddpm.wording import agreeing, counted
from jsddpm_eval.functional.masks import false_positive_pixels, hausdorff95, lesion_dice
from jsddpm_eval.functional.reconstruction import ms_ssim, ms_ssim_fits, psnr, ssim
from jsddpm_eval.results.score import Cell, Counts, Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.intervals import mean_spread

_spec = partial(
    ScoreSpec, group="reconstruction", better="higher", place="hidden",
    blind_to="faults of samples, because only held-out slices are restored",
)  # fmt: skip
_BRAIN = "the same over the estimated brain of the exact slice"
SPECS = (
    _spec("psnr", "PSNR [dB]", "10 log10(1 / MSE) on [0, 1], per image; the mean of images, not of errors", unit="dB",
          verified="scikit-image | 1e-5 dB (float32 reference)", place="compact"),
    _spec("psnr_brain", "PSNR of the brain", _BRAIN, verified="cropped images | 1e-12 dB", unit="dB"),
    _spec("ssim", "SSIM", "Gaussian window of 11, sigma 1.5, whole windows only, float32", place="compact",
          source="Wang et al. 2004", verified="scikit-image | 1e-6", axis_from_zero=True),
    _spec("ssim_brain", "SSIM of the brain", _BRAIN, verified="cropped images | 1e-12"),
    _spec("ms_ssim", "MS-SSIM", "five scales; sides of at least 176, undefined otherwise", source="Wang et al. 2003",
          verified="torchmetrics is used"),
    _spec("lesion_dice", "lesion Dice", "slices with a true lesion; undefined on the others, never 1", pathology=1,
          verified="closed form | 0", place="compact", axis_from_zero=True),
    _spec("lesion_hd95", "lesion HD95 [mm]", "larger of both directed 95th percentiles of surface distances; missed "
          "lesions are counted instead", verified="brute force | 1e-12 mm", unit="mm", better="lower", pathology=1),
    _spec("lesion_missed", "lesions missed", "share of lesion slices with an empty mask", verified="counting | 0",
          unit="share", better="lower", pathology=1),
    _spec("control_false_positive", "false positives", "share of control slices with a mask", verified="counting | 0",
          unit="share", better="lower", pathology=0),
    _spec("control_false_positive_pixels", "false-positive pixels", "pixels of the masks of control slices",
          verified="counting | 0", unit="pixels", better="lower", pathology=0, place="compact"),
)  # fmt: skip
"""Scores of an exact reconstruction; those drawn by timestep are ``compact``."""

_NO_LESION = "no slice with a lesion here"
_REASONS = {
    "lesion_dice": _NO_LESION,
    "lesion_missed": _NO_LESION,
    "lesion_hd95": "no slice with a lesion here that was not missed",
    "control_false_positive": "no slice without a lesion here",
    "control_false_positive_pixels": "no slice without a lesion here",
    "ms_ssim": "slices are too small for five scales: sides of at least 176",
}


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
        Also ``psnr_brain`` and ``ssim_brain`` over the brain alone, ``ms_ssim`` (NaN where slices are too small),
        ``lesion_hd95`` (mm; NaN for a missed lesion), ``lesion_missed`` and ``control_false_positive`` (0 or 1).
    """
    image, exact = (x0_hat[:, 0] + 1) / 2, (x0[:, 0] + 1) / 2
    mask, lesion = x0_hat[:, 1] > 0, x0[:, 1] > 0
    predicted, there = (m.flatten(1).any(1) for m in (mask, lesion))
    scores = slice_scores(x0_hat, x0) | {
        "psnr_brain": psnr(image, exact, data_range=1.0, mask=brain),
        "ssim_brain": ssim(image, exact, data_range=1.0, mask=brain).double(),
        "lesion_hd95": hausdorff95(mask, lesion, spacing),
        "lesion_missed": torch.where(there, (~predicted).double(), torch.nan),
        "control_false_positive": torch.where(there, torch.nan, predicted.double()),
    }
    fits = ms_ssim_fits(tuple(image.shape[1:]))
    similarity = ms_ssim(image, exact, data_range=1.0).double() if fits else torch.full((len(image),), torch.nan)
    return scores | {"ms_ssim": similarity}


def condition_scores(
    values: Mapping[str, Tensor], timesteps: Sequence[int], slices: SliceTable, n_bins: int
) -> list[Cell]:
    """Scores by timestep, by timestep x pathology, by bin, and by timestep x bin x pathology; intervals over patients.

    A condition without a held-out slice has no cell by timestep; its bin still has one, with the reason. In a bin, each
    slice has its mean over the timesteps that define the score.

    Args:
        values: Scores of each slice by name, ``(T, N)``; NaN where undefined, infinite where a reconstruction is exact.
        timesteps: The timesteps, T of them.
        slices: The slices.
        n_bins: Number of bins.
    """
    every, kinds = torch.ones(len(slices), dtype=torch.bool), (CONTROL, LESION)
    cells = []
    for i, t in enumerate(timesteps):
        at = {name: v[i : i + 1] for name, v in values.items()}
        for kind in (None, *kinds):
            keep = every if kind is None else slices.pathology == kind
            cells.append(Cell(timestep=t, pathology=kind, scores=_summarized(at, slices, keep, kind)))
    cells += [Cell(z_bin=k, scores=_summarized(values, slices, slices.z_bin == k, None)) for k in range(n_bins)]
    for i, t in enumerate(timesteps):
        at = {name: v[i : i + 1] for name, v in values.items()}
        for kind in kinds:
            for k in range(n_bins):
                keep = (slices.z_bin == k) & (slices.pathology == kind)
                if keep.any():
                    scores = _summarized(at, slices, keep, kind)
                    cells.append(Cell(timestep=t, z_bin=k, pathology=kind, scores=scores))
    return cells


def _summarized(
    values: Mapping[str, Tensor], slices: SliceTable, keep: Tensor, pathology: int | None
) -> dict[str, Score]:
    """Means over slices of values ``(T, N)``; scores of lesions do not apply to control slices, nor the reverse."""
    specs = [s for s in SPECS if s.name in values and (None in (s.pathology, pathology) or s.pathology == pathology)]
    patients = slices.patient_names[keep.numpy()]
    return {spec.name: _mean(spec, values[spec.name][:, keep], patients).placed(spec) for spec in specs}


def _mean(spec: ScoreSpec, values: Tensor, patients: NDArray[np.str_]) -> Score:
    """Mean over slices of their means over timesteps; ``values`` are ``(T, n)``.

    Slices and timesteps that do not define the score are left out; exact reconstructions also, with a reason.
    """
    timesteps, count = values.shape
    if not count:
        return Score.undefined("no held-out slice here", Counts(n_real=0, n_patients=0))
    perfect = int(torch.isinf(values).sum())
    every = counted(values.numel(), "reconstruction") + (f" at {timesteps} timesteps" if timesteps > 1 else "")
    reason = f"{perfect} of {every} {agreeing(perfect, 'is', 'are')} exact"
    of_slice = values.where(torch.isfinite(values), torch.nan).nanmean(dim=0)
    defined = torch.isfinite(of_slice)
    finite, owners = of_slice[defined], patients[defined.numpy()]
    counts = Counts(n_real=len(finite), n_patients=len(np.unique(owners)))
    if not len(finite):
        return Score.undefined(reason if perfect else _REASONS.get(spec.name, "undefined on every slice"), counts)
    unreliable = f"{reason}, left out of the mean" if perfect else None
    return Score.of(float(finite.double().mean()), counts, mean_spread(finite, owners), unreliable=unreliable)
