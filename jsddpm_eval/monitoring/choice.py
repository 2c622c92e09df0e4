"""The rule that chooses the best check of a training from its samples; the loss is not used. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jsddpm_eval.stats.jackknife import jackknife_variance

RULE = (
    "the check with the lowest KID of its samples against validation patients (mean over the feature spaces), among "
    "checks whose samples copy training slices no more often than slices of validation patients seem to; a later check "
    "replaces an earlier one only if its KID is lower by more than the standard error of the difference"
)


@dataclass(frozen=True)
class Check:
    """The values of a check on which the choice is based.

    Attributes:
        step: Optimiser steps done.
        kid: KID of the samples against validation patients, mean over the feature spaces.
        patients: Its jackknife influences by validation patient, in the same order at all checks.
        samples: Its jackknife influences by sample, or block of samples.
        sample_blocks: Samples of each block; empty if every block is one sample.
        copying: Whether samples copy training slices more often than slices of validation patients appear to.
    """

    step: int
    kid: float
    patients: tuple[float, ...]
    samples: tuple[float, ...]
    sample_blocks: tuple[int, ...]
    copying: bool

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Check:
        """The check from the plain values of :func:`dataclasses.asdict`."""
        plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**plain)


def difference_error(one: Check, other: Check) -> float:
    """Standard error of the difference of two checks' KID, paired by patient and by sample (jackknife).

    >>> a = Check(1, 1.0, (0.1, -0.1), (0.0, 0.0), (), False)
    >>> b = Check(2, 0.5, (0.1, -0.1), (0.3, -0.3), (), False)  # the same patients weigh alike in both
    >>> difference_error(a, b)
    0.3
    """
    patients = [a - b for a, b in zip(one.patients, other.patients, strict=True)]
    samples = [a - b for a, b in zip(one.samples, other.samples, strict=True)]
    variances = jackknife_variance(patients), jackknife_variance(samples, one.sample_blocks or None)
    return float(sum(variances) ** 0.5)


def why_better(new: Check, best: Check | None) -> str:
    """Why a check replaces the best one so far, in words; empty if it does not.

    >>> first = Check(100, 1.0, (0.1, -0.1), (0.2, -0.2), (), False)
    >>> why_better(Check(200, 0.9, (0.1, -0.1), (0.3, -0.3), (), False), first)  # no more than the standard error
    ''
    >>> why_better(Check(200, 0.8, (0.1, -0.1), (0.3, -0.3), (), False), first)
    'KID 0.8 is 0.2 below that of step 100, with a standard error of 0.1'
    """
    if best is None:
        return f"KID {new.kid:.3g}, the first check"
    if new.copying != best.copying:
        return "" if new.copying else f"KID {new.kid:.3g}, and no more copies than validation patients show"
    error, lower = difference_error(new, best), best.kid - new.kid
    if not lower > error:
        return ""
    return f"KID {new.kid:.3g} is {lower:.2g} below that of step {best.step}, with a standard error of {error:.2g}"


@dataclass(frozen=True)
class Choice:
    """The choice of a training so far.

    Attributes:
        best: The best check; None before the first.
        reason: Reason why it is the best.
        waited: Number of checks since then.
        onset: Step of the first check with signs of memorisation; None without.
        signs: These signs in words.
    """

    best: Check | None = None
    reason: str = ""
    waited: int = 0
    onset: int | None = None
    signs: tuple[str, ...] = ()

    def after(self, check: Check, signs: tuple[str, ...]) -> Choice:
        """The choice after another check.

        Args:
            check: The check.
            signs: Its signs of memorisation.
        """
        reason = why_better(check, self.best)
        onset, signs_at_onset = (check.step, signs) if signs and self.onset is None else (self.onset, self.signs)
        if reason:
            return Choice(check, reason, 0, onset, signs_at_onset)
        return Choice(self.best, self.reason, self.waited + 1, onset, signs_at_onset)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Choice:
        """The choice from plain values."""
        best = values["best"]
        return cls(**{**values, "best": best and Check.from_dict(best), "signs": tuple(values["signs"])})
