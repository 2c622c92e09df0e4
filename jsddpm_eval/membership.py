"""Membership inference: losses of a network by slice, and of a denoiser that was not fitted to the patient.

The loss is the one that training minimises, at fixed levels of noise that depends only on (seed, slice, level).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.cohort.records import SPLITS
from jsddpm.diffusion.checkpoint import CheckpointInfo, load_denoiser
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.objective import (
    add_noise,
    alphas_cumprod,
    channel_weights,
    signal_and_noise,
    slice_losses,
    target,
)
from jsddpm.errors import usage_error
from jsddpm.progress import Progress
from jsddpm.runtime import best_device
from jsddpm.slices.dataset import Batch, SliceDataset
from jsddpm.slices.store import SliceStore
from jsddpm_eval.functional.wiener import Moments, WienerFilter
from jsddpm_eval.stats.membership import Losses

NOISE = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Standard deviations of the noise, for slices in [-1, 1]; the nearest timesteps of the schedule are used."""

SLICES = 24
"""Default number of slices of each patient, evenly spread."""

_BATCH = 64
_LEAST = 1e-12  # no loss is smaller, so that its logarithm is finite


@dataclass(frozen=True, eq=False)
class Measured:
    """Losses of slices.

    Attributes:
        rows: Rows of the store's index, ``(S,)``.
        patient: Position in ``patients`` of each slice, ``(S,)``.
        patients: Names, those of training patients first, each group in name order.
        member: Whether the network was trained on each patient, ``(P,)``.
        timesteps: The noise levels.
        noise: Their standard deviations, for slices in [-1, 1].
        network: Losses of the network, ``(S, L)``.
        filter: Losses of the Wiener filter of the other patients, ``(S, L)``.
        reference: Losses of the network named as reference, ``(S, L)``; None without one.
        info: Metadata of the checkpoint.
    """

    rows: NDArray[np.intp]
    patient: NDArray[np.intp]
    patients: list[str]
    member: NDArray[np.bool_]
    timesteps: tuple[int, ...]
    noise: tuple[float, ...]
    network: NDArray[np.float64]
    filter: NDArray[np.float64]
    reference: NDArray[np.float64] | None
    info: CheckpointInfo

    def by_patient(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean logarithm of each patient's losses, ``(P, L)``."""
        counts = np.bincount(self.patient)
        logs = np.log(losses)
        return np.stack([np.bincount(self.patient, level) / counts for level in logs.T], axis=1)

    def losses(self) -> Losses:
        """The losses by patient, calibrated by the reference network if there is one, else by the filter."""
        reference = self.filter if self.reference is None else self.reference
        return Losses(self.by_patient(self.network), self.by_patient(reference), self.member)


@dataclass(frozen=True, eq=False)
class _Level:
    """One noise level of a schedule."""

    timestep: int
    info: CheckpointInfo
    abar: Tensor

    @property
    def noise(self) -> float:
        signal, sigma = signal_and_noise(self.abar, torch.tensor([self.timestep]))
        return float(sigma / signal)

    def losses(self, predict: Callable[[Tensor, Tensor], Tensor], batch: Batch, seed: int) -> Tensor:
        """The training loss of each slice.

        Args:
            predict: Prediction for noisy slices and timesteps.
            batch: Exact slices.
            seed: Seed of the noise.
        """
        x0 = batch["x0"]
        config, kind = self.info.config, self.info.config.diffusion.prediction_type
        timesteps = torch.full((len(x0),), self.timestep)
        noise = level_noise(batch["row"], x0.shape[1:], seed, self.timestep)
        x_t = add_noise(x0, noise, timesteps, self.abar)
        weights = channel_weights(timesteps, self.abar, kind, config.objective)
        truth = target(x0, noise, timesteps, self.abar, kind)
        return slice_losses(predict(x_t, timesteps), truth, x0, weights, config.objective).clamp(min=_LEAST)

    def filtered(self, wiener: WienerFilter, z_bin: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """The Wiener filter as a network, with the same prediction target."""
        kind = self.info.config.diffusion.prediction_type

        def predict(x_t: Tensor, timesteps: Tensor) -> Tensor:
            signal, sigma = signal_and_noise(self.abar, timesteps)
            x0 = wiener(x_t / signal, z_bin, self.noise).to(x_t)
            return target(x0, (x_t - signal * x0) / sigma, timesteps, self.abar, kind)

        return predict


def noise_levels(info: CheckpointInfo) -> list[_Level]:
    """Levels of the checkpoint's schedule nearest to :data:`NOISE`, each once."""
    abar = alphas_cumprod(info.config.diffusion)
    ratio = ((1 - abar) / abar.clamp(min=1e-12)).sqrt().log()
    chosen = {int((ratio - float(np.log(noise))).abs().argmin()) for noise in NOISE}
    return [_Level(timestep, info, abar) for timestep in sorted(chosen)]


def level_noise(rows: Tensor, shape: torch.Size, seed: int, timestep: int) -> Tensor:
    """Standard normal noise that depends only on (seed, store row, timestep), float32 ``(len(rows), *shape)``."""
    noise = [
        np.random.default_rng([seed, int(row), timestep]).standard_normal(tuple(shape), np.float32) for row in rows
    ]
    return torch.from_numpy(np.stack(noise))


def measure(
    checkpoint: str | Path,
    store: SliceStore,
    *,
    reference: str | Path | None = None,
    slices: int = SLICES,
    seed: int = 0,
    progress: Progress | None = None,
) -> Measured:
    """Losses of a checkpoint's averaged network on slices of training and held-out patients, and of other denoisers.

    The Wiener filter for a patient is fitted to all others, training and held-out patients alike. Its losses do not
    depend on which patients were in the training set, so patients are exchangeable. If it were fitted to training
    patients alone, all held-out patients would share its error, and tests by patient would be invalid.

    Args:
        checkpoint: The network.
        store: The store it was trained on.
        reference: Checkpoint of a network that was hardly or not trained on these patients, such as an early one.
        slices: Largest number of slices of a patient, evenly spread.
        seed: Seed of the noise.
        progress: Called with (patients done, in all).

    Raises:
        JsddpmError: ``TRAINING_STORE`` (status 2) when the network was trained on another store,
            ``BINNING_MISMATCH``, ``NO_SLICES`` (status 2), ``CHECKPOINT`` (status 4).
    """
    device = best_device()
    denoiser, info = load_denoiser(checkpoint, device=device)
    if info.store != store.fingerprint:
        what = f"was trained on store {info.store}, this one is {store.fingerprint}: who was a training patient?"
        raise usage_error("TRAINING_STORE", what, fix="give the store it was trained on", file=checkpoint)
    networks = [denoiser]
    if reference is not None:
        networks.append(load_denoiser(reference, expected=info.binning, device=device)[0])
    slicer = _Slicer(SliceDataset(store, info.binning, residence="mapped"), slices)
    levels, everyone = noise_levels(info), slicer.everyone()
    tables: list[list[Tensor]] = [[] for _ in range(len(networks) + 1)]
    patients = slicer.training + slicer.held_out
    for number, person in enumerate(patients):
        batch = slicer.some(person)
        wiener = (everyone - slicer.moments(person)).filter()
        for table, network in zip(tables, networks, strict=False):
            table.append(torch.stack([level.losses(_predictor(network, batch), batch, seed) for level in levels], 1))
        filtered = [level.losses(level.filtered(wiener, batch["z_bin"]), batch, seed) for level in levels]
        tables[-1].append(torch.stack(filtered, 1))
        if progress:
            progress(number + 1, len(patients))
    measured = [torch.cat(table).double().numpy() for table in tables]
    chosen = [slicer.chosen(person) for person in patients]
    return Measured(
        rows=slicer.dataset.rows[np.concatenate(chosen)],
        patient=np.repeat(np.arange(len(patients)), [len(places) for places in chosen]),
        patients=patients,
        member=np.arange(len(patients)) < len(slicer.training),
        timesteps=tuple(level.timestep for level in levels),
        noise=tuple(level.noise for level in levels),
        network=measured[0],
        filter=measured[-1],
        reference=measured[1] if reference is not None else None,
        info=info,
    )


class _Slicer:
    """Slices of a data set by patient."""

    def __init__(self, dataset: SliceDataset, most: int) -> None:
        self.dataset, self.most = dataset, most
        self.names = dataset.store.patients[dataset.rows]
        trained = dataset.store.index[dataset.rows]["split"] == SPLITS.index("train")
        self.training = sorted(set(self.names[trained].tolist()))
        self.held_out = sorted(set(self.names[~trained].tolist()))
        if not self.training:
            cure = "give the store that the network was trained on"
            raise usage_error("NO_SLICES", f"no train slice in {dataset.binning}", fix=cure, file=dataset.store.path)

    def chosen(self, person: str) -> NDArray[np.intp]:
        """Positions of a patient's slices in the data set, evenly spread, up to the largest number."""
        places = np.flatnonzero(self.names == person)
        if len(places) <= self.most:
            return places
        return places[np.linspace(0, len(places) - 1, self.most).round().astype(np.intp)]

    def some(self, person: str) -> Batch:
        """The slices that are measured."""
        return self.dataset.batch(torch.from_numpy(self.chosen(person)))

    def moments(self, person: str) -> Moments:
        """Sums over all slices of a patient."""
        batch = self.dataset.batch(torch.from_numpy(np.flatnonzero(self.names == person)))
        return Moments.of(batch["x0"], batch["z_bin"], self.dataset.binning.n_bins)

    def everyone(self) -> Moments:
        """Sums over all slices."""
        first, *others = self.training + self.held_out
        total = self.moments(first)
        for person in others:
            total += self.moments(person)
        return total


def _predictor(denoiser: Denoiser, batch: Batch) -> Callable[[Tensor, Tensor], Tensor]:
    """The network's prediction for slices of a batch, on the CPU; part by part, so that memory stays small."""
    device = next(denoiser.parameters()).device

    @torch.no_grad()
    def predict(x_t: Tensor, timesteps: Tensor) -> Tensor:
        parts = zip(x_t.split(_BATCH), timesteps.split(_BATCH), batch["token"].split(_BATCH), strict=True)
        return torch.cat([denoiser(*(value.to(device) for value in part)).float().cpu() for part in parts])

    return predict
