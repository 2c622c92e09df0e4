"""Generators of graded quality of the same real patients: planted faults, and networks of several budgets.

No generator has seen a patient who is tested: faults are planted in slices of source patients, and networks are trained
on those patients alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from benchmarks.budget import steps_within
from jsddpm.config import RunConfig
from jsddpm.csvfiles import to_csv
from jsddpm.diffusion.checkpoint import checkpoint_info
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.files import make_directory, write_text
from jsddpm.slices.resplit import resplit
from jsddpm.slices.store import SliceStore
from jsddpm.training.recommended import Recommendation
from jsddpm.training.run import train
from jsddpm_eval.real_slices import GeneratedArrays
from jsddpm_eval.selftest.cohort import Cohort
from jsddpm_eval.selftest.fault import known_faults

_VALIDATED = 6  # source patients whose slices choose a network's checkpoint


@dataclass(frozen=True)
class Perfect:
    """Slices of the source patients as they are."""

    draw: int

    @property
    def name(self) -> str:
        """Its name among the generators."""
        return f"perfect draw {self.draw}"

    family = "perfect"

    def samples(self, cohort: Cohort, count: int, work: Path) -> GeneratedArrays:
        """``count`` samples of each condition."""
        return cohort.world(count, np.random.default_rng([self.draw, 1])).perfect


@dataclass(frozen=True)
class Planted:
    """Slices of the source patients with a fault."""

    fault: str
    strength: float

    @property
    def name(self) -> str:
        """Its name among the generators."""
        return f"{self.fault} {self.strength:g}"

    @property
    def family(self) -> str:
        """Its fault: generators of one family count once in an interval."""
        return self.fault

    def samples(self, cohort: Cohort, count: int, work: Path) -> GeneratedArrays:
        """``count`` samples of each condition."""
        rng = np.random.default_rng(crc32(self.name.encode()))
        return known_faults()[self.fault].generate(cohort.world(count, rng), self.strength, rng)


@dataclass(frozen=True)
class Network:
    """The recommended preset, trained on the source patients."""

    cpu_seconds: float
    sampler: str
    steps: int

    @property
    def name(self) -> str:
        """Its name among the generators."""
        return f"network {self.cpu_seconds:g} s, {self.sampler} {self.steps}"

    family = "network"

    def samples(self, cohort: Cohort, count: int, work: Path) -> GeneratedArrays:
        """``count`` samples of each condition; the network is trained where ``work`` does not hold it."""
        pipe = JointPipeline.from_checkpoint(self._trained(cohort, work), device="cpu")
        drawn = pipe(num_per_condition=count, sampler=self.sampler, num_inference_steps=self.steps)
        return GeneratedArrays(drawn.images, drawn.masks, drawn.z_bin, drawn.pathology)

    def _trained(self, cohort: Cohort, work: Path) -> Path:
        store = SliceStore(work / "store")
        source = sorted({cohort.names[n] for n in np.unique(cohort.slices.patient[cohort.source])})
        fold = _fold(store, source, work)
        run = work / f"run-{self.cpu_seconds:g}"
        steps = steps_within(self.cpu_seconds, lambda steps: _config(fold, steps), fold, run)
        last = run / "checkpoints" / "last.ckpt"
        if not last.is_file() or checkpoint_info(last).step < steps:
            train(_config(fold, steps), fold, run, resume=(run / "config.yaml").is_file())
        return last


def _fold(store: SliceStore, source: list[str], work: Path) -> SliceStore:
    """The store with the source patients as training and validation patients, and all others as test patients."""
    name = hashlib.sha256(repr((source, store.fingerprint)).encode()).hexdigest()[:12]
    folder, sides = work / f"fold-{name}", dict.fromkeys(store.patients.tolist(), "test")
    sides |= dict.fromkeys(source, "train") | dict.fromkeys(source[:: len(source) // _VALIDATED][:_VALIDATED], "val")
    if not folder.is_dir():
        write_text(make_directory(work) / f"{name}.csv", to_csv([{"patient": p, "split": s} for p, s in sides.items()]))
        resplit(store, work / f"{name}.csv", folder)
    return SliceStore(folder)


def _config(store: SliceStore, steps: int) -> RunConfig:
    fixed = f"trainer.max_steps={steps}", f"trainer.check_every={steps}", "logging.grid=0"
    return Recommendation.of(store).config(fixed)


Generator = Perfect | Planted | Network

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
    *(Perfect(draw) for draw in range(3)),
    *(Planted(fault, strength) for fault, strengths in _FAULTS.items() for strength in strengths),
    *(Network(s, *sampling) for s in (100, 250, 500) for sampling in (("dpmpp", 20), ("ddim", 5))),
)
