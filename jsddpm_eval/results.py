"""The result of an evaluation: every number with its context, as strict JSON and a tidy table. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jsddpm.binning import PATHOLOGY_NAMES, ZBinning
from jsddpm.errors import integrity_error
from jsddpm.files import read_json, sha256, write_json

Status = Literal["ok", "unreliable", "undefined"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


JOINER = "+"
"""Between the patients of a block that is left out as a whole."""


class Influence(_Model):
    """What leaving out one unit adds to a score: the values of the jackknife, and what pairs two evaluations.

    Attributes:
        patients: By patient, or by a block's patients joined by ``+``; a patient who is not listed adds nothing.
        samples: By generated sample, or block of samples, in order.
    """

    patients: dict[str, float] = {}
    samples: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, value: float, *, patients: Mapping[str, float] | None = None, samples: Iterable[float] = ()
    ) -> Influence:
        """From a score and its values without each unit; rounded to seven digits, as files hold them."""
        added = {str(name): _rounded(v - value) for name, v in (patients or {}).items()}
        return cls(patients=added, samples=tuple(_rounded(v - value) for v in samples))


class Score(_Model):
    """One number and what is needed to judge it.

    ``value`` is null exactly when the status is ``undefined``, and a status other than ``ok`` has a ``reason``.
    ``interval`` is 95 %; ``floor`` is the same score between real patients, or its expectation between equals, where
    there is one, and ``floor_interval`` its 95 % band; ``p_value`` is of "generated slices are slices of new patients".
    """

    value: float | None
    unit: str = ""
    status: Status = "ok"
    reason: str | None = None
    n_real: int | None = None
    n_generated: int | None = None
    n_patients: int | None = None
    interval: tuple[float, float] | None = None
    floor: float | None = None
    floor_interval: tuple[float, float] | None = None
    p_value: float | None = None
    influence: Influence | None = Field(default=None, exclude=True, repr=False)

    @model_validator(mode="after")
    def _consistent(self) -> Score:
        numbers = [self.value, self.floor, self.p_value, *(self.interval or ()), *(self.floor_interval or ())]
        if any(v is not None and not math.isfinite(v) for v in numbers):
            raise ValueError("a score holds NaN or infinity")
        if (self.value is None) != (self.status == "undefined"):
            raise ValueError("a value is null exactly when it is undefined")
        if (self.status == "ok") != (self.reason is None):
            raise ValueError("a reason belongs to a score that is not ok")
        return self

    @classmethod
    def undefined(cls, reason: str, **context: Any) -> Score:
        """A score that cannot be computed, with the reason."""
        return cls(value=None, status="undefined", reason=reason, **context)


class Cell(_Model):
    """Scores of one condition; ``z_bin`` or ``pathology`` null means pooled over it, ``timestep`` null means none."""

    z_bin: int | None = None
    pathology: int | None = None
    timestep: int | None = None
    scores: dict[str, Score]

    @property
    def name(self) -> str:
        """Readable name, such as ``bin 3 lesion`` or ``all bins``."""
        where = "all bins" if self.z_bin is None else f"bin {self.z_bin}"
        what = "" if self.pathology is None else f" {PATHOLOGY_NAMES[self.pathology]}"
        return where + what + ("" if self.timestep is None else f" t={self.timestep}")


class Results(_Model):
    """Everything an evaluation found.

    Attributes:
        binning: :meth:`ZBinning.to_dict` of the generated slices.
        provenance: Stores, split, checkpoint, sampler, seeds, extractors, versions.
        utilization: Bin utilization, local and global.
        reconstruction: Exact reconstruction, by timestep and pathology; empty where no network was given.
        generation: Bin-aware scores, pooled first, then per bin x pathology.
        confusion: Generated slices by bin asked for (rows) and bin their position was read as (columns).
        verdict: What the numbers say, in words.
    """

    schema_name: Literal["jsddpm-results"] = "jsddpm-results"
    version: Literal[1] = 1
    binning: dict[str, Any]
    provenance: dict[str, Any]
    utilization: dict[str, Any]
    reconstruction: list[Cell] = []
    generation: list[Cell] = []
    confusion: list[list[int]] = []
    verdict: str = ""

    @property
    def z_binning(self) -> ZBinning:
        """The binning as a value."""
        return ZBinning.from_dict(self.binning)

    @property
    def pooled(self) -> dict[str, Score]:
        """Generation scores over all conditions."""
        return next((c.scores for c in self.generation if c.z_bin is None and c.pathology is None), {})

    def cells(self) -> list[Cell]:
        """Generation cells of one bin and one pathology each."""
        return [c for c in self.generation if c.z_bin is not None and c.pathology is not None]

    def undefined(self) -> list[str]:
        """Scores asked for that are undefined, as ``cell: score (reason)``."""
        cells = [*self.reconstruction, *self.generation]
        return [f"{c.name}: {n} ({s.reason})" for c in cells for n, s in c.scores.items() if s.status == "undefined"]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row per cell and score, for ``per_bin.csv``."""
        for protocol, cells in (("reconstruction", self.reconstruction), ("generation", self.generation)):
            for cell in cells:
                ranges = None if cell.z_bin is None else self.z_binning.ranges()[cell.z_bin]
                for name, score in cell.scores.items():
                    yield {
                        "protocol": protocol,
                        "z_bin": cell.z_bin,
                        "z_first": ranges[0] if ranges else None,
                        "z_last": ranges[1] if ranges else None,
                        "pathology": None if cell.pathology is None else PATHOLOGY_NAMES[cell.pathology],
                        "timestep": cell.timestep,
                        "score": name,
                        **score.model_dump(exclude={"interval", "floor_interval"}),
                        **_ends("interval", score.interval),
                        **_ends("floor", score.floor_interval),
                    }

    def write(self, path: str | Path) -> None:
        """Write strict JSON: no NaN, no infinity, null only with a reason.

        Influences go into ``NAME.influence.json`` beside it, bound to the results by their checksum.
        """
        write_json(path, self.model_dump(mode="json"))
        kept = {
            place: score.influence.model_dump(mode="json")
            for place, score in self._places()
            if score.influence is not None
        }
        if kept:
            write_json(_beside(path), {"of": sha256(path), "influence": kept})

    @classmethod
    def read(cls, path: str | Path) -> Results:
        """Read :meth:`write`'s file, and the influences beside it where they are of these results.

        Raises:
            JsddpmError: ``RESULTS`` (status 4) when it is no such file or of another version.
        """
        try:
            found = cls.model_validate(read_json(path))
            if not _beside(path).is_file():
                return found
            beside = read_json(_beside(path))
            kept = beside.get("influence", {}) if beside.get("of") == sha256(path) else {}
            return found._with({place: Influence.model_validate(v) for place, v in kept.items()})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(p) for p in first["loc"])
            raise integrity_error("RESULTS", f"{where}: {first['msg']}", fix="evaluate again", file=path) from None

    @property
    def has_influences(self) -> bool:
        """Whether any score says what each patient or sample adds to it."""
        return any(score.influence is not None for _, score in self._places())

    def _places(self) -> Iterator[tuple[str, Score]]:
        for protocol in ("reconstruction", "generation"):
            for cell in getattr(self, protocol):
                for name, score in cell.scores.items():
                    yield f"{protocol}/{cell.name}/{name}", score

    def _with(self, kept: Mapping[str, Influence]) -> Results:
        """The same results with influences by place."""

        def filled(protocol: str, cell: Cell) -> Cell:
            places = {name: kept.get(f"{protocol}/{cell.name}/{name}") for name in cell.scores}
            scores = {n: s.model_copy(update={"influence": places[n]}) for n, s in cell.scores.items()}
            return cell.model_copy(update={"scores": scores})

        parts = {p: [filled(p, cell) for cell in getattr(self, p)] for p in ("reconstruction", "generation")}
        return self.model_copy(update=parts)


def _ends(name: str, interval: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _beside(path: str | Path) -> Path:
    return Path(path).with_suffix(".influence.json")


def _rounded(value: float) -> float:
    return float(f"{value:.7g}")
