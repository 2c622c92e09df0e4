"""What a check is: one fault, what it looks at, and what would be a fault there.

A check declares evidence; :mod:`jsddpm_eval.checks.decision` turns the evidence of all checks into answers, with one
control of false alarms over everything asked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import CheckSpec

Words = tuple[str, str]
"""What it means when a score lies below, and above, its margin; empty where that is no fault."""


@dataclass(frozen=True)
class Evidence:
    """What one score of one place says of a fault.

    Attributes:
        score: Name of the score.
        value: Its value; None where it is undefined.
        interval: Its 95 % interval.
        p_value: Of no fault, two-sided, not corrected; None where there is no test.
        margin: Values within which there is no fault worth the name.
        words: What lies below and above the margin.
        reason: Why nothing can be said.
        least_p: The smallest p-value that the test can give.
        patients: Real patients it rests on.
        figure: The value in words, for the reason of a finding.
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
    figure: str = ""

    @property
    def kind(self) -> str:
        """The fault on the side of the margin the value lies on; empty inside the margin, or where that is no fault."""
        if self.value is None or self.margin[0] < self.value < self.margin[1]:
            return ""
        return self.words[int(self.value > sum(self.margin) / 2)]

    @property
    def within(self) -> bool:
        """Whether the whole interval lies within the margin; beyond it on a side that is no fault is no pass either."""
        return self.interval is not None and self.margin[0] <= self.interval[0] and self.interval[1] <= self.margin[1]


class Check(ABC):
    """One fault the verdict looks for, in the whole and in every part of it.

    Attributes:
        spec: Its name and words.
    """

    spec: ClassVar[CheckSpec]

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """Names of the scores it reads."""

    @property
    def tests(self) -> int:
        """Tests it makes at one place."""
        return len(self.reads)

    @abstractmethod
    def evidence(self, cell: Cell) -> list[Evidence]:
        """What the scores of one place say; empty where the place has none of them."""


class ShiftCheck(Check):
    """A check of scores that are mean differences in standard deviations of real slices.

    Attributes:
        words: What each score means below and above its margin, by name.
        margin: Shift, to either side, below which there is no fault worth the name.
    """

    words: ClassVar[Mapping[str, Words]]
    margin: ClassVar[float] = 0.5

    @property
    def reads(self) -> tuple[str, ...]:
        """The scores that have words."""
        return tuple(self.words)

    def evidence(self, cell: Cell) -> list[Evidence]:
        """One for each score."""
        return [self._of(score, self.words[score.spec]) for score in cell.scores.values() if score.spec in self.words]

    def _of(self, score: Score, words: Words) -> Evidence:
        if score.value is None:
            return Evidence(score.spec, words=words, reason=score.reason or "")
        return Evidence(
            score.spec, score.value, score.interval, score.p_value, (-self.margin, self.margin), words,
            figure=f"{score.value:+.1f} SD", patients=score.n_patients or 0,
        )  # fmt: skip
