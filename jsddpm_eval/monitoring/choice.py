"""The rule that chooses the best check of a training from its samples; the loss is not used. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jsddpm_eval.stats.jackknife import jackknife_variance

_ROUNDING = 1e-9  # of a difference that equals its standard error

RULE = (
    "the checkpoint with the lowest KID of its samples against validation patients (mean over the feature spaces), "
    "among those whose samples copy training slices no more often than slices of validation patients seem to; of those "
    "whose KID differs by no more than the standard error of the difference the latest one, and once there is a sign "
    "of memorisation the earliest one"
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
    """Why a check is clearly better than another one, in words; empty if it is not.

    >>> first = Check(100, 1.0, (0.1, -0.1), (0.2, -0.2), (), False)
    >>> why_better(Check(200, 0.9, (0.1, -0.1), (0.3, -0.3), (), False), first)  # no more than the standard error
    ''
    >>> why_better(Check(200, 0.8, (0.1, -0.1), (0.3, -0.3), (), False), first)
    'KID 0.8 is 0.2 below that of step 100, with a standard error of 0.1'
    """
    if best is None:
        return f"KID {new.kid:.3g}, the first checkpoint"
    if new.copying != best.copying:
        return "" if new.copying else f"KID {new.kid:.3g}, and no more copies than validation patients show"
    error = difference_error(new, best)
    return _beside(new, best, error) if best.kid - new.kid > error else ""


def why_as_good(new: Check, best: Check) -> str:
    """Why a check is no worse than another one, in words; empty if it is, or copies training slices.

    >>> first = Check(100, 1.0, (0.1, -0.1), (0.2, -0.2), (), False)
    >>> why_as_good(Check(200, 1.1, (0.1, -0.1), (0.3, -0.3), (), False), first)
    'KID 1.1 is 0.1 above that of step 100, with a standard error of 0.1; of equals the later one is taken'
    >>> why_as_good(Check(200, 1.2, (0.1, -0.1), (0.3, -0.3), (), False), first)
    ''
    """
    error = difference_error(new, best)
    if new.copying or best.copying or new.kid - best.kid > error + _ROUNDING:
        return ""
    return f"{_beside(new, best, error)}; of equals the later one is taken"


def _beside(new: Check, best: Check, error: float) -> str:
    """The KID of a check compared with that of another one, in words."""
    higher = new.kid - best.kid
    apart = f"{abs(higher):.2g} {'above' if higher > 0 else 'below'} that of step {best.step}"
    return f"KID {new.kid:.3g} is {apart}, with a standard error of {error:.2g}"


@dataclass(frozen=True)
class Choice:
    """The choice of a training so far.

    Attributes:
        best: The best check; None before the first.
        reason: Reason why it is the best.
        waited: Number of checks since one was clearly better than those before.
        onset: Step of the first check with signs of memorisation; None without.
        signs: These signs in words.
        reference: The last check that was clearly better than those before; None before the first.
    """

    best: Check | None = None
    reason: str = ""
    waited: int = 0
    onset: int | None = None
    signs: tuple[str, ...] = ()
    reference: Check | None = None

    def after(self, check: Check, signs: tuple[str, ...]) -> Choice:
        """The choice after another check.

        Args:
            check: The check.
            signs: Its signs of memorisation.
        """
        onset, signs_at_onset = (check.step, signs) if signs and self.onset is None else (self.onset, self.signs)
        if reason := why_better(check, self.reference):
            return Choice(check, reason, 0, onset, signs_at_onset, check)
        best, reason = self.best, self.reason
        if onset is None and self.reference is not None and (as_good := why_as_good(check, self.reference)):
            best, reason = check, as_good
        return Choice(best, reason, self.waited + 1, onset, signs_at_onset, self.reference)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Choice:
        """The choice from plain values."""
        checks = {name: values[name] and Check.from_dict(values[name]) for name in ("best", "reference")}
        return cls(**{**values, **checks, "signs": tuple(values["signs"])})
