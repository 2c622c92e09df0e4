"""Slices in arrays: many in one file, with facts in further arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jsddpm.errors import JsddpmError, first_line
from jsddpm.slices.arrays import npz_forms
from jsddpm.slices.importing.items import COLUMNS, Facts, Listing, SliceItem, missing_fact, slice_facts
from jsddpm.slices.importing.pairs import read_fields, stem

_T = TypeVar("_T")
_IMAGES, _MASKS = ("images", "image"), ("masks", "mask")


def of_archives(paths: Sequence[Path], facts: Facts) -> Listing:
    """The slices of ``.npz`` files: each contains one slice or a stack; all have the same names of arrays."""
    keys = [_keys(path, facts) for path in paths]
    if len(set(keys)) > 1:
        other = next(p for p, k in zip(paths, keys, strict=True) if k != keys[0])
        what = f"contains other arrays than {paths[0].name}"
        raise JsddpmError("SLICE_FILE", what, fix="import files of one kind at a time", file=other)
    image, mask = keys[0]
    items = [item for path in paths for item in _of_archive(path, image, mask, facts)]
    return Listing(items, image_key=image, mask_key=mask)


def of_arrays(folder: Path, facts: Facts) -> Listing:
    """The slices of ``images.npy``, with ``masks.npy``, and facts in files such as ``z_bin.npy``."""
    images, masks = folder / "images.npy", folder / "masks.npy"
    if facts.masks and not masks.is_file():
        raise missing_fact("has no masks.npy", "add it, or say --without-masks", folder)
    columns = {name: folder / f"{name}.npy" for names in COLUMNS.values() for name in names}
    there = {name: _array(path) for name, path in columns.items() if path.is_file()}
    shape = _array(images).shape
    count = _slices(shape)
    if facts.masks:
        _check_masks(_array(masks).shape, count, "masks.npy", folder)
    for name, values in there.items():
        _check_count(name, values.shape, shape, columns[name])
    items = [
        replace(item, mask=masks if facts.masks else None)
        for item in _items(images, count, there, len(shape) > 2, facts)
    ]
    return Listing(items, read=[columns[name] for name in there])


def _keys(path: Path, facts: Facts) -> tuple[str, str]:
    """Names of the arrays of images and masks; the second is empty without masks."""
    names = _read(path, npz_forms)
    image = facts.image_key or next((key for key in _IMAGES if key in names), "")
    mask = facts.mask_key or next((key for key in _MASKS if key in names), "")
    listed = ", ".join(names) or "nothing"
    if image not in names:
        raise missing_fact(f"holds {listed}: which are the images?", "say --image-key", path)
    if facts.masks and mask not in names:
        raise missing_fact(f"holds {listed}: which are the masks?", "say --mask-key, or --without-masks", path)
    return image, mask if facts.masks else ""


def _of_archive(path: Path, image: str, mask: str, facts: Facts) -> Iterator[SliceItem]:
    forms = _read(path, npz_forms)
    shape = forms[image][0]
    count = _slices(shape)
    if mask:
        _check_masks(forms[mask][0], count, mask, path)
    columns = [name for names in COLUMNS.values() for name in names if name in forms]
    for name in columns:
        _check_count(name, forms[name][0], shape, path)
    there = _read(path, lambda file: _columns(file, columns))
    return _items(path, count, there, len(shape) > 2, facts)


def _columns(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: np.asarray(archive[name]) for name in names}


def _items(
    image: Path, count: int, there: Mapping[str, NDArray[Any]], stacked: bool, facts: Facts
) -> Iterator[SliceItem]:
    """The slices of one file; facts in columns take precedence over its name."""
    named = {k: v for k, v in read_fields(stem(image), facts.fields, image).items() if v not in (None, "", -1)}
    columns = {name: _plain(name, np.ravel(v)) for name, v in there.items()}
    for i in range(count):
        where = f"slice {i}"
        values = slice_facts({name: v[i if len(v) > 1 else 0] for name, v in columns.items()}, where, image)
        values |= {k: v for k, v in named.items() if values[k] in (None, "", -1)}
        yield SliceItem(image, None, where, i if stacked else None, **values)  # type: ignore[arg-type]


def _plain(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Bytes as text, and booleans of a pathology as 0 and 1."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    return values.astype(np.int64) if values.dtype.kind == "b" and name in COLUMNS["pathology"] else values


def _slices(shape: tuple[int, ...]) -> int:
    """Number of slices in an array: one slice, or a stack of them."""
    return shape[0] if len(shape) > 2 else 1


def _check_masks(shape: tuple[int, ...], count: int, name: str, path: Path) -> None:
    """Check that there are as many masks as images."""
    if _slices(shape) != count:
        what = f"there are {count} images and {_slices(shape)} masks ({name} has the shape {shape})"
        cure = "write one mask for each image, in the same order"
        raise JsddpmError("SLICE_SHAPE", what, fix=cure, file=path)


def _check_count(name: str, shape: tuple[int, ...], images: tuple[int, ...], path: Path) -> None:
    """Check that there is one value for all slices, or one for each."""
    count = _slices(images)
    if shape in ((), (1,), (count,)):
        return
    what, cure = f"{name} has the shape {shape}, and there are {count} slices", "give one value for each slice"
    if shape == images[-1:]:
        what = f"the images have the shape {images}, and {name} has {shape[0]} values: slices must be the first axis"
        cure = "write them along the first axis: numpy.moveaxis(images, -1, 0), and the masks likewise"
    raise JsddpmError("SLICE_SHAPE", what, fix=cure, file=path)


def _array(path: Path) -> NDArray[Any]:
    return _read(path, lambda file: np.load(file, mmap_mode="r", allow_pickle=False))


def _read(path: Path, read: Callable[[Path], _T]) -> _T:
    """Read a file with a library; its errors become errors of jsddpm."""
    try:
        return read(path)
    except (JsddpmError, MemoryError):
        raise
    except Exception as error:  # any error of NumPy and zipfile on a damaged file
        cure = "write it with numpy.savez or numpy.save, without objects"
        raise JsddpmError("SLICE_FILE", f"cannot be used: {first_line(error)}", fix=cure, file=path) from error
