"""medigan: ``batch_N_`` before the names of a model's own files, as ``batch_0_7_img.png``, ``batch_0_7_mask.png``."""

from __future__ import annotations

import re
from pathlib import Path

from jsddpm.slices.importing import pairs
from jsddpm.slices.importing.items import Listing
from jsddpm.slices.importing.layouts import ImportLayout

_BATCH = re.compile(r"batch_\d+_.+")


def _batches(source: Path) -> bool:
    there = pairs.files(source, pairs.PICTURES) if source.is_dir() else []
    return bool(there) and all(_BATCH.fullmatch(p.name) for p in there)


LAYOUT = ImportLayout(
    name="medigan",
    help="medigan, batch_N_X_img.png with batch_N_X_mask.png",
    matches=_batches,
    read=lambda source, facts: Listing(pairs.slices(pairs.paired(source, pairs.PICTURES, facts), facts)),
)
