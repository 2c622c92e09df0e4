"""z-bins as a value object, and the conditions and tokens derived from them.

Stores keep ``z_index`` only. A :class:`ZBinning` is saved with checkpoints, generated stores and results, and its
fingerprint is compared whenever they meet. The rules are in :mod:`jsddpm.quantization`.
This module imports neither numpy, torch nor pandas, so that it loads instantly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, get_args

from jsddpm.errors import usage_error
from jsddpm.quantization import (
    Index,
    as_given,
    check_n_bins,
    check_n_slices,
    check_pathology,
    check_range,
    check_z,
    is_integer,
    quantize_z_global,
    quantize_z_inclusive,
    quantize_z_local,
)

Scheme = Literal["local", "global", "local-inclusive"]

CONTROL = 0
LESION = 1
PATHOLOGY_NAMES = ("control", "lesion")
MOST_BINS = 4096
"""Largest number of bins of a configuration, and of slices whose bins are given without a binning."""


def parse_pathology(text: str | int) -> int:
    """Pathology that an option, a table or an argument names: 0 or control, 1 or lesion, in any case; 1.0 is 1.

    Raises:
        JsddpmError: ``PATHOLOGY`` (status 2).

    >>> parse_pathology("Lesion"), parse_pathology("0"), parse_pathology(True)
    (1, 0, 1)
    """
    word = text.strip().lower() if isinstance(text, str) else f"{text + 0}"  # True + 0 is 1
    for number, name in enumerate(PATHOLOGY_NAMES):
        if word in (name, f"{number}", f"{number}.0"):
            return number
    raise usage_error("PATHOLOGY", f"pathology {text!r} is unknown", fix="give 0 or control, or 1 or lesion")


def compute_class_token(z_bin: int, pathology_class: int, n_bins: int) -> int:
    """Token of a condition: ``pathology_class * n_bins + z_bin``; the null token is ``2 * n_bins``.

    Raises:
        JsddpmError: ``BIN`` or ``PATHOLOGY`` when out of range: a wrong bin must not alias another class.

    >>> compute_class_token(z_bin=5, pathology_class=1, n_bins=10)
    15
    """
    n_bins = check_n_bins(n_bins)
    if not is_integer(z_bin) or not 0 <= z_bin < n_bins:
        raise usage_error("BIN", f"bin {z_bin!r} is not one of 0..{n_bins - 1}", fix="give a bin of this binning")
    return int(check_pathology(pathology_class)) * n_bins + int(z_bin)


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """A condition of the model: z-bin and pathology (0 control, 1 lesion).

    >>> Condition(z_bin=3, pathology=1).token(n_bins=10), Condition.from_token(13, n_bins=10)
    (13, Condition(z_bin=3, pathology=1))
    """

    z_bin: int
    pathology: int

    def token(self, n_bins: int) -> int:
        """The embedding index in ``[0, 2 * n_bins - 1]``."""
        return compute_class_token(self.z_bin, self.pathology, n_bins)

    @classmethod
    def of(cls, value: Condition | tuple[int, int]) -> Condition:
        """The condition of a pair ``(z_bin, pathology)``; a condition stays itself, and anything else is refused."""
        if isinstance(value, Condition):
            return value
        pair = tuple(value) if isinstance(value, Iterable) else ()
        if len(pair) != 2 or not all(map(is_integer, pair)):
            cure = "give pairs (z_bin, pathology) in a list, such as [(3, 1)]"
            raise usage_error("CONDITIONS", f"{value!r} is not a condition", fix=cure)
        return cls(int(pair[0]), int(pair[1]))

    @classmethod
    def from_token(cls, token: int, n_bins: int) -> Condition:
        """Inverse of :meth:`token`; the null token is not a condition and is refused."""
        check_n_bins(n_bins)
        if not is_integer(token) or not 0 <= token < 2 * n_bins:
            cure = "give a condition token"
            raise usage_error("TOKEN", f"token {token!r} is not one of 0..{2 * n_bins - 1}", fix=cure)
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
        lo, hi = check_range(self.z_range)
        object.__setattr__(self, "z_range", (lo, hi))
        object.__setattr__(self, "n_bins", check_n_bins(self.n_bins))
        object.__setattr__(self, "n_slices", n_slices := check_n_slices(self.n_slices))
        if self.scheme not in get_args(Scheme):
            raise usage_error(
                "SCHEME", f"unknown scheme {self.scheme!r}", fix=f"use one of {', '.join(get_args(Scheme))}"
            )
        if hi >= n_slices:
            what = f"z_range [{lo}, {hi}] exceeds the volume of {n_slices} slices (0..{n_slices - 1})"
            raise usage_error("Z_RANGE", what, fix=f"give HI <= {n_slices - 1}, or the right number of slices")
        divided = n_slices if self.scheme == "global" else hi - lo + 1
        if self.n_bins > divided and not self.allow_empty_bins:
            cure = f"use at most {divided} bins, or allow empty ones: --allow-empty, or binning.allow_empty_bins=true"
            raise usage_error("N_BINS", f"{self.n_bins} bins for {divided} slices leave bins empty", fix=cure)

    def index(self, z_index: Index) -> Index:
        """Bin(s) of slice position(s); a position outside ``z_range`` is refused with every scheme.

        >>> ZBinning((24, 93), 10).index([24, 31, 93])
        [0, 1, 9]
        """
        if self.scheme == "global":
            binned = quantize_z_global(check_z(z_index, *self.z_range), self.n_slices, self.n_bins)
            return as_given(z_index, binned)
        rule = quantize_z_local if self.scheme == "local" else quantize_z_inclusive
        return rule(z_index, self.z_range, self.n_bins)

    def token(self, z_index: Index, pathology: object) -> Index:
        """Condition tokens of slices and their pathology (0 control, 1 lesion); see :meth:`Condition.token`.

        Arrays and tensors of narrow types give tokens of int64. Values as for :meth:`index`; pathology may be boolean
        (True is lesion). Another one than 0 and 1 is refused (``PATHOLOGY``): its token would be another class.

        >>> ZBinning((24, 93), 10).token(31, 1)
        11
        """
        z = check_z(z_index, *self.z_range) if isinstance(z_index, list | tuple) else z_index
        return as_given(z_index, self.index(z) + check_pathology(pathology) * self.n_bins)

    def slices(self, z_bin: int) -> range:
        """The consecutive slice positions of a bin; empty if the scheme assigns it none."""
        if not is_integer(z_bin) or not 0 <= z_bin < self.n_bins:
            cure = "give a bin of this binning"
            raise usage_error("BIN", f"bin {z_bin!r} is not one of 0..{self.n_bins - 1}", fix=cure)
        return self._partition[z_bin]

    def middle(self, z_bin: int) -> int | None:
        """The middle slice of a bin (the lower of two), None for an empty bin."""
        centre = self.centre(z_bin)
        return None if centre is None else int(centre)

    def centre(self, z_bin: int) -> float | None:
        """Mean position of the slices of a bin, None for an empty bin.

        >>> ZBinning((24, 93), 10).centre(0), ZBinning((0, 9), 3).centre(2)
        (27.0, 7.5)
        """
        slices = self.slices(z_bin)
        return (slices[0] + slices[-1]) / 2 if slices else None

    def representative(self, z_bin: int) -> int:
        """The middle slice of a bin, so that bin -> slice -> bin is the identity; an empty bin is refused.

        >>> ZBinning((24, 93), 10).representative(0)
        27
        """
        if (middle := self.middle(z_bin)) is None:
            cure = "choose a bin with slices, or use fewer bins"
            raise usage_error("EMPTY_BIN", f"bin {z_bin} of the {self} is empty", fix=cure)
        return middle

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
    def width(self) -> float:
        """Mean number of slices of a bin that the range does not cut.

        >>> ZBinning((24, 93), 10).width, ZBinning((24, 93), 10, "global", 128).width
        (7.0, 12.8)
        """
        if self.scheme == "global":
            return self.n_slices / self.n_bins
        return (self.z_range[1] - self.z_range[0] + 1) / self.n_bins

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
            cure = f"give the fields {', '.join(sorted(names))}"
            raise usage_error("BINNING", f"the fields {sorted(values)} are not those of a binning", fix=cure)
        return cls(**values)

    def diff(self, other: ZBinning) -> dict[str, tuple[object, object]]:
        """Fields that differ, ``{name: (self, other)}``; empty if the bins are the same.

        >>> ZBinning((24, 93), 10).diff(ZBinning((24, 93), 12))
        {'n_bins': (10, 12)}
        """
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.compare}
        return {name: (mine, others) for name, (mine, others) in pairs.items() if mine != others}

    def require_same(self, other: ZBinning, *, mine: str, others: str, file: str | None = None) -> None:
        """Refuse a binning that differs from this one.

        Args:
            other: The binning that must equal this one.
            mine: Owner of this binning, for the message.
            others: Owner of the other binning.
            file: File of the other binning.

        Raises:
            JsddpmError: ``BINNING_MISMATCH`` naming each differing field with both values.
        """
        if differences := self.diff(other):
            table = ", ".join(f"{name}: {a} in {mine}, {b} in {others}" for name, (a, b) in differences.items())
            cure = "use the binning that the model was trained with, or train again with the new one"
            raise usage_error("BINNING_MISMATCH", f"the two binnings differ ({table})", fix=cure, file=file)

    def __str__(self) -> str:
        lo, hi = self.z_range
        return f"{self.scheme} binning of [{lo}, {hi}] into {self.n_bins}"
