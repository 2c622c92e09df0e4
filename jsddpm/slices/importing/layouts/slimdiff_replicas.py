"""Replicas of SLIM-Diff's ``generate_replicas``: ``replica_NNN.npz``, a stack each, with ``replica_NNN_meta.json``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jsddpm.errors import usage_error
from jsddpm.files import read_json
from jsddpm.slices.importing.items import Facts, Listing
from jsddpm.slices.importing.layouts import ImportLayout
from jsddpm.slices.importing.layouts.slimdiff import AXES, READING


def _read(source: Path, facts: Facts) -> Listing:
    """All replicas of a folder; they must have the same number of bins."""
    from jsddpm.slices.importing.stacks import of_archives  # NumPy: the command line lists layouts without it

    archives = _archives(source)
    descriptions = [path.with_name(f"{path.stem}_meta.json") for path in archives]
    bins = {read_json(path).get("config", {}).get("z_bins") for path in descriptions if path.is_file()} - {None}
    if len(bins) > 1:
        raise usage_error(
            "BIN", f"the replicas have {sorted(bins)} bins", fix="import the replicas of one run", file=source
        )
    return replace(of_archives(archives, facts), reading=READING, axes=AXES, n_bins=bins.pop() if bins else None)


def _archives(source: Path) -> list[Path]:
    folder = source / "replicas" if (source / "replicas").is_dir() else source
    return sorted(p for p in folder.glob("replica_*.npz") if p.stem.removeprefix("replica_").isdecimal())


LAYOUT = ImportLayout(
    name="slimdiff-replicas",
    help="replicas of SLIM-Diff, folder replicas with replica_NNN.npz and replica_NNN_meta.json",
    matches=lambda source: source.is_dir() and bool(_archives(source)),
    read=_read,
)
