"""Images and masks as separate files: their pairs, and the facts in their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jsddpm.errors import JsddpmError, usage_error
from jsddpm.slices.importing.items import Facts, SliceItem, VolumeItem, slice_facts

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "flair")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "segmentations", "segs", "seg")
_IMAGE_ENDING = re.compile(r"[_-](image|img|flair)$", re.IGNORECASE)
_MASK_ENDING = re.compile(r"[_-](mask|seg|label|roi)$", re.IGNORECASE)
NIFTI = (".nii.gz", ".nii")
PICTURES = (".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Pair:
    """An image, its mask if there is one, and the name they share."""

    name: str
    image: Path
    mask: Path | None


def stem(path: Path) -> str:
    """File name without its extension, of which ``.nii.gz`` is one."""
    return path.name[: -len(".nii.gz")] if path.name.lower().endswith(".nii.gz") else path.stem


def files(folder: Path, endings: Sequence[str]) -> list[Path]:
    """Files of a folder with these extensions, in name order, without hidden files."""
    return sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] != "." and has_ending(p, endings))


def has_ending(path: Path, endings: Sequence[str]) -> bool:
    """Whether a name has one of the extensions, in any case."""
    return path.name.lower().endswith(tuple(endings))


def paired(source: Path, endings: Sequence[str], facts: Facts) -> list[Pair]:
    """Images with their masks: of two folders with equal names, or of one folder by endings such as ``_mask``.

    Args:
        source: A folder.
        endings: Extensions of the files.
        facts: Whether there are masks.

    Raises:
        JsddpmError: ``PAIRS`` (status 3) for a mask without an image, an image without a mask, or two of one name;
            ``EMPTY`` (status 3) when there is no image.
    """
    images, masks = _roles(source, endings)
    if not images:
        raise JsddpmError("EMPTY", f"contains no image ({', '.join(endings)})", fix="correct the path", file=source)
    return matched(images, masks if facts.masks else {}, source, facts)


def matched(images: dict[str, Path], masks: dict[str, Path], source: Path, facts: Facts) -> list[Pair]:
    """Images and masks with equal names; a file without a partner is refused."""
    if facts.masks and (alone := sorted(set(images) ^ set(masks))):
        file = images.get(alone[0]) or masks[alone[0]]
        what = f"{file.name} has no {'mask' if alone[0] in images else 'image'} (and {len(alone) - 1} more)"
        cure = "give image and mask the same name, or --without-masks if the generator makes no masks"
        raise JsddpmError("PAIRS", what.replace(" (and 0 more)", ""), fix=cure, file=source)
    return [Pair(name, path, masks.get(name)) for name, path in sorted(images.items())]


def volumes(pairs: Iterable[Pair]) -> list[VolumeItem]:
    """Pairs of NIfTI files as volumes."""
    return [VolumeItem(pair.image, pair.mask, pair.name) for pair in pairs]


def slices(pairs: Iterable[Pair], facts: Facts) -> list[SliceItem]:
    """Pairs of pictures as slices; ``facts.fields`` describes their names."""
    return [
        SliceItem(p.image, p.mask, p.image.name, **read_fields(p.name, facts.fields, p.image))  # type: ignore[arg-type]
        for p in pairs
    ]


def read_fields(name: str, template: str | None, file: Path) -> dict[str, int | str | None]:
    """The facts in a name.

    Args:
        name: File name without ending and role.
        template: The name with ``{z}``, ``{z_bin}``, ``{pathology}`` (0, 1, control, lesion), ``{seed}`` or
            ``{group}`` for the parts that vary; ``{}`` is any text. None if names contain no facts.
        file: For the error.

    Raises:
        JsddpmError: ``FIELDS`` (status 2) for a field that does not exist, or a name that does not fit.

    >>> read_fields("z03_c1_s0007", "z{z_bin}_c{pathology}_s{seed}", Path("a.png"))
    {'z': None, 'z_bin': 3, 'pathology': 1, 'seed': 7, 'group': ''}
    """
    if template is None:
        return slice_facts({}, "", file)
    forms = {"": r".*?", "group": r"(?P<group>.+?)", "pathology": r"(?P<pathology>[01]|(?i:control|lesion))"}
    forms |= {n: rf"(?P<{n}>\d+)" for n in ("z", "z_bin", "seed")}
    parts = re.split(r"\{(\w*)\}", template)
    if unknown := [p for p in parts[1::2] if p not in forms]:
        cure = f"use the fields {', '.join(f'{{{n}}}' for n in forms if n)}, and {{}} for any text"
        raise usage_error("FIELDS", f"--fields has the unknown field {{{unknown[0]}}}", fix=cure)
    pattern = "".join(forms[p] if i % 2 else re.escape(p) for i, p in enumerate(parts))
    try:
        match = re.fullmatch(pattern, name)
    except re.error:
        raise usage_error("FIELDS", f"--fields {template} names a field twice", fix="name each field once") from None
    if match is None:
        cure = (
            "correct --fields: {pathology} is 0, 1, control or lesion, and {z}, {z_bin} and {seed} are whole numbers; "
            "other words fit {}, and --pathology or a table then gives the pathology"
        )
        raise usage_error("FIELDS", f"{name!r} does not match {template}", fix=cure, file=file)
    return slice_facts(match.groupdict(), name, file)


def _roles(source: Path, endings: Sequence[str]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Images and masks by the name they share."""
    folders = {p.name.lower(): p for p in source.iterdir() if p.is_dir()}
    image_folders = [folders[n] for n in IMAGE_FOLDERS if n in folders and files(folders[n], endings)]
    mask_folders = [folders[n] for n in MASK_FOLDERS if n in folders and files(folders[n], endings)]
    if len(image_folders) > 1 or len(mask_folders) > 1:
        several = ", ".join(p.name for p in (image_folders if len(image_folders) > 1 else mask_folders))
        raise JsddpmError("PAIRS", f"has several folders for one role: {several}", fix="keep one of them", file=source)
    if image_folders:
        sides = files(image_folders[0], endings), [f for m in mask_folders for f in files(m, endings)]
    else:
        every = files(source, endings)
        masks = [p for p in every if _MASK_ENDING.search(stem(p))]
        sides = [p for p in every if p not in masks], masks
    return _by_name(sides[0], _IMAGE_ENDING, source), _by_name(sides[1], _MASK_ENDING, source)


def _by_name(paths: Iterable[Path], ending: re.Pattern[str], source: Path) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in paths:
        name = ending.sub("", stem(path))
        if name in named:
            what = f"{named[name].name} and {path.name} are both named {name}"
            raise JsddpmError("PAIRS", what, fix="remove or rename one", file=source)
        named[name] = path
    return named
