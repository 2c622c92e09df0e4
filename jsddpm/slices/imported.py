"""Import slices and volumes of any generator from its files into a generated store."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from jsddpm import __version__
from jsddpm.binning import CONTROL, LESION, Condition, ZBinning
from jsddpm.checksums import sha256
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.slices.importing.items import Facts, IntensityFormat, Listing, SliceItem, VolumeItem, missing_fact
from jsddpm.slices.importing.layouts import layout_of
from jsddpm.slices.importing.pairs import NIFTI, PICTURES, has_ending
from jsddpm.slices.importing.pixels import check_axes, intensity, lesion, read_slice
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store

__all__ = ["Facts", "ImportedSlices", "IntensityFormat", "import_slices", "read_generated"]

_BATCH = 256
_KINDS = (*NIFTI, *PICTURES, ".npz", ".npy")


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
class _Request:
    """An import: the items found, and all settings of reading them."""

    source: Path
    layout: str
    listing: Listing
    facts: Facts
    reading: IntensityFormat
    binning: ZBinning
    real: SliceStore


def import_slices(
    source: str | Path,
    out: str | Path,
    *,
    binning: ZBinning,
    real: SliceStore,
    intensities: IntensityFormat | None = None,
    facts: Facts | None = None,
    layout: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Publish a generated store from the slices or volumes of a generator.

    Args:
        source: File or folder in one of the layouts (:func:`jsddpm.slices.importing.layouts.import_layouts`), such as
            a table with columns ``image``, ``pathology`` (0 or 1) and ``z`` (axial slice) or ``z_bin``.
        out: New store folder.
        binning: The bins that the slices are conditioned on.
        real: The real store for the comparison, which gives size, spacing and number of slices. Volumes are
            resampled to its grid, and their slices inside the binning's range are used.
        intensities: How values are mapped to intensities and lesions.
        facts: Facts that the files do not contain.
        layout: Name of a layout; ``auto`` uses the only one that fits.
        progress: Called with (slices or volumes done, how many there are).

    Raises:
        JsddpmError: ``LAYOUT``, ``IMPORT_FACTS`` (status 2) when the layout or a fact has to be given;
            ``TABLE``, ``Z_INDEX`` and such for a bad row; ``SLICE_...``, ``NIFTI_...``, ``MASK_...`` for a file that
            cannot be used.
    """
    request = _request(source, binning, real, intensities, facts, layout)
    names = _groups(request.listing.items)
    number = {name: i for i, name in enumerate(names)}
    samples: defaultdict[Condition, count[int]] = defaultdict(count)
    hashed = hashlib.sha256()
    one_file = request.source.is_file()
    origin: dict[str, Any] = {"layout": request.layout, "table" if one_file else "folder": request.source.name}
    origin |= {"sha256": sha256(request.source)} if one_file else {}
    with new_store(
        out,
        kind="generated",
        n_slices=real.n_slices,
        spacing=real.spacing,
        binning=binning.to_dict(),
        provenance={"imported": origin},
        created_by=f"jsddpm {__version__}",
        **({"groups": names} if names else {}),
        **({} if request.facts.masks else {"masks": False}),
    ) as writer:
        done = 0
        for part, batch in enumerate(_batches(request)):
            hashed.update(batch.images.tobytes())
            hashed.update(batch.masks.tobytes())
            conditions = [Condition(binning.index(z), p) for z, p in zip(batch.z_index, batch.pathology, strict=True)]
            columns: dict[str, Any] = {
                "z_index": batch.z_index,
                "pathology": batch.pathology,
                "sample": [next(samples[c]) for c in conditions],
                "seed": batch.seed,
            }
            if names:
                columns["group"] = [number.get(name, -1) for name in batch.group]
            masks = batch.masks if request.facts.masks else np.zeros(batch.images.shape, bool)
            writer.add(Shard(f"imported-{part:04d}", batch.images, masks, columns))
            done += 1 if isinstance(request.listing.items[0], VolumeItem) else len(batch.images)
            if progress:
                progress(done, len(request.listing.items))
        origin |= {"files_sha256": hashed.hexdigest(), "files_left": _left(request)}
    return Path(out)


def read_generated(
    source: str | Path,
    *,
    binning: ZBinning,
    real: SliceStore,
    intensities: IntensityFormat | None = None,
    facts: Facts | None = None,
    layout: str = "auto",
) -> ImportedSlices:
    """The slices that :func:`import_slices` would store, in memory."""
    request = _request(source, binning, real, intensities, facts, layout)
    parts = list(_batches(request))
    z_index, pathology, seed, group = (
        [value for part in parts for value in getattr(part, name)] for name in ("z_index", "pathology", "seed", "group")
    )
    images, masks = np.concatenate([p.images for p in parts]), np.concatenate([p.masks for p in parts])
    return ImportedSlices(images, masks, z_index, pathology, seed, group)


def _request(
    source: str | Path,
    binning: ZBinning,
    real: SliceStore,
    intensities: IntensityFormat | None,
    facts: Facts | None,
    layout: str,
) -> _Request:
    """Find the items of an import before any pixel is read."""
    source, reading, facts_given = Path(source), intensities or IntensityFormat(), facts or Facts()
    facts_given = replace(facts_given, image_key=reading.image_key, mask_key=reading.mask_key)
    chosen = layout_of(source, layout)
    listing = chosen.read(source, facts_given)
    if not listing.items:
        raise JsddpmError(
            "EMPTY",
            f"no sample was found (layout {chosen.name})",
            fix=f"use the layout's names: {chosen.help}",
            file=source,
        )
    if listing.n_bins not in (None, binning.n_bins):
        what = f"was generated with {listing.n_bins} bins, and --bins is {binning.n_bins}"
        raise usage_error("BIN", what, fix=f"give --bins {listing.n_bins}, and the z-range of these bins", file=source)
    return _Request(source, chosen.name, listing, facts_given, reading.over(listing.reading), binning, real)


