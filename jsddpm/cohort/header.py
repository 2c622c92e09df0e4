"""Checks of a NIfTI header before any voxel is read: size, type, scaling, position of the volume.

A header has no checksum, so its values are checked for plausibility, and notes say what nibabel repairs or ignores.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import obliquity, voxel_sizes
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from jsddpm.errors import JsddpmError, first_line

HEADER_BYTES = 540  # NIfTI-2; NIfTI-1 has 348
_OBLIQUE_DEGREES = 15.0
SMALLEST_VOXEL, _LARGEST_VOXEL = 1e-3, 1e3  # mm
_SHORTEST_HEAD, _LONGEST_HEAD = 80.0, 500.0  # mm
_UNITS = {1: ("meter", 1e3), 2: ("mm", 1.0), 3: ("micron", 1e-3)}  # by the code in the header, and in mm
_LONGEST_SIDE, _FARTHEST_ORIGIN = 1e4, 1e6  # mm


@dataclass(frozen=True)
class Voxels:
    """The layout of voxels in a file according to its header.

    Attributes:
        shape: Voxels along each axis, first axis fastest.
        dtype: Type in the file, with its byte order.
        offset: Bytes before the first voxel.
        slope: Factor to scaled units.
        intercept: Offset added afterwards.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float

    @property
    def count(self) -> int:
        """Number of voxels."""
        return prod(self.shape)

    @property
    def bytes_in_file(self) -> int:
        """Bytes of header and voxels."""
        return self.offset + self.count * self.dtype.itemsize

    @property
    def bytes_in_memory(self) -> int:
        """Bytes of the voxels in the file or as float32, whichever is more."""
        return self.count * max(self.dtype.itemsize, 4)


def bad(code: str, path: Path, what: str, fix: str) -> JsddpmError:
    """An error of a NIfTI file (status 3); its code begins with ``NIFTI_``."""
    return JsddpmError(f"NIFTI_{code}", what, fix=fix, file=path)


def parse_header(head: bytes, path: Path) -> Any:
    """Parse the first bytes of a file into a header of nibabel.

    Raises:
        JsddpmError: ``NIFTI_NOT_NIFTI``, ``NIFTI_HEADER``.
    """
    for kind, size in ((nib.Nifti1Header, 348), (nib.Nifti2Header, 540)):
        if len(head) >= size and head[:4] in (size.to_bytes(4, "little"), size.to_bytes(4, "big")):
            try:
                return kind(head[:size], check=False)  # type: ignore[no-untyped-call]
            except (HeaderDataError, ValueError) as error:
                what = f"unreadable header ({first_line(error)})"
                raise bad("HEADER", path, what, "export the file again") from error
    text = head[:24].decode("latin-1")
    begins = repr(text) if text.isprintable() else "binary data"
    raise bad("NOT_NIFTI", path, f"not a NIfTI file (starts with {begins})", "give a .nii or .nii.gz file")


def voxels_of(header: Any, path: Path) -> Voxels:
    """The layout of the voxels.

    Raises:
        JsddpmError: ``NIFTI_NOT_NIFTI``, ``NIFTI_DIMS``, ``NIFTI_DTYPE``, ``NIFTI_OFFSET``, ``NIFTI_SCALING``.
    """
    if bytes(header["magic"])[:2] != b"n+":
        raise bad("NOT_NIFTI", path, "the header lacks the single-file NIfTI magic", "convert it to .nii.gz")
    rank = int(header["dim"][0])
    shape = tuple(int(n) for n in header["dim"][1 : max(rank, 0) + 1])
    if not 1 <= rank <= 7 or any(n < 1 for n in shape):
        raise bad("DIMS", path, f"impossible dimensions {list(shape) or rank}", "export the file again")
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError):
        dtype = np.dtype("V1")
    if dtype.kind not in "iuf":
        raise bad("DTYPE", path, f"unsupported voxel type {dtype}", "convert it to an integer or floating-point type")
    offset = float(header["vox_offset"])
    if not (np.isfinite(offset) and header.single_vox_offset <= offset <= 1 << 24):
        raise bad("OFFSET", path, f"impossible voxel offset {offset:g}", "export the file again")
    slope = float(header["scl_slope"])
    if np.isfinite(slope) and abs(slope) > 1e20:
        raise bad("SCALING", path, f"impossible intensity slope {slope:g}", "export the file again")
    try:
        slope, intercept = header.get_slope_inter()  # None if the header has none
    except HeaderDataError as error:
        raise bad("SCALING", path, first_line(error), "export the file again") from error
    return Voxels(shape, dtype, int(offset), 1.0 if slope is None else slope, intercept or 0.0)


class Place(NamedTuple):
    """The place of a volume in the world according to its header.

    Attributes:
        affine: Voxel to world in mm, float64 ``(4, 4)``.
        given: Whether the header contains it; else the directions of the axes are nibabel's guess.
        notes: What nibabel repairs, ignores or guesses.
    """

    affine: NDArray[np.float64]
    given: bool
    notes: tuple[str, ...]


