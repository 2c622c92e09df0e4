"""Specifications of scores and checks, for tables, figures, comparisons and docs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.dataclasses import dataclass

from jsddpm.wording import span


class ReadOnly(dict[str, Any]):
    """A dictionary that cannot be changed; ``dict(...)`` gives a copy that can."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("results cannot be changed; change a copy: dict(...)")

    __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return ReadOnly, (dict(self),)


Facts = Annotated[dict[str, Any], AfterValidator(ReadOnly)]
"""Plain values by name, which cannot be changed."""


class Model(BaseModel):
    """Base of models: frozen; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


GROUPS = (
    "closeness", "variety", "feature distance", "neighbourhood", "sharpness", "texture", "intensity", "head", "place",
    "lesions", "lesion shapes", "reconstruction",
)  # fmt: skip
"""Groups of scores in reading order; a group that is not listed comes last."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ScoreSpec:
    """One score that a metric computes.

    Attributes:
        name: Name of the score; with ``per_space`` the feature space is added, see :meth:`named`.
        heading: Heading of its column, in few words. Scores of a group with the same heading share a column.
        definition: How it is computed, for the reference.
        group: Its topic, one of :data:`GROUPS` or another.
        label: Words for it in a sentence; empty if the heading serves.
        reading: How to read its column, in one or two sentences.
        unit: Unit of the value.
        better: Which direction is better; None if neither is.
        source: Paper and equation.
        verified: The reference for its test, and the largest difference.
        per_space: Whether there is one score for each feature space.
        pathology: The only pathology it applies to (0 control, 1 lesion); None for both.
        scope: Whether it is computed for everything pooled (``pooled``), for each bin x pathology (``cell``), for these
            (``both``), or for each pathology and each bin as well (``levels``).
        place: Tables that show it: ``compact`` all, ``main`` on the page, ``further`` in the table of all others,
            ``hidden`` in files only.
        headline: Name of the pooled value among the first numbers of a report; empty if it is not one of them.
        headline_reading: How to read it there; ``{baseline}``, ``{n_generated}``, ``{samples}`` (the same with its
            noun) and names of scores are filled in.
        axis_from_zero: Whether its axis starts at 0.
        hypothesis: The hypothesis of its p-value; empty without one.
        blind_to: Faults that it does not detect, and why, as nouns.
    """

    name: str
    heading: str
    definition: str
    group: str
    label: str = ""
    reading: str = ""
    unit: str = ""
    better: Literal["higher", "lower"] | None = None
    source: str = ""
    verified: str = ""
    per_space: bool = False
    pathology: Literal[0, 1] | None = None
    scope: Literal["pooled", "cell", "both", "levels"] = "both"
    place: Literal["compact", "main", "further", "hidden"] = "further"
    headline: str = ""
    headline_reading: str = ""
    axis_from_zero: bool = False
    hypothesis: str = ""
    blind_to: str = ""

    @property
    def help(self) -> str:
        """Its reading and the faults that it does not detect, for the help of a report.

        >>> ScoreSpec(name="kid", heading="", group="", definition="", reading="A distance.", blind_to="copies").help
        'A distance. Not detected: copies.'
        """
        return " ".join(part for part in (self.reading, self.blind_to and f"Not detected: {self.blind_to}.") if part)

    @property
    def words(self) -> str:
        """Words for it in a sentence: its label, or its heading.

        >>> ScoreSpec(name="vendi", heading="Vendi", group="", definition="").words
        'Vendi'
        """
        return self.label or self.heading

    def named(self, space: str = "") -> str:
        """Name of the score in a feature space.

        >>> ScoreSpec(name="vendi", heading="Vendi", group="", definition="", per_space=True).named("radiomics")
        'vendi_radiomics'
        """
        return f"{self.name}_{space}" if self.per_space else self.name

    def asked(self, z_bin: int | None, pathology: int | None) -> bool:
        """Whether a condition has this score.

        >>> spec = ScoreSpec(name="a", heading="", group="", definition="", scope="both")
        >>> spec.asked(None, None), spec.asked(2, 1), spec.asked(None, 1)
        (True, True, False)
        """
        if self.scope == "levels":
            return self.pathology is None or self.pathology == pathology
        if (z_bin is None) != (pathology is None):
            return False
        fits = self.scope == "both" or (self.scope == "pooled") == (z_bin is None)
        return fits and (self.pathology is None or pathology is None or self.pathology == pathology)


