"""What a sample is: its condition, its number, and the seed of everything random in it.

Each sample owns a random generator seeded by a hash of (run seed, condition, number), and draws its starting noise and
its step noise from it on the CPU; batch size, order, rank and device do not enter.
"""

from __future__ import annotations

from dataclasses import dataclass

from jsddpm.binning import Condition
from jsddpm.diffusion.standalone import sample_seed


@dataclass(frozen=True, order=True)
class SampleId:
    """One sample to draw: its condition and its number within the condition."""

    condition: Condition
    number: int

    def seed(self, run_seed: int) -> int:
        """63-bit seed of this sample.

        >>> SampleId(Condition(3, 1), 0).seed(7) == SampleId(Condition(3, 1), 0).seed(7)
        True
        """
        return sample_seed(run_seed, self.condition.z_bin, self.condition.pathology, self.number)
