"""What a check is: one fault, and its three answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import Answer, CheckSpec, Finding


class Check(ABC):
    """One fault the verdict looks for, in every bin x pathology.

    ``off`` is evidence of the fault, ``fine`` that the rule was applied and is met, ``unknown`` that it could not be
    applied; the reason says what was seen or what is missing. One check that cannot be made hides no other.

    Attributes:
        spec: Its name and words.
    """

    spec: ClassVar[CheckSpec]

    @abstractmethod
    def judge(self, cells: list[Cell]) -> Iterable[tuple[Cell, Answer, str]]:
        """Answer and reason for each of these cells, all of which it is asked of."""

    def findings(self, cells: Iterable[Cell]) -> list[Finding]:
        """What it says of each condition it is asked of."""
        asked = [c for c in cells if self.spec.pathology in (None, c.pathology)]
        return [
            Finding(check=self.spec.name, answer=answer, z_bin=cell.z_bin, pathology=cell.pathology, reason=reason)
            for cell, answer, reason in self.judge(asked)
        ]


class CellCheck(Check):
    """A check that needs nothing but the scores of the condition it is asked of."""

    @abstractmethod
    def answer(self, cell: Cell) -> tuple[Answer, str]:
        """Answer and reason for one condition."""

    def judge(self, cells: list[Cell]) -> Iterable[tuple[Cell, Answer, str]]:
        """Answer and reason for each of these cells."""
        return [(cell, *self.answer(cell)) for cell in cells]


def missing(score: Score | None, what: str) -> str:
    """Why a check cannot be made of a score; empty where it can."""
    if score is None:
        return f"{what} was not asked for"
    return score.reason or f"{what} is undefined" if score.value is None else ""


def single(cell: Cell, spec: str) -> Score | None:
    """The one score of a spec; None where the cell has none."""
    return next(iter(cell.of(spec)), None)
