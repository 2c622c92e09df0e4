"""The slices of an import: every file is read and checked, and all problems are reported together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from jsddpm.binning import CONTROL, LESION, ZBinning
from jsddpm.cohort.masks import MaskReading
from jsddpm.errors import ExitStatus, JsddpmError, together, usage_error
from jsddpm.slices.importing.items import Facts, IntensityFormat, Listing, SliceItem, VolumeItem, missing_fact
from jsddpm.slices.importing.masks import MaskLog, lesion
from jsddpm.slices.importing.pairs import has_ending
from jsddpm.slices.importing.pixels import check_axes, intensity, read_slice
from jsddpm.slices.store import SliceStore
from jsddpm.wording import counted

if TYPE_CHECKING:
    from jsddpm.slices.importing.volumes import Placed

_BATCH = 256


@dataclass(frozen=True)
class ImportedSlices:
    """Slices of a generator, in the form of a store.

    Attributes:
        images: Intensities in [0, 1], float32 ``(n, H, W)``.
        masks: Lesion masks, boolean ``(n, H, W)``; empty if the generator makes none.
        z_index: Axial slices, ``(n,)``.
        pathology: Pathology that each was conditioned on, 0 control, 1 lesion, ``(n,)``.
        seed: Seed of each sample; -1 if unknown.
        group: Name of the volume of each slice; empty for a single slice.
    """

    images: NDArray[np.float32]
    masks: NDArray[np.bool_]
    z_index: Sequence[int]
    pathology: Sequence[int]
    seed: Sequence[int]
    group: Sequence[str]


@dataclass(frozen=True)
class Request:
    """An import: the items found, and all settings of reading them.

    Attributes:
        source: File or folder.
        layout: Name of its layout.
        listing: The items.
        facts: Facts that the files do not contain.
        reading: How values are mapped to intensities and lesions.
        binning: The bins.
        real: The real store.
        placed: Volumes that were read, by first slice, number of slices, and slices of the z-range that they lack.
    """

    source: Path
    layout: str
    listing: Listing
    facts: Facts
    reading: IntensityFormat
    binning: ZBinning
    real: SliceStore
    placed: Counter[tuple[int, int, int]] = field(default_factory=Counter)


def batches(request: Request) -> Iterator[ImportedSlices]:
    """Slices a few hundred at a time, volumes one by one."""
    given, own = request.reading, request.listing.reading
    known = (given.mask_labels, given.mask_threshold) == (own.mask_labels, own.mask_threshold)
    masks = MaskLog(MaskReading(given.mask_labels, given.mask_threshold), known)
    asked = request.facts.pathology == "mask"
    if isinstance(request.listing.items[0], VolumeItem):
        parts = _of_volumes(request, cast(Sequence[VolumeItem], request.listing.items), masks)
        asked |= request.facts.pathology is None  # masks give the pathology of a volume's slices
    else:
        parts = _of_slices(request, cast(Sequence[SliceItem], request.listing.items), masks)
    for part in parts:
        asked |= LESION in part.pathology
        yield part
    masks.refuse(asked=asked)


class _Problems:
    """Problems of files; the reading goes on after a problem, so that the user gets all of them at once."""

    def __init__(self) -> None:
        self._found: list[JsddpmError] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep a problem of a file; an error of the request is raised at once, because it concerns every file."""
        try:
            yield
        except JsddpmError as error:
            if error.status == ExitStatus.USAGE:
                raise
            self._found.append(error)

    def __bool__(self) -> bool:
        return bool(self._found)

    def refuse(self) -> None:
        """Raise the problems, if there are any."""
        if self._found:
            raise together(self._found)


def _of_slices(request: Request, items: Sequence[SliceItem], seen: MaskLog) -> Iterator[ImportedSlices]:
    places = [_place(item, request) for item in items]  # before any image is read, so that a wrong row is found at once
    axes = check_axes(request.facts.axes, 2) if request.facts.axes else request.listing.axes
    if request.reading.window or request.facts.spacing or request.facts.first_slice is not None:
        cure = "leave them out: only volumes are resampled, windowed and placed, and slices must match the store"
        raise usage_error("OPTION", "--window, --spacing and --first-slice apply to volumes", fix=cure)
    problems = _Problems()
    for start in range(0, len(items), _BATCH):
        part, z_index = items[start : start + _BATCH], places[start : start + _BATCH]
        images, masks, pathology = [], [], []
        for item in part:
            with problems.collected():
                images.append(_image(item, request, axes))
            with problems.collected():
                masks += [_mask(item, request, axes, seen)] if request.facts.masks else []
                shown = bool(masks[-1].any()) if masks else None
                pathology.append(_pathology(item.pathology, shown, request, item.where, item.image))
        if not problems:
            stacked = np.stack(masks) if masks else np.zeros((0, *request.real.size), bool)
            units = [i.seed for i in part], [i.group for i in part]
            yield ImportedSlices(np.stack(images), stacked, z_index, pathology, *units)
    problems.refuse()


