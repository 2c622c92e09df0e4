"""Scores as columns of a table, as the specs of the results describe them: their order, headings and units."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from jsddpm_eval.results.specs import GROUPS, ScoreSpec

if TYPE_CHECKING:  # the bins report words its numbers without them and stays instant
    from jsddpm_eval.results.results import Results
    from jsddpm_eval.results.score import Cell, Score

VARIETY, RECONSTRUCTION, SHAPES = "variety", "reconstruction", "lesion shapes"
"""Groups with a figure of their own."""

_UNNAMED = ("", "share")  # a share is printed as a percentage


@dataclass(frozen=True)
class Column:
    """One column: the scores of a group that have the same heading, in one feature space.

    Attributes:
        specs: The scores; a condition has one of them at most.
        space: Feature space, empty where the scores need none.
    """

    specs: tuple[ScoreSpec, ...]
    space: str = ""

    @property
    def spec(self) -> ScoreSpec:
        """The first of its scores, which speaks for all."""
        return self.specs[0]

    @property
    def names(self) -> list[str]:
        """Full names of its scores."""
        return [spec.named(self.space) for spec in self.specs]

    @property
    def heading(self) -> str:
        """The heading below that of the group."""
        return self.spec.heading

    @property
    def title(self) -> str:
        """Heading, feature space and unit, as above a chart."""
        return titled(self.heading + (f", {self.space}" if self.space else ""), self.spec.unit)

    @property
    def label(self) -> str:
        """The heading where no group stands above it, with its feature space."""
        group = self.spec.group if self.spec.group == VARIETY else ""
        return " ".join(filter(None, (group, self.heading, self.space)))

    def of(self, cell: Cell) -> Score | None:
        """The score of a cell; None where it has no such score, or several."""
        scores = [cell.scores[name] for name in self.names if name in cell.scores]
        return scores[0] if len(scores) == 1 else None


def titled(heading: str, unit: str) -> str:
    """A heading with its unit, which is not repeated where the heading names it.

    >>> titled("area", "mm2"), titled("area, mm²", "mm2"), titled("obeys", "share")
    ('area [mm²]', 'area, mm²', 'obeys')
    """
    shown = readable_unit(unit)
    return heading if unit in _UNNAMED or shown in heading else f"{heading} [{shown}]"


def readable_unit(unit: str) -> str:
    """A unit with its signs.

    >>> readable_unit("mm2"), readable_unit("1 - SSIM")
    ('mm²', '1 − SSIM')
    """
    return unit.replace("mm2", "mm²").replace(" - ", " − ")


def spaced(results: Results) -> list[tuple[ScoreSpec, str]]:
    """The specs that are shown, in every feature space: groups in reading order, then in the order of the specs."""
    groups = dict.fromkeys((*GROUPS, *(spec.group for spec in results.specs)))
    shown = [s for group in groups for s in results.specs if s.group == group and s.place != "hidden"]
    return [(spec, space) for spec in shown for space in (results.spaces() if spec.per_space else [""])]


def columns(results: Results) -> list[Column]:
    """Every column that some bin x pathology has a score for, in the order of :func:`spaced`."""
    sharing: dict[tuple[str, str, str], list[ScoreSpec]] = {}
    for spec, space in spaced(results):
        sharing.setdefault((spec.group, spec.heading, space), []).append(spec)
    every = [Column(tuple(specs), space) for (_, _, space), specs in sharing.items()]
    return [c for c in every if any(c.of(cell) is not None for cell in results.cells())]


def main_columns(results: Results) -> list[Column]:
    """The columns a reader needs first."""
    return [c for c in columns(results) if c.spec.place != "further"]


def further_columns(results: Results) -> list[Column]:
    """All other columns."""
    return [c for c in columns(results) if c.spec.place == "further"]


def compact_columns(results: Results) -> list[Column]:
    """The columns that fit a terminal."""
    return [c for c in columns(results) if c.spec.place == "compact"]


def reconstruction_specs(results: Results) -> list[ScoreSpec]:
    """The scores of an exact reconstruction that are shown."""
    names = {name for cell in results.reconstruction for name in cell.scores}
    return [spec for spec, _ in spaced(results) if spec.group == RECONSTRUCTION and spec.name in names]


def column_groups(shown: list[Column]) -> list[tuple[str, int]]:
    """Headings above the headings, each with the number of columns it spans."""
    return [(name, len(list(members))) for name, members in groupby(c.spec.group for c in shown)]
