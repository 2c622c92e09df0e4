"""What a layout finds of somebody's generator, and what files cannot say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from jsddpm.binning import CONTROL, LESION
from jsddpm.errors import JsddpmError, usage_error

Pathology = Literal["mask", "lesion", "control"]
STORE_AXES = "PR"
"""Where rows and columns of a store's slices lead: to posterior, to the patient's right."""

COLUMNS = {
    "z": ("z", "z_index"),
    "z_bin": ("z_bin", "zbin"),
    "pathology": ("pathology", "pathology_class", "lesion_present"),
    "seed": ("seed",),
    "group": ("group", "subject_id"),
}
"""What is known of a slice, with the names that generators give it."""


@dataclass(frozen=True)
class IntensityFormat:
    """What the numbers in the files mean; None leaves it to the layout, where the generator's own code says it.

    Args:
        value_range: Values that mean 0 and 1; None takes an integer type's own range, and [0, 1] for floats.
        mask_threshold: Mask values above it are lesion; None accepts masks of two values, the lower of them 0.
        image_key: Array of an ``.npz`` file that holds the image.
        mask_key: Array that holds the mask.
        mask_labels: Mask values that are lesion.
        window: Whether each volume is windowed as the real ones were: percentiles inside the brain.
        clip: Whether values that leave ``value_range`` are taken to its ends.
    """

    value_range: tuple[float, float] | None = None
    mask_threshold: float | None = None
    image_key: str | None = None
    mask_key: str | None = None
    mask_labels: tuple[int, ...] = ()
    window: bool = False
    clip: bool = False

    def over(self, known: IntensityFormat) -> IntensityFormat:
        """What was asked for, and for the rest what a layout knows."""
        keys = replace(self, image_key=self.image_key or known.image_key, mask_key=self.mask_key or known.mask_key)
        if keys.value_range is None and not keys.window:
            keys = replace(keys, value_range=known.value_range)
        if keys.mask_threshold is None and not keys.mask_labels:
            keys = replace(keys, mask_threshold=known.mask_threshold, mask_labels=known.mask_labels)
        return keys


@dataclass(frozen=True)
class Facts:
    """What only the user knows where files do not say it.

    Args:
        pathology: What slices were asked for: ``lesion``, ``control``, or what each one's ``mask`` shows.
        fields: Parts of the files' names, such as ``z{z_bin}_c{pathology}_{}``; see :func:`read_fields`.
        axes: Where rows and columns (``PR``), or the axes of a volume (``LPS``), lead; the file's own when None.
        spacing: Voxel size of volumes whose files do not hold it, in mm along their axes.
        masks: Whether the generator makes masks.
        modality: Which images of a BIDS or nnU-Net data set, or of Med-DDPM, are meant.
        controls: Patterns of volumes that have no lesion, and need no mask.
        root: Folder that files named in a table must lie in; the table's own when None.
        image_key: Array of ``.npz`` files that holds images.
        mask_key: Array that holds masks.
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


@dataclass(frozen=True)
class SliceItem:
    """One slice: where it lies, and what is known of it.

    Attributes:
        image: File of the image.
        mask: File of the mask; the image's own for an ``.npz`` that holds both; None where there is none.
        where: What says it, for errors: a line of a table, a file.
        position: Place along the first axis of an array or the last of a NIfTI volume; None for a file of one slice.
        z: Axial slice; None where only the bin is known.
        z_bin: Bin; None where only the slice is known.
        pathology: 0 control, 1 lesion; None where nothing says it.
        seed: Of the sample; -1 where unknown.
        group: Generated volume it is part of; empty for a slice of its own.
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


@dataclass(frozen=True)
class VolumeItem:
    """One volume.

    Attributes:
        image: NIfTI file.
        mask: NIfTI file on the image's grid; None for one that has no lesion, or where no masks are made.
        name: What its slices' ``group`` is called.
    """

    image: Path
    mask: Path | None
    name: str


@dataclass(frozen=True)
class Found:
    """What a layout found.

    Attributes:
        items: Slices or volumes, in the order in which they are stored.
        reading: What the generator's own code says of its numbers.
        axes: Where rows and columns of its slices lead.
        n_bins: Bins that the files say they were made with; None where they do not.
    """

    items: Sequence[SliceItem] | Sequence[VolumeItem]
    reading: IntensityFormat = field(default_factory=IntensityFormat)
    axes: str = STORE_AXES
    n_bins: int | None = None


def known(values: Mapping[str, object], where: str, file: Path) -> dict[str, int | str | None]:
    """Place, pathology, seed and group that a row of a table, or the arrays beside a slice, name.

    Args:
        values: By column; the names that generators use are understood, empty values count as not there.
        where: What says it.
        file: The file it stands in.

    Raises:
        JsddpmError: ``TABLE`` for a value that is no whole number, or a pathology other than 0, 1, control, lesion.

    >>> known({"zbin": "3", "lesion_present": "1", "seed": ""}, "line 2", Path("a.csv"))
    {'z': None, 'z_bin': 3, 'pathology': 1, 'seed': -1, 'group': ''}
    """
    given = {
        name: next((str(values[c]).strip() for c in columns if str(values.get(c, "")).strip()), "")
        for name, columns in COLUMNS.items()
    }
    words = {"control": str(CONTROL), "lesion": str(LESION)}
    given["pathology"] = words.get(given["pathology"], given["pathology"])
    read: dict[str, int | str | None] = {"group": given.pop("group")}
    for name, text in given.items():
        try:
            read[name] = int(text) if text else None
        except ValueError:
            said = f"{where}: {name} {text!r}"
            raise JsddpmError("TABLE", said, fix="give whole numbers", file=file) from None
    read["seed"] = -1 if read["seed"] is None else read["seed"]
    return {name: read[name] for name in COLUMNS}


def missing_fact(what: str, fix: str, file: Path) -> JsddpmError:
    """Something that has to be said, and by which option."""
    return usage_error("IMPORT_FACTS", what, fix=fix, file=file)
