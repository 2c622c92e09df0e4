"""A check: one fault, the scores it reads, and their margins.

A check declares evidence; :mod:`jsddpm_eval.checks.decision` turns the evidence of all checks into answers, with one
control of false alarms over all of them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from jsddpm.wording import percentage
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import CheckSpec

Words = tuple[str, str]
"""The fault of a score below and above its margin; empty if there is none on that side."""


@dataclass(frozen=True)
class Evidence:
    """The evidence on a fault from one score of one place.

    Attributes:
        score: Name of the score.
        value: Its value; None if it is undefined.
        interval: Its 95 % interval.
        p_value: Two-sided p-value of no fault, not corrected; None without a test.
        margin: Values within which a fault is negligible.
        words: The faults below and above the margin.
        reason: Why there is no answer.
        least_p: The smallest p-value that the test can give.
        patients: Number of real patients it is based on.
        of_patients: Share of its variance that falls with their number; None if it is not known.
        freedom: Degrees of freedom of its interval and its test; None takes the patients less one.
        figure: Words for a value, in the reason of a finding; the score is named before them unless they start with a
            letter.
        own: The score's own value and interval, where findings state them instead of what is decided on: the interval
            None if it has none.
        share: Whether it is a share.
        units: Number of independent units that it is a share of; None where its test is not against a bound of real
            slices.
        volumes: Number of volumes that it is a share of; None if every sample counts.
        by_chance: Upper bound of the share of real slices of other patients that look the same; None if unknown.
        alike: Words of one fault with several causes, so that parts that name another cause still have the fault.
    """

    score: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    margin: tuple[float, float] = (0.0, 0.0)
    words: Words = ("", "")
    reason: str = ""
    least_p: float = 0.0
    patients: int = 0
    of_patients: float | None = None
    freedom: float | None = None
    figure: Callable[[float], str] = "{:.3g}".format
    own: tuple[float, tuple[float, float] | None] | None = None
    share: bool = False
    units: int | None = None
    volumes: int | None = None
    by_chance: float | None = None
    alike: tuple[str, ...] = ()

    @property
    def stated(self) -> tuple[float | None, tuple[float, float] | None]:
        """Value and interval of one quantity, as findings state them."""
        if self.own is not None:
            return self.own
        return self.value, self.interval

    @property
    def bound(self) -> Callable[[float], str]:
        """Words for a bound of its margin: a percentage for a share."""
        return percentage if self.share else "{:.2g}".format

    @property
    def kind(self) -> str:
        """The fault on the value's side of the margin; empty inside the margin, or on a side without a fault."""
        return "" if self.value is None or self.margin[0] < self.value < self.margin[1] else self.side

    @property
    def side(self) -> str:
        """The fault on the value's side of the middle of the margin, however near it is; empty if there is none."""
        return "" if self.value is None else self.words[int(self.value > sum(self.margin) / 2)]

    @property
    def degrees(self) -> float:
        """Degrees of freedom of its interval and its test."""
        return self.freedom or self.patients - 1

    @property
    def limits(self) -> tuple[float, float]:
        """Values between which it is fine: the margin, without a bound on a side that has no fault."""
        return self.margin[0] if self.words[0] else -math.inf, self.margin[1] if self.words[1] else math.inf

    @property
    def within(self) -> bool:
        """Whether the whole interval lies where it is fine."""
        least, most = self.limits
        return self.interval is not None and least <= self.interval[0] and self.interval[1] <= most

    def same_fault(self, other: Evidence) -> bool:
        """Whether both have the same fault, whatever cause their words name."""
        return bool(self.kind) and (self.kind == other.kind or {self.kind, other.kind} <= set(self.alike))

    def pooled(self, value: float, interval: tuple[float, float]) -> Evidence:
        """The same with another estimate and its interval."""
        return replace(self, value=value, interval=interval, own=None, of_patients=None)


def of_samples(score: Score, value: float | None = None, what: str = "samples") -> str:
    """A share of samples in words: their count; a percentage of volumes, and of conditions pooled with others.

    Args:
        score: The share.
        value: Another estimate of it; its own when None.
        what: What is counted.

    >>> of_samples(Score(value=0.25, n_generated=8)), of_samples(Score(value=0.25, n_generated=8), 0.3)
    ('2 of 8 samples', '30% of samples, estimated together with other conditions')
    >>> of_samples(Score(value=0.25, n_generated=80, n_volumes=4))
    '25% of the samples of 4 equally weighted volumes'
    """
    own = score.value or 0.0
    value = own if value is None else value
    if value != own:
        return f"{percentage(value)} of {what}, estimated together with other conditions"
    if score.n_volumes is not None:
        return f"{percentage(value)} of the {what} of {score.n_volumes} equally weighted volumes"
    total = score.n_generated or 0
    return f"{round(value * total)} of {total} {what}"


