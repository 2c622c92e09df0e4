"""Generators of graded quality of the same real patients: planted faults, and networks of several budgets.

No generator has seen a patient who is tested: faults are planted in slices of source patients, and networks are trained
on those patients alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from benchmarks.budget import train_within
from benchmarks.validity.cohorts import with_splits
from jsddpm.config import RunConfig
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.slices.store import SliceStore
from jsddpm.training.recommended import Recommendation
from jsddpm_eval.real_slices import GeneratedArrays
from jsddpm_eval.selftest.cohort import Cohort
from jsddpm_eval.selftest.fault import known_faults

_VALIDATED = 6  # source patients whose slices are for validation


@dataclass(frozen=True)
class Generator:
    """A generator.

    Attributes:
        name: Its name.
        family: Generators of one family count once in an interval.
        draw: Samples of a cohort: so many of each condition; the folder keeps what was trained.
    """

    name: str
    family: str
    draw: Callable[[Cohort, int, Path], GeneratedArrays]


def perfect(number: int) -> Generator:
    """Slices of the source patients as they are."""

    def draw(cohort: Cohort, count: int, work: Path) -> GeneratedArrays:
        return cohort.world(count, np.random.default_rng([number, 1])).perfect

    return Generator(f"perfect draw {number}", "perfect", draw)


def planted(fault: str, strength: float) -> Generator:
    """Slices of the source patients with a fault."""
    name = f"{fault} {strength:g}"

    def draw(cohort: Cohort, count: int, work: Path) -> GeneratedArrays:
        rng = np.random.default_rng(crc32(name.encode()))
        return known_faults()[fault].generate(cohort.world(count, rng), strength, rng)

    return Generator(name, fault, draw)


def network(cpu_seconds: float, sampler: str, steps: int) -> Generator:
    """The recommended preset, trained on the source patients for a budget, with one sampler."""

    def draw(cohort: Cohort, count: int, work: Path) -> GeneratedArrays:
        store = SliceStore(work / "store")
        source = sorted({cohort.names[n] for n in np.unique(cohort.slices.patient[cohort.source])})
        name = hashlib.sha256(repr((source, store.fingerprint)).encode()).hexdigest()[:12]
        validated = source[:: len(source) // _VALIDATED][:_VALIDATED]
        splits = dict.fromkeys(store.patients.tolist(), "test") | dict.fromkeys(source, "train")
        fold = with_splits(store, splits | dict.fromkeys(validated, "val"), work / f"fold-{name}")
        (low, high), bins = cohort.binning.z_range, cohort.binning.n_bins
        own = f"binning.z_range=[{low},{high}]", f"binning.n_bins={bins}"  # a store with other splits proposes no range

        def config(fixed: tuple[str, ...]) -> RunConfig:
            return Recommendation.of(fold).config([*own, *fixed])

        done = train_within(cpu_seconds, config, fold, work / f"run-{cpu_seconds:g}")
        pipe = JointPipeline.from_checkpoint(done.checkpoint, device="cpu")
        drawn = pipe(num_per_condition=count, sampler=sampler, num_inference_steps=steps)
        return GeneratedArrays(drawn.images, drawn.masks, drawn.z_bin, drawn.pathology)

    return Generator(f"network {cpu_seconds:g} s, {sampler} {steps}", "network", draw)


_FAULTS = {
    "masks_permuted": (0.25, 1), "masks_moved": (3, 10), "masks_dilated": (2,), "masks_eroded": (2,),
    "masks_whole": (0.5,), "masks_same": (1,), "masks_mirrored": (1,), "masks_boxed": (1,), "masks_jagged": (0.5,),
    "lesions_removed": (0.5, 1), "lesions_faint": (0.5,), "lesions_bright": (3,), "lesions_dark": (-1,),
    "lesions_on_controls": (0.5,), "one_place": (1,), "bright_spot": (1,),
    "lesions_missing": (0.5,), "lesions_unmasked": (0.5,), "controls_with_lesions": (0.5,),
    "blur": (1.5,), "noise": (0.05,), "contrast": (0.6,), "inverted": (1,), "gain": (1.2,), "bias_field": (0.4,),
    "grid": (0.12,), "ringing": (0.5,), "few_patients": (2,), "averaged": (0.7,), "garbage_noise": (0.2,),
    "bins_shuffled": (1,), "upside_down": (1,), "shrunk": (0.9,), "mirrored": (1,),
}  # fmt: skip
GENERATORS: tuple[Generator, ...] = (
    *(perfect(number) for number in range(3)),
    *(planted(fault, strength) for fault, strengths in _FAULTS.items() for strength in strengths),
    *(network(s, *sampling) for s in (100, 250, 500) for sampling in (("dpmpp", 20), ("ddim", 5))),
)
