"""Too little variety: few patients, few slices, or repeated samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jsddpm_eval.real_slices import GeneratedArrays, Rows
from jsddpm_eval.selftest.fault import Fault
from jsddpm_eval.selftest.faults._pixels import clipped, noisy
from jsddpm_eval.selftest.world import World

_NAME = ("collapsed",)
_TRACE = 0.005  # noise between samples of one mode


def _few_patients(world: World, patients: float, rng: np.random.Generator) -> GeneratedArrays:
    return _traced(world, world.pick(world.source, rng, patients=int(patients)), rng)


def _same_patients(world: World, patients: float, rng: np.random.Generator) -> GeneratedArrays:
    """Slices of the same patients in all bins; other patients fill bins that they lack."""
    names = rng.permutation(np.unique(world.slices.patient[world.source]))
    rows = np.full(len(world.draw), -1)
    while (rows < 0).any() and len(names):
        few, names = names[: int(patients)], names[int(patients) :]
        more = world.pick(world.source[np.isin(world.slices.patient[world.source], few)], rng)
        rows = np.where(rows < 0, more, rows)
    return _traced(world, rows, rng)


def _few_slices(world: World, slices: float, rng: np.random.Generator) -> GeneratedArrays:
    return _traced(world, _repeated(world, int(slices)), rng)


def _duplicates(world: World, share: float, rng: np.random.Generator) -> GeneratedArrays:
    """Samples of which a share of each condition is one sample, bit by bit."""
    return world.showing(np.where(world.some(share, rng), _repeated(world, 1), world.draw))


def _repeated(world: World, count: int) -> Rows:
    """The first ``count`` samples of each condition, in turn."""
    rows = world.draw.copy()
    for k, p in set(zip(world.z_bin.tolist(), world.pathology.tolist(), strict=True)):
        places = np.flatnonzero((world.z_bin == k) & (world.pathology == p))
        rows[places] = rows[places[np.arange(len(places)) % count]]
    return rows


def _averaged(world: World, weight: float, rng: np.random.Generator) -> GeneratedArrays:
    """Samples moved towards the mean of their condition."""
    images = world.perfect.images.copy()
    for k, p in set(zip(world.z_bin.tolist(), world.pathology.tolist(), strict=True)):
        places = (world.z_bin == k) & (world.pathology == p)
        images[places] = (1 - weight) * images[places] + weight * images[places].mean(0)
    return replace(world.perfect, images=clipped(images))


def _traced(world: World, rows: Rows, rng: np.random.Generator) -> GeneratedArrays:
    shown = world.showing(rows)
    return replace(shown, images=noisy(shown.images, _TRACE, rng))


COLLAPSE = Fault("few_patients", "variety", "few patients in a condition", _NAME, (4, 2, 1), "patients", _few_patients)
FAULTS = (
    COLLAPSE,
    Fault("same_patients", "variety", "the same few patients in all bins", _NAME, (4, 2, 1), "patients",
          _same_patients),
    Fault("few_slices", "variety", "few slices in a condition", _NAME, (4, 2, 1), "slices", _few_slices),
    Fault("duplicates", "variety", "one sample repeated", _NAME, (0.25, 0.5, 1), "of samples", _duplicates),
    Fault("averaged", "variety", "samples drawn to their mean", ("collapsed", "sharpness", "unlike_real"),
          (0.2, 0.4, 0.7), "of the mean", _averaged),
)  # fmt: skip
