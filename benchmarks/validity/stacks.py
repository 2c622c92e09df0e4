"""Are volumes whose slices do not belong together distinguished from whole ones, on real patients?

    JSDDPM_REAL_COHORT=COHORT python benchmarks/validity/stacks.py --divisions 20

In each division, half of the patients are real. Some of the others are the generated volumes: as they are, and with
slices of the same bin and pathology exchanged between them. Every slice of such a volume is one of a real patient.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from cohorts import prepared
from numpy.typing import NDArray
from rich.progress import track

from jsddpm.csvfiles import to_csv
from jsddpm.files import make_directory, write_text
from jsddpm_eval.selftest.cohort import Cohort, opened
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import share_interval
from jsddpm_eval.through_plane import through_plane

GALLERY = Path(__file__).parents[2] / "reports" / "gallery" / "volumes"
VOLUMES = 8, 16, 32
SHARES = 0.0, 0.25, 0.5, 1.0
"""Shares of the volumes among which slices are exchanged."""
SCORES = "plane_gradient", "plane_ssim", "lesion_continuity"

Row = dict[str, str | int | float]


def exchanged(
    rows: NDArray[np.intp], condition: NDArray[np.int64], among: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Rows to be shown instead of each row: those ``among`` of the same condition change places at random."""
    shown = rows.copy()
    for value in np.unique(condition[among]):
        places = np.flatnonzero(among & (condition == value))
        shown[places] = rows[rng.permutation(places)]
    return shown


def volumes_of(cohort: Cohort, rows: NDArray[np.intp], shown: NDArray[np.intp]) -> SliceTable:
    """Generated volumes with the places of some slices, one for each patient, that show others."""
    slices = cohort.slices
    return SliceTable.from_arrays(
        slices.images[shown], slices.masks[shown], z_index=slices.z_index[rows], pathology=slices.pathology[rows],
        group=slices.patient[rows], binning=cohort.binning, spacing=cohort.table.spacing,
    )  # fmt: skip


def trials(cohort: Cohort, seed: int) -> Iterator[Row]:
    """The answers of one division, by volumes and share."""
    slices, rng = cohort.slices, np.random.default_rng(seed)
    patients = rng.permutation(np.unique(slices.patient[cohort.source]))
    for count in VOLUMES:
        chosen = patients[:count]
        rows = cohort.source[np.isin(slices.patient[cohort.source], chosen)]
        condition = slices.z_bin[rows] * 2 + slices.pathology[rows]
        for share in SHARES:
            among = np.isin(slices.patient[rows], chosen[: round(share * count)])
            volumes = volumes_of(cohort, rows, exchanged(rows, condition, among, rng))
            answers = {score.name: score.answer for score in through_plane(cohort.table, volumes)}
            yield {"division": seed, "volumes": count, "share": share, **answers}


def table(rows: list[Row]) -> str:
    """Divisions in which a number is off, by volumes and share, with the exact 95 % interval for any of them."""
    lines = [
        "| volumes | exchanged among | divisions | any off | 95% interval | gradient | SSIM | lesion that continues |",
        "|---:|---:|---:|---:|---|---:|---:|---:|",
    ]
    for count in VOLUMES:
        for share in SHARES:
            of = [row for row in rows if (row["volumes"], row["share"]) == (count, share)]
            off = [sum(row[name] == "off" for row in of) for name in SCORES]
            either = sum("off" in (row[name] for name in SCORES) for row in of)
            low, high = share_interval(either, len(of))
            among = f"{100 * share:.0f}%" if share else "none"
            cells = [count, among, len(of), either, f"{100 * low:.0f} to {100 * high:.0f}%", *off]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Evaluate the volumes of every division."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--divisions", type=int, default=20)
    parser.add_argument("--out", type=Path, default=GALLERY)
    asked = parser.parse_args()
    _, (store, binning, _, half), _ = prepared("real", "both")
    rows: list[Row] = []
    for seed in track(range(asked.divisions), "divisions"):
        rows += trials(opened(store, binning, seed, half), seed)
    write_text(make_directory(asked.out) / "exchanged.csv", to_csv(rows))
    write_text(asked.out / "exchanged.md", table(rows))


if __name__ == "__main__":
    main()
