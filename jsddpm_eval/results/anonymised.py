"""Anonymise an evaluation: the same scores, with codes in place of patients, in the order of the codes. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jsddpm.anonymise import POSITION, Codes
from jsddpm_eval.results.panels import Panels
from jsddpm_eval.results.results import ALIKE, Results
from jsddpm_eval.results.score import Cell, Influence, Score, block_of, patients_of

CODED = "patient_codes"
"""Entry of the provenance: the fingerprint of the codes; evaluations of other codes cannot be paired by patient."""

_NEAREST = "nearest_"  # prefix of the columns of per_slice.csv that name a real slice


def coded_results(results: Results, codes: Codes) -> Results:
    """Results whose influences are by code, as their provenance records."""

    def score(original: Score) -> Score:
        before = original.influence
        return original if before is None else original.model_copy(update={"influence": _influence(before, codes)})

    def cell(original: Cell) -> Cell:
        return original.model_copy(update={"scores": {name: score(value) for name, value in original.scores.items()}})

    update: dict[str, Any] = {p: tuple(map(cell, getattr(results, p))) for p in ("reconstruction", "generation")}
    update["provenance"] = results.provenance | {CODED: codes.fingerprint}
    if alike := results.provenance.get(ALIKE):
        update["provenance"][ALIKE] = sorted(sorted(map(codes.patient, group)) for group in alike)
    return results.model_copy(update=update)


def coded_rows(rows: Sequence[Mapping[str, Any]], codes: Codes) -> list[dict[str, Any]]:
    """Rows of a table of slices or of copies, with codes for patients and in the names of real slices."""

    def cell(column: str, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if column == "patient":
            return codes.patient(value) if value else value
        named = column in ("slice", "sample", "real") or column.startswith(_NEAREST)
        return codes.slice(value) if named else value

    return [{column: cell(column, value) for column, value in row.items()} for row in rows]


def in_code_order(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by the code of their patient and image, those without a patient last; their order was that of the names."""

    def place(row: Mapping[str, Any]) -> tuple[bool, str, str]:
        return not row["patient"], row["patient"], str(row.get("slice", "")).rpartition(POSITION)[0]

    return sorted(rows, key=place)


def coded_panels(panels: Panels, codes: Codes) -> Panels:
    """Example slices named by code; the real ones of a condition are in the order of the codes."""
    names, copies = _slices(panels.real_name, codes), _slices(panels.copies_name, codes)
    order = np.argsort(np.where(names == "", "~", names), axis=1, kind="stable")
    if not order.shape[1]:
        return replace(panels, copies_name=copies)
    place = order[:, :, None, None]
    return replace(
        panels, copies_name=copies, real_name=np.take_along_axis(names, order, 1),
        real_image=np.take_along_axis(panels.real_image, place, 1),
        real_mask=np.take_along_axis(panels.real_mask, place, 1),
    )  # fmt: skip


def _slices(names: NDArray[np.str_], codes: Codes) -> NDArray[np.str_]:
    return np.array([codes.slice(str(name)) for name in names.ravel()], np.str_).reshape(names.shape)


def _influence(influence: Influence, codes: Codes) -> Influence:
    coded = {_block(names, codes): value for names, value in influence.patients.items()}
    return influence.model_copy(update={"patients": dict(sorted(coded.items()))})


def _block(names: str, codes: Codes) -> str:
    """Codes of a block's patients."""
    return block_of(*sorted(codes.patient(name) for name in patients_of(names)))
