"""nnU-Net v2 raw data: imagesTr, labelsTr and dataset.json, test patients in imagesTs, and splits_final.json.

Users move ``splits_final.json`` to nnU-Net's folder of preprocessed data; it is written beside ``dataset.json``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jsddpm.errors import usage_error
from jsddpm.exports.formats import ExportFormat
from jsddpm.files import json_bytes, make_directory, write_bytes, write_json
from jsddpm.wording import counted

if TYPE_CHECKING:
    from jsddpm.exports.dataset import DataSet

ENDING = ".nii.gz"


def _write(data: DataSet, folder: Path, done: Callable[[], None]) -> None:
    if bare := [case.name for case in data.cases if not case.store.has_masks]:
        what = f"{counted(len(bare), 'case', 'has', 'have')} no mask, such as {bare[0]}, and nnU-Net needs masks"
        raise usage_error("CASES", what, fix="leave this store out, or export it with bids")
    for case in data.cases:
        part = "Ts" if case.split == "test" else "Tr"
        images, labels = (make_directory(folder / f"{kind}{part}") for kind in ("images", "labels"))
        case.write_image(images / f"{case.name}_0000{ENDING}")
        case.write_mask(labels / f"{case.name}{ENDING}")
        done()
    about = {
        "channel_names": {"0": data.modality},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": sum(case.split != "test" for case in data.cases),
        "file_ending": ENDING,
        "name": data.name,
        "description": data.description,
    }
    write_json(folder / "dataset.json", about)
    if data.folds:
        write_bytes(folder / "splits_final.json", json_bytes(list(data.folds)))
    data.write_origin(folder)


FORMAT = ExportFormat(
    name="nnunet",
    help="nnU-Net v2 raw data, imagesTr/CASE_0000.nii.gz with labelsTr/CASE.nii.gz, dataset.json, splits_final.json",
    write=_write,
    one_unit=True,
    folds=True,
)