class CheckSpec(Model):
    """One fault that the verdict looks for.

    Attributes:
        name: Name of the check.
        heading: The fault in a word or two.
        question: What it asks, as the sentence that is true where it is fine.
        rule: Its rule, for the reference.
        unseen: What it does not see, as a sentence for where it is fine; empty if the rule says enough.
        pathology: The only pathology it applies to; None for both.
    """

    name: str
    heading: str
    question: str
    rule: str
    unseen: str = ""
    pathology: Literal[0, 1] | None = None


Place = tuple[int | None, int | None]
"""Bin and pathology; None for all."""

Answer = Literal["off", "fine", "unknown"]

_DIFFERENCES = {"SD": " SD", "bins": " bin widths", "log ratio": ""}
"""Units of scores of which findings state the difference from real slices, in words behind it."""


class Finding(Model):
    """The answer of one check for the whole generator, a pathology, a bin, or one condition.

    Attributes:
        check: Name of the check.
        answer: ``off`` (evidence of a fault), ``fine`` (evidence that there is none larger than the margin), or
            ``unknown`` (neither).
        z_bin: Bin; None for all.
        pathology: Pathology; None for both.
        timestep: Timestep of an exact reconstruction; None otherwise.
        kind: What kind of fault it is, in words.
        score: Name of the decisive score.
        label: Words for it; its name if empty.
        unit: Unit of the score.
        value: The score's value.
        interval: Its 95 % interval; of a condition not off by itself, both may be partially pooled with the whole.
        p_value: P-value of the score's hypothesis, corrected for all tests; compare it with 0.05.
        detectable: Smallest difference, or share, of the least certain score that is detected in 80 of 100 cohorts.
        detectable_score: Name of this score.
        inherited: Whether the condition has its answer only together with the whole, its pathology or its bin.
        reason: The evidence, or what is missing for an answer.
        needs: Patients or samples with which it would have an answer if the score stays the same; empty if not known.
    """

    check: str
    answer: Answer
    z_bin: int | None = None
    pathology: int | None = None
    timestep: int | None = None
    kind: str = ""
    score: str = ""
    label: str = ""
    unit: str = ""
    value: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    detectable: float | None = None
    detectable_score: str = ""
    inherited: bool = False
    reason: str = ""
    needs: str = ""

    @property
    def place(self) -> Place:
        """Bin and pathology."""
        return self.z_bin, self.pathology

    @property
    def fault(self) -> str:
        """The fault that the decisive score shows; empty if there is none.

        >>> Finding(check="a", answer="off", kind="smooth; dark; bright").fault
        'smooth'
        """
        return self.kind.partition("; ")[0]

    @property
    def also(self) -> str:
        """Words on the faults that other scores show; empty without one.

        >>> Finding(check="a", answer="off", kind="smooth; dark; bright").also
        'also dark, bright'
        """
        others = self.kind.partition("; ")[2]
        return f"also {others.replace('; ', ', ')}" if others else ""

    @property
    def evidence(self) -> str:
        """The decisive score and its size; empty if there is none.

        >>> Finding(check="a", answer="off", score="grain", value=-2, interval=(-3, -1), reason="-2.0 SD").evidence
        'grain -2.0 SD'
        >>> Finding(check="a", answer="unknown", label="head width", unit="SD", interval=(-1, 1.3)).evidence
        'head width: difference from real slices -1.0 to 1.3 SD'
        >>> Finding(check="a", answer="unknown", score="share of copies", unit="share", interval=(1e-12, 0.11)).evidence
        'share of copies 0% to 11%'
        """
        label = self.label or self.score
        if self.answer == "off":
            figure = self.reason if self.reason[:1].isalpha() else f"{label} {self.reason}".strip()
            tested = self.interval is None and self.p_value is not None
            return f"{figure}, p = {self.p_value:.2g}" if tested else figure
        if self.interval is None:
            return ""
        between = f"{label} {span(*self.interval, share=self.unit == 'share')}"
        if self.unit in _DIFFERENCES:
            between = f"{label}: difference from real slices {span(*self.interval)}{_DIFFERENCES[self.unit]}"
        return between + (f", needs {self.needs}" if self.needs else "")