def in_samples(score: Score, value: float) -> str:
    """:func:`of_samples` as the figure of evidence."""
    return f"in {of_samples(score, value)}"


def excess(score: Score, most: float, kind: str, figure: Callable[[float], str]) -> Evidence:
    """Evidence of a share of samples that is larger than that of real slices.

    The share itself has the margin. With few patients the share of real slices is hardly known, so nothing is
    subtracted; the test is against its bound.

    Args:
        score: The share.
        most: Largest share that is negligible.
        kind: The fault of a larger share.
        figure: Words for the share.
    """
    if score.value is None or score.interval is None:
        return Evidence(score.spec, reason=score.reason or "")
    return Evidence(
        score.spec, score.value, score.interval, score.p_value, (-most, most), ("", kind), figure=figure,
        patients=score.n_patients or 0, share=True, units=score.n_units, volumes=score.n_volumes,
        by_chance=of_real(score),
    )  # fmt: skip


def of_real(score: Score) -> float | None:
    """Upper bound of a share among real slices of other patients; None if it is not known."""
    return score.baseline_interval[1] if score.baseline_interval else None


def exactly(score: Score, most: float, kind: str) -> Evidence:
    """Evidence of a share that is a count of these samples, so that there is nothing to estimate.

    Args:
        score: The share.
        most: Largest share that is negligible.
        kind: The fault of a larger share.
    """
    words, value = ("", kind), score.value
    if value is None:
        return Evidence(score.spec, words=words, reason=score.reason or "")
    return Evidence(
        score.spec, value, (value, value), score.p_value, (-most, most), words, figure=partial(in_samples, score),
        own=(value, None), share=True,
    )  # fmt: skip


def of_shift(
    score: Score, margin: float, words: Words, figure: Callable[[float], str] = "{:+.1f} SD".format
) -> Evidence:
    """Evidence of a defined mean difference.

    Args:
        score: The difference.
        margin: Largest one, to either side, that is negligible.
        words: Faults of a smaller, and of a larger one.
        figure: Words for it.
    """
    return Evidence(
        score.spec, score.value, score.interval, score.p_value, (-margin, margin), words, figure=figure,
        patients=score.n_patients or 0, of_patients=score.of_patients, freedom=score.freedom,
    )  # fmt: skip


class Check(ABC):
    """One fault that the verdict looks for, in the whole and in every condition.

    Attributes:
        spec: Its name and words.
        by_condition: Whether a sample needs real slices of its own bin and pathology to be compared with.
    """

    spec: ClassVar[CheckSpec]
    by_condition: ClassVar[bool] = True

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """Names of the scores it reads."""

    @property
    def tests(self) -> int:
        """Number of tests at one place."""
        return len(self.reads)

    @abstractmethod
    def evidence(self, cell: Cell) -> list[Evidence]:
        """Evidence from the scores of one place; empty if the place has none of them."""


class WordedCheck(Check):
    """A check in which every score has its own faults.

    Attributes:
        words: Faults of each score below and above its margin, by name.
    """

    words: ClassVar[Mapping[str, Words]]

    @property
    def reads(self) -> tuple[str, ...]:
        """The scores that have words."""
        return tuple(self.words)

    def evidence(self, cell: Cell) -> list[Evidence]:
        """One piece of evidence for each score."""
        return [self._of(score, self.words[score.spec]) for score in cell.scores.values() if score.spec in self.words]

    @abstractmethod
    def _of(self, score: Score, words: Words) -> Evidence:
        """Evidence from one score, also from an undefined one."""


class ShiftCheck(WordedCheck):
    """A check of scores that are mean differences in standard deviations of real slices.

    Attributes:
        margin: Largest shift, to either side, that is negligible.
    """

    margin: ClassVar[float] = 0.5

    def _of(self, score: Score, words: Words) -> Evidence:
        if score.value is None:
            return Evidence(score.spec, words=words, reason=score.reason or "")
        return of_shift(score, self.margin, words)
