"""PNG or TIF slices with their masks: folders ``images`` and ``masks``, or ``NAME.png`` with ``NAME_mask.png``."""

from __future__ import annotations

from jsddpm.slices.importing import pairs
from jsddpm.slices.importing.items import Listing
from jsddpm.slices.importing.layouts import ImportLayout
from jsddpm.slices.importing.layouts.volumes import holds

LAYOUT = ImportLayout(
    name="images",
    help="PNG or TIF slices, images/X.png with masks/X.png, or X.png with X_mask.png",
    matches=lambda source: holds(source, pairs.PICTURES),
    read=lambda source, facts: Listing(pairs.slices(pairs.paired(source, pairs.PICTURES, facts), facts)),
    general=True,
)
