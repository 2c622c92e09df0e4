"""BIDS derivatives of generated volumes: ``sub-ID/anat/sub-ID_FLAIR.nii.gz`` with ``*_mask.nii.gz``."""

from __future__ import annotations

from jsddpm.cohort.layouts import layouts
from jsddpm.slices.importing.layouts import ImportLayout
from jsddpm.slices.importing.layouts.nnunet import of_cohort

LAYOUT = ImportLayout(
    name="bids",
    help="BIDS derivative, sub-ID/anat with *_FLAIR.nii.gz and *_mask.nii.gz",
    matches=layouts()["bids"].matches,
    read=lambda source, facts: of_cohort(source, "bids", facts),
    general=True,
)
