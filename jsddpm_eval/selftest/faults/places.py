"""Slices of another bin than that of their condition."""

from __future__ import annotations

import numpy as np

from jsddpm_eval.real_slices import GeneratedArrays, Numbers
from jsddpm_eval.selftest.fault import Fault
from jsddpm_eval.selftest.world import World

_NAME = ("misplaced",)


def _of_bins(world: World, bins: Numbers, rng: np.random.Generator) -> GeneratedArrays:
    return world.showing(world.pick(world.source, rng, z_bin=bins))


def _shifted(world: World, step: float, rng: np.random.Generator) -> GeneratedArrays:
    """Slices of higher bins; of lower ones for the highest bins."""
    bins = world.z_bin + int(step)
    return _of_bins(world, np.maximum(np.where(bins < world.n_bins, bins, world.z_bin - int(step)), 0), rng)


def _shifted_down(world: World, step: float, rng: np.random.Generator) -> GeneratedArrays:
    bins = world.z_bin - int(step)
    return _of_bins(world, np.minimum(np.where(bins >= 0, bins, world.z_bin + int(step)), world.n_bins - 1), rng)


def _ignored(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    bins = np.unique(world.z_bin)
    return _of_bins(world, np.where(world.some(share, rng), rng.choice(bins, len(world.draw)), world.z_bin), rng)


def _shuffled(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """Slices with a share of the bins permuted in a cycle."""
    count = max(2, round(share * world.n_bins))
    picked = rng.permutation(world.n_bins)[:count]
    shown = np.arange(world.n_bins)
    shown[picked] = np.roll(picked, 1)
    return _of_bins(world, shown[world.z_bin], rng)


def _jittered(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """Slices of which a share comes from a neighbouring bin."""
    step = rng.choice((-1, 1), len(world.draw)) * world.some(share, rng)
    return _of_bins(world, np.clip(world.z_bin + step, 0, world.n_bins - 1), rng)


def _squeezed(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """Slices of bins nearer to the middle one."""
    middle = (world.n_bins - 1) / 2
    return _of_bins(world, np.round(middle + (1 - share) * (world.z_bin - middle)).astype(np.int64), rng)


SHIFT = Fault("bins_up", "places", "bins shifted upwards", _NAME, (1, 2, 3), "bins", _shifted)
FAULTS = (
    SHIFT,
    Fault("bins_down", "places", "bins shifted downwards", _NAME, (1, 2, 3), "bins", _shifted_down),
    Fault("bin_ignored", "places", "bins ignored", _NAME, (0.25, 0.5, 1), "of samples", _ignored),
    Fault("bins_shuffled", "places", "bins exchanged", _NAME, (0.2, 0.5, 1), "of bins", _shuffled),
    Fault("neighbours", "places", "slices of neighbouring bins", _NAME, (0.25, 0.5, 1), "of samples", _jittered),
    Fault("bins_squeezed", "places", "bins drawn to the middle", _NAME, (0.2, 0.4, 0.8), "of the way", _squeezed),
)