def place_of(header: Any, path: Path) -> Place:
    """The place of a volume.

    Raises:
        JsddpmError: ``NIFTI_HEADER``; ``NIFTI_AFFINE`` when the affine is singular, not finite, or implausible for a
            scan (voxels, sides or an origin of impossible size), or when there is neither an affine nor voxel sizes.
    """
    written = [float(size) for size in header["pixdim"][1:4]]
    listener = _Said()
    try:
        header.check_fix(logger=listener.logger, error_level=logging.ERROR)
    except (HeaderDataError, ValueError) as error:
        raise bad("HEADER", path, f"impossible header ({first_line(error)})", "export the file again") from error
    try:
        with np.errstate(all="ignore"):
            affine = np.asarray(header.get_best_affine(), np.float64)
    except (HeaderDataError, ValueError, ArithmeticError) as error:
        what = f"the orientation cannot be read ({first_line(error)})"
        raise bad("AFFINE", path, what, "export the file again with its orientation") from error
    given = bool(header["sform_code"] or header["qform_code"])
    sizes = " x ".join(f"{size:g}" for size in written)
    unsized = any(size <= 0 or not np.isfinite(size) for size in written)
    if unsized and not given:
        what = f"the header contains no affine (both codes are 0), and voxel sizes {sizes} are not sizes"
        raise bad("AFFINE", path, what, "export the file again with its orientation")
    _check_unit(affine, header, path)
    _check_affine(affine, header, path)
    notes = (
        [] if given else [f"the header does not say how it is oriented: taken as {''.join(nib.aff2axcodes(affine))}"]
    )
    sides, (unit, _) = _sides(affine, header), _unit(header)
    if unit != "mm" and not _SHORTEST_HEAD <= sides.max() <= _LONGEST_HEAD:
        shown = " x ".join(f"{side:.3g}" for side in sides)
        notes.append(f"{shown} mm are not the size of a head (unit in the header: {unit}; mm is taken)")
    if (tilt := float(np.degrees(obliquity(affine)).max())) > _OBLIQUE_DEGREES:
        notes.append(f"tilted by {tilt:.0f} degrees: slices are not axial")
    slope = float(header["scl_slope"])
    if not np.isfinite(slope) or (slope == 0 and float(header["scl_inter"]) != 0):
        notes.append(f"intensity slope {slope:g}: voxels are taken unscaled")
    if np.isfinite(slope) and slope < 0:
        notes.append(f"intensity slope {slope:g} is negative: look whether bright and dark are exchanged")
    if unsized:
        notes.append(f"voxel sizes {sizes} in the header are not sizes: those of the affine are used")
    said = (line for line in listener.lines if not line.startswith("pixdim[1"))
    return Place(affine, given, (*notes, *_disagreement(header), *said))


def _sides(affine: NDArray[np.float64], header: Any) -> NDArray[np.float64]:
    """Lengths of a volume along its axes, as its affine states them."""
    sides: NDArray[np.float64] = voxel_sizes(affine) * [int(n) for n in header["dim"][1:4]]
    return sides


def _unit(header: Any) -> tuple[str, float]:
    """Unit of length in a header, and its size in mm."""
    return _UNITS.get(int(header["xyzt_units"]) & 7, ("unknown", 1.0))


def _check_unit(affine: NDArray[np.float64], header: Any, path: Path) -> None:
    """Refuse a volume that has the size of a head in the unit of its header, and not in mm."""
    unit, factor = _unit(header)
    with np.errstate(all="ignore"):
        side = float(_sides(affine, header).max())
    if _SHORTEST_HEAD <= side * factor <= _LONGEST_HEAD and not _SHORTEST_HEAD <= side <= _LONGEST_HEAD:
        what = f"its affine is in another unit than mm (unit in the header: {unit}, longest side {side:.3g})"
        raise bad("AFFINE", path, what, "write the affine and the voxel sizes in mm, and the unit mm")


def _check_affine(affine: NDArray[np.float64], header: Any, path: Path) -> None:
    cure = "export the file again with its orientation"
    with np.errstate(all="ignore"):
        if not np.isfinite(affine).all() or not abs(np.linalg.det(affine[:3, :3])) >= 1e-9:
            raise bad("AFFINE", path, "the affine is singular or not finite", cure)
        sizes = voxel_sizes(affine)
        sides = sizes * [int(n) for n in header["dim"][1:4]]
    if not (sizes.min() >= SMALLEST_VOXEL and sizes.max() <= _LARGEST_VOXEL and sides.max() <= _LONGEST_SIDE):
        shown = " x ".join(f"{size:.3g}" for size in sizes)
        raise bad("AFFINE", path, f"voxels of {shown} mm are implausible", cure)
    if np.abs(affine[:3, 3]).max() > _FARTHEST_ORIGIN:
        raise bad("AFFINE", path, f"an origin {np.abs(affine[:3, 3]).max():.3g} mm away is implausible", cure)


def _disagreement(header: Any) -> list[str]:
    try:
        with np.errstate(all="ignore"):
            qform, sform = header.get_qform(coded=True)[0], header.get_sform(coded=True)[0]
    except (HeaderDataError, ValueError, ArithmeticError):
        return ["the qform is no rotation: the sform is used"]
    if qform is not None and sform is not None and not np.allclose(qform, sform, atol=0.1):
        return ["sform and qform differ: the sform is used"]
    return []


class _Said(logging.Handler):
    """Collects what nibabel logs about a header, which does not name the file."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.logger = logging.Logger("header")
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
