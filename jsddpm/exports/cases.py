"""Cases of a data set: the volumes of a store, or its single slices, each with a name and an affine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jsddpm.anonymise import Codes, coded_parts
from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.cohort.nifti import write_nifti
from jsddpm.cohort.orientation import centred_affine, from_slices, to_volume
from jsddpm.cohort.records import SPLITS, Split
from jsddpm.errors import usage_error
from jsddpm.slices.layout import patient_of, sample_facts
from jsddpm.slices.store import SliceStore
from jsddpm.wording import counted

Unit = Literal["volumes", "slices"]

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_OFF_GRID = 0.5  # largest distance of a position from an evenly spaced grid, in slices


@dataclass(frozen=True, eq=False)
class Case:
    """A volume of a store, or one of its slices.

    Attributes:
        name: File name stem, unique in the data set, of letters, digits, dots, hyphens and underscores.
        store: Store of its pixels.
        rows: Index rows, from inferior to superior.
        affine: float64 ``(4, 4)``, (x, y, z) of the case to mm.
        patient: Name or code of the patient; empty for a generated case.
        session: Session, if there are several.
        group: The patient's group in the cohort; empty if not known.
        split: The patient's split; None for a generated case.
        condition: Name that a single generated slice shares with the other samples of its condition; else empty.
    """

    name: str
    store: SliceStore
    rows: NDArray[np.intp]
    affine: NDArray[np.float64]
    patient: str = ""
    session: str = ""
    group: str = ""
    split: Split | None = None
    condition: str = ""

    @property
    def synthetic(self) -> bool:
        """Whether the case is generated."""
        return self.store.kind == "generated"

    @property
    def z(self) -> list[int]:
        """Axial positions of its slices, counted in the store's volumes."""
        return [int(z) for z in self.store.index["z_index"][self.rows]]

    @property
    def lesion_mm3(self) -> float:
        """Lesion volume."""
        return float(self.store.index["lesion_pixels"][self.rows].sum() * abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def pathology(self) -> str:
        """``lesion`` if a slice has a lesion (real) or is conditioned on one (generated), else ``control``."""
        return PATHOLOGY_NAMES[int(self.store.index["pathology"][self.rows].max())]

    def write_image(self, path: Path) -> None:
        """Write its intensities in [0, 1] as NIfTI, float32 ``(x, y, z)`` in RAS+."""
        write_nifti(path, to_volume(self.store.images(self.rows)), self.affine)

    def write_mask(self, path: Path) -> None:
        """Write its lesion mask as NIfTI, uint8 of 0 and 1."""
        write_nifti(path, to_volume(self.store.masks(self.rows).astype(np.uint8)), self.affine)

    def row(self) -> dict[str, Any]:
        """Row of the case in a table."""
        first = self.store.index[self.rows[0]]
        single = self.synthetic and len(self.rows) == 1
        return {
            "case": self.name,
            "synthetic": str(self.synthetic).lower(),
            "store": self.store.fingerprint,
            "patient": self.patient,
            "session": self.session,
            "group": self.group,
            "split": self.split or "",
            "pathology": self.pathology,
            "z_first": self.z[0],
            "z_last": self.z[-1],
            "slices": len(self.rows),
            "positions": " ".join(map(str, self.z)),
            "sample": int(first["sample"]) if single else "",
            "seed": int(first["seed"]) if single and first["seed"] >= 0 else "",
        }


def unit_of(stores: Sequence[SliceStore]) -> Unit:
    """``volumes`` if all slices of these stores belong to volumes, else ``slices``."""
    whole = all(store.kind == "real" or bool((store.groups >= 0).all()) for store in stores)
    return "volumes" if whole else "slices"


def cases_of(
    store: SliceStore,
    unit: Unit,
    *,
    prefix: str = "synthetic",
    z_range: tuple[int, int] | None = None,
    codes: Codes | None = None,
) -> list[Case]:
    """The cases of a store.

    Args:
        store: Real or generated store.
        unit: Volumes, or single slices.
        prefix: How names of generated cases begin.
        z_range: Inclusive range of the slices that are kept; None keeps all.
        codes: Codes of the patients of a real store.

    Raises:
        JsddpmError: ``CASES`` (status 2) when volumes are requested and slices belong to none, two slices of a
            volume have the same position, or they are not evenly spaced; ``KEY`` (status 2).
    """
    rows = np.arange(len(store.index))
    if z_range is not None:
        z = store.index["z_index"]
        rows = rows[(z >= z_range[0]) & (z <= z_range[1])]
    parts = _real(store, rows, codes) if store.kind == "real" else _generated(store, rows, prefix, unit)
    cases = []
    for name, about, base, members in parts:
        ordered = members[np.argsort(store.index["z_index"][members], kind="stable")]
        groups = [ordered] if unit == "volumes" else [ordered[i : i + 1] for i in range(len(ordered))]
        for group in groups:
            z = store.index["z_index"][group].astype(np.float64)
            full, condition = (name, "") if unit == "volumes" else _slice_names(store, name, int(group[0]))
            cases.append(Case(full, store, group, base @ _grid(z, full, store), condition=condition, **about))
    return cases


def by_condition(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Single generated slices by the name of their condition, in the order of their samples; others by their own."""
    together: dict[str, list[Case]] = {}
    for case in cases:
        together.setdefault(case.condition or case.name, []).append(case)
    return {name: sorted(members, key=_number) for name, members in together.items()}


def _number(case: Case) -> int:
    return int(case.store.index["sample"][case.rows[0]])


def stacked(name: str, samples: Sequence[Case]) -> Case:
    """The samples of a condition as one case, which lies where the first one does.

    Its third axis counts samples and has no anatomical direction.
    """
    return replace(samples[0], name=name, rows=np.concatenate([case.rows for case in samples]))


def refuse_equal_names(cases: Sequence[Case]) -> None:
    """Raise ``CASES`` (status 2) for names that are equal on disks that ignore case."""
    twice = [name for name, count in Counter(case.name.lower() for case in cases).items() if count > 1]
    if twice:
        what = f"{counted(len(twice), 'name', 'belongs', 'belong')} to two cases each, such as {twice[0]}"
        raise usage_error("CASES", what, fix="export the stores into separate folders")


_Part = tuple[str, dict[str, Any], NDArray[np.float64], NDArray[np.intp]]


def _real(store: SliceStore, rows: NDArray[np.intp], codes: Codes | None) -> Iterator[_Part]:
    """Name, patient and so on, affine of the whole volume, and index rows of every subject."""
    subject = store.index["subject"][rows]
    for number, entry in enumerate(store.subjects):
        members = rows[subject == number]
        if not len(members):
            continue
        name, patient, session = str(entry["name"]), patient_of(entry), str(entry.get("session", ""))
        if codes is not None:
            name = codes.image(name)
            patient, session = coded_parts(name)
        split = int(store.index["split"][members[0]])
        about = {
            "patient": patient,
            "session": session,
            "group": str(entry.get("group", "")),
            "split": SPLITS[split] if split >= 0 else None,
        }
        base = centred_affine(store.size, store.spacing)
        if "affine" in entry:
            base = np.asarray(entry["affine"], np.float64) @ np.linalg.inv(from_slices(store.size[0]))
        yield _safe(name), about, base, members


def _generated(store: SliceStore, rows: NDArray[np.intp], prefix: str, unit: Unit) -> Iterator[_Part]:
    base, groups = centred_affine(store.size, store.spacing), store.groups[rows]
    if unit == "slices":
        yield prefix, {}, base, rows
        return
    if bool((groups < 0).any()):
        alone = int((groups < 0).sum())
        what = f"{counted(alone, 'slice', 'does', 'do')} not belong to a volume"
        raise usage_error("CASES", what, fix="export slices one by one: --cases slices", file=store.path)
    for number in np.unique(groups):
        yield f"{prefix}_{int(number):04d}", {}, base, rows[groups == number]


def _slice_names(store: SliceStore, name: str, row: int) -> tuple[str, str]:
    """Name of a slice, and that of its condition if it is generated."""
    z, pathology, sample = sample_facts(store.index[row])
    at = f"{name}_z{z:03d}"
    return (f"{at}_{pathology}_{sample:04d}", f"{at}_{pathology}") if store.kind == "generated" else (at, "")


def _grid(z: NDArray[np.float64], name: str, store: SliceStore) -> NDArray[np.float64]:
    """Affine from (x, y, number of the slice) to (x, y, z): the even grid nearest to the positions."""
    step = (z[-1] - z[0]) / (len(z) - 1) if len(z) > 1 else 1.0
    first = z.mean() - step * (len(z) - 1) / 2
    if step == 0 or np.abs(z - (first + step * np.arange(len(z)))).max() > _OFF_GRID:
        what = f"the slices of {name} lie at {', '.join(f'{v:g}' for v in z[:6])}..., which are not evenly spaced"
        raise usage_error("CASES", what, fix="export slices one by one: --cases slices", file=store.path)
    grid = np.diag([1.0, 1.0, step, 1.0])
    grid[2, 3] = first
    return grid


def _safe(name: str) -> str:
    return _UNSAFE.sub("-", name).lstrip(".-") or "case"
