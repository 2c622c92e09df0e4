"""BIDS trees such as OpenNeuro ds004199: ``sub-*/[ses-*/]anat/*_FLAIR.nii.gz`` with ``*_FLAIR_roi.nii.gz`` beside it.

A lesion mask may also follow the BIDS derivatives' naming, ``*_label-lesion*_mask.nii.gz``, beside the image or in the
same place below ``derivatives/*/``. It has all entities of its image, and the same session, acquisition and run; if
several images of the session fit, it is that of the one with the most entities. The column ``group`` of
``participants.tsv`` marks controls; a participant may be named there without ``sub-``.

Among several images of one session, those with the requested entities are considered. If only one of them has a lesion
mask, it is used; if they differ in ``run`` alone and a run was requested, that one is used; otherwise the session is a
problem that names all of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from glob import escape
from pathlib import Path

from jsddpm.cohort.fetched import ANNEX_CURE
from jsddpm.cohort.layouts import Layout
from jsddpm.cohort.records import LayoutReport, Selection, spelling
from jsddpm.csvfiles import read_rows
from jsddpm.errors import JsddpmError
from jsddpm.wording import first_names

_ENDINGS = (".nii.gz", ".nii")
_MASK_WORDS = re.compile(r"lesion|[-_](roi|mask|seg|dseg|probseg)[-_.]", re.IGNORECASE)
_ACQUIRED = ("ses", "acq", "run")  # entities that name another image, not another form of this one


def _read(root: Path, report: LayoutReport, selection: Selection) -> None:
    """Take one image of every subject and session."""
    groups = _participant_groups(root, report)
    folders, without = sorted(p for p in root.glob("sub-*") if p.is_dir()), []
    for folder in folders:
        if not report.can_read(folder):
            continue
        sessions = sorted(folder.glob("ses-*"))
        places = [folder, *(part for part in sessions if report.can_read(part))]
        anatomical = [part / "anat" for part in places if (part / "anat").is_dir()]
        for anat in anatomical:
            if report.can_read(anat):
                _read_session(root, folder, anat, report, selection, groups)
        empty = [part for part in places if part / "anat" not in anatomical and (part != folder or not sessions)]
        without += [part.relative_to(root).as_posix() for part in empty]
    if without:
        report.notes.append(f"no image is read of {first_names(without)}: there is no folder anat")
    if absent := sorted(groups.keys() - {folder.name for folder in folders}):
        report.notes.append(f"participants.tsv names {first_names(absent)}, and there is no such folder")


def _read_session(
    root: Path, folder: Path, anat: Path, report: LayoutReport, selection: Selection, groups: dict[str, str]
) -> None:
    session = "" if anat.parent == folder else anat.parent.name
    of_modality = _images(anat, selection.modality)
    images = [p for p in of_modality if selection.entities.items() <= _entities(p).items()]
    if strays := [p for p in images if not _belongs(p, folder.name)]:
        what = f"{strays[0].name} lies in the folder of {folder.name}"
        report.problem("BIDS_IMAGES", what, fix="move it to the folder of its patient, or rename it", file=anat)
        return
    near = _derived_masks(root, anat)
    candidates = [(p, _lesion_masks(p, near, of_modality)) for p in images]
    image, note = _choose(candidates, selection)
    if image is None:
        names = ", ".join(p.name for p, _ in candidates) or "none"
        entities = " with ".join(["", *(f"{k}-{v}" for k, v in selection.entities.items())])
        suffix = "FLAIR" if selection.modality.lower() == "flair" else selection.modality
        what = f"exactly one {suffix} image{entities} is needed, found: {names}"
        cure = "choose one with --entity acq=NAME or --run first|last, or use a CSV manifest"
        if twice := _in_two_forms(images):
            cure = f"keep one of {twice}"
        elif not candidates:
            suffixes = sorted({stem.rpartition("_")[2] for p in _visible(anat) if (stem := _stem(p))})
            cure = f"give --modality and --entity as its images have them (suffixes: {', '.join(suffixes) or 'none'})"
        report.problem("BIDS_IMAGES", what, fix=cure, file=anat)
        return
    masks = dict(candidates)[image]
    if len(masks) > 1:
        what = f"has several lesion masks: {', '.join(p.relative_to(root).as_posix() for p in masks)}"
        report.problem("BIDS_MASKS", what, fix="keep one of them, or use a CSV manifest", file=image)
        return
    mask = masks[0] if masks else None
    group, control = groups.get(folder.name, ""), selection.is_control(folder.name)
    if mask is not None and (space := _entities(mask).get("space", "")) != _entities(image).get("space", ""):
        note = ", ".join(filter(None, [note, f"its mask is named as one in the space {space}"]))
    why = ""
    if others := [p.name for p in near if mask is None and _entities(image).items() <= _entities(p).items()]:
        why = f"{others[0]} is of another session, acquisition or run"
    elif mask is None and (named := _like_masks(root, anat, image)):
        why = f"{named} is not read as a mask: names are {_stem(image)}_roi.nii.gz and *_label-lesion*_mask.nii.gz"
    elif folder.name not in groups:
        own = {spelling(name) for name in (folder.name, folder.name[4:])}
        similar = [name[4:] for name in groups if spelling(name[4:]) in own]
        why = f"participants.tsv names {similar[0]} instead of {folder.name[4:]}" if similar else ""
    report.add(folder.name, image, mask, session=session, group=group, control=control, note=note, why=why)


def _participant_groups(root: Path, report: LayoutReport) -> dict[str, str]:
    path = root / "participants.tsv"
    if not path.exists():
        if path.is_symlink():
            report.problem("PARTICIPANTS", "the link points to content that was not fetched", fix=ANNEX_CURE, file=path)
            report.no_groups = "participants.tsv was not fetched"
        return {}
    try:
        rows = read_rows(path, ("participant_id",))
        if rows and "group" not in rows[0]:
            report.no_groups = f"participants.tsv has no column group; it has {', '.join(rows[0])}"
    except JsddpmError as error:
        report.problems.append(error)
        report.no_groups = "participants.tsv cannot be used"
        return {}
    groups: dict[str, str] = {}
    for row in rows:
        subject, group = f"sub-{row['participant_id'].removeprefix('sub-')}", row.get("group", "")
        if groups.setdefault(subject, group).lower() != group.lower():
            what = f"{subject} has the groups {groups[subject]!r} and {group!r}"
            report.problem("PARTICIPANTS", what, fix="remove one of the rows", file=path)
    return groups


def _stem(path: Path) -> str | None:
    """File name without its NIfTI ending; None for another file."""
    return next((path.name.removesuffix(e) for e in _ENDINGS if path.name.endswith(e)), None)


def _in_two_forms(images: Sequence[Path]) -> str:
    """Names of images that differ in the ending alone; empty if there are none."""
    stems = [_stem(path) for path in images]
    return " and ".join(path.name for path in images if stems.count(_stem(path)) > 1)


def _like_masks(root: Path, anat: Path, image: Path) -> str:
    """Name of a file that may be the lesion mask of an image, in a session that has none; else empty."""
    found = [p for folder in _folders(root, anat) for p in sorted(_visible(folder)) if _stem(p) and p != image]
    return next((path.name for path in found if _MASK_WORDS.search(path.name)), "")


def _folders(root: Path, anat: Path) -> list[Path]:
    """The folder of a session, and those of its derivatives."""
    return [anat, *sorted(root.glob(f"derivatives/*/{escape(str(anat.relative_to(root)))}"))]


def _visible(folder: Path) -> list[Path]:
    """Files of a folder; macOS writes others, whose names begin with a dot, beside them."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _entities(path: Path) -> dict[str, str]:
    return dict(part.split("-", 1) for part in path.name.split("_")[:-1] if "-" in part)


