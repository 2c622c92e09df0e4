"""nnU-Net raw data sets of generated volumes: ``imagesTr/CASE_0000.nii.gz`` with ``labelsTr/CASE.nii.gz``."""

from __future__ import annotations

from pathlib import Path

from jsddpm.cohort.layouts import layouts
from jsddpm.cohort.records import Selection
from jsddpm.slices.importing.items import Facts, Listing, VolumeItem
from jsddpm.slices.importing.layouts import ImportLayout


def of_cohort(source: Path, layout: str, facts: Facts) -> Listing:
    """The volumes of a data set with the layout of a cohort."""
    controls = facts.controls if facts.masks else ("*",)
    from jsddpm.cohort.sources import read_cohort  # imported here: jsddpm --help needs the names of layouts alone

    cohort = read_cohort(source, layout=layout, selection=Selection(facts.modality, controls=controls))
    return Listing([VolumeItem(r.image, r.mask if facts.masks else None, r.subject) for r in cohort.require_clean()])


LAYOUT = ImportLayout(
    name="nnunet",
    help=layouts()["nnunet"].help,
    matches=layouts()["nnunet"].matches,
    read=lambda source, facts: of_cohort(source, "nnunet", facts),
)