def _of_volumes(request: Request, items: Sequence[VolumeItem], seen: MaskLog) -> Iterator[ImportedSlices]:
    from jsddpm.slices.importing.volumes import grid_of, read_volume  # imported here: a table of slices needs no torch

    grid, (first, last) = grid_of(request.real), request.binning.z_range
    problems, begin = _Problems(), request.facts.first_slice
    if begin is not None and not 0 <= begin < request.real.n_slices:
        what = f"--first-slice {begin} is no slice of the real store"
        raise usage_error("OPTION", what, fix=f"give 0 to {request.real.n_slices - 1}")
    own = request.facts.pathology is None and request.facts.masks  # masks give the pathology of a volume's slices
    for item in items:
        with problems.collected():
            volume = read_volume(item, request.facts, request.reading, grid, seen)
            z_index = [z for z in range(volume.first, volume.first + len(volume.image)) if first <= z <= last]
            if not z_index:
                raise _beside(volume, request, item.image)
            request.placed[volume.first, len(volume.image), last - first + 1 - len(z_index)] += 1
            used = slice(z_index[0] - volume.first, z_index[-1] - volume.first + 1)
            image, masks = volume.image[used], volume.mask[used] if request.facts.masks else volume.mask[:0]
            pathology = [
                int(bool(shown)) if own else _pathology(None, shown, request, item.name, item.image)
                for shown in _shown(masks, len(image))
            ]
        if not problems:
            n = len(image)
            yield ImportedSlices(image, masks, z_index, pathology, [-1] * n, [item.name] * n)
    problems.refuse()


def _beside(volume: Placed, request: Request, file: Path) -> JsddpmError:
    """The error for a volume without a slice that was binned."""
    last = volume.first + len(volume.image) - 1
    what = f"lies at slices {volume.first} to {last} of the real store, outside of the z-range"
    return usage_error("BIN", what, fix="say where volumes begin: --first-slice", file=file)


def placement(request: Request) -> list[str]:
    """What the user is told of volumes with fewer slices than the grid, after they were read."""
    notes, depth = [], request.real.n_slices
    for (first, count, missing), volumes in sorted(request.placed.items()):
        if count == depth:
            continue
        where = f"slices {first} to {first + count - 1}"
        if request.facts.first_slice is None:
            where = f"the middle, {where} (if they lie elsewhere, say where they begin: --first-slice)"
        what = f"{counted(volumes, 'volume', 'has', 'have')} {count} of {depth} slices: placed at {where}"
        left = missing * volumes
        notes.append(f"{what}; {counted(left, 'slice')} of the z-range outside of them left out" if left else what)
    return notes


def _shown(masks: NDArray[np.bool_], count: int) -> list[bool | None]:
    """Whether each slice has a lesion in its mask; None without masks."""
    return [bool(m.any()) for m in masks] if len(masks) else [None] * count


def _image(item: SliceItem, request: Request, axes: str) -> NDArray[np.float32]:
    key = request.facts.image_key or request.listing.image_key
    array = read_slice(item.image, key, item.position, request.real.size, axes)
    return intensity(array, request.reading, item.image)


def _mask(item: SliceItem, request: Request, axes: str, seen: MaskLog) -> NDArray[np.bool_]:
    path = item.mask or item.image
    if path == item.image and not has_ending(path, (".npz",)):
        cure = "name its mask (in a table: the column mask), or give --without-masks"
        raise JsddpmError("SLICE_MASK", "has no mask", fix=cure, file=path)
    key = request.facts.mask_key or request.listing.mask_key
    array = read_slice(path, key, item.position, request.real.size, axes)
    found = lesion(array, seen.reading, path)
    seen.add(array, found, path)
    return found


def _place(item: SliceItem, request: Request) -> int:
    """The axial slice of an item: its own, or the middle of its bin."""
    binning = request.binning
    if item.z is None and item.z_bin is None:
        if binning.n_bins == 1:
            return binning.representative(0)
        cure = "describe the file names with --fields 'z{z_bin}_c{pathology}_{}', or give a table with z or z_bin"
        raise missing_fact(f"{item.place}nothing says in which bin it is", cure, item.image)
    try:
        if item.z is None:
            return binning.representative(cast(int, item.z_bin))
        z_bin = binning.index(item.z)
    except JsddpmError as error:
        raise JsddpmError(error.code, f"{item.where}: {error.what}", fix=error.fix, file=request.source) from None
    if item.z_bin not in (None, z_bin):
        what = f"{item.where}: slice {item.z} is in bin {z_bin} of this binning, but in bin {item.z_bin} by the files"
        raise usage_error(
            "BIN", what, fix="give the --z-range and --bins with which they were generated", file=request.source
        )
    return item.z


def _pathology(own: int | None, shown: bool | None, request: Request, where: str, file: Path) -> int:
    """Pathology that a slice is conditioned on, by its files or by the user."""
    declared = request.facts.pathology or ("mask" if own is None and request.listing.masks_tell else None)
    if own is not None and declared is not None:
        what = f"{where}: the files already give the pathology"
        raise usage_error("OPTION", what, fix="leave out --pathology", file=request.source)
    if own is None and (declared is None or (declared == "mask" and shown is None)):
        what = f"{where}: the pathology it was conditioned on is not given"
        cure = "give --pathology lesion, control or mask (taken from each mask), or --fields"
        raise missing_fact(what, cure, file)
    if own is not None:
        return own
    return int(bool(shown)) if declared == "mask" else LESION if declared == "lesion" else CONTROL
