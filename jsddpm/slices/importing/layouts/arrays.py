"""Arrays: ``X.npz`` with images, masks and facts, a folder of such files, or ``images.npy`` and others."""

from __future__ import annotations

from pathlib import Path

from jsddpm.slices.importing import pairs
from jsddpm.slices.importing.items import Facts, Listing
from jsddpm.slices.importing.layouts import ImportLayout


def _read(source: Path, facts: Facts) -> Listing:
    """One archive, a folder of archives, a stack in several files, or pairs of files."""
    from jsddpm.slices.importing.stacks import (  # NumPy: the command line lists layouts without it
        of_archives,
        of_arrays,
    )

    if source.is_file():
        return of_archives([source], facts)
    if archives := pairs.files(source, (".npz",)):
        return of_archives(archives, facts)
    if (source / "images.npy").is_file():
        return of_arrays(source, facts)
    return Listing(pairs.slices(pairs.paired(source, (".npy",), facts), facts))


def _matches(source: Path) -> bool:
    if source.is_file():
        return source.suffix.lower() == ".npz"
    folders = [source, *(p for p in source.iterdir() if p.is_dir() and p.name.lower() in pairs.IMAGE_FOLDERS)]
    return bool(pairs.files(source, (".npz",))) or any(pairs.files(folder, (".npy",)) for folder in folders)


LAYOUT = ImportLayout(
    name="arrays",
    help="npz with images, masks, z_bin, pathology; a folder of them; images.npy with masks.npy, z_bin.npy",
    matches=_matches,
    read=_read,
    general=True,
)
