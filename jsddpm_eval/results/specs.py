"""What a score is and what a check asks: everything tables, figures, comparisons and docs need to know of either."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.dataclasses import dataclass


class Model(BaseModel):
    """Frozen; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


GROUPS = (
    "closeness", "variety", "feature distance", "neighbourhood", "place", "lesions", "lesion shapes", "reconstruction",
)  # fmt: skip
"""Groups of scores in reading order; a group that is not listed comes last."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ScoreSpec:
    """One score that a metric computes.

    Attributes:
        name: Name of the score; with ``per_space`` the feature space follows, as :meth:`named` gives it.
        heading: Heading of its column, in few words. Scores of a group with the same heading share a column.
        definition: How it is computed, for the reference.
        group: What it tells about, one of :data:`GROUPS` or another.
        reading: How to read its column, in one or two sentences.
        unit: Unit of the value.
        better: Which direction is better; None where neither is.
        source: Paper and equation.
        verified: What it was compared with, and the largest difference seen.
        per_space: Whether there is one score for each feature space.
        pathology: The only pathology it is asked of (0 control, 1 lesion); None for both.
        scope: Whether it is computed for everything pooled, for each bin x pathology, or both.
        place: Where it is shown: ``compact`` everywhere, ``main`` on the page, ``further`` in the table of all others,
            ``hidden`` in files only.
        headline: What the pooled value is called among the first numbers of a report; empty where it is none of them.
        headline_reading: How to read it there; ``{baseline}``, ``{n_generated}`` and names of scores are filled in.
        axis_from_zero: Whether an axis of it begins at 0.
        hypothesis: What its p-value is of; empty where it has none.
    """

    name: str
    heading: str
    definition: str
    group: str
    reading: str = ""
    unit: str = ""
    better: Literal["higher", "lower"] | None = None
    source: str = ""
    verified: str = ""
    per_space: bool = False
    pathology: Literal[0, 1] | None = None
    scope: Literal["pooled", "cell", "both"] = "both"
    place: Literal["compact", "main", "further", "hidden"] = "further"
    headline: str = ""
    headline_reading: str = ""
    axis_from_zero: bool = False
    hypothesis: str = ""

    def named(self, space: str = "") -> str:
        """Name of the score in a feature space.

        >>> ScoreSpec(name="vendi", heading="Vendi", group="", definition="", per_space=True).named("radiomics")
        'vendi_radiomics'
        """
        return f"{self.name}_{space}" if self.per_space else self.name

    def asked(self, z_bin: int | None, pathology: int | None) -> bool:
        """Whether a condition has this score."""
        pooled = z_bin is None
        fits = self.scope == "both" or (self.scope == "pooled") == pooled
        return fits and (self.pathology is None or pathology is None or self.pathology == pathology)


class CheckSpec(Model):
    """One fault that the verdict looks for.

    Attributes:
        name: Name of the check.
        heading: What is found wrong, in a word or two.
        rule: When it says *off*, *fine* and *unknown*, for the reference.
        one: The verdict's words for one condition, after "1".
        many: Its words for several, after their number.
        pathology: The only pathology it is asked of; None for both.
    """

    name: str
    heading: str
    rule: str
    one: str
    many: str
    pathology: Literal[0, 1] | None = None


Answer = Literal["off", "fine", "unknown"]


class Finding(Model):
    """What one check says of one condition.

    Attributes:
        check: Name of the check.
        answer: ``off`` (a fault was seen), ``fine`` (none was), or ``unknown`` (it could not be told).
        z_bin: Bin of the condition; None for all.
        pathology: Pathology of the condition; None for both.
        timestep: Timestep of an exact reconstruction; None otherwise.
        reason: What was seen, or what is missing.
    """

    check: str
    answer: Answer
    z_bin: int | None = None
    pathology: int | None = None
    timestep: int | None = None
    reason: str = ""
