"""Import slices and volumes of any generator from its files into a generated store."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from jsddpm import __version__
from jsddpm.binning import Condition, ZBinning
from jsddpm.checksums import sha256
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.progress import Progress
from jsddpm.slices.importing.items import Facts, IntensityFormat, SliceItem, VolumeItem
from jsddpm.slices.importing.layouts import layout_of
from jsddpm.slices.importing.pairs import NIFTI, PICTURES, has_ending
from jsddpm.slices.importing.reading import ImportedSlices, Request, batches, placement
from jsddpm.slices.opened import Store, opened
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store

__all__ = ["Facts", "ImportedSlices", "IntensityFormat", "import_slices", "read_generated"]

_KINDS = (*NIFTI, *PICTURES, ".npz", ".npy")


def import_slices(
    source: str | Path,
    out: str | Path,
    *,
    binning: ZBinning,
    real: Store,
    intensities: IntensityFormat | None = None,
    facts: Facts | None = None,
    layout: str = "auto",
    progress: Progress | None = None,
) -> Path:
    """Publish a generated store from the slices or volumes of a generator.

    Args:
        source: File or folder in one of the layouts (:func:`jsddpm.slices.importing.layouts.import_layouts`), such as
            a table with columns ``image``, ``pathology`` (0 or 1) and ``z`` (axial slice) or ``z_bin``.
        out: New store folder.
        binning: The bins that the slices are conditioned on.
        real: The real store for the comparison, or its folder. It gives size, spacing and number of slices. Volumes are
            resampled to its grid, and their slices inside the binning's range are used.
        intensities: How values are mapped to intensities and lesions.
        facts: Facts that the files do not contain.
        layout: Name of a layout; ``auto`` uses the only one that fits.
        progress: Called with (slices or volumes done, how many there are).

    Raises:
        JsddpmError: ``KIND`` (status 2) when ``real`` is a generated store; ``LAYOUT``, ``IMPORT_FACTS`` (status 2)
            when the layout or a fact has to be given; ``TABLE``, ``BIN``, ``PATHOLOGY`` and such (status 3) for a bad
            row; ``SLICE_...``, ``NIFTI_...``, ``MASK_...`` for files that cannot be used: all files are read first, and
            the error has a line for each kind of problem.
    """
    store = opened(real).of_kind("real")
    request = _request(source, binning, store, intensities, facts, layout)
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
        n_slices=store.n_slices,
        spacing=store.spacing,
        binning=binning.to_dict(),
        provenance={"imported": origin},
        created_by=f"jsddpm {__version__}",
        **({"groups": names} if names else {}),
        **({} if request.facts.masks else {"masks": False}),
    ) as writer:
        done = 0
        for part, batch in enumerate(batches(request)):
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
        if notes := [*request.listing.notes, *placement(request)]:
            origin["notes"] = notes
    return Path(out)


def read_generated(
    source: str | Path,
    *,
    binning: ZBinning,
    real: Store,
    intensities: IntensityFormat | None = None,
    facts: Facts | None = None,
    layout: str = "auto",
) -> ImportedSlices:
    """The slices that :func:`import_slices` would store, in memory."""
    request = _request(source, binning, opened(real).of_kind("real"), intensities, facts, layout)
    parts = list(batches(request))
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
) -> Request:
    """Find the items of an import before any pixel is read."""
    source, reading, facts_given = Path(source), intensities or IntensityFormat(), facts or Facts()
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
    return Request(source, chosen.name, listing, facts_given, reading.over(listing.reading), binning, real)


def _groups(items: Sequence[SliceItem] | Sequence[VolumeItem]) -> list[str]:
    return sorted({item.name if isinstance(item, VolumeItem) else item.group for item in items} - {""})


def _left(request: Request) -> list[str]:
    """Files of the source that look like samples and were not read; the first few, and their number."""
    if request.source.is_file():
        return []
    imported = {path for item in request.listing.items for path in (item.image, item.mask)} | {*request.listing.read}
    left = sorted(p for p in request.source.rglob("*") if has_ending(p, _KINDS) and p not in imported and p.is_file())
    shown = [p.relative_to(request.source).as_posix() for p in left[:3]]
    return [*shown, f"and {len(left) - 3} more"] if len(left) > 3 else shown
