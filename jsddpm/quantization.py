"""The binning rules, in exact integer arithmetic.

Local rule, for ``lo <= z <= hi`` (the default)::

    bin(z) = min((z - lo) * n_bins // (hi - lo), n_bins - 1)        and 0 when hi == lo

This is the exact value of ``min(int((z - lo) / (hi - lo) * n_bins), n_bins - 1)``, which floating-point arithmetic
computes wrongly for some settings: at z_range (24, 93) with 23 bins, z = 63 is 13.0 exactly and 12.999... in float64.

Integers of Python and NumPy, lists and integer tensors are accepted; numpy and torch are recognised without an import.
"""

from __future__ import annotations

import sys
from typing import Any, TypeVar, cast

from jsddpm.errors import usage_error

Index = TypeVar("Index")
"""A Python or NumPy integer, a list or tuple of them, an integer ndarray or an integer tensor; the result has the same
kind."""


def quantize_z_local(z_index: Index, z_range: tuple[int, int], n_bins: int) -> Index:
    """Bin of a slice within ``z_range``: ``min((z - lo) * n_bins // (hi - lo), n_bins - 1)``.

    Args:
        z_index: Slice position(s) in ``[lo, hi]``, integer scalar, list, array or tensor on any device.
        z_range: Inclusive ``(lo, hi)`` in slices.
        n_bins: Number of bins, at least 1.

    Returns:
        Bin(s) in ``[0, n_bins - 1]``, of the same kind as ``z_index``.

    Raises:
        JsddpmError: ``Z_TYPE`` for bool, float or text; ``Z_OUTSIDE`` for a position outside the range (never
            clamped; on a GPU tensor the device asserts it, without waiting); ``Z_RANGE``, ``N_BINS``.

    >>> [quantize_z_local(z, (50, 100), 10) for z in (50, 54, 55, 99, 100)]
    [0, 0, 1, 9, 9]
    """
    lo, hi = check_range(z_range)
    n_bins = check_n_bins(n_bins)
    z = check_z(z_index, lo, hi)
    if hi == lo:
        return as_given(z_index, z * 0)
    binned = z - lo
    binned *= n_bins  # in place: large arrays are bound by memory
    binned //= hi - lo
    return as_given(z_index, min(binned, n_bins - 1) if isinstance(binned, int) else binned.clip(max=n_bins - 1))


def quantize_z_global(z_index: Index, n_slices: int, n_bins: int) -> Index:
    """Bin of a slice within the whole volume: ``min(z * n_bins // (n_slices - 1), n_bins - 1)``.

    Local binning replaces this rule: with z_range (24, 93) of 128 slices, 3 of 10 bins are empty.

    Args:
        z_index: Slice position(s) in ``[0, n_slices - 1]``.
        n_slices: Slices of the volume, at least 1.
        n_bins: Number of bins, at least 1.

    Raises:
        JsddpmError: As :func:`quantize_z_local`.

    >>> sorted({quantize_z_global(z, 128, 10) for z in range(24, 94)})
    [1, 2, 3, 4, 5, 6, 7]
    """
    return quantize_z_local(z_index, (0, check_n_slices(n_slices) - 1), n_bins)


