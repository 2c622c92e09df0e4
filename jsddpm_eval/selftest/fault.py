"""Planted faults, and their registry: the modules of :mod:`jsddpm_eval.selftest.faults`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

import numpy as np

from jsddpm.errors import usage_error
from jsddpm_eval.plugins import modules_with
from jsddpm_eval.real_slices import GeneratedArrays
from jsddpm_eval.selftest.world import World, mixed

Plant = Callable[[World, float, np.random.Generator], GeneratedArrays]
"""Samples of a generator that has the fault, in the order of the world's perfect samples."""

Where = Callable[[int, int, int], bool]
"""Whether a bin and a pathology, of so many bins, have the fault."""


def everywhere(z_bin: int, pathology: int, n_bins: int) -> bool:
    """True for every condition."""
    return True


def in_lesions(z_bin: int, pathology: int, n_bins: int) -> bool:
    """True for conditions with a lesion."""
    return pathology == 1


def in_controls(z_bin: int, pathology: int, n_bins: int) -> bool:
    """True for conditions without a lesion."""
    return pathology == 0


@dataclass(frozen=True)
class Fault:
    """A fault of generators, at several strengths.

    Attributes:
        name: Name, unique among all faults.
        family: Name of its module.
        title: Its description, as the subject of a sentence.
        expected: Names of the checks that may find it; the first is its proper name.
        strengths: Strengths, the least visible first.
        unit: Unit of the strengths.
        plant: See :data:`Plant`; unaffected conditions keep their perfect samples.
        where: See :data:`Where`.
    """

    name: str
    family: str
    title: str
    expected: tuple[str, ...]
    strengths: tuple[float, ...]
    unit: str
    plant: Plant
    where: Where = everywhere

    def affected(self, z_bin: int, pathology: int, n_bins: int) -> bool:
        """Whether a condition has the fault."""
        return self.where(z_bin, pathology, n_bins)

    def generate(self, world: World, strength: float, rng: np.random.Generator) -> GeneratedArrays:
        """Samples of a generator that has the fault in the affected conditions, and is perfect in all others."""
        planted, conditions = (
            self.plant(world, strength, rng),
            zip(world.z_bin.tolist(), world.pathology.tolist(), strict=True),
        )
        return mixed(np.array([self.where(k, p, world.n_bins) for k, p in conditions], bool), planted, world.perfect)

    def stated(self, strength: float) -> str:
        """A strength with its unit.

        >>> Fault("blur", "", "blur", (), (0.5,), "px", lambda world, strength, rng: world.perfect).stated(0.5)
        '0.5 px'
        """
        return f"{strength:g} {self.unit}".strip()


@cache
def known_faults() -> dict[str, Fault]:
    """Every fault by name: those in ``FAULTS`` of the modules of :mod:`jsddpm_eval.selftest.faults`.

    >>> "blur" in known_faults()
    True
    """
    modules = modules_with(f"{__package__}.faults", "FAULTS")
    return {fault.name: fault for module in modules for fault in module.FAULTS}


def chosen_faults(names: tuple[str, ...]) -> list[Fault]:
    """Faults by their names, or by those of their families; all when none is named.

    Raises:
        JsddpmError: ``FAULT`` (status 2) for an unknown name.
    """
    known = known_faults()
    families = {fault.family for fault in known.values()}
    if unknown := sorted(set(names) - set(known) - families):
        near = get_close_matches(unknown[0], [*known, *families], 3, 0.5)
        mean = f"; did you mean {' or '.join(near)}?" if near else ""
        cure = f"use a family ({', '.join(sorted(families))}) or the name of a fault{mean}"
        raise usage_error("FAULT", f"unknown fault {unknown[0]!r}", fix=cure)
    return [f for f in known.values() if not names or f.name in names or f.family in names]