def _belongs(image: Path, patient: str) -> bool:
    """Whether an image names the patient in whose folder it lies, in any case and Unicode form, or none."""
    named, folder = (
        unicodedata.normalize("NFC", name).casefold() for name in (_entities(image).get("sub", ""), patient)
    )
    return not named or f"sub-{named}" == folder


def _images(anat: Path, modality: str) -> list[Path]:
    stems = sorted((stem, p) for p in _visible(anat) if (stem := _stem(p)))
    return [path for stem, path in stems if stem.rpartition("_")[2].lower() == modality.lower()]


def _derived_masks(root: Path, anat: Path) -> list[Path]:
    """Lesion masks of a session that are named as BIDS derivatives."""
    found = [path for folder in _folders(root, anat) for path in sorted(folder.glob("*_label-lesion*_mask.nii*"))]
    return [path for path in found if not path.name.startswith(".")]


def _lesion_masks(image: Path, near: Sequence[Path], images: Sequence[Path]) -> list[Path]:
    """Lesion masks of an image.

    Args:
        image: The image.
        near: :func:`_derived_masks` of its session.
        images: All images of its session and modality.
    """
    beside = sorted(image.parent.glob(f"{escape(_stem(image) or '')}_roi.nii*"))
    if beside:
        return beside
    own = [path for path in near if image in _images_of(path, images)]
    native = [path for path in own if _entities(path).get("space", "") == _entities(image).get("space", "")]
    return native or own


def _images_of(mask: Path, images: Sequence[Path]) -> list[Path]:
    """Images that a mask can be of: those with the most of its entities."""
    named = _entities(mask)
    fitting = [path for path in images if _fits(path, named)]
    most = max((len(_entities(path)) for path in fitting), default=0)
    return [path for path in fitting if len(_entities(path)) == most]


def _fits(image: Path, named: dict[str, str]) -> bool:
    """Whether a mask with these entities can be that of an image, or of another form of it."""
    own = _entities(image)
    known = {"ses": image.parent.parent.name.removeprefix("ses-")} | own
    return own.items() <= named.items() and all(known.get(key) == named[key] for key in _ACQUIRED if key in named)


def _choose(candidates: list[tuple[Path, list[Path]]], selection: Selection) -> tuple[Path | None, str]:
    if len(candidates) == 1:
        return candidates[0][0], ""
    with_mask = [p for p, masks in candidates if masks]
    if len(with_mask) == 1:
        return with_mask[0], f"of {len(candidates)} images, the one with a lesion mask"
    if selection.run != "refuse" and candidates:
        images = sorted((_run(p), p) for p, _ in candidates)
        others = {tuple(sorted((k, v) for k, v in _entities(p).items() if k != "run")) for _, p in images}
        if len(others) == 1 and len({number for number, _ in images}) == len(images):
            return images[0 if selection.run == "first" else -1][1], f"the {selection.run} of {len(images)} runs"
    return None, ""


def _run(path: Path) -> int:
    """Run number; an image without one counts as the first."""
    digits = _entities(path).get("run", "")
    return int(digits) if digits.isdecimal() else 0


LAYOUT = Layout(
    name="bids",
    help="BIDS tree, sub-ID/anat with *_FLAIR.nii.gz and *_FLAIR_roi.nii.gz",
    matches=lambda source: any(p.is_dir() for p in source.glob("sub-*")),
    read=_read,
    order=20,
)
