"""A BIDS derivative: preprocessed images and lesion masks with their sidecars; a generated case is a subject."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsddpm.errors import usage_error
from jsddpm.exports.formats import ExportFormat
from jsddpm.files import make_directory, write_json, write_text
from jsddpm.wording import agreeing, counted

if TYPE_CHECKING:
    from jsddpm.exports.cases import Case
    from jsddpm.exports.dataset import DataSet

VERSION = "1.10.0"
_COLUMNS = {
    "participant_id": "Subject; a generated volume or slice is a subject of its own",
    "synthetic": "Whether a generator made the images",
    "group": "The cohort's name for the patient's group",
    "split": "Split of the patient when the generator was trained",
    "pathology": "Whether a slice has a lesion, or is conditioned on one",
}


def _write(data: DataSet, folder: Path, done: Callable[[], None]) -> None:
    participants: dict[str, dict[str, str]] = {}
    owners: dict[tuple[str, str], str] = {}  # on disks that ignore case, as some do
    for case in data.cases:
        subject, session, stem = _names(case)
        for what_of, name, owner in (("subject", subject, case.patient or case.name), ("files", stem, case.name)):
            if (first := owners.setdefault((what_of, name.lower()), owner)) != owner:
                what = f"{first} and {owner} would both be named {name} in BIDS"
                raise usage_error("CASES", what, fix="rename one of them, or replace names by codes: --anonymise")
        before = participants.get(subject, {}).get("pathology")
        pathology = "lesion" if "lesion" in (before, case.pathology) else "control"
        participants[subject] = {
            "participant_id": subject,
            "synthetic": str(case.synthetic).lower(),
            "group": case.group or "n/a",
            "split": case.split or "n/a",
            "pathology": pathology,
        }
        _write_case(case, folder, Path(subject) / session / "anat", stem, data)
        done()
    write_text(folder / "participants.tsv", _tsv(participants.values()))
    write_json(
        folder / "participants.json", {k: {"Description": v} for k, v in _COLUMNS.items() if k != "participant_id"}
    )
    write_json(folder / "dataset_description.json", _description(data))
    write_text(folder / "README.md", _readme(data))
    write_json(make_directory(folder / "code") / "provenance.json", data.provenance)


def _names(case: Case) -> tuple[str, str, str]:
    """Labels of a case's subject and session (empty without one), and the beginning of its files' names."""
    subject = f"sub-{_label(case.patient.removeprefix('sub-') if case.patient else case.name)}"
    session = f"ses-{_label(case.session.removeprefix('ses-'))}" if case.session else ""
    apart = f"acq-z{case.z[0]:03d}" if not case.synthetic and len(case.rows) == 1 else ""
    return subject, session, "_".join(part for part in (subject, session, apart) if part)


def _write_case(case: Case, folder: Path, inside: Path, stem: str, data: DataSet) -> None:
    """Image and mask of a case, each with its sidecar; generators without masks have none."""
    place = make_directory(folder / inside)
    image, mask = f"{stem}_desc-preproc_{data.modality}", f"{stem}_label-lesion_desc-preproc_mask"
    row = {k: v for k, v in case.row().items() if v != ""}
    common = {"Synthetic": case.synthetic, "SliceStore": row["store"], "SlicePositions": case.z}
    seeds = {key.capitalize(): row[key] for key in ("sample", "seed") if key in row}
    case.write_image(place / f"{image}.nii.gz")
    about = "Axial slices on one grid; brain intensities between two percentiles are scaled to [0, 1]"
    write_json(place / f"{image}.json", {"Description": about, "SkullStripped": data.skull_stripped, **common, **seeds})
    if not case.store.has_masks:
        return
    case.write_mask(place / f"{mask}.nii.gz")
    source = (inside / f"{image}.nii.gz").as_posix()
    write_json(
        place / f"{mask}.json",
        {"Description": "1 in a lesion, else 0", "Type": "Lesion", "Sources": [f"bids::{source}"], **common, **seeds},
    )


def _description(data: DataSet) -> dict[str, Any]:
    return {
        "Name": data.name,
        "BIDSVersion": VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {"Name": "jsddpm", "Version": data.version, "Description": data.description},
            *(
                {"Name": f"{store['kind']} slice store {store['fingerprint']}", "Description": _of_store(store)}
                for store in data.provenance["stores"]
            ),
        ],
    }


def _of_store(store: Mapping[str, Any]) -> str:
    """The provenance of a store in words."""
    parts = [f"made by {store['created_by']}"] if "created_by" in store else []
    if sampling := store.get("sampling"):
        parts.append(f"sampler {sampling.get('sampler')}, {sampling.get('steps')} steps")
    parts += [f"seed {store['seed']}"] if "seed" in store else []
    return "; ".join(parts) or "nothing else is known"


def _readme(data: DataSet) -> str:
    synthetic = sum(case.synthetic for case in data.cases)
    patients = len(data.cases) - synthetic
    made = f"{synthetic} {agreeing(synthetic, 'was', 'were')} made by a generator"
    return (
        f"# {data.name}\n\n{data.description}\n\n"
        f"{counted(patients, 'case', 'is', 'are')} of patients, {made}; the column\n"
        "`synthetic` of `participants.tsv` and the key `Synthetic` of every sidecar say which.\n"
        "`code/provenance.json` says how the slices were made.\n"
    )


def _tsv(rows: Iterable[Mapping[str, str]]) -> str:
    table = [list(_COLUMNS), *([row[column] for column in _COLUMNS] for row in rows)]
    return "".join("\t".join(re.sub(r"[\t\r\n]+", " ", cell) for cell in line) + "\n" for line in table)


def _label(name: str) -> str:
    """Letters and digits of a name: BIDS allows no others in a label."""
    return re.sub(r"[^A-Za-z0-9]", "", name) or "unnamed"


FORMAT = ExportFormat(
    name="bids",
    help="BIDS derivative, sub-ID/anat with *_desc-preproc_FLAIR.nii.gz, its lesion mask and sidecars",
    write=_write,
    one_unit=False,
    folds=False,
)