def quantize_z_inclusive(z_index: Index, z_range: tuple[int, int], n_bins: int) -> Index:
    """``(z - lo) * n_bins // (hi - lo + 1)``: SLIM-Diff's later rule, for reading its outputs."""
    lo, hi = check_range(z_range)
    n_bins = check_n_bins(n_bins)
    return as_given(z_index, (check_z(z_index, lo, hi) - lo) * n_bins // (hi - lo + 1))


def is_integer(value: object) -> bool:
    """Whether a value is a Python or NumPy integer; a bool is not."""
    if isinstance(value, bool):
        return False
    numpy = sys.modules.get("numpy")
    return isinstance(value, int) or (numpy is not None and isinstance(value, numpy.integer))


def check_z(z_index: object, lo: int, hi: int) -> Any:
    """Return ``z_index`` in a type wide enough for the products; positions outside of [lo, hi] are refused."""
    if (z := _widened(z_index)) is None:
        cure = "give an int, an integer array or an integer tensor"
        raise usage_error("Z_TYPE", f"z must be an integer position, not {_describe(z_index)}", fix=cure)
    if _leaves(z, lo, hi):
        cure = "leave out such slices, or widen the range"
        raise usage_error("Z_OUTSIDE", f"z {_describe(z_index)} is outside [{lo}, {hi}]", fix=cure)
    return z


def as_given(z_index: Index, result: Any) -> Index:
    """The result for ``z_index``; a list or tuple if that is one."""
    return cast(Index, type(z_index)(result.tolist()) if isinstance(z_index, list | tuple) else result)


def check_pathology(pathology: object) -> Any:
    """Return ``pathology``, like ``z_index`` in :func:`check_z`; values other than 0, 1, False and True are refused."""
    known = _widened(pathology, flags=True)
    if known is None or _leaves(known, 0, 1):
        cure = "give 0 (control) or 1 (lesion)"
        raise usage_error("PATHOLOGY", f"pathology {_describe(pathology)} is unknown", fix=cure)
    return known


def _widened(value: object, *, flags: bool = False) -> Any:
    """An integer, or an array or tensor of integers, in at least 64 bits; None for anything else.

    Args:
        value: The value; a list or tuple becomes an array.
        flags: Accept booleans too.
    """
    if isinstance(value, list | tuple):
        import numpy as np  # here, so that a command without arrays starts faster

        whole = all(is_integer(item) or (flags and isinstance(item, bool | np.bool_)) for item in value)
        return np.array(value, np.int64) if whole else None
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if is_integer(value) or (flags and isinstance(value, bool)):
        return int(value) if isinstance(value, int) else cast(Any, numpy).int64(value)
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.bool_):
        return value.astype(numpy.int64, copy=False) if value.dtype.kind in ("iub" if flags else "iu") else None
    if torch is not None and isinstance(value, torch.Tensor):
        return value.long() if "int" in str(value.dtype) or (flags and value.dtype == torch.bool) else None
    return None


def _leaves(z: Any, lo: int, hi: int) -> bool:
    """Whether any of these integers is outside of [lo, hi]; of a GPU tensor, the device asserts that none is."""
    if getattr(z, "is_cuda", False):  # a Python check would wait for the device
        sys.modules["torch"]._assert_async(((z >= lo) & (z <= hi)).all(), f"values outside [{lo}, {hi}]")
        return False
    if not getattr(z, "ndim", 0):
        return not lo <= z <= hi
    return 0 not in z.shape and (int(z.min()) < lo or int(z.max()) > hi)


def _describe(value: Any) -> str:
    if hasattr(value, "dtype") and getattr(value, "ndim", False):
        holds_integers = "int" in str(value.dtype) and 0 not in value.shape
        extent = f" from {int(value.min())} to {int(value.max())}" if holds_integers else ""
        return f"{type(value).__name__} of {value.dtype}{extent}"
    return repr(value)


def check_range(z_range: tuple[int, int]) -> tuple[int, int]:
    """``(lo, hi)`` as Python integers; a reversed or negative range and other values are refused."""
    given: Any = z_range.tolist() if getattr(z_range, "ndim", None) == 1 else z_range  # type: ignore[attr-defined]
    pair = tuple(given) if isinstance(given, (tuple, list)) else ()
    if len(pair) != 2 or not all(is_integer(z) for z in pair):
        raise usage_error("Z_RANGE", f"z_range {z_range!r} is not two integers", fix="give two integers LO HI")
    lo, hi = int(pair[0]), int(pair[1])
    if lo > hi:
        raise usage_error("Z_RANGE", f"z_range [{lo}, {hi}] is reversed", fix="give LO <= HI")
    if lo < 0:
        raise usage_error("Z_RANGE", f"z_range [{lo}, {hi}] is negative", fix="give LO >= 0: slices are counted from 0")
    return lo, hi


def check_n_bins(n_bins: int) -> int:
    """The number of bins as a Python integer, refusing one below 1."""
    if not is_integer(n_bins) or n_bins < 1:
        raise usage_error("N_BINS", f"n_bins {n_bins!r} is not a positive integer", fix="give at least 1 bin")
    return int(n_bins)


def check_n_slices(n_slices: int) -> int:
    """The number of slices as a Python integer, refusing one below 1."""
    if not is_integer(n_slices) or n_slices < 1:
        cure = "give the number of slices of the volume"
        raise usage_error("N_SLICES", f"n_slices {n_slices!r} is not a positive integer", fix=cure)
    return int(n_slices)
