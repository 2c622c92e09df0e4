"""Planted import faults: each is written as a tool would write it, imported, and refused, named or missed.

The source patients of a division are what a perfect generator shows; the others are the real ones. Prints the tables
that ``docs/how-to/own-generator.md`` shows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from benchmarks.validity.import_faults import FAULTS, ImportFault  # noqa: E402
from benchmarks.validity.import_files import FORMS, Form, Samples  # noqa: E402
from jsddpm.binning import ZBinning  # noqa: E402
from jsddpm.errors import JsddpmError  # noqa: E402
from jsddpm.slices.store import SliceStore  # noqa: E402
from jsddpm_eval.import_check.check import ImportCheck  # noqa: E402
from jsddpm_eval.memo import digest  # noqa: E402
from jsddpm_eval.selftest.cohort import Cohort, divided  # noqa: E402
from jsddpm_eval.slice_table import SliceTable  # noqa: E402

BINS, PER_CONDITION, VOLUMES = 10, 8, 20
OUTCOMES = ("refused", "named", "named otherwise", "declared undetermined", "missed")


@dataclass(frozen=True, eq=False)
class World:
    """A division of a store's patients: what real slices teach, and what a perfect generator shows."""

    store: SliceStore
    binning: ZBinning
    check: ImportCheck
    cohort: Cohort
    slices: Samples
    volumes: Samples


def world(path: Path, seed: int, bins: int = BINS, per_condition: int = PER_CONDITION, volumes: int = VOLUMES) -> World:
    """A division by its seed."""
    store = SliceStore(path)
    z_range = store.z_range or (0, store.n_slices - 1)
    binning = ZBinning(z_range, bins, n_slices=store.n_slices)
    cohort, rng = divided(store, binning, seed=seed), np.random.default_rng(seed)
    slices = drawn(cohort, rng, per_condition)
    sources = sorted({cohort.names[p] for p in np.unique(cohort.slices.patient[cohort.source])})
    chosen = sorted(rng.permutation(sources)[:volumes])
    found = [np.flatnonzero(store.patients == name)[: store.n_slices] for name in chosen]
    rows = np.concatenate([np.empty(0, np.intp), *found])
    stacks = replace(slices, images=store.images(rows), masks=store.masks(rows), depth=store.n_slices)
    return World(store, binning, ImportCheck(cohort.table, binning), cohort, slices, stacks)


def drawn(cohort: Cohort, rng: np.random.Generator, per_condition: int = PER_CONDITION) -> Samples:
    """Slices that a perfect generator shows."""
    made, bins = cohort.world(per_condition, rng).perfect, cohort.binning.n_bins
    z_bin, pathology = np.asarray(made.z_bin), np.asarray(made.pathology)
    return Samples(made.images, made.masks, z_bin, pathology, cohort.table.spacing, bins)


def imported(at: World, form: Form, made: Samples, folder: Path) -> SliceTable:
    """The imported set of a layout's files."""
    source = form.write(folder / "made", made)
    try:
        return SliceTable.from_files(source, at.store, at.binning, facts=form.facts, intensities=form.reading)
    finally:
        shutil.rmtree(folder / "made")


def content(table: SliceTable) -> str:
    """Hash of everything that an evaluation reads of a set."""
    return digest(table.images, table.masks, table.z_bin, table.pathology)


def outcome(at: World, form: Form, fault: ImportFault, faithful: str, seed: int, folder: Path) -> tuple[str, list[str]]:
    """Outcome of a planted fault; empty if the set is the same as without it."""
    made = fault.plant(at.volumes if form.volumes else at.slices, np.random.default_rng(seed))
    try:
        table = imported(at, form, made, folder)
    except JsddpmError as error:
        return "refused", [error.code]
    if content(table) == faithful:
        return "", []
    names = [s.name for s in at.check.suspicions(table)]
    if names:
        return ("named" if set(names) & set(fault.called) else "named otherwise"), names
    untold = fault.name.startswith("left and right") and at.check.untold(table)
    return ("declared undetermined" if untold else "missed"), []


def trials(at: World, cohort: str, seed: int, forms: list[str], folder: Path) -> Iterator[dict[str, object]]:
    """Every fault in every layout that it can happen in, and each layout without one."""
    for name in forms:
        form = FORMS[name]
        table = imported(at, form, at.volumes if form.volumes else at.slices, folder)
        said = [s.name for s in at.check.suspicions(table)]
        row = {"cohort": cohort, "seed": seed, "layout": name}
        yield row | {"fault": "", "outcome": "false alarm" if said else "calm", "names": said}
        for fault in FAULTS:
            if ("volumes" if form.volumes else "slices") in fault.kinds:
                result, names = outcome(at, form, fault, content(table), seed, folder)
                if result:
                    yield row | {"fault": fault.name, "outcome": result, "names": names}


def calm(at: World, cohort: str, seed: int, folder: str) -> Iterator[dict[str, object]]:
    """Faithful imports of several draws, each in another layout."""
    for number, layout in enumerate(name for name, form in FORMS.items() if not form.volumes):
        made = drawn(at.cohort, np.random.default_rng([seed, number]))
        said = [s.name for s in at.check.suspicions(imported(at, FORMS[layout], made, Path(folder)))]
        row = {"cohort": cohort, "seed": seed, "layout": layout, "fault": "", "names": said}
        yield row | {"outcome": "false alarm" if said else "calm"}


def markdown(rows: list[dict[str, object]]) -> str:
    """Faults by what became of them, and the faithful imports."""
    planted = [r for r in rows if r["fault"]]
    lines = [f"| fault | imports | {' | '.join(OUTCOMES)} |", f"|---|{'---:|' * (len(OUTCOMES) + 1)}"]
    for fault in [f.name for f in FAULTS]:
        counts = Counter(str(r["outcome"]) for r in planted if r["fault"] == fault)
        lines.append(f"| {fault} | {counts.total()} | {' | '.join(str(counts[o]) for o in OUTCOMES)} |")
    counts = Counter(str(r["outcome"]) for r in planted)
    lines.append(f"| all | {counts.total()} | {' | '.join(str(counts[o]) for o in OUTCOMES)} |")
    calm = Counter(str(r["outcome"]) for r in rows if not r["fault"])
    lines += ["", f"Faithful imports: {calm.total()}, of which {calm['false alarm']} are accused of something."]
    return "\n".join(lines)


def main() -> None:
    """Run the trials of the stores named, print tables, and keep every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+", help="real stores, as NAME=FOLDER")
    parser.add_argument("--seeds", type=int, default=2, help="divisions whose faults are planted")
    parser.add_argument("--faithful", type=int, default=20, help="divisions of which every draw is faithful")
    parser.add_argument("--first", type=int, default=0, help="number of the first division")
    parser.add_argument("--layouts", nargs="*", default=list(FORMS))
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "validity" / "imports.jsonl")
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder, open(asked.out, "w") as kept:
        for named in asked.stores:
            cohort, _, path = named.partition("=")
            for seed in range(asked.first, max(asked.seeds, asked.faithful)):
                forms = asked.layouts if seed < asked.seeds else []
                at = world(Path(path), seed, volumes=VOLUMES if forms else 0)
                found = trials(at, cohort, seed, forms, Path(folder)) if forms else calm(at, cohort, seed, folder)
                for row in found:
                    kept.write(json.dumps(row) + "\n")
                    kept.flush()
                    rows.append(row)
                print(f"{cohort} {seed}: {len(rows)}", file=sys.stderr, flush=True)
    print(markdown(rows))


if __name__ == "__main__":
    main()
