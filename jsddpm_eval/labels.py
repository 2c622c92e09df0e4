"""Checks of the facts that are given with slices (bins, positions, pathologies, patients, volumes), and of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Real
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.binning import MOST_BINS, ZBinning, parse_pathology
from jsddpm.cohort.patients import refuse_same_patient
from jsddpm.errors import JsddpmError, usage_error
from jsddpm_eval.pixels import Values, as_array, elements, is_missing, refuse_missing, refused

_MOST_EXACT = 2**53  # above this, a float does not say which whole number is meant


def as_integers(what: str, values: Values, fix: str = "give one whole number for each slice") -> Tensor:
    """Whole numbers, int64 ``(N,)``; floats are accepted where they are whole, as pandas gives them after a merge.

    >>> as_integers("z_bin", [2.0, 3.0]).tolist()
    [2, 3]
    """
    array = as_array(what, values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise refused(what, f"{array.dtype} of shape {array.shape}", fix)
    if array.dtype.kind == "f" and (odd := int(np.sum(~_is_whole(array)))):
        raise refused(what, f"{odd} of {array.size} are no whole numbers", fix)
    return torch.from_numpy(array.astype(np.int64))


def _is_whole(array: NDArray[Any]) -> NDArray[np.bool_]:
    whole: NDArray[np.bool_] = np.isfinite(array) & (np.trunc(array) == array) & (np.abs(array) <= _MOST_EXACT)
    return whole


def as_pathology(values: Values | Sequence[str]) -> Tensor:
    """0 for control, 1 for lesion, int64 ``(N,)``; words are those of :func:`~jsddpm.binning.parse_pathology`.

    >>> as_pathology(["control", "lesion"]).tolist(), as_pathology([False, True]).tolist()
    ([0, 1], [0, 1])
    """
    cure = "give one whole number for each slice: 0 for control, 1 for lesion"
    array = as_array("pathology", values)
    if array.ndim == 1 and array.size and all(isinstance(word, str) for word in array):
        try:
            number = {word: parse_pathology(word) for word in dict.fromkeys(array.tolist())}
        except JsddpmError as error:
            raise refused("pathology", error.what, "give 0 or control, 1 or lesion") from None
        array = np.array([number[word] for word in array.tolist()], np.int64)
    kinds = as_integers("pathology", array.astype(np.int64) if array.dtype.kind == "b" else array, cure)
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


def as_patients(values: Sequence[object] | Values | None, count: int) -> tuple[Tensor, NDArray[np.str_]]:
    """Patient numbers in name order, int64 ``(N,)``, and the names by number; -1 for generated slices.

    Raises:
        JsddpmError: ``SLICES`` (status 2); ``PATIENT_NAME`` (status 3) for two names of one patient, such as 7 and 007.
    """
    if values is None:
        return torch.full((count,), -1, dtype=torch.int64), np.empty(0, np.str_)
    owners = as_array("patient", values)  # type: ignore[arg-type]
    if owners.ndim != 1 or len(owners) != count:
        raise refused("patient", f"shape {owners.shape} for {count} slices", "give one patient for each slice")
    refuse_missing("patient", values, "give one patient for each slice")
    _refuse_ambiguous("patient", elements(values))
    names, numbers = np.unique(owners.astype(np.str_) if owners.dtype.kind == "O" else owners, return_inverse=True)
    names = names.astype(np.str_)
    refuse_same_patient(names.tolist())
    return torch.from_numpy(numbers.astype(np.int64)), names


def _refuse_ambiguous(what: str, values: list[Any]) -> None:
    """Refuse a number beside the name that is written alike: whether 1 and "1" are the same is not known."""
    names = {v for v in values if isinstance(v, str)}
    if both := sorted(names & {str(v) for v in values if not isinstance(v, str)}):
        raise refused(what, f"{both[0]} is a number and a name", "give names for all, or numbers for all")


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
    every = elements(group)
    without = [is_missing(v) or (isinstance(v, Real) and float(v) < 0) for v in every]
    _refuse_ambiguous("group", [v for v, alone in zip(every, without, strict=True) if not alone])
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


def as_columns(values: object) -> dict[str, Tensor]:
    """Columns by key, each a tensor; none when None."""
    if values is None:
        return {}
    cure = "give a dictionary of tensors, with one row for each slice, by key"
    if not isinstance(values, Mapping):
        raise refused("columns", f"a {type(values).__name__}", cure)
    if odd := [key for key, column in values.items() if not (isinstance(key, str) and isinstance(column, Tensor))]:
        raise refused("columns", f"{odd[0]!r} is a {type(values[odd[0]]).__name__}", cure)
    return dict(values)


def as_names(values: object) -> list[str] | None:
    """Names of slices as text; None without names."""
    if values is None:
        return None
    if isinstance(values, str | bytes | Mapping | Set) or not isinstance(values, Iterable):
        raise refused("names", f"a {type(values).__name__}", "give a list with one name for each slice")
    return [str(name) for name in elements(cast(Sequence[object], values))]


def require_binning(binning: object) -> None:
    """Refuse bins that are no :class:`~jsddpm.binning.ZBinning`.

    Raises:
        JsddpmError: ``BINNING`` (status 2).
    """
    if not isinstance(binning, ZBinning):
        what, cure = f"a {type(binning).__name__} is no ZBinning", "give the bins, such as ZBinning((24, 93), 10)"
        raise usage_error("BINNING", what, fix=cure)


def as_places(z_index: Values | None, z_bin: Values | None, binning: ZBinning | None) -> tuple[Tensor, Tensor]:
    """Positions and bins; one is computed from the other if only one is given, and both have to agree.

    A bin without slices has no position, so any position is accepted there.
    """
    if binning is not None:
        require_binning(binning)
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


def as_rows(keep: Values | slice, count: int) -> Tensor:
    """What selects rows of a table: a boolean mask ``(N,)``, or row numbers ``(n,)``.

    Args:
        keep: A boolean mask, row numbers, a slice, or one row number.
        count: Number of rows.

    >>> as_rows(-1, 3).tolist(), as_rows([True, False, True], 3).tolist(), as_rows(slice(1), 3).tolist()
    ([-1], [True, False, True], [0])
    """
    if isinstance(keep, slice):
        return torch.from_numpy(np.arange(count)[keep].copy())  # PyTorch has no negative steps
    array = np.atleast_1d(as_array("where", keep))
    if array.dtype.kind == "b":
        if array.shape != (count,):
            raise refused("where", f"a mask of shape {array.shape} for {count} slices", "give one value for each slice")
        return torch.from_numpy(array.copy())  # the array of another package may be read-only
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        cure = "give a boolean mask, row numbers, a slice, or one row number"
        raise refused("where", f"{array.dtype} of shape {array.shape}", cure)
    rows = array.astype(np.int64)
    if outside := int(np.sum((rows < -count) | (rows >= count))):
        raise refused("where", f"{outside} of {len(rows)} row numbers do not exist", f"give numbers below {count}")
    return torch.from_numpy(rows)
