"""nnU-Net raw data sets: ``imagesTr/CASE_0000.nii.gz`` with ``labelsTr/CASE.nii.gz``, and a test set in ``*Ts``.

``dataset.json`` names the channels. Cases of ``imagesTs`` are the predefined test set when ``labelsTs`` exists; without
labels they cannot be evaluated and are no part of the cohort.
"""

from __future__ import annotations

import re
from pathlib import Path

from jsddpm.cohort.records import Found, Selection, Split
from jsddpm.errors import JsddpmError
from jsddpm.files import read_json

_CASE = re.compile(r"^(?P<case>.+)_(?P<channel>\d{4})\.nii(\.gz)?$")


def read(root: Path, found: Found, selection: Selection) -> None:
    """Take the chosen channel of every case."""
    channel = _channel(root, found, selection)
    if channel is None:
        return
    parts: tuple[tuple[str, Split | None], ...] = (("Tr", None), ("Ts", "test"))
    for part, split in parts:
        images, labels = root / f"images{part}", root / f"labels{part}"
        if not images.is_dir() or (split == "test" and not labels.is_dir()):
            continue
        cases: dict[str, dict[int, Path]] = {}
        for path in sorted(images.iterdir()):
            if match := _CASE.match(path.name):
                cases.setdefault(match["case"], {})[int(match["channel"])] = path
        for case, channels in cases.items():
            if channel not in channels:
                found.problem(
                    "NNUNET_CHANNEL", f"{case} has no channel {channel:04d}", fix="restore the file", file=images
                )
                continue
            masks = sorted(labels.glob(f"{case}.nii*"))
            control = selection.is_control(case)
            found.add(case, channels[channel], masks[0] if masks else None, control=control, split=split)


def _channel(root: Path, found: Found, selection: Selection) -> int | None:
    """Number of the channel asked for, by ``dataset.json`` (``channel_names``, formerly ``modality``)."""
    if selection.modality.isdigit():
        return int(selection.modality)
    path = root / "dataset.json"
    try:
        info = read_json(path)
    except JsddpmError as error:
        found.problems.append(error)
        return None
    names = {int(k): str(v) for k, v in (info.get("channel_names") or info.get("modality") or {}).items()}
    matching = [k for k, v in names.items() if selection.modality.lower() in v.lower()]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(f"{k} {v}" for k, v in names.items()) or "none"
    found.problem(
        "NNUNET_CHANNEL",
        f"no single channel is called {selection.modality!r} (channels: {listed})",
        fix="give its number with --modality",
        file=path,
    )
    return None