def _batches(request: _Request) -> Iterator[ImportedSlices]:
    """Slices a few hundred at a time, volumes one by one."""
    if isinstance(request.listing.items[0], VolumeItem):
        yield from _of_volumes(request, cast(Sequence[VolumeItem], request.listing.items))
    else:
        yield from _of_slices(request, cast(Sequence[SliceItem], request.listing.items))


def _of_slices(request: _Request, items: Sequence[SliceItem]) -> Iterator[ImportedSlices]:
    places = [_place(item, request) for item in items]  # before any image is read, so that a wrong row is found at once
    axes = check_axes(request.facts.axes, 2) if request.facts.axes else request.listing.axes
    if request.reading.window or request.facts.spacing:
        cure = "leave them out: only volumes are resampled and windowed, and slices must match the store"
        raise usage_error("OPTION", "--window and --spacing apply to volumes", fix=cure)
    for start in range(0, len(items), _BATCH):
        part, z_index = items[start : start + _BATCH], places[start : start + _BATCH]
        images = np.stack([_image(item, request, axes) for item in part])
        masks = np.zeros((0, *request.real.size), bool)
        if request.facts.masks:
            masks = np.stack([_mask(item, request, axes) for item in part])
        pathology = [
            _pathology(item.pathology, shown, request, item.where, item.image)
            for item, shown in zip(part, _shown(masks, len(part)), strict=True)
        ]
        yield ImportedSlices(images, masks, z_index, pathology, [i.seed for i in part], [i.group for i in part])


def _of_volumes(request: _Request, items: Sequence[VolumeItem]) -> Iterator[ImportedSlices]:
    from jsddpm.slices.importing.volumes import grid_of, read_volume  # imported here: a table of slices needs no torch

    grid, (first, last) = grid_of(request.real), request.binning.z_range
    for item in items:
        image, masks = read_volume(item, request.facts, request.reading, grid)
        image, masks = image[first : last + 1], masks[first : last + 1] if request.facts.masks else masks[:0]
        own = (
            request.facts.pathology is None and request.facts.masks
        )  # the masks of a volume give the pathology of its slices
        pathology = [
            int(bool(shown)) if own else _pathology(None, shown, request, item.name, item.image)
            for shown in _shown(masks, len(image))
        ]
        z_index, n = list(range(first, last + 1)), len(image)
        yield ImportedSlices(image, masks, z_index, pathology, [-1] * n, [item.name] * n)


def _shown(masks: NDArray[np.bool_], count: int) -> list[bool | None]:
    """Whether each slice has a lesion in its mask; None without masks."""
    return [bool(m.any()) for m in masks] if len(masks) else [None] * count


def _image(item: SliceItem, request: _Request, axes: str) -> NDArray[np.float32]:
    array = read_slice(item.image, request.reading.image_key or "image", item.position, request.real.size, axes)
    return intensity(array, request.reading, item.image)


def _mask(item: SliceItem, request: _Request, axes: str) -> NDArray[np.bool_]:
    path = item.mask or item.image
    if path == item.image and path.suffix != ".npz":
        cure = "name its mask (in a table: the column mask), or give --without-masks"
        raise JsddpmError("SLICE_MASK", "has no mask", fix=cure, file=path)
    array = read_slice(path, request.reading.mask_key or "mask", item.position, request.real.size, axes)
    return lesion(array, request.reading, path)


def _place(item: SliceItem, request: _Request) -> int:
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


def _pathology(own: int | None, shown: bool | None, request: _Request, where: str, file: Path) -> int:
    """Pathology that a slice is conditioned on, by its files or by the user."""
    declared = request.facts.pathology
    if own is not None and declared is not None:
        what = f"{where}: the files already give the pathology"
        raise usage_error("OPTION", what, fix="leave out --pathology", file=request.source)
    if own is None and (declared is None or (declared == "mask" and shown is None)):
        what = f"{where}: the pathology it was conditioned on is not given"
        cure = "give --pathology lesion, control or mask (taken from each mask), or --fields"
        raise missing_fact(what, cure, file)
    value = own
    if value is None:
        value = int(bool(shown)) if declared == "mask" else LESION if declared == "lesion" else CONTROL
    if value not in (CONTROL, LESION):
        what = f"{where}: the pathology {value!r} is unknown"
        raise usage_error("PATHOLOGY", what, fix="give 0 (control) or 1 (lesion)", file=request.source)
    return value


def _groups(items: Sequence[SliceItem] | Sequence[VolumeItem]) -> list[str]:
    return sorted({item.name if isinstance(item, VolumeItem) else item.group for item in items} - {""})


def _left(request: _Request) -> list[str]:
    """Files of the source that look like samples and were not imported; the first few, and their number."""
    if request.source.is_file():
        return []
    imported = {path for item in request.listing.items for path in (item.image, item.mask)}
    left = sorted(p for p in request.source.rglob("*") if has_ending(p, _KINDS) and p not in imported and p.is_file())
    shown = [p.relative_to(request.source).as_posix() for p in left[:3]]
    return [*shown, f"and {len(left) - 3} more"] if len(left) > 3 else shown
