"""Sources of pixels, and checks of arrays that are given; :mod:`~jsddpm_eval.labels` checks the other facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from jsddpm.errors import JsddpmError, usage_error
from jsddpm.wording import counted, first_numbers

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
        JsddpmError: ``SLICES`` (status 2) when the shapes differ, or a side is below two pixels.
    """

    def __init__(self, images: NDArray[np.float32] | None, masks: NDArray[np.bool_] | None) -> None:
        if images is not None and masks is not None and images.shape != masks.shape:
            raise refused("masks", f"shape {masks.shape}, images {images.shape}", "give equal shapes")
        self._images, self._masks = images, masks
        shape = next((array.shape for array in (images, masks) if array is not None), (0, 0, 0))
        self.size: tuple[int, int] = (shape[1], shape[2])
        if shape[0] and min(self.size) < 2:
            what = "masks" if images is None else "images"
            raise refused(what, f"slices of {shape[1]}x{shape[2]} pixels", "give slices of 2x2 pixels or more")

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
    """Lesion masks, boolean ``(N, H, W)``; a channel axis of length 1 is dropped.

    Numbers are 0 and one other whole number, which means lesion, as in the files of an import.

    >>> as_masks(np.array([[[0, 255]]], np.uint8)).tolist()
    [[[False, True]]]
    """
    array = as_array("masks", values)
    array = array[:, 0] if array.ndim == 4 and array.shape[1] == 1 else array
    cure = "give booleans, or 0 and one other whole number such as 1 or 255, (N, H, W)"
    if array.ndim != 3 or array.dtype.kind not in "biuf":
        raise refused("masks", f"{array.dtype} of shape {array.shape}", cure)
    if array.dtype.kind == "b":
        return array.astype(bool, copy=False)
    if count := int(array.size - np.isfinite(array).sum()):
        raise refused("masks", f"{counted(count, 'value', 'is', 'are')} nan or inf", "leave them out")
    top = array.max(initial=0)
    if top != np.floor(top) or not ((array == 0) | (array == top)).all():
        if (array == np.floor(array)).all():
            what, select = f"the values {first_numbers(np.unique(array))}", "where all above 0 mean lesion: masks > 0"
        else:
            what, select = f"values from {array.min():g} to {array.max():g}", "of probabilities: masks > 0.5"
        raise refused("masks", f"{array.dtype} with {what}", f"{cure}; {select}")
    return array == top if top else np.zeros(array.shape, bool)
