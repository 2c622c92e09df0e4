"""Items that a layout finds in the files of a generator, and facts that files do not contain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

from jsddpm.binning import PATHOLOGY_NAMES, parse_pathology
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.wording import counted

Pathology = Literal["mask", "lesion", "control"]
STORE_AXES = "PR"
"""Directions of rows and columns of a store's slices: to posterior, to the patient's right."""

COLUMNS = {
    "z": ("z", "z_index"),
    "z_bin": ("z_bin", "zbin"),
    "pathology": ("pathology", "pathology_class", "lesion_present"),
    "seed": ("seed",),
    "group": ("group", "subject_id"),
}
"""Facts on a slice, with the names that generators use for them."""


@dataclass(frozen=True)
class IntensityFormat:
    """The meaning of values in the files; None uses what the layout knows from the generator's code.

    Args:
        value_range: Values that are mapped to 0 and 1, the first of them larger for inverted images; None uses the
            range of an integer type, and [0, 1] for floats.
        mask_threshold: Mask values above it mean lesion; None accepts masks of 0 and one whole number, the same
            in all masks.
        mask_labels: Mask values that mean lesion.
        window: Whether each volume is windowed as the real ones were: percentiles inside the brain.
        clip: Whether values outside ``value_range`` are clipped to its ends.

    Raises:
        JsddpmError: ``OPTION`` (status 2) for a range of one value, or one without an end.
    """

    value_range: tuple[float, float] | None = None
    mask_threshold: float | None = None
    mask_labels: tuple[int, ...] = ()
    window: bool = False
    clip: bool = False

    def __post_init__(self) -> None:
        low, high = self.value_range or (0, 1)
        if not math.isfinite(low - high) or low == high:
            cure = "give the value that becomes 0, and another one that becomes 1"
            raise usage_error("OPTION", f"--value-range {low:g} {high:g} is no range", fix=cure)

    def over(self, known: IntensityFormat) -> IntensityFormat:
        """The given values, completed by those that a layout knows."""
        completed = self
        if self.value_range is None and not self.window:
            completed = replace(completed, value_range=known.value_range)
        if self.mask_threshold is None and not self.mask_labels:
            completed = replace(completed, mask_threshold=known.mask_threshold, mask_labels=known.mask_labels)
        return completed


@dataclass(frozen=True)
class Facts:
    """Facts that only the user knows if the files do not contain them.

    Args:
        pathology: Pathology that slices are conditioned on: ``lesion``, ``control``, or ``mask``, by each mask.
        fields: Parts of the files' names, such as ``z{z_bin}_c{pathology}_{}``; see :func:`read_fields`.
        axes: Directions of rows and columns (``PR``), or of the axes of a volume (``LPS``); None uses the file's.
        spacing: Voxel size of volumes whose files do not contain it, in mm along their axes.
        masks: Whether the generator makes masks.
        modality: Which images of a BIDS or nnU-Net data set, or of Med-DDPM, to use.
        controls: Patterns of volumes without a lesion, which need no mask.
        root: Folder that files named in a table must lie in; the table's own when None.
        image_key: Name of the image array in ``.npz`` files.
        mask_key: Name of the mask array.
        first_slice: Axial slice of the real store at which each volume begins; None places volumes in the middle.
    """

    pathology: Pathology | None = None
    fields: str | None = None
    axes: str | None = None
    spacing: tuple[float, float, float] | None = None
    masks: bool = True
    modality: str = "flair"
    controls: tuple[str, ...] = ()
    root: Path | None = None
    image_key: str | None = None
    mask_key: str | None = None
    first_slice: int | None = None


@dataclass(frozen=True)
class SliceItem:
    """One slice: its files, and the facts on it.

    Attributes:
        image: File of the image.
        mask: File of the mask; that of the image for an ``.npz`` with both; None without a mask.
        where: Origin of the facts, for errors: a line of a table, or a file.
        position: Index along the first axis of an array or the last of a NIfTI volume; None for a file of one slice.
        z: Axial slice; None if only the bin is known.
        z_bin: Bin; None if only the slice is known.
        pathology: 0 control, 1 lesion; None if not known.
        seed: Seed of the sample; -1 if unknown.
        group: Its generated volume; empty for a single slice.
    """

    image: Path
    mask: Path | None
    where: str
    position: int | None = None
    z: int | None = None
    z_bin: int | None = None
    pathology: int | None = None
    seed: int = -1
    group: str = ""

    @property
    def place(self) -> str:
        """The beginning of a message that names the image: the origin of the facts, where it is not the image."""
        return "" if self.where == self.image.name else f"{self.where}: "


@dataclass(frozen=True)
class VolumeItem:
    """One volume.

    Attributes:
        image: NIfTI file.
        mask: NIfTI file on the image's grid; None without a lesion, or if the generator makes no masks.
        name: Name of the volume, the ``group`` of its slices.
    """

    image: Path
    mask: Path | None
    name: str


@dataclass(frozen=True)
class Listing:
    """The items that a layout found.

    Attributes:
        items: Slices or volumes, in the order in which they are stored.
        reading: The meaning of values according to the generator's code.
        axes: Directions of rows and columns of its slices.
        n_bins: Number of bins according to the files; None if they do not contain it.
        image_key: Name of the image array in its ``.npz`` files, if none is given.
        mask_key: Name of the mask array.
        read: Files that facts were read from, or that are left out on purpose.
        masks_tell: Whether masks give the pathology of slices without one, unless the user does.
        notes: What the user is told of the files.
    """

    items: Sequence[SliceItem] | Sequence[VolumeItem]
    reading: IntensityFormat = field(default_factory=IntensityFormat)
    axes: str = STORE_AXES
    n_bins: int | None = None
    image_key: str = "image"
    mask_key: str = "mask"
    read: Sequence[Path] = ()
    masks_tell: bool = False
    notes: Sequence[str] = ()


def left_out(patients: int) -> list[str]:
    """The note on cases of patients, which are no samples; empty if there are none."""
    return [f"{counted(patients, 'case', 'is of a patient', 'are of patients')}, and left out"] if patients else []


def slice_facts(values: Mapping[str, object], where: str, file: Path) -> dict[str, int | str | None]:
    """Position, pathology, seed and group according to a row of a table, or to arrays beside a slice.

    Args:
        values: Values by column; the names that generators use are understood, and empty values count as missing.
        where: Origin of the values.
        file: File of the values.

    Raises:
        JsddpmError: Status 3: ``TABLE`` for a value that is not a whole number of 64 bits, ``PATHOLOGY`` for another
            pathology than :func:`~jsddpm.binning.parse_pathology` knows.

    >>> slice_facts({"zbin": "3.0", "lesion_present": "1", "seed": ""}, "line 2", Path("a.csv"))
    {'z': None, 'z_bin': 3, 'pathology': 1, 'seed': -1, 'group': ''}
    """
    fields = {
        name: next((str(values[c]).strip() for c in columns if str(values.get(c, "")).strip()), "")
        for name, columns in COLUMNS.items()
    }
    read: dict[str, int | str | None] = {"group": fields.pop("group")}
    try:
        read["pathology"] = parse_pathology(text) if (text := fields.pop("pathology")) else None
    except JsddpmError as error:
        raise JsddpmError(error.code, f"{where}: {error.what}", fix=error.fix, file=file) from None
    for name, text in fields.items():
        try:
            read[name] = _whole(text) if text else None
        except ValueError:
            what = f"{where}: {name} {text!r}"
            raise JsddpmError("TABLE", what, fix="give whole numbers below 2**63", file=file) from None
    read["seed"] = -1 if read["seed"] is None else read["seed"]
    return {name: read[name] for name in COLUMNS}


def asked_pathology(text: str) -> Pathology:
    """The option ``--pathology`` of an import: a pathology, or ``mask``.

    Raises:
        JsddpmError: ``PATHOLOGY`` (status 2).

    >>> asked_pathology("Mask"), asked_pathology("1")
    ('mask', 'lesion')
    """
    if text.strip().lower() == "mask":
        return "mask"
    try:
        return cast(Pathology, PATHOLOGY_NAMES[parse_pathology(text)])
    except JsddpmError as error:
        raise usage_error(error.code, f"--pathology: {error.what}", fix=f"{error.fix}, or mask") from None


def _whole(text: str) -> int:
    """A whole number that fits into a store's index, also as the float that a column with empty cells makes of it."""
    try:
        number = int(text)
    except ValueError:
        if not float(text).is_integer():
            raise
        number = int(float(text))
    if not -(2**63) <= number < 2**63:
        raise ValueError("too large")
    return number


def missing_fact(what: str, fix: str, file: Path) -> JsddpmError:
    """The error for a fact that has to be given, and its option."""
    return usage_error("IMPORT_FACTS", what, fix=fix, file=file)
