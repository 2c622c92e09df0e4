"""Generative bundles of MONAI's model zoo: volumes ``N/N_sample_TIME.nii.gz``, slices ``synimg_sample_TIME.png``.

``SaveImage`` of a sample without a file name counts from 0, in a folder each. The bundles make no masks. The pictures
of slices show the patient like a viewer: rows point to posterior, columns to the patient's left.
"""

from __future__ import annotations

import re
from pathlib import Path

from jsddpm.slices.importing import pairs
from jsddpm.slices.importing.items import Facts, Listing, missing_fact
from jsddpm.slices.importing.layouts import ImportLayout

_VOLUME = re.compile(r"(?P<count>.+)_sample_\d{8}_\d{6}")
_PICTURE = re.compile(r"synimg_sample_\d{8}_\d{6}.*")


def _read(source: Path, facts: Facts) -> Listing:
    """Volumes if there are any, else pictures."""
    if facts.masks:
        cure = "give --without-masks and --pathology lesion or control"
        raise missing_fact("the generative bundles make no masks", cure, source)
    volumes, pictures = _volumes(source), _pictures(source)
    if volumes and pictures:
        raise missing_fact("holds volumes and pictures", "give a folder of one kind", source)
    images = {pairs.stem(p): p for p in volumes or pictures}
    pairings = pairs.matched(images, {}, source, facts)
    return Listing(pairs.volumes(pairings)) if volumes else Listing(pairs.slices(pairings, facts), axes="PL")


def _volumes(source: Path) -> list[Path]:
    folders = sorted(p for p in source.iterdir() if p.is_dir())
    return [
        p
        for folder in folders
        for p in pairs.files(folder, pairs.NIFTI)
        if (match := _VOLUME.fullmatch(pairs.stem(p))) and match["count"] == folder.name
    ]


def _pictures(source: Path) -> list[Path]:
    return [p for p in pairs.files(source, pairs.PICTURES) if _PICTURE.fullmatch(pairs.stem(p))]


LAYOUT = ImportLayout(
    name="monai",
    help="generative bundle of MONAI, N/N_sample_TIME.nii.gz or synimg_sample_TIME.png",
    matches=lambda source: source.is_dir() and bool(_volumes(source) or _pictures(source)),
    read=_read,
)
