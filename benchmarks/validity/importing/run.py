"""Planted import faults: each is written as a tool would write it, imported, and refused, named or missed.

    python benchmarks/validity/importing/run.py [NAME=STORE...] [--out FOLDER]

The source patients of a division are what a perfect generator shows; the others are the real ones. A row is kept as
soon as it is measured: an interrupted run continues. After a change of the code, take a new folder.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT)]  # so that it runs as a script

from benchmarks.validity.cohorts import PHANTOMS, REAL, phantom_store, prepared  # noqa: E402
from benchmarks.validity.importing.faults import FAULTS  # noqa: E402
from benchmarks.validity.importing.forms import FORMS, Form  # noqa: E402
from benchmarks.validity.importing.tables import CALM, FALSE_ALARM, Row, by_fault, by_form  # noqa: E402
from benchmarks.validity.importing.world import World, drawn, imported, outcome, whole_volumes, world  # noqa: E402
from jsddpm.csvfiles import read_rows, to_csv  # noqa: E402
from jsddpm.files import make_directory, write_text  # noqa: E402
from jsddpm_eval.slice_table import SliceTable  # noqa: E402

PHANTOM_SEED = 204
GALLERY = ROOT / "reports" / "gallery" / "validity" / "imports"


class Kept:
    """Rows of a table, which are in its file as soon as they are measured.

    Args:
        file: The table; rows that are in it are not measured again.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows: list[Row] = [{**row} for row in read_rows(file)] if file.is_file() else []

    def measure(self, missing: Iterable[tuple[str, ...]], measured: Callable[[tuple[str, ...]], Row]) -> None:
        """Rows of the keys that are not kept."""
        known = {tuple(row[name] for name in ("cohort", "division", "form", "fault")) for row in self.rows}
        for key in missing:
            if key not in known:
                self.rows.append(measured(key))
                write_text(self.file, to_csv(self.rows))


def faithful_row(key: tuple[str, ...], at: World, form: Form, table: SliceTable) -> Row:
    """Whether a set without a fault is accused of something."""
    names = at.side(form).names(table)
    return _row(key, FALSE_ALARM if names else CALM, names)


def _row(key: tuple[str, ...], result: str, names: list[str]) -> Row:
    cohort, division, form, fault = key
    known = {"cohort": cohort, "division": division, "layout": FORMS[form].layout, "form": form, "fault": fault}
    return known | {"outcome": result, "names": " ".join(n.replace(" ", "-") for n in names)}


def plant(kept: Kept, at: World, cohort: str, seed: int, forms: Iterable[str], folder: Path) -> None:
    """Every fault in every form in which it can happen."""
    for name in forms:
        form = FORMS[name]
        base = imported(at, form, at.samples(form), folder)
        here = {fault.name: fault for fault in FAULTS if ("volumes" if form.volumes else "slices") in fault.kinds}

        def measured(key: tuple[str, ...], form: Form = form, base: SliceTable = base, here: dict = here) -> Row:
            return _row(key, *outcome(at, form, here[key[3]], base, seed, folder))

        kept.measure([(cohort, str(seed), name, fault) for fault in here], measured)
        print(f"{cohort} {seed} {name}: {len(kept.rows)} rows", file=sys.stderr, flush=True)


def stay_calm(kept: Kept, at: World, cohort: str, seed: int, forms: Iterable[str], folder: Path) -> None:
    """Sets without a fault: a new draw in every form."""
    for name in forms:
        form, number = FORMS[name], list(FORMS).index(name)

        def measured(key: tuple[str, ...], form: Form = form, number: int = number) -> Row:
            rng, side = np.random.default_rng([seed, number]), at.side(form)
            made = form.chosen(whole_volumes(side, rng) if form.volumes else drawn(side, rng))
            return faithful_row(key, at, form, imported(at, form, made, folder))

        kept.measure([(cohort, str(seed), name, "")], measured)
    print(f"{cohort} {seed}: {len(kept.rows)} rows", file=sys.stderr, flush=True)


def at_hand() -> list[str]:
    """A phantom, and the real cohort that the environment names; missing stores are built."""
    stores = [f"phantom={phantom_store(*PHANTOMS['phantom-40+14'], PHANTOM_SEED)}"]
    return stores if REAL not in os.environ else [f"real={prepared('real', 'both')[1][0]}", *stores]


def main() -> None:
    """Measure what is asked for and not kept, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "stores", nargs="*", help="real stores, as NAME=FOLDER [default: a phantom, and patients at hand]"
    )
    parser.add_argument("--planted", type=int, default=1, help="divisions whose samples get faults")
    parser.add_argument("--faithful", type=int, default=20, help="divisions whose samples have none")
    parser.add_argument("--forms", nargs="*", default=list(FORMS), help="forms of the samples")
    parser.add_argument("--out", type=Path, default=GALLERY)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    out = make_directory(asked.out)
    planted, faithful = Kept(out / "planted.csv"), Kept(out / "faithful.csv")
    with tempfile.TemporaryDirectory() as folder:
        stores = asked.stores or at_hand()
        for seed in range(max(asked.planted, asked.faithful)):
            for named in stores:
                cohort, _, path = named.partition("=")
                at = world(Path(path), seed)
                if seed < asked.planted:
                    plant(planted, at, cohort, seed, asked.forms, Path(folder))
                if seed < asked.faithful:
                    stay_calm(faithful, at, cohort, seed, asked.forms, Path(folder))
                write_text(out / "faults.md", by_fault(planted.rows))
                write_text(out / "forms.md", by_form(planted.rows, faithful.rows))


if __name__ == "__main__":
    main()
