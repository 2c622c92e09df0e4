"""z-bins local to the training range, by exact integer arithmetic.

Local rule, for ``lo <= z <= hi`` (the default, scheme ``local``)::

    bin(z) = min((z - lo) * n_bins // (hi - lo), n_bins - 1)        and 0 when hi == lo

This is the exact value of ``min(int((z - lo) / (hi - lo) * n_bins), n_bins - 1)``, which floating point gets
wrong for some settings: at z_range (24, 93) with 23 bins, z = 63 is 13.0 exactly and 12.999... in float64.

Binning is a view. Stores keep ``z_index`` only; a :class:`ZBinning` travels with checkpoints, generated
stores and results, and its fingerprint is compared at every boundary. This module imports neither numpy, torch
nor pandas: it recognises their integers and stays instant without them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, TypeVar, cast, get_args

from jsddpm.errors import JsddpmError, usage_error

Scheme = Literal["local", "global", "local-inclusive"]
Pathology = Literal[0, 1]
Index = TypeVar("Index")
"""A Python or NumPy integer, an integer ndarray or an integer tensor; the result has the same kind."""

CONTROL: Pathology = 0
LESION: Pathology = 1
PATHOLOGY_NAMES = ("control", "lesion")


def quantize_z_local(z_index: Index, z_range: tuple[int, int], n_bins: int) -> Index:
    """Bin of a slice within ``z_range``: ``min((z - lo) * n_bins // (hi - lo), n_bins - 1)``.

    Args:
        z_index: Slice position(s) in ``[lo, hi]``, integer scalar, array or tensor on any device.
        z_range: Inclusive ``(lo, hi)`` in slices.
        n_bins: Number of bins, at least 1.

    Returns:
        Bin(s) in ``[0, n_bins - 1]``, of the kind given.

    Raises:
        JsddpmError: ``Z_TYPE`` for bool, float or text; ``Z_OUTSIDE`` for a position outside the range (never
            clamped; on a GPU tensor the device asserts it, without waiting); ``Z_RANGE``, ``N_BINS``.

    >>> [quantize_z_local(z, (50, 100), 10) for z in (50, 54, 55, 99, 100)]
    [0, 0, 1, 9, 9]
    """
    lo, hi = _check_range(z_range)
    _check_n_bins(n_bins)
    z = _check_z(z_index, lo, hi)
    if hi == lo:
        return cast(Index, z * 0)
    binned = z - lo
    binned *= n_bins  # in place: large arrays are bound by memory, not by arithmetic
    binned //= hi - lo
    return cast(Index, _at_most(binned, n_bins - 1))


def quantize_z_global(z_index: Index, n_slices: int, n_bins: int) -> Index:
    """Bin of a slice within the whole volume: ``min(z * n_bins // (n_slices - 1), n_bins - 1)``.

    The rule that local binning replaces: with z_range (24, 93) of 128 slices, 3 of 10 bins stay empty.

    Args:
        z_index: Slice position(s) in ``[0, n_slices - 1]``.
        n_slices: Slices of the volume, at least 1.
        n_bins: Number of bins, at least 1.

    Raises:
        JsddpmError: As :func:`quantize_z_local`.

    >>> sorted({quantize_z_global(z, 128, 10) for z in range(24, 94)})
    [1, 2, 3, 4, 5, 6, 7]
    """
    return quantize_z_local(z_index, (0, _check_n_slices(n_slices) - 1), n_bins)


def _quantize_z_inclusive(z_index: Index, z_range: tuple[int, int], n_bins: int) -> Index:
    """``(z - lo) * n_bins // (hi - lo + 1)``: SLIM-Diff's later rule, for reading its outputs."""
    lo, hi = _check_range(z_range)
    _check_n_bins(n_bins)
    return cast(Index, (_check_z(z_index, lo, hi) - lo) * n_bins // (hi - lo + 1))


def compute_class_token(z_bin: int, pathology_class: int, n_bins: int) -> int:
    """Token of a condition: ``pathology_class * n_bins + z_bin``; the null token is ``2 * n_bins``.

    Raises:
        JsddpmError: ``BIN`` or ``PATHOLOGY`` when out of range: a wrong bin must not alias another class.

    >>> compute_class_token(z_bin=5, pathology_class=1, n_bins=10)
    15
    """
    _check_n_bins(n_bins)
    if not _is_integer(z_bin) or not 0 <= z_bin < n_bins:
        raise usage_error("BIN", f"bin {z_bin!r} is not one of 0..{n_bins - 1}", fix="give a bin of this binning")
    if not _is_integer(pathology_class) or pathology_class not in (0, 1):
        raise usage_error(
            "PATHOLOGY", f"pathology {pathology_class!r} is unknown", fix="give 0 (control) or 1 (lesion)"
        )
    return int(pathology_class * n_bins + z_bin)


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """What the model is asked for: where in the brain, and whether with a lesion.

    >>> Condition(z_bin=3, pathology=1).token(n_bins=10), Condition.from_token(13, n_bins=10)
    (13, Condition(z_bin=3, pathology=1))
    """

    z_bin: int
    pathology: int

    def token(self, n_bins: int) -> int:
        """The embedding index in ``[0, 2 * n_bins - 1]``."""
        return compute_class_token(self.z_bin, self.pathology, n_bins)

    @classmethod
    def from_token(cls, token: int, n_bins: int) -> Condition:
        """Inverse of :meth:`token`; the null token is not a condition and is refused."""
        _check_n_bins(n_bins)
        if not _is_integer(token) or not 0 <= token < 2 * n_bins:
            raise usage_error(
                "TOKEN", f"token {token!r} is not one of 0..{2 * n_bins - 1}", fix="give a condition token"
            )
        return cls(z_bin=int(token) % n_bins, pathology=int(token) // n_bins)

    @property
    def name(self) -> str:
        """Readable name, such as ``bin 3 lesion``."""
        return f"bin {self.z_bin} {PATHOLOGY_NAMES[self.pathology]}"


@dataclass(frozen=True)
class ZBinning:
    """A division of the slices ``z_range`` of a volume into bins.

    Args:
        z_range: Inclusive ``(lo, hi)`` of the slices used, in slices of the volume.
        n_bins: Number of bins, at least 1.
        scheme: ``local`` (bins within ``z_range``), ``global`` (bins over the whole volume, of which
            ``z_range`` reaches only some) or ``local-inclusive`` (SLIM-Diff's rule).
        n_slices: Slices of the volume.
        allow_empty_bins: Accept more bins than slices; some bins are then empty by construction.

    Raises:
        JsddpmError: ``Z_RANGE``, ``N_BINS``, ``N_SLICES`` or ``SCHEME``, exit status 2.

    >>> ZBinning((24, 93), 10).ranges()[:2]
    [(24, 30), (31, 37)]
    """

    z_range: tuple[int, int]
    n_bins: int
    scheme: Scheme = "local"
    n_slices: int = 128
    allow_empty_bins: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        lo, hi = _check_range(self.z_range)
        object.__setattr__(self, "z_range", (lo, hi))
        _check_n_bins(self.n_bins)
        n_slices = _check_n_slices(self.n_slices)
        if self.scheme not in get_args(Scheme):
            raise usage_error("SCHEME", f"unknown scheme {self.scheme!r}", fix=f"one of {', '.join(get_args(Scheme))}")
        if hi >= n_slices:
            raise usage_error(
                "Z_RANGE",
                f"z_range [{lo}, {hi}] leaves the volume of {n_slices} slices (0..{n_slices - 1})",
                fix="lower HI or give the volume's number of slices",
            )
        divided = n_slices if self.scheme == "global" else hi - lo + 1
        if self.n_bins > divided and not self.allow_empty_bins:
            raise usage_error(
                "N_BINS",
                f"{self.n_bins} bins for {divided} slices leave bins empty",
                fix=f"use at most {divided} bins, or allow empty bins explicitly",
            )

    def index(self, z_index: Index) -> Index:
        """Bin(s) of slice position(s); a position outside ``z_range`` raises, whatever the scheme."""
        if self.scheme == "global":
            return quantize_z_global(cast(Index, _check_z(z_index, *self.z_range)), self.n_slices, self.n_bins)
        rule = quantize_z_local if self.scheme == "local" else _quantize_z_inclusive
        return rule(z_index, self.z_range, self.n_bins)

    def token(self, z_index: Index, pathology: Index) -> Index:
        """What :meth:`Condition.token` gives, for whole arrays or tensors of slices and their pathology.

        >>> ZBinning((24, 93), 10).token(31, 1)
        11
        """
        return cast(Index, cast(Any, self.index(z_index)) + cast(Any, pathology) * self.n_bins)

    def slices(self, z_bin: int) -> range:
        """The consecutive slice positions of a bin; empty when the scheme leaves it without any."""
        if not _is_integer(z_bin) or not 0 <= z_bin < self.n_bins:
            raise usage_error(
                "BIN", f"bin {z_bin!r} is not one of 0..{self.n_bins - 1}", fix="give a bin of this binning"
            )
        return self._partition[z_bin]

    def representative(self, z_bin: int) -> int:
        """The middle slice of a bin (the lower of two), so that bin -> slice -> bin is the identity.

        >>> ZBinning((24, 93), 10).representative(0)
        27
        """
        slices = self.slices(z_bin)
        if not slices:
            raise usage_error(
                "EMPTY_BIN", f"bin {z_bin} holds no slice of {self}", fix="choose a used bin, or fewer bins"
            )
        return slices[(len(slices) - 1) // 2]

    def ranges(self) -> list[tuple[int, int] | None]:
        """``(first, last)`` slice of each bin, None for an empty bin."""
        return [(s[0], s[-1]) if s else None for s in self._partition]

    @cached_property
    def _partition(self) -> list[range]:
        lo, hi = self.z_range
        members: list[list[int]] = [[] for _ in range(self.n_bins)]
        for z in range(lo, hi + 1):
            members[self.index(z)].append(z)
        return [range(m[0], m[-1] + 1) if m else range(0) for m in members]

    @property
    def null_token(self) -> int:
        """The extra token that stands for "no condition" in classifier-free guidance."""
        return 2 * self.n_bins

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides a bin; equal fingerprints mean equal bins for every slice."""
        identity = {k: v for k, v in self.to_dict().items() if k != "allow_empty_bins"}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; inverse of :meth:`from_dict`."""
        return asdict(self) | {"z_range": list(self.z_range)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ZBinning:
        """Read :meth:`to_dict`'s values; a missing or unknown field is refused."""
        names = {f.name for f in fields(cls)}
        if set(values) - names or not {"z_range", "n_bins"} <= set(values):
            raise usage_error(
                "BINNING",
                f"not a binning: fields {sorted(values)}",
                fix=f"the fields are {', '.join(sorted(names))}",
            )
        z_range = values["z_range"]
        if not isinstance(z_range, (list, tuple)):
            raise usage_error("Z_RANGE", f"z_range {z_range!r} is no pair", fix="give [LO, HI]")
        return cls(**{**values, "z_range": tuple(z_range)})

    def diff(self, other: ZBinning) -> dict[str, tuple[object, object]]:
        """Fields that differ, ``{name: (self, other)}``; empty when the bins are the same.

        >>> ZBinning((24, 93), 10).diff(ZBinning((24, 93), 12))
        {'n_bins': (10, 12)}
        """
        return {
            f.name: (getattr(self, f.name), getattr(other, f.name))
            for f in fields(self)
            if f.compare and getattr(self, f.name) != getattr(other, f.name)
        }

    def require_same(self, other: ZBinning, *, mine: str, others: str, file: str | None = None) -> None:
        """Refuse to mix two binnings.

        Args:
            other: The binning that must equal this one.
            mine: What this binning belongs to, for the message.
            others: What the other belongs to.
            file: The file the other came from.

        Raises:
            JsddpmError: ``BINNING_MISMATCH`` naming each differing field with both values.
        """
        differences = self.diff(other)
        if differences:
            table = ", ".join(f"{name}: {a} in {mine}, {b} in {others}" for name, (a, b) in differences.items())
            raise usage_error(
                "BINNING_MISMATCH",
                f"two binnings do not mix ({table})",
                fix="use the binning the model was trained with, or train again with the new one",
                file=file,
            )

    def __str__(self) -> str:
        lo, hi = self.z_range
        return f"{self.scheme} binning of [{lo}, {hi}] into {self.n_bins}"


# What is an integer here ------------------------------------------------------------------------------------


def _is_integer(value: object) -> bool:
    if isinstance(value, bool):
        return False
    numpy = sys.modules.get("numpy")
    return isinstance(value, int) or (numpy is not None and isinstance(value, numpy.integer))


def _check_z(z_index: object, lo: int, hi: int) -> Any:
    """Return ``z_index`` in a type wide enough for the products, after refusing what is no slice of [lo, hi]."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if _is_integer(z_index):
        z = int(z_index) if isinstance(z_index, int) else cast(Any, numpy).int64(z_index)
        outside = not lo <= z <= hi
    elif numpy is not None and isinstance(z_index, numpy.ndarray) and z_index.dtype.kind in "iu":
        outside = z_index.size > 0 and (int(z_index.min()) < lo or int(z_index.max()) > hi)
        z = z_index.astype(numpy.int64, copy=False)
    elif torch is not None and isinstance(z_index, torch.Tensor) and _is_integer_tensor(z_index):
        z = z_index.long()
        inside = ((z >= lo) & (z <= hi)).all()
        if z.is_cuda:  # a Python check would wait for the device
            torch._assert_async(inside, f"z outside [{lo}, {hi}]")
            return z
        outside = not bool(inside)
    else:
        raise usage_error(
            "Z_TYPE",
            f"z must be an integer position, not {_describe(z_index)}",
            fix="give an int, an integer array or an integer tensor",
        )
    if outside:
        raise usage_error(
            "Z_OUTSIDE",
            f"z {_describe(z_index)} is outside [{lo}, {hi}]",
            fix="filter the slices, or widen the range",
        )
    return z


def _is_integer_tensor(z: Any) -> bool:
    return not (z.is_floating_point() or z.is_complex() or str(z.dtype) == "torch.bool")


def _describe(value: Any) -> str:
    if hasattr(value, "dtype") and getattr(value, "ndim", False):
        holds_integers = "int" in str(value.dtype) and 0 not in value.shape
        extent = f" from {int(value.min())} to {int(value.max())}" if holds_integers else ""
        return f"{type(value).__name__} of {value.dtype}{extent}"
    return repr(value)


def _at_most(value: Any, top: int) -> Any:
    if isinstance(value, int):
        return min(value, top)
    if hasattr(value, "clamp_max_"):
        return value.clamp_max_(top)
    out = value if getattr(value, "ndim", 0) else None
    return cast(Any, sys.modules["numpy"]).minimum(value, top, out=out)


def _check_range(z_range: tuple[int, int]) -> tuple[int, int]:
    pair = tuple(z_range) if isinstance(z_range, (tuple, list)) else ()
    if len(pair) != 2 or not all(_is_integer(z) for z in pair):
        raise usage_error("Z_RANGE", f"z_range {z_range!r} is not two integers", fix="give LO HI")
    lo, hi = int(pair[0]), int(pair[1])
    if lo > hi:
        raise usage_error("Z_RANGE", f"z_range [{lo}, {hi}] is reversed", fix="give LO <= HI")
    if lo < 0:
        raise usage_error("Z_RANGE", f"z_range [{lo}, {hi}] is negative", fix="slices are counted from 0")
    return lo, hi


def _check_n_bins(n_bins: int) -> None:
    if not _is_integer(n_bins) or n_bins < 1:
        raise usage_error("N_BINS", f"n_bins {n_bins!r} is not a positive integer", fix="give at least 1 bin")


def _check_n_slices(n_slices: int) -> int:
    if not _is_integer(n_slices) or n_slices < 1:
        raise usage_error(
            "N_SLICES", f"n_slices {n_slices!r} is not a positive integer", fix="give the volume's slices"
        )
    return int(n_slices)


__all__ = [
    "CONTROL",
    "LESION",
    "PATHOLOGY_NAMES",
    "Condition",
    "JsddpmError",
    "Pathology",
    "Scheme",
    "ZBinning",
    "compute_class_token",
    "quantize_z_global",
    "quantize_z_local",
]
