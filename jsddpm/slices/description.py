"""The form of ``store.json``: the type and the bounds of every field that is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jsddpm.binning import ZBinning
from jsddpm.cohort.records import Split
from jsddpm.errors import JsddpmError, integrity_error
from jsddpm.wording import misfit

LARGEST_SIDE = 8192
"""Largest number of rows or columns of a slice."""
MOST_SLICES = 1 << 20
"""Largest number of slices of a volume, and of a subject."""

REBUILD = "remove the folder and build the store again"
"""Cure of a damaged store: an existing folder is not overwritten."""

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=1, le=MOST_SLICES)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class _File(_Part):
    file: Annotated[str, Field(pattern=r"^arrays/[^/\x00]+\.npy$")]
    box: Annotated[list[Annotated[int, Field(ge=0, le=MOST_SLICES)]], Field(min_length=6, max_length=6)]
    bytes: Annotated[int, Field(ge=1)]
    sha256: _Digest


class _Files(_Part):
    image: _File
    mask: _File


class _Subject(_Part):
    name: str
    slices: _Count
    patient: str | None = None
    split: Split | None = None
    files: _Files


class _Index(_Part):
    rows: Annotated[int, Field(ge=1)]
    sha256: _Digest


class _LesionSlices(_Part):
    inside: int
    all: int


class _Range(_Part):
    range: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
    rule: str
    training_lesion_slices: _LesionSlices


class _Preprocessing(_Part):
    shape: Annotated[list[int], Field(min_length=3, max_length=3)]
    spacing: Annotated[list[float], Field(min_length=3, max_length=3)]
    window: Annotated[list[float], Field(min_length=2, max_length=2)]


class _MaskReading(_Part):
    labels: list[int]
    threshold: float | None


class Description(_Part):
    """The description of a store: all fields that are used."""

    kind: Literal["real", "generated"]
    n_slices: _Count
    size: Annotated[list[Annotated[int, Field(ge=1, le=LARGEST_SIDE)]], Field(min_length=2, max_length=2)]
    spacing: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=3, max_length=3)]
    index: _Index
    subjects: Annotated[list[_Subject], Field(min_length=1)]
    binning: dict[str, Any] | None = None
    groups: list[str] = []
    z_range: _Range | None = None
    preprocessing: _Preprocessing | None = None
    mask_reading: _MaskReading | None = None
    masks: bool = True

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if sum(s.slices for s in self.subjects) != self.index.rows:
            raise ValueError("index.rows is not the number of the subjects' slices")
        height, width = self.size
        for number, subject in enumerate(self.subjects):
            for kind, file in (("image", subject.files.image), ("mask", subject.files.mask)):
                first, end, top, bottom, left, right = file.box
                if not (first < end <= subject.slices and top < bottom <= height and left < right <= width):
                    raise ValueError(f"subjects.{number}.files.{kind}.box leaves the slices")
        if self.z_range is not None and not self.z_range.range[0] <= self.z_range.range[1] < self.n_slices:
            raise ValueError("z_range.range leaves the volume")
        if self.binning is not None:
            try:
                ZBinning.from_dict(self.binning)
            except (JsddpmError, TypeError) as error:
                raise ValueError(f"binning: {getattr(error, 'what', error)}") from error
        return self


def check_description(info: dict[str, Any], store: Path) -> Description:
    """The description of a store, every field checked.

    Raises:
        JsddpmError: ``STORE_DAMAGED`` (status 4) naming the first field that does not fit.
    """
    try:
        return Description.model_validate(info)
    except ValidationError as error:
        what = f"store.json: {first_fault(error)}"
        raise integrity_error("STORE_DAMAGED", what, fix=REBUILD, file=store) from None


def first_fault(error: ValidationError) -> str:
    """The first invalid field of a file of jsddpm, and the reason; values are left out, because some name patients."""
    return misfit(error.errors(include_url=False, include_input=False)[0])
