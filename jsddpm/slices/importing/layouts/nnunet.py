"""nnU-Net raw data sets of generated volumes: ``imagesTr/CASE_0000.nii.gz`` with ``labelsTr/CASE.nii.gz``."""

from __future__ import annotations

from pathlib import Path

from jsddpm.cohort.layouts import layouts
from jsddpm.cohort.records import Selection
from jsddpm.errors import JsddpmError
from jsddpm.slices.importing.exported import patients
from jsddpm.slices.importing.items import Facts, Listing, VolumeItem, left_out
from jsddpm.slices.importing.layouts import ImportLayout


def of_cohort(source: Path, layout: str, facts: Facts) -> Listing:
    """The volumes of a data set with the layout of a cohort, without those that it says are of patients."""
    controls = facts.controls if facts.masks else ("*",)
    from jsddpm.cohort.sources import read_cohort  # imported here: jsddpm --help needs the names of layouts alone

    cohort = read_cohort(source, layout=layout, selection=Selection(facts.modality, controls=controls))
    records, real = cohort.require_clean(), patients(source)
    made = [r for r in records if not {r.subject, r.patient} & real]
    if not made:
        what = f"holds no generated case: all {len(records)} are of patients"
        raise JsddpmError("EMPTY", what, fix="give a data set with generated cases", file=source)
    items = [VolumeItem(r.image, r.mask if facts.masks else None, r.subject) for r in made]
    others = [path for r in records if r not in made for path in (r.image, r.mask) if path is not None]
    return Listing(items, read=others, notes=left_out(len(records) - len(made)))


LAYOUT = ImportLayout(
    name="nnunet",
    help=layouts()["nnunet"].help,
    matches=layouts()["nnunet"].matches,
    read=lambda source, facts: of_cohort(source, "nnunet", facts),
    general=True,
)
