"""Make a store with other splits, without a copy of the slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jsddpm.cohort.records import SPLITS, Split
from jsddpm.csvfiles import read_rows
from jsddpm.errors import usage_error
from jsddpm.files import link_or_copy, make_directory
from jsddpm.publish import published_directory
from jsddpm.slices.layout import patient_of
from jsddpm.slices.proposal import GIVEN, proposed_range
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import StoreWriter, Written

_WRITTEN_ANEW = ("schema", "version", "size", "index", "subjects")


def resplit(store: SliceStore, manifest: str | Path, out: str | Path) -> Path:
    """Publish a store with the splits of a manifest; its arrays are the first store's (hard links where possible).

    A proposed z-range that was given stays, and an automatic one is found anew from the new training patients.

    Args:
        store: A real store.
        manifest: Table with columns ``patient`` and ``split``, such as a fold of ``jsddpm cohort split``.
        out: New store folder.

    Raises:
        JsddpmError: ``KIND`` (status 2) for a generated store; ``MANIFEST`` when the table cannot be read; ``SPLIT``
            (status 2) when it does not name exactly one split for each of the store's patients.
    """
    store.of_kind("real")
    manifest = Path(manifest)
    named = named_splits(manifest, sorted(set(store.patients.tolist())))
    inherited = {k: v for k, v in store.info.items() if k not in _WRITTEN_ANEW}
    info: dict[str, Any] = {**inherited, "split": {"by": manifest.name, "arrays_of": store.fingerprint}}
    with published_directory(out) as root:
        make_directory(root / "arrays")
        writer = StoreWriter(root, info)
        for number, subject in enumerate(store.subjects):
            split = named[patient_of(subject)]
            rows = np.array(store.index[store.index["subject"] == number])
            rows["split"] = SPLITS.index(split)
            for file in subject["files"].values():
                link_or_copy(store.path / file["file"], root / file["file"])
            writer.written.append(Written(rows, {**subject, "size": list(store.size), "split": split}))
        if store.z_range is not None:
            rows = np.concatenate([w.rows for w in writer.written])
            training = rows[rows["split"] == SPLITS.index("train")]
            automatic = store.info["z_range"]["rule"] != GIVEN and len(training)
            writer.info["z_range"] = proposed_range(training, "auto" if automatic else store.z_range, store.n_slices)
        writer.finish()
    return Path(out)


def named_splits(manifest: Path, patients: Sequence[str]) -> dict[str, Split]:
    """Split of each patient in a table with columns ``patient`` and ``split``.

    Raises:
        JsddpmError: ``MANIFEST`` when the table cannot be read; ``SPLIT`` (status 2) when it does not name exactly one
            split for each of the patients.
    """
    named: dict[str, set[str]] = {}
    for row in read_rows(manifest, ("patient", "split"), code="MANIFEST"):
        named.setdefault(row["patient"], set()).add(row["split"])
    by_patient: dict[str, Split] = {}
    for patient in patients:
        splits = named.get(patient, set())
        split = next((s for s in SPLITS if splits == {s}), None)
        if split is None:
            what = f"{patient} has {'the splits ' + ', '.join(sorted(splits)) if splits else 'no split'}"
            raise usage_error("SPLIT", what, fix=f"give every patient one of {', '.join(SPLITS)}", file=manifest)
        by_patient[patient] = split
    return by_patient
