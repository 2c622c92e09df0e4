"""Is utility judged right? Generators of known effect, on real patients or a phantom: the sign, and what is claimed.

Each trial draws patients anew: some train, some are tested, and a generator shows slices of yet others, or of those who
train. Slices of unseen patients help; masks that are permuted or moved harm; copies of training slices do nothing.
Rows are kept as trials end: an interrupted run continues.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from cohorts import BUILD, REAL, phantom_binning, phantom_store, prepared
from numpy.typing import NDArray

from jsddpm.binning import ZBinning
from jsddpm.csvfiles import to_csv
from jsddpm.files import make_directory, write_text
from jsddpm.parallel import in_processes
from jsddpm.slices.store import SliceStore
from jsddpm_eval.real_slices import GeneratedArrays, Slices, lesion_loads, read_slices
from jsddpm_eval.stats.exceedance import share_interval
from jsddpm_eval.utility.cohort import Cohort, Fold
from jsddpm_eval.utility.protocol import Protocol, Training
from jsddpm_eval.utility.run import utility_of

GALLERY = Path(__file__).parents[2] / "reports" / "gallery" / "validity" / "utility"
EFFECTS = {"unseen": 1, "copies": 0, "permuted": -1, "moved": -1}
"""Sign of what each generator does to networks that are trained on three of its slices with every real one."""

_PHANTOM = (46, 0, 305)
"""Patients with a lesion, controls, and seed of a phantom of its own."""

_ARM = "real+generated-75"


@cache
def patients(name: str) -> tuple[Slices, ZBinning, tuple[float, float, float]]:
    """Slices of every patient with a lesion inside the bins."""
    if name == "real":
        path, binning, *_ = prepared("real", "both")[1]
        store = SliceStore(path)
    else:
        store, binning = SliceStore(phantom_store(*_PHANTOM)), phantom_binning()
    ill = [name for name, patient in lesion_loads(store, binning).items() if patient.load]
    s, (row, column, z) = read_slices(store, ill, binning)[0], store.spacing
    small = replace(s, images=_halved(s.images), masks=_halved(s.masks.astype(np.float32)) >= 0.5)
    return replace(small, pathology=small.masks.any((1, 2)).astype(np.int64)), binning, (2 * row, 2 * column, z)


def _halved(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of two by two pixels: trials are many, and so take a quarter of the time."""
    n, height, width = images.shape
    return images.reshape(n, height // 2, 2, width // 2, 2).mean((2, 4), dtype=np.float32)


def drawn(name: str, kind: str, trial: int, train: int, test: int) -> Cohort:
    """A cohort of one fold whose patients are drawn anew, with a generator of known effect."""
    slices, binning, spacing = patients(name)
    rng = np.random.default_rng([trial, train])
    sides = np.split(rng.permutation(np.unique(slices.patient)), [train, train + test])
    ours, tested, unseen = (np.flatnonzero(np.isin(slices.patient, side)) for side in sides)
    made = ours if kind == "copies" else unseen
    masks = slices.masks[made].copy()
    if kind == "permuted":
        ill = np.flatnonzero(masks.any((1, 2)))
        masks[ill] = masks[np.roll(ill, len(ill) // 2)]
    if kind == "moved":
        height, width = masks.shape[1:]
        masks = np.roll(masks, (height // 6, width // 6), (1, 2))
    samples = GeneratedArrays(slices.images[made], masks, slices.z_bin[made], slices.pathology[made])
    return Cohort(slices, (Fold(ours, tested, samples, kind),), binning, spacing)


def run_trial(
    name: str, kinds: tuple[str, ...], trial: int, train: int, test: int, protocol: Protocol
) -> list[dict[str, object]]:
    """Results of each generator in one draw of patients; all share the trainings on real slices alone."""
    rows = []
    with TemporaryDirectory() as folder:
        for kind in kinds:
            values = utility_of(
                folder, drawn, (name, kind, trial, train, test), {}, protocol, arms=("real", _ARM), seed=trial
            )  # fmt: skip
            (row,) = values["comparisons"]
            real, mixed = (arm["dice"]["mean"] for arm in values["arms"])
            seconds = sum(cell["seconds"] for cell in values["cells"] if cell["arm"] == _ARM)
            rows.append({"cohort": name, "kind": kind, "trial": trial, "real": real, "mixed": mixed, "seconds": seconds,
                         **{key: row[key] for key in ("difference", "interval", "p_value", "answer")}})  # fmt: skip
            for file in Path(folder, "cells").glob("*generated*"):
                file.unlink()
    return rows


def calls(asked: Namespace, protocol: Protocol, known: set[tuple[str, str, int]]) -> Iterator[tuple[object, ...]]:
    """Trials that are not there yet."""
    for trial in range(asked.first, asked.first + asked.trials):
        kinds = tuple(kind for kind in asked.kinds or EFFECTS if (asked.cohort, kind, trial) not in known)
        if kinds:
            yield asked.cohort, kinds, trial, asked.train, asked.test, protocol


def table(rows: list[dict[str, object]]) -> str:
    """A row for each cohort and generator: share of right signs, of "helps" and of "harms"."""
    lines = ["| cohort | generator | effect | trials | Dice, real | difference | right sign | helps | harms |",
             "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for cohort, kind in dict.fromkeys((row["cohort"], row["kind"]) for row in rows):
        here = [row for row in rows if (row["cohort"], row["kind"]) == (cohort, kind)]
        effect = EFFECTS[kind]
        right = "" if not effect else _share([effect * row["difference"] > 0 for row in here])
        lines.append(
            f"| {cohort} | {kind} | {['none', 'helps', 'harms'][effect]} | {len(here)} "
            f"| {np.mean([row['real'] for row in here]):.2f} | {np.mean([row['difference'] for row in here]):+.3f} "
            f"| {right} | {_share([row['answer'] == 'helps' for row in here])} "
            f"| {_share([row['answer'] == 'harms' for row in here])} |"
        )
    return "\n".join(lines) + "\n"


def _share(flags: list[bool]) -> str:
    low, high = share_interval(sum(flags), len(flags))
    return f"{sum(flags)} of {len(flags)} ({100 * low:.0f} to {100 * high:.0f} %)"


def main() -> None:
    """Run the trials that are not there yet, and write the tables."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("cohort", choices=["phantom", "real"], help=f"real needs {REAL}")
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(EFFECTS)} [default: all]")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="first trial")
    parser.add_argument("--train", type=int, default=6, help="patients who train")
    parser.add_argument("--test", type=int, default=16, help="patients who are tested")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--work", type=Path, default=BUILD / "utility.jsonl")
    asked = parser.parse_args()
    protocol = Protocol(("unet",), asked.seeds, 1, replace(Training(), steps=asked.steps, learning_rate=5e-3))
    rows = [json.loads(line) for line in asked.work.read_text().splitlines()] if asked.work.is_file() else []
    known = {(row["cohort"], row["kind"], row["trial"]) for row in rows}
    left = list(calls(asked, protocol, known))
    for found in in_processes(run_trial, left, jobs=asked.jobs):
        rows += found
        make_directory(asked.work.parent)
        write_text(asked.work, "".join(json.dumps(r) + "\n" for r in rows))
        for row in found:
            print(row["kind"], row["trial"], f"{row['difference']:+.3f}", row["answer"], row["seconds"], flush=True)
    make_directory(GALLERY)
    write_text(GALLERY / "planted.md", table(rows))
    write_text(GALLERY / "planted.csv", to_csv([_flat(row) for row in rows]))
    print(table(rows))


def _flat(row: dict[str, object]) -> dict[str, object]:
    low, high = row["interval"] or (None, None)
    return {k: v for k, v in row.items() if k != "interval"} | {"low": low, "high": high}


if __name__ == "__main__":
    main()
