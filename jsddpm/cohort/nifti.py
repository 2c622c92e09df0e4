"""The NIfTI reader of all packages: every volume is validated, and a damaged file is refused.

nibabel stops reading at the last voxel and does not compare the gzip checksum that follows, so a flipped bit would load
as wrong intensities. Here the header is checked before anything is allocated (:mod:`jsddpm.cohort.header`), voxels are
scaled part by part as they are read, and the stream is read to its end, where the checksum is compared.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from numpy.typing import NDArray

from jsddpm.cohort.fetched import POINTER_BYTES, not_fetched
from jsddpm.cohort.header import HEADER_BYTES, Voxels, bad, parse_header, place_of, voxels_of
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.files import atomic_open
from jsddpm.wording import agreeing, counted

MAX_VOLUME_BYTES = 1 << 30
"""Default size of the largest volume that is read, as float32: 645 voxels along each side."""

MIN_SIDE = 8
_CHUNK = 1 << 20
_AT_ONCE = 1 << 18  # voxels scaled at a time
_APPLEDOUBLE = b"\0\5\x16\7"  # its first bytes
_DEFLATE_RATIO = 1032  # the most that a byte of a gzip stream can hold


@dataclass(frozen=True)
class Volume:
    """A validated 3D volume.

    Attributes:
        data: float32 ``(X, Y, Z)`` in the file's own orientation and scaled units.
        affine: float64 ``(4, 4)``, voxel to world in mm.
        path: Its file.
        notes: Notes for the user that are not errors.
        oriented: Whether its header contains the affine; else the directions of the axes are nibabel's guess.
    """

    data: NDArray[np.float32]
    affine: NDArray[np.float64]
    path: Path
    notes: tuple[str, ...] = ()
    oriented: bool = True


def open_nifti(path: str | Path, *, max_bytes: int = MAX_VOLUME_BYTES, flat: bool = False) -> Volume:
    """Read one 3D NIfTI file (``.nii`` or ``.nii.gz``).

    The memory needed is that of the voxels as float32, and one megabyte.

    Args:
        path: The file.
        max_bytes: Largest volume accepted, uncompressed; decided from the header and held while reading.
        flat: Accept a single slice, and sides of any length.

    Raises:
        JsddpmError: Status 3, with a code that starts with ``NIFTI_``: missing, empty or wrong content, truncated,
            failed checksum, too large, not 3D, unsupported type, bad scaling or affine, NaN/Inf, constant.
            ``NIFTI_PERMISSION`` (status 5) when it may not be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_nifti(Path(folder) / "a.nii.gz", np.arange(720, dtype=np.int16).reshape(8, 9, 10), np.eye(4))
    ...     open_nifti(Path(folder) / "a.nii.gz").data.shape
    (8, 9, 10)
    """
    path = Path(path)
    with _content(path) as stream:
        head = _read_exactly(stream, HEADER_BYTES)
        header = parse_header(head, path)
        _check_packing(path, packed=isinstance(stream, gzip.GzipFile))
        voxels = voxels_of(header, path)
        _check_size(voxels, path, max_bytes)
        place = place_of(header, path)
        data, trailing = _decode(stream, head, voxels, path, max_bytes)
    data, more = _as_volume(data, path, flat=flat)
    verb = agreeing(trailing, "was", "were")
    ignored = (f"{counted(trailing, 'byte')} after the voxels {verb} ignored",) if trailing else ()
    _check_values(data, path)
    return Volume(data, place.affine, path, (*ignored, *more, *place.notes), place.given)


def write_nifti(path: str | Path, data: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """Write a compressed NIfTI-1 file atomically; the same data gives the same bytes (no time stamp)."""
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    with atomic_open(path) as stream, gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=6, mtime=0) as packed:
        packed.write(image.to_bytes())


@contextmanager
def _content(path: Path) -> Iterator[IO[bytes]]:
    """The uncompressed content of a file; failures become errors of jsddpm."""
    try:
        if not path.is_file():
            raise _missing(path)
        with path.open("rb") as stream:
            start = stream.read(POINTER_BYTES)
            stream.seek(0)
            packed = start[:2] == b"\x1f\x8b"
            _check_name(path, start)
            with gzip.open(stream) if packed else stream as content:
                yield cast(IO[bytes], content)
    except EOFError:
        raise bad("TRUNCATED", path, "the compressed stream ends early", "copy the file again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise bad("CORRUPT", path, f"compressed data is damaged ({error})", "copy the file again") from error
    except PermissionError:
        raise JsddpmError(
            "NIFTI_PERMISSION", "permission denied", fix="grant read access", file=path, status=ExitStatus.ENVIRONMENT
        ) from None
    except OSError as error:
        raise bad("IO", path, f"cannot be read ({error.strerror or error})", "check the file") from error


def _missing(path: Path) -> JsddpmError:
    if absent := not_fetched(path):
        return absent
    if path.is_dir():
        return bad("MISSING", path, "is a folder", "give a NIfTI file")
    return bad("MISSING", path, "no such file", "check the path or restore the file")


def _check_name(path: Path, start: bytes) -> None:
    if not start:
        raise bad("EMPTY", path, "the file is empty", "copy it again")
    if start.startswith(_APPLEDOUBLE):
        what = "is an AppleDouble file, which macOS writes beside an image, and contains no image"
        raise bad("NOT_NIFTI", path, what, "give the file without ._ before its name")
    if absent := not_fetched(path, start):
        raise absent
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        what = f"has the extension {path.suffix}" if path.suffix else "has no extension"
        raise bad("NAME", path, f"{what} instead of .nii or .nii.gz", "convert it to .nii.gz")


def _check_packing(path: Path, *, packed: bool) -> None:
    """Refuse NIfTI content under a name that says something else of its compression."""
    if packed != path.name.lower().endswith(".gz"):
        other = path.name + ".gz" if packed else path.name[:-3]
        kind = "gzip-compressed" if packed else "not gzip-compressed"
        raise bad("NAME", path, f"the content is {kind}, which its name does not say", f"rename it to {other}")


def _check_size(voxels: Voxels, path: Path, max_bytes: int) -> None:
    if voxels.bytes_in_memory > max_bytes:
        shape = " x ".join(map(str, voxels.shape))
        what = (
            f"{shape} voxels need {voxels.bytes_in_memory / 2**30:.3g} GiB, and {max_bytes / 2**30:.3g} GiB are allowed"
        )
        raise bad("TOO_LARGE", path, what, "check the header, crop the volume, or allow more with --max-volume-gib")
    there, packed = os.path.getsize(path), path.name.lower().endswith(".gz")
    if voxels.bytes_in_file > there * (_DEFLATE_RATIO if packed else 1):
        what = f"{there} bytes cannot hold the" if packed else f"{there} of"
        end = "that its header promises" if packed else "present"
        raise bad("TRUNCATED", path, f"{what} {voxels.bytes_in_file} bytes {end}", "copy the file again")


def _read_exactly(stream: IO[bytes], count: int) -> bytes:
    buffer = io.BytesIO()
    while count > 0 and (chunk := stream.read(min(count, _CHUNK))):
        buffer.write(chunk)
        count -= len(chunk)
    return buffer.getvalue()


def _decode(
    stream: IO[bytes], head: bytes, voxels: Voxels, path: Path, max_bytes: int
) -> tuple[NDArray[np.float32], int]:
    """Scaled voxels, and how many bytes follow them, after reading the stream to its end."""
    _read_exactly(stream, voxels.offset - len(head))
    rest = head[voxels.offset :]
    data = np.empty(voxels.count, np.float32)
    for first in range(0, voxels.count, _AT_ONCE):
        part = data[first : first + _AT_ONCE]
        size = len(part) * voxels.dtype.itemsize
        raw, rest = rest[:size], rest[size:]
        raw += _read_exactly(stream, size - len(raw))
        if len(raw) < size:
            there = voxels.offset + first * voxels.dtype.itemsize + len(raw)
            raise bad(
                "TRUNCATED", path, f"only {there} of {voxels.bytes_in_file} bytes are present", "copy the file again"
            )
        form = ((len(part),), voxels.dtype, 0, voxels.slope, voxels.intercept)
        try:
            with np.errstate(all="ignore"):  # overflow is found and counted afterwards
                part[:] = np.asarray(ArrayProxy(io.BytesIO(raw), form), np.float32)  # the arithmetic of nibabel
        except (ValueError, OverflowError) as error:
            raise bad("DATA", path, f"the voxels cannot be scaled ({error})", "export the file again") from error
    trailing = len(rest)
    while chunk := stream.read(_CHUNK):  # to the end, because only then gzip compares its checksum
        trailing += len(chunk)
        if trailing > max_bytes:
            raise bad("TOO_LARGE", path, "the stream continues far beyond its voxels", "check the file")
    return data.reshape(voxels.shape, order="F"), trailing


def _as_volume(data: NDArray[np.float32], path: Path, *, flat: bool) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    if flat and data.ndim == 2:
        data = data[..., None]
    if data.ndim > 3:
        if any(n != 1 for n in data.shape[3:]):
            raise bad("DIMS", path, f"the shape {data.shape} has more than one volume", "extract the volume to use")
        data, notes = data.reshape(data.shape[:3], order="F"), (f"shape {data.shape} read as {data.shape[:3]}",)
    if data.ndim < 3 or (min(data.shape) < MIN_SIDE and not flat):
        cure = f"give 3D data with sides of at least {MIN_SIDE}"
        raise bad("DIMS", path, f"the shape {data.shape} is not that of a volume", cure)
    return data, notes


def _check_values(data: NDArray[np.float32], path: Path) -> None:
    if not (np.isfinite(data.min()) and np.isfinite(data.max())):
        finite = np.isfinite(data)
        first = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), data.shape))
        count = int(data.size - finite.sum())
        cure = "repair or leave out the volume"
        what = f"{counted(count, 'voxel', 'is', 'are')} NaN or Inf, the first at {first}"
        raise bad("NON_FINITE", path, what, cure)


def check_not_constant(volume: Volume) -> None:
    """Refuse an image without contrast; a mask may be constant (no lesion)."""
    if volume.data.min() == volume.data.max():
        cure = "export the file again, or leave it out"
        raise bad("CONSTANT", volume.path, f"every voxel has the value {volume.data.flat[0]:g}", cure)
