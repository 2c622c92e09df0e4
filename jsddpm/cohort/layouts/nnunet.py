"""nnU-Net raw data sets: ``imagesTr/CASE_0000.nii.gz`` with ``labelsTr/CASE.nii.gz``, and a test set in ``*Ts``.

``dataset.json`` names the channels. Cases of ``imagesTs`` are the predefined test set when ``labelsTs`` exists; without
labels they cannot be evaluated and are not part of the cohort. Visits of one patient share its split
(:func:`~jsddpm.cohort.visits.patient_and_visit`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from jsddpm.cohort.layouts import Layout
from jsddpm.cohort.records import LayoutReport, Selection, Split
from jsddpm.cohort.visits import patient_and_visit
from jsddpm.errors import JsddpmError
from jsddpm.files import read_json

_CASE = re.compile(r"^(?P<case>.+)_(?P<channel>\d{4})\.nii(\.gz)?$")


def _read(root: Path, report: LayoutReport, selection: Selection) -> None:
    """Take the chosen channel of every case."""
    channel = _channel(root, report, selection)
    if channel is None:
        return
    parts: tuple[tuple[str, Split | None], ...] = (("Tr", None), ("Ts", "test"))
    for part, split in parts:
        images, labels = root / f"images{part}", root / f"labels{part}"
        if not images.is_dir() or (split == "test" and not labels.is_dir()):
            continue
        cases: dict[str, list[Path]] = {}
        for path in sorted(images.iterdir()):
            if match := _CASE.match(path.name) if path.name[0] != "." else None:  # macOS writes ._NAME beside NAME
                chosen = cases.setdefault(match["case"], [])
                chosen += [path] if int(match["channel"]) == channel else []
        for case, chosen in cases.items():
            masks = [p for p in (labels / f"{case}{ending}" for ending in (".nii", ".nii.gz")) if os.path.lexists(p)]
            if not chosen:
                cure = "restore the file"
                report.problem("NNUNET_CHANNEL", f"{case} has no channel {channel:04d}", fix=cure, file=images)
            elif several := [files for files in (chosen, masks) if len(files) > 1]:
                what = f"{case} has {' and '.join(p.name for p in several[0])}"
                report.problem("NNUNET_FILES", what, fix="keep one of them", file=several[0][0].parent)
            else:
                patient, session = patient_and_visit(case)
                mask, control = masks[0] if masks else None, selection.is_control(patient)
                report.add(patient, chosen[0], mask, session=session, control=control, split=split)


def _channel(root: Path, report: LayoutReport, selection: Selection) -> int | None:
    """Number of the requested channel, by ``dataset.json`` (``channel_names``, formerly ``modality``)."""
    if selection.modality.isdecimal():
        return int(selection.modality)
    path = root / "dataset.json"
    try:
        info = read_json(path)
    except JsddpmError as error:
        report.problems.append(error)
        return None
    listed = info.get("channel_names") or info.get("modality") or {}
    if not isinstance(listed, dict) or not all(k.isdecimal() for k in listed):
        what = "channel_names is not a mapping from numbers to names"
        report.problem("NNUNET_CHANNEL", what, fix='write {"0": "FLAIR"}', file=path)
        return None
    names, wanted = {int(k): str(v) for k, v in listed.items()}, selection.modality.lower()
    exact = [k for k, v in names.items() if v.lower() == wanted]
    matching = exact or [k for k, v in names.items() if wanted in v.lower()]
    if len(matching) == 1:
        return matching[0]
    found = ", ".join(f"{k} {v}" for k, v in names.items()) or "none"
    what = f"no channel, or more than one, is named {selection.modality!r} (channels: {found})"
    report.problem("NNUNET_CHANNEL", what, fix="give its number with --modality", file=path)
    return None


LAYOUT = Layout(
    name="nnunet",
    help="nnU-Net raw data, imagesTr/CASE_0000.nii.gz with labelsTr/CASE.nii.gz",
    matches=lambda source: any((source / name).is_dir() for name in ("imagesTr", "imagesTs")),
    read=_read,
    order=10,
)
