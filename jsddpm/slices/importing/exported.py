"""Generated cases in the files of ``jsddpm export``: what ``cases.csv``, or the sidecars of BIDS, say of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jsddpm.csvfiles import Row, read_rows
from jsddpm.errors import JsddpmError
from jsddpm.files import read_json
from jsddpm.slices.importing.items import SliceItem, slice_facts

TABLE, PARTICIPANTS = "cases.csv", "participants.tsv"
_COLUMNS = ("case", "synthetic", "pathology", "z_first", "z_last", "slices", "sample", "seed")
_IMAGE, _MASK = "_desc-preproc_", "_label-lesion_desc-preproc_mask.nii.gz"
_DIGITS = 20


@dataclass(frozen=True)
class ExportedCase:
    """A generated volume, or a single slice.

    Attributes:
        name: Name of the case.
        where: Origin of its facts in ``file``, for errors.
        file: The table or the sidecar.
        z: Axial slices, from inferior to superior.
        single: Whether it is a sample in no volume.
        facts: Pathology and seed of a single slice, the volume of others, as :func:`slice_facts` gives them.
        image: Its NIfTI file in BIDS; None in data sets whose files have the name of the case.
    """

    name: str
    where: str
    file: Path
    z: Sequence[int]
    single: bool
    facts: Mapping[str, int | str | None]
    image: Path | None = None

    def of_volume(self, image: Path, mask: Path, first: int = 0) -> Iterator[SliceItem]:
        """Its slices in a NIfTI file, from number ``first`` on."""
        for number, z in enumerate(self.z, first):
            yield SliceItem(image, mask, self.where, number, z=z, **self.facts)  # type: ignore[arg-type]

    def of_pictures(self, source: Path) -> Iterator[SliceItem]:
        """Its slices in pictures of their own; those of a volume have their position in the name."""
        for z in self.z:
            name = self.name if self.single else f"{self.name}_z{z:03d}"
            files = source / f"{name}_image.png", source / f"{name}_mask.png"
            yield SliceItem(*files, self.where, z=z, **self.facts)  # type: ignore[arg-type]


def of_table(source: Path) -> list[ExportedCase]:
    """The generated cases of ``cases.csv``, in the order of their samples, which is that of a stack."""
    table = source / TABLE
    rows = [row for row in read_rows(table, _COLUMNS) if row["synthetic"] == "true"]
    rows.sort(key=lambda row: row["sample"].rjust(_DIGITS, "0"))
    return [_case(row["case"], f"line {row.line}", table, row, _positions(row, table)) for row in rows]


def of_sidecars(source: Path) -> list[ExportedCase]:
    """The generated cases of a BIDS derivative, by the sidecars of their images."""
    table = source / PARTICIPANTS
    told = {row["participant_id"]: row for row in read_rows(table, ("participant_id", "synthetic", "pathology"))}
    found = []
    for sidecar in sidecars(source):
        subject, about = sidecar.relative_to(source).parts[0], read_json(sidecar)
        row = told.get(subject)
        if row is None or row["synthetic"] != "true" or about.get("Synthetic") is not True:
            continue
        z = about.get("SlicePositions")
        if not (isinstance(z, list) and z and all(type(v) is int for v in z)):
            raise JsddpmError(
                "TABLE", "does not say where slices lie (SlicePositions)", fix="export again", file=sidecar
            )
        values = {
            "pathology": row["pathology"],
            "sample": str(about.get("Sample", "")),
            "seed": str(about.get("Seed", "")),
        }
        image = sidecar.with_suffix(".nii.gz")
        found.append(_case(subject, sidecar.name, sidecar, values, z, image))
    return found


def sidecars(source: Path) -> list[Path]:
    """Sidecars of the images of a BIDS derivative of jsddpm, in the order of their names."""
    there = [*source.glob(f"sub-*/anat/*{_IMAGE}*.json"), *source.glob(f"sub-*/ses-*/anat/*{_IMAGE}*.json")]
    return sorted(path for path in there if not path.name.endswith("_mask.json"))


def mask_beside(image: Path) -> Path:
    """The mask of an image of a BIDS derivative of jsddpm."""
    return image.with_name(image.name.rpartition(_IMAGE)[0] + _MASK)


def patients(source: Path) -> set[str]:
    """Names of the cases that a data set says are not generated; empty if it does not say what is.

    They are in the column ``synthetic`` of ``cases.csv`` or ``participants.tsv``, as ``jsddpm export`` writes it.
    """
    for name, column in ((TABLE, "case"), (PARTICIPANTS, "participant_id")):
        if (source / name).is_file() and (rows := read_rows(source / name)) and {column, "synthetic"} <= set(rows[0]):
            return {row[column] for row in rows if row["synthetic"].lower() in ("false", "no", "0")}
    return set()


def _case(
    name: str, where: str, file: Path, row: Mapping[str, str], z: Sequence[int], image: Path | None = None
) -> ExportedCase:
    """The case of a row; masks give the pathology of the slices of a volume."""
    single = bool(row["sample"])
    known = {key: row[key] for key in ("pathology", "seed")} if single else {"group": name}
    facts = {k: v for k, v in slice_facts(known, where, file).items() if k not in ("z", "z_bin")}
    return ExportedCase(name, where, file, z, single, facts, image)


def _positions(row: Row, table: Path) -> list[int]:
    """The positions of a case; older tables have the first, the last and their number, of evenly spaced ones."""
    try:
        first, last, count = (int(row[name]) for name in ("z_first", "z_last", "slices"))
        if "positions" in row:
            z = [int(text) for text in row["positions"].split()]
        else:
            z = list(range(first, last + 1, max((last - first) // max(count - 1, 1), 1)))
        if len(z) != count or (z[0], z[-1]) != (first, last) or z != sorted(set(z)):
            raise ValueError("positions")
    except (ValueError, IndexError):
        what = f"line {row.line}: {row['slices']} slices from {row['z_first']} to {row['z_last']} are not evenly spaced"
        cure = "export the store again, which writes the column positions"
        if "positions" in row:
            what = f"line {row.line}: {row['positions']!r} are not {row['slices']} positions in order"
            cure = "export the store again"
        raise JsddpmError("TABLE", what, fix=cure, file=table) from None
    return z
