"""The one NIfTI reader: every volume is validated, and a damaged file never becomes data.

nibabel stops reading at the last voxel, so the gzip checksum that follows is never compared and a flipped bit loads
as wrong intensities. Here the header is checked before anything is allocated, the stream is read to its end so the
checksum counts, and dimensions, type, scaling, affine and values are checked before a voxel is used.
"""

from __future__ import annotations

import gzip
import io
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np
from nibabel.affines import obliquity
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.files import atomic_open

MAX_VOLUME_BYTES = 4 << 30
MIN_SIDE = 8
_OBLIQUE_DEGREES = 15.0
_CHUNK = 1 << 20
_HEADER_BYTES = 540  # NIfTI-2; NIfTI-1 has 348


@dataclass(frozen=True)
class Volume:
    """A validated 3D volume.

    Attributes:
        data: float32 ``(X, Y, Z)`` in the file's own orientation and scaled units.
        affine: float64 ``(4, 4)``, voxel to world in mm.
        path: Where it came from.
        notes: What a user should know but that is not an error.
    """

    data: NDArray[np.float32]
    affine: NDArray[np.float64]
    path: Path
    notes: tuple[str, ...] = ()


def open_nifti(path: str | Path, *, max_bytes: int = MAX_VOLUME_BYTES, flat: bool = False) -> Volume:
    """Read one 3D NIfTI file (``.nii`` or ``.nii.gz``), or say exactly why not.

    Args:
        path: The file.
        max_bytes: Largest volume accepted, uncompressed; decided from the header and held while reading.
        flat: Accept a single slice, and sides of any length.

    Raises:
        JsddpmError: Status 3, with a code that starts with ``NIFTI_``: missing, empty or wrong content, truncated,
            failed checksum, too large, not 3D, unsupported type, bad scaling or affine, NaN/Inf, constant.
    """
    path = Path(path)
    raw, header, notes = _read(path, max_bytes)
    try:
        image = type_of(header).from_bytes(raw)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = np.asarray(image.dataobj, dtype=np.float32)
    except (ValueError, OverflowError, OSError, HeaderDataError) as error:
        raise _bad("DATA", path, f"the voxels cannot be read ({error})", "export the file again") from error
    data, more = _as_volume(data, path, flat=flat)
    affine = np.asarray(image.affine, dtype=np.float64)
    notes = (*notes, *more, *_check_affine(affine, path), *_header_notes(header))
    _check_values(data, path)
    return Volume(data, affine, path, notes)


def write_nifti(path: str | Path, data: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """Write a compressed NIfTI-1 file atomically; the same data gives the same bytes (no time stamp)."""
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    with atomic_open(path) as stream, gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=6, mtime=0) as packed:
        packed.write(image.to_bytes())


def type_of(header: Any) -> Any:
    """Nibabel's image class for a header."""
    return nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image


def _bad(code: str, path: Path, what: str, fix: str) -> JsddpmError:
    return JsddpmError(f"NIFTI_{code}", what, fix=fix, file=path)


