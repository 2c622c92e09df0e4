"""Sources of pixels, and checks of slices that are given as arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Sized
from numbers import Real
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from jsddpm.binning import MOST_BINS, ZBinning, parse_pathology
from jsddpm.errors import JsddpmError, usage_error

Values = ArrayLike | Tensor
"""A tensor, an array, or a list."""


class Pixels(Protocol):
    """A source of pixels: an open store, or arrays."""

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)``."""

    def images(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Intensities of rows, ``(n, H, W)`` in [0, 1]."""

    def masks(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Lesion masks of rows, ``(n, H, W)``."""


class ArrayPixels:
    """Slices in memory.

    Args:
        images: float32 ``(N, H, W)`` in [0, 1]; None without images.
        masks: Boolean, of the same shape; None without masks.

    Raises:
        JsddpmError: ``SLICES`` (status 2) when the shapes differ.
    """

    def __init__(self, images: NDArray[np.float32] | None, masks: NDArray[np.bool_] | None) -> None:
        if images is not None and masks is not None and images.shape != masks.shape:
            raise refused("masks", f"shape {masks.shape}, images {images.shape}", "give equal shapes")
        self._images, self._masks = images, masks
        shape = next((array.shape for array in (images, masks) if array is not None), (0, 0, 0))
        self.size: tuple[int, int] = (shape[1], shape[2])

    def images(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """See :class:`Pixels`."""
        if self._images is None:
            raise refused("images", "missing", "give the images of the slices")
        return self._images[rows]

    def masks(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """See :class:`Pixels`."""
        if self._masks is None:
            raise refused("masks", "missing", "give the masks of the slices")
        return self._masks[rows]


def refused(what: str, why: str, fix: str) -> JsddpmError:
    """The error for slices given as arrays."""
    return usage_error("SLICES", f"{what}: {why}", fix=fix)


def require_lengths(count: int, values: Mapping[str, Sized | None]) -> None:
    """Refuse values, by name, of another number than that of the slices; None is allowed."""
    for name, each in values.items():
        if each is not None and len(each) != count:
            raise refused(name, f"{len(each)} for {count} slices", "give one for each slice")


def as_array(what: str, values: Values) -> NDArray[np.generic]:
    """Any of :data:`Values` on the CPU; bfloat16 becomes float32, because NumPy lacks it."""
    if isinstance(values, np.ma.MaskedArray) and (masked := int(np.sum(values.mask))):
        raise refused(what, f"{masked} of {values.size} values are masked", "fill or leave out what is masked")
    try:
        if isinstance(values, Tensor):
            values = (values.float() if values.dtype == torch.bfloat16 else values).detach().cpu()
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise refused(what, f"not an array ({error})", "give an array or a tensor") from error


def elements(values: Sequence[object] | Values) -> list[Any]:
    """The single values as they were given: NumPy turns ``["a", None, -1]`` into text.

    >>> elements(["a", torch.tensor(-1)]), elements(np.array([1.5]))
    (['a', -1], [1.5])
    """
    if hasattr(values, "tolist"):
        return cast(list[Any], values.tolist())
    return [v.item() if isinstance(v, Tensor) and v.ndim == 0 else v for v in cast(Iterable[Any], values)]


def is_missing(value: Any) -> bool:
    """Whether a value is missing: None, an empty name, NaN, or pandas' NA and NaT.

    >>> [is_missing(v) for v in (None, "", float("nan"), 0, "a")]
    [True, True, True, False, False]
    """
    try:
        return value is None or value == "" or bool(value != value)
    except TypeError:  # NA is neither equal to itself nor different
        return True


def refuse_missing(what: str, values: Sequence[object] | Values, fix: str) -> None:
    """Refuse missing values among others."""
    every = elements(values)
    if missing := sum(map(is_missing, every)):
        raise refused(what, f"{missing} of {len(every)} missing", fix)


def as_integers(what: str, values: Values, fix: str = "give one whole number for each slice") -> Tensor:
    """Whole numbers, int64 ``(N,)``."""
    array = as_array(what, values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise refused(what, f"{array.dtype} of shape {array.shape}", fix)
    return torch.from_numpy(array.astype(np.int64))


def as_pathology(values: Values | Sequence[str]) -> Tensor:
    """0 for control, 1 for lesion, int64 ``(N,)``; words are those of :func:`~jsddpm.binning.parse_pathology`."""
    words = values if isinstance(values, Tensor) else np.asarray(values)
    if isinstance(words, np.ndarray) and words.ndim == 1 and all(isinstance(word, str) for word in words):
        try:
            number = {word: parse_pathology(word) for word in dict.fromkeys(words.tolist())}
        except JsddpmError as error:
            raise refused("pathology", error.what, "give 0 or control, 1 or lesion") from None
        values = np.array([number[word] for word in words.tolist()], np.int64)
    kinds = as_integers("pathology", values, "give one whole number for each slice: 0 for control, 1 for lesion")
    if not set(kinds.unique().tolist()) <= {0, 1}:
        raise refused("pathology", "other values than 0 and 1", "give 0 for control, 1 for lesion")
    return kinds


def as_held_out(values: Values | None, patient: Tensor, names: NDArray[np.str_], *, real: bool) -> Tensor:
    """Whether slices are held out, boolean ``(N,)``; none is when None.

    Args:
        values: The flags, the same for all slices of a patient.
        patient: Patient numbers, int64 ``(N,)``.
        names: Patients by number.
        real: Whether the slices are real.
    """
    if values is None:
        return torch.zeros(len(patient), dtype=torch.bool)
    if not real:
        raise refused("held_out", "given without patient", "give the patient of each real slice")
    held = as_flags("held_out", values)
    if len(held) == len(patient):
        both = names[np.intersect1d(patient[held], patient[~held])]
        if len(both):
            what = f"patient {both[0]} is held out in some slices only ({len(both)} of {len(names)} patients)"
            raise refused("held_out", what, "hold out all slices of a patient, or none")
    return held


def as_flags(what: str, values: Values) -> Tensor:
    """Yes or no, boolean ``(N,)``."""
    array, cure = as_array(what, values), "give True or False for each slice"
    if array.ndim == 1:
        refuse_missing(what, values, cure)
    if array.ndim != 1 or array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise refused(what, f"{array.dtype} of shape {array.shape}", cure)
    return torch.from_numpy(array.astype(bool))


def as_images(values: Values) -> NDArray[np.float32]:
    """Intensities, float32 ``(N, H, W)`` in [0, 1]; a channel axis of length 1 is dropped."""
    array = as_array("images", values)
    array = array[:, 0] if array.ndim == 4 and array.shape[1] == 1 else array
    if array.ndim != 3 or array.dtype.kind != "f":
        cure = "give floats (N, H, W) in [0, 1]" + (" of one channel" if array.ndim == 4 else "")
        cure += "; divide 8-bit images by 255" if array.dtype == np.uint8 else ""
        raise refused("images", f"{array.dtype} of shape {array.shape}", cure)
    if not np.isfinite(array).all():
        raise refused("images", f"{np.count_nonzero(~np.isfinite(array))} values are nan or inf", "leave them out")
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        raise refused("images", f"values from {array.min()} to {array.max()}", "scale them to [0, 1]")
    return array.astype(np.float32, copy=False)


def as_masks(values: Values) -> NDArray[np.bool_]:
    """Lesion masks, boolean ``(N, H, W)``; a channel axis of length 1 is dropped."""
    array = as_array("masks", values)
    array = array[:, 0] if array.ndim == 4 and array.shape[1] == 1 else array
    if array.ndim != 3 or (array.dtype.kind != "b" and not np.isin(array, (0, 1)).all()):
        raise refused("masks", f"{array.dtype} of shape {array.shape}", "give booleans, or 0 and 1, (N, H, W)")
    return array.astype(bool, copy=False)


def as_patients(values: Sequence[object] | Values | None, count: int) -> tuple[Tensor, NDArray[np.str_]]:
    """Patient numbers in name order, int64 ``(N,)``, and the names by number; -1 for generated slices."""
    if values is None:
        return torch.full((count,), -1, dtype=torch.int64), np.empty(0, np.str_)
    owners = as_array("patient", values)  # type: ignore[arg-type]
    if owners.ndim != 1 or len(owners) != count:
        raise refused("patient", f"shape {owners.shape} for {count} slices", "give one patient for each slice")
    refuse_missing("patient", values, "give one patient for each slice")
    names, numbers = np.unique(owners.astype(np.str_) if owners.dtype.kind == "O" else owners, return_inverse=True)
    return torch.from_numpy(numbers.astype(np.int64)), names.astype(np.str_)


def as_units(group: Sequence[object] | Values | None, patient: Tensor, *, real: bool) -> Tensor:
    """Independent units, int64 ``(N,)``: a patient, a generated volume, or a slice without a volume.

    Args:
        group: Volume of each generated slice, names or numbers; None, NaN, NA, an empty name or a negative number for
            a slice without a volume. None if no slice has a volume.
        patient: Patient numbers, int64 ``(N,)``.
        real: Whether the slices are real.
    """
    count = len(patient)
    alone = patient if real else torch.arange(count)
    if group is None:
        return alone
    if real:
        raise refused("group", "given for real slices", "leave it out: slices of one patient depend on each other")
    volumes = as_array("group", group)  # type: ignore[arg-type]
    if volumes.ndim != 1 or len(volumes) != count:
        raise refused("group", f"shape {volumes.shape} for {count} slices", "give one volume, or None, for each slice")
    without = [is_missing(v) or (isinstance(v, Real) and float(v) < 0) for v in elements(group)]
    numbers = np.unique(volumes.astype(np.str_), return_inverse=True)[1]
    return torch.where(torch.tensor(without, dtype=torch.bool), alone, count + torch.from_numpy(numbers))


def as_spacing(values: Sequence[float]) -> tuple[float, float, float]:
    """Distances of rows, columns and slices in mm, all above 0.

    >>> as_spacing(np.array([1, 2, 3], np.float32))
    (1.0, 2.0, 3.0)
    """
    given = elements(values) if isinstance(values, Iterable) else []
    if len(given) != 3 or not all(isinstance(v, Real) and 0 < float(v) < math.inf for v in given):
        raise refused("spacing", f"{values}", "give three positive distances (row, column, slice) in mm")
    return float(given[0]), float(given[1]), float(given[2])


def as_places(z_index: Values | None, z_bin: Values | None, binning: ZBinning | None) -> tuple[Tensor, Tensor]:
    """Positions and bins; one is computed from the other if only one is given, and both have to agree.

    A bin without slices has no position, so any position is accepted there.
    """
    if z_bin is None:
        if z_index is None or binning is None:
            raise refused("z_bin", "missing", "give z_bin, or z_index and binning")
        position = as_integers("z_index", z_index)
        return position, torch.as_tensor(binning.index(position))
    bins = as_integers("z_bin", z_bin)
    last = (binning.n_bins if binning else MOST_BINS) - 1
    if len(bins) and not (int(bins.min()) >= 0 and int(bins.max()) <= last):
        raise refused("z_bin", f"{int(bins.min())} to {int(bins.max())}", f"give bins from 0 to {last}")
    if z_index is not None:
        position = as_integers("z_index", z_index)
        if binning is None and not torch.equal(position, bins):
            raise refused("z_index", "given beside z_bin without binning", "give binning, which says how they belong")
        if binning is not None and len(position) == len(bins):
            placed = torch.tensor([bool(binning.slices(k)) for k in range(binning.n_bins)])[bins]
            differ = torch.as_tensor(binning.index(position[placed])) != bins[placed]
            if bool(differ.any()):
                what = f"{int(differ.sum())} of {len(bins)} positions are in another bin than z_bin says"
                raise refused("z_index", what, "give only one of the two, or correct it")
        return position, bins
    if binning is None:
        return bins, bins
    used = [binning.representative(k) if binning.slices(k) else 0 for k in range(binning.n_bins)]
    return torch.tensor(used, dtype=torch.int64)[bins], bins
