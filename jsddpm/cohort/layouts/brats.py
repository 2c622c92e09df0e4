"""BraTS-style subject folders: ``CASE/CASE_flair.nii.gz`` with ``CASE_seg.nii.gz``, or ``CASE/CASE-t2f.nii.gz``.

Since 2023 a name ends in the number of the visit (``BraTS-GLI-00002-001``): visits of one patient share its split.
Segmentations have several labels; ``--mask-label`` selects those of lesions.
"""

from __future__ import annotations

import re
from glob import escape
from pathlib import Path

from jsddpm.cohort.layouts import Layout
from jsddpm.cohort.records import LayoutReport, Selection
from jsddpm.cohort.visits import patient_and_visit

_ALIASES = ({"flair", "t2f"}, {"t1", "t1n"}, {"t1ce", "t1c"}, {"t2", "t2w"})


def _read(root: Path, report: LayoutReport, selection: Selection) -> None:
    """Take the chosen modality of every subject folder."""
    modality = selection.modality.lower()
    names = next((group for group in _ALIASES if modality in group), {modality})
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        report.can_read(folder)
    for folder in _case_folders(root):
        case = folder.name
        images = [p for name in sorted(names) for p in _files(folder, name)]
        masks = _files(folder, "seg")
        if len(images) != 1 or len(masks) > 1:
            listed = ", ".join(p.name for p in [*images, *masks]) or "none"
            what = f"one {'/'.join(sorted(names))} image and at most one seg are needed, found: {listed}"
            report.problem("BRATS_FILES", what, fix="choose another --modality, or complete the folder", file=folder)
            continue
        patient, session = patient_and_visit(case)
        control = selection.is_control(patient)
        report.add(patient, images[0], masks[0] if masks else None, session=session, control=control)


def _case_folders(root: Path) -> list[Path]:
    """Folders whose NIfTI files begin with the folder's own name."""
    folders = sorted(p for p in root.iterdir() if p.is_dir())
    return [f for f in folders if any(f.glob(f"{escape(f.name)}[-_]*.nii*"))]


def _files(folder: Path, suffix: str) -> list[Path]:
    ending = re.compile(rf"^{re.escape(folder.name)}[-_]{re.escape(suffix)}\.nii(\.gz)?$", re.IGNORECASE)
    return sorted(p for p in folder.iterdir() if ending.match(p.name))


LAYOUT = Layout(
    name="brats",
    help="BraTS folders, CASE with CASE_flair.nii.gz and CASE_seg.nii.gz",
    matches=lambda source: source.is_dir() and bool(_case_folders(source)),
    read=_read,
    order=30,
)
