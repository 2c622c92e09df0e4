"""One number with its context, and the scores of one condition. Torch-free."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm_eval.results.specs import Model, ScoreSpec

Status = Literal["ok", "unreliable", "undefined"]

_JOINER = "+"
_QUOTED = {"%": "%25", _JOINER: "%2B"}


def block_of(*patients: str) -> str:
    """The name of a jackknife block of patients, whose own names may hold the separator.

    >>> block_of("sub-01", "sub-02"), block_of("sub-01+02")
    ('sub-01+sub-02', 'sub-01%2B02')
    """
    return _JOINER.join(re.sub("[%+]", lambda found: _QUOTED[found.group()], name) for name in patients)


def patients_of(block: str) -> list[str]:
    """The patients of a block's name.

    >>> patients_of("sub-01%2B02+sub-03")
    ['sub-01+02', 'sub-03']
    """
    return [name.replace("%2B", _JOINER).replace("%25", "%") for name in block.split(_JOINER)]


class Influence(Model):
    """Changes of a score without one unit: the values of the jackknife, with which two evaluations are paired.

    Attributes:
        patients: Changes by patient, or block of patients (:func:`block_of`); patients not listed change nothing.
        samples: Changes by generated sample (or volume), or block of them, in order.
        sample_blocks: Samples (volumes) of each block; empty if every block is one sample.
        pairs: Whether samples of equal seeds make pairs.
    """

    patients: dict[str, float] = Field(default_factory=dict)
    samples: tuple[float, ...] = ()
    sample_blocks: tuple[int, ...] = ()
    pairs: bool = True

    @classmethod
    def of(
        cls,
        value: float,
        *,
        patients: Mapping[str, float] | None = None,
        samples: Iterable[float] = (),
        sample_blocks: Sequence[int] = (),
    ) -> Influence:
        """The influences of units from a score and its values without each; rounded to seven digits, as in files."""
        added = {str(name): _rounded(v - value) for name, v in (patients or {}).items()}
        blocks = tuple(sample_blocks) if any(size > 1 for size in sample_blocks) else ()
        return cls(patients=added, samples=tuple(_rounded(v - value) for v in samples), sample_blocks=blocks)

    @property
    def patient_blocks(self) -> list[int]:
        """Patients of each block."""
        return [len(patients_of(name)) for name in self.patients]


class Standing(Model):
    """A score relative to its baseline.

    Attributes:
        side: -1 below, 0 within its band, 1 above.
        certain: Whether the score's whole interval lies on that side; never for 0.
    """

    side: Literal[-1, 0, 1]
    certain: bool = False


class Counts(NamedTuple):
    """Counts of a score: real slices, generated slices, real patients."""

    n_real: int | None = None
    n_generated: int | None = None
    n_patients: int | None = None


class Spread(NamedTuple):
    """Interval (95 %) and influences of a score; empty if not known."""

    interval: tuple[float, float] | None = None
    influence: Influence | None = None


class Baseline(NamedTuple):
    """The same score between real patients, or its expectation between equals, and its 95 % band."""

    baseline: float | None = None
    baseline_interval: tuple[float, float] | None = None

    @classmethod
    def of(cls, value: float) -> Baseline:
        """The baseline of a number, without a band; empty for NaN.

        >>> Baseline.of(0.5).baseline, Baseline.of(float("nan")).baseline
        (0.5, None)
        """
        return cls(None if math.isnan(value) else value)


_NO_COUNTS, _NO_SPREAD, _NO_BASELINE = Counts(), Spread(), Baseline()


class Score(Model):
    """One number with its context.

    ``value`` is null if and only if the status is ``undefined``, and a status other than ``ok`` has a ``reason``.
    ``interval`` is 95 %; ``baseline`` is the same score between real patients, or its expectation between equals, if
    there is one, and ``baseline_interval`` its 95 % band. ``n_volumes`` counts the independent units of a share of
    samples, where volumes are units. ``spec`` names its
    :class:`~jsddpm_eval.results.specs.ScoreSpec`, which states the hypothesis of ``p_value``; ``space`` is the
    feature space, empty if it needs none. ``of_patients`` is the share of the interval's variance that falls with the
    number of real patients, and ``freedom`` its degrees of freedom; None where they are not known.
    ``least_p`` is the smallest p-value that its test can give, if that does not follow from the numbers of patients and
    samples.
    """

    value: float | None
    spec: str = ""
    space: str = ""
    unit: str = ""
    status: Status = "ok"
    reason: str | None = None
    n_real: int | None = None
    n_generated: int | None = None
    n_patients: int | None = None
    n_volumes: int | None = None
    interval: tuple[float, float] | None = None
    baseline: float | None = None
    baseline_interval: tuple[float, float] | None = None
    p_value: float | None = None
    standing: Standing | None = None
    influence: Influence | None = Field(default=None, exclude=True, repr=False)
    of_patients: float | None = Field(default=None, repr=False)
    freedom: float | None = Field(default=None, repr=False)
    least_p: float | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _consistent(self) -> Score:
        numbers = [self.value, self.baseline, self.p_value, *(self.interval or ()), *(self.baseline_interval or ())]
        if any(v is not None and not math.isfinite(v) for v in numbers):
            raise ValueError("a score is NaN or infinite")
        if (self.value is None) != (self.status == "undefined"):
            raise ValueError("a value is null exactly when it is undefined")
        if (self.status == "ok") != (self.reason is None):
            raise ValueError("a reason belongs to a score that is not ok")
        return self

    @classmethod
    def of(
        cls,
        value: float,
        counts: Counts,
        spread: Spread = _NO_SPREAD,
        baseline: Baseline = _NO_BASELINE,
        *,
        p_value: float | None = None,
        unreliable: str | None = None,
        n_units: int | None = None,
        of_patients: float | None = None,
        freedom: float | None = None,
    ) -> Score:
        """A defined score.

        Args:
            value: The number.
            counts: Its counts.
            spread: Its interval and influences.
            baseline: Its value for real slices.
            p_value: P-value of its hypothesis.
            unreliable: Why it is unreliable; empty otherwise.
            n_units: Independent units of its samples; None if every sample is one.
            of_patients: Share of its variance that falls with the number of real patients.
            freedom: Degrees of freedom of its interval.
        """
        status: Status = "ok" if unreliable is None else "unreliable"
        context = counts._asdict() | spread._asdict() | baseline._asdict()
        volumes = None if n_units == counts.n_generated else n_units
        context |= {"n_volumes": volumes, "of_patients": of_patients, "freedom": freedom}
        return cls(value=value, status=status, reason=unreliable, p_value=p_value, **context)

    @classmethod
    def undefined(cls, reason: str, counts: Counts = _NO_COUNTS, baseline: float | None = None) -> Score:
        """A score that cannot be computed, with the reason."""
        return cls(value=None, status="undefined", reason=reason, baseline=baseline, **counts._asdict())

    def placed(self, spec: ScoreSpec, space: str = "") -> Score:
        """The score with its identity, its unit and its standing."""
        update = {"spec": spec.name, "space": space, "unit": spec.unit, "standing": self.stand()}
        return self.model_copy(update=update)

    @property
    def n_units(self) -> int:
        """Independent generated units: volumes, if slices come in volumes, else slices."""
        left_out = self.influence or Influence()
        return self.n_volumes or sum(left_out.sample_blocks) or len(left_out.samples) or self.n_generated or 0

    def stand(self) -> Standing | None:
        """Position of the score relative to its baseline; None without a value or a baseline.

        Within the baseline's band there is no evidence of a difference, which is not evidence that both are equal.

        Without a band, the score counts as equal to the baseline if its interval covers it.

        >>> Score(value=5.0, interval=(3, 7), baseline=1.0, baseline_interval=(0, 2)).stand()
        Standing(side=1, certain=True)
        """
        if self.value is None or self.baseline is None:
            return None
        low, high = self.baseline_interval or (self.baseline, self.baseline)
        first, last = self.interval or (self.value, self.value)
        covered = self.baseline_interval is None and first <= self.baseline <= last
        if covered or low <= self.value <= high:
            return Standing(side=0)
        above = self.value > high
        certain = self.interval is not None and (first > high if above else last < low)
        return Standing(side=1 if above else -1, certain=certain)


def place_name(z_bin: int | None, pathology: int | None) -> str:
    """Readable name of a condition.

    >>> place_name(3, 1), place_name(None, None)
    ('bin 3 lesion', 'all bins')
    """
    where = "all bins" if z_bin is None else f"bin {z_bin}"
    return where if pathology is None else f"{where} {PATHOLOGY_NAMES[pathology]}"


class Cell(Model):
    """Scores of one condition; ``z_bin`` or ``pathology`` null means pooled over it, ``timestep`` null means none.

    ``n_real``, ``n_generated`` and ``n_patients`` count the condition's slices and real patients.
    """

    z_bin: int | None = None
    pathology: int | None = None
    timestep: int | None = None
    n_real: int | None = None
    n_generated: int | None = None
    n_patients: int | None = None
    scores: dict[str, Score]

    @property
    def key(self) -> tuple[int | None, int | None, int | None]:
        """Bin, pathology and timestep: the key of the condition."""
        return self.z_bin, self.pathology, self.timestep

    @property
    def name(self) -> str:
        """Readable name, such as ``bin 3 lesion`` or ``all bins``."""
        return place_name(self.z_bin, self.pathology) + ("" if self.timestep is None else f" t={self.timestep}")

    def of(self, spec: str) -> list[Score]:
        """The scores of a spec: one, or one for each feature space."""
        return [score for score in self.scores.values() if score.spec == spec]


def _rounded(value: float) -> float:
    return float(f"{value:.7g}")