def _read(path: Path, max_bytes: int) -> tuple[bytes, Any, tuple[str, ...]]:
    """Bytes of the header and exactly the voxels it announces, after reading the stream to its end."""
    try:
        if not path.is_file():
            raise _missing(path)
        with path.open("rb") as stream:
            start = stream.read(4)
            stream.seek(0)
            packed = start[:2] == b"\x1f\x8b"
            _check_name(path, start, packed)
            with gzip.open(stream) if packed else stream as content:
                return _read_content(cast(IO[bytes], content), path, max_bytes)
    except EOFError:
        raise _bad("TRUNCATED", path, "the compressed stream ends early", "copy the file again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _bad("CORRUPT", path, f"compressed data is damaged ({error})", "copy the file again") from error
    except PermissionError:
        raise JsddpmError(
            "NIFTI_PERMISSION", "permission denied", fix="grant read access", file=path, status=ExitStatus.ENVIRONMENT
        ) from None
    except OSError as error:
        raise _bad("IO", path, f"cannot be read ({error.strerror or error})", "check the file") from error


def _missing(path: Path) -> JsddpmError:
    if path.is_symlink():
        return _bad("NOT_PRESENT", path, "the link's content is not present", "fetch it (git annex get / datalad get)")
    if path.is_dir():
        return _bad("MISSING", path, "is a folder", "give a NIfTI file")
    return _bad("MISSING", path, "no such file", "check the path or restore the file")


def _check_name(path: Path, start: bytes, packed: bool) -> None:
    if not start:
        raise _bad("EMPTY", path, "the file is empty", "copy it again")
    if start in (b"/ann", b"../."):
        raise _bad("NOT_PRESENT", path, "is a git-annex pointer, not an image", "fetch the content (git annex get)")
    if packed != path.name.endswith(".gz"):
        other = path.name + ".gz" if packed else path.name.removesuffix(".gz")
        kind = "gzip-compressed" if packed else "not gzip-compressed"
        raise _bad("NAME", path, f"content is {kind}, unlike its name", f"rename it to {other}")


def _read_content(stream: IO[bytes], path: Path, max_bytes: int) -> tuple[bytes, Any, tuple[str, ...]]:
    head = _read_exactly(stream, _HEADER_BYTES)
    header = _parse_header(head, path)
    offset, size = _check_header(header, path, max_bytes)
    body = head + _read_exactly(stream, offset + size - len(head))
    if len(body) < offset + size:
        raise _bad("TRUNCATED", path, f"{len(body)} of {offset + size} bytes present", "copy the file again")
    trailing = len(body) - (offset + size)
    while chunk := stream.read(_CHUNK):  # to the end: only then has gzip compared its checksum
        trailing += len(chunk)
        if trailing > max_bytes:
            raise _bad("TOO_LARGE", path, "the stream goes on far beyond its voxels", "check the file")
    notes = (f"{trailing} bytes after the voxels were ignored",) if trailing else ()
    return body[: offset + size], header, notes


def _read_exactly(stream: IO[bytes], count: int) -> bytes:
    buffer = io.BytesIO()
    while count > 0 and (chunk := stream.read(min(count, _CHUNK))):
        buffer.write(chunk)
        count -= len(chunk)
    return buffer.getvalue()


def _parse_header(head: bytes, path: Path) -> Any:
    for kind, size in ((nib.Nifti1Header, 348), (nib.Nifti2Header, 540)):
        if len(head) >= size and head[:4] in (size.to_bytes(4, "little"), size.to_bytes(4, "big")):
            try:
                return kind(head[:size], check=False)  # type: ignore[no-untyped-call]
            except (HeaderDataError, ValueError) as error:
                raise _bad("HEADER", path, f"unreadable header ({error})", "export the file again") from error
    text = head[:24].decode("latin-1")
    raise _bad("NOT_NIFTI", path, f"not a NIfTI file (starts with {text!r})", "give a .nii or .nii.gz file")


def _check_header(header: Any, path: Path, max_bytes: int) -> tuple[int, int]:
    """Offset and number of the voxel bytes, from the header alone."""
    magic = bytes(header["magic"])[:2]
    if magic != b"n+":
        raise _bad("NOT_NIFTI", path, "the header lacks the single-file NIfTI magic", "convert it to .nii.gz")
    rank = int(header["dim"][0])
    dims = [int(n) for n in header["dim"][1 : max(rank, 0) + 1]]
    if not 1 <= rank <= 7 or any(n < 1 for n in dims):
        raise _bad("DIMS", path, f"impossible dimensions {dims or rank}", "export the file again")
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError):
        dtype = np.dtype("V1")
    if dtype.kind not in "iuf":
        raise _bad("DTYPE", path, f"unsupported voxel type {dtype}", "convert to an integer or floating type")
    size = int(np.prod([float(n) for n in dims])) * dtype.itemsize
    if size > max_bytes:
        cure = "check the header, or crop the volume"
        raise _bad("TOO_LARGE", path, f"{dims} voxels need {size / 2**30:.1f} GiB", cure)
    offset = float(header["vox_offset"])
    if not (np.isfinite(offset) and header.single_vox_offset <= offset <= 1 << 24):
        raise _bad("OFFSET", path, f"impossible voxel offset {offset:g}", "export the file again")
    slope = float(header["scl_slope"])
    if np.isfinite(slope) and abs(slope) > 1e20:
        raise _bad("SCALING", path, f"impossible intensity slope {slope:g}", "export the file again")
    return int(offset), size


def _as_volume(data: NDArray[np.float32], path: Path, *, flat: bool) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    if flat and data.ndim == 2:
        data = data[..., None]
    if data.ndim > 3:
        if any(n != 1 for n in data.shape[3:]):
            raise _bad("DIMS", path, f"shape {data.shape} has more than one volume", "extract the volume to use")
        data, notes = data.reshape(data.shape[:3]), (f"shape {data.shape} read as {data.shape[:3]}",)
    if data.ndim < 3 or (min(data.shape) < MIN_SIDE and not flat):
        cure = f"give 3D data with sides of at least {MIN_SIDE}"
        raise _bad("DIMS", path, f"shape {data.shape} is not a volume", cure)
    return data, notes


def _check_affine(affine: NDArray[np.float64], path: Path) -> tuple[str, ...]:
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise _bad("AFFINE", path, "the affine is singular or not finite", "export the file again with its orientation")
    tilt = float(np.degrees(obliquity(affine)).max())
    return (f"tilted by {tilt:.0f} degrees: slices are not axial",) if tilt > _OBLIQUE_DEGREES else ()


def _header_notes(header: Any) -> tuple[str, ...]:
    """What nibabel decides silently about a header."""
    notes = []
    slope = float(header["scl_slope"])
    if not np.isfinite(slope) or (slope == 0 and float(header["scl_inter"]) != 0):
        notes.append(f"intensity slope {slope:g}: voxels are taken unscaled")
    if any(float(size) <= 0 or not np.isfinite(size) for size in header["pixdim"][1:4]):
        sizes = " x ".join(f"{float(size):g}" for size in header["pixdim"][1:4])
        notes.append(f"voxel sizes {sizes} in the header are not sizes: those of the affine are used")
    qform, sform = header.get_qform(coded=True)[0], header.get_sform(coded=True)[0]
    if qform is not None and sform is not None and not np.allclose(qform, sform, atol=0.1):
        notes.append("sform and qform differ: the sform is used")
    return tuple(notes)


def _check_values(data: NDArray[np.float32], path: Path) -> None:
    finite = np.isfinite(data)
    if not finite.all():
        first = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), data.shape))
        count = int(data.size - finite.sum())
        cure = "repair or leave out the volume"
        raise _bad("NON_FINITE", path, f"{count} voxels are NaN or Inf, the first at {first}", cure)


def check_not_constant(volume: Volume) -> None:
    """Refuse an image without contrast; a mask may be constant (no lesion)."""
    if volume.data.min() == volume.data.max():
        cure = "check the export, or leave it out"
        raise _bad("CONSTANT", volume.path, f"every voxel is {volume.data.flat[0]:g}", cure)
