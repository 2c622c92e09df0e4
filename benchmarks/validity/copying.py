"""Is a copy found whatever was done to it? Altered training slices among slices of unseen patients, by patient.

Every number is that of `jsddpm_eval`'s own scores: which samples count as copies, and whose. Thresholds rest on the
real patients that the evaluation is given; slices of other patients give the false alarms.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from alterations import HARD, LISTED, UNLISTED, Images, Masks, Pair
from cohorts import BUILD, prepared
from numpy.typing import NDArray
from scipy import ndimage
from through_network import Network

from jsddpm.csvfiles import to_csv
from jsddpm.files import make_directory, write_text
from jsddpm.slices.store import SliceStore
from jsddpm_eval.evaluation import evaluate_in_detail
from jsddpm_eval.functional.lesion_copies import LEAST
from jsddpm_eval.real_slices import Slices
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import share_interval

GALLERY = Path(__file__).parents[2] / "reports" / "gallery" / "validity" / "copying"
_HELD_OUT, _UNSEEN = 8, 300
_CONTENT = 0.1  # share of pixels that are not air: an empty slice is nobody's copy
Rows = NDArray[np.intp]


class Division:
    """Training, held-out and unseen patients of a cohort.

    Args:
        slices: All of them.
        training: Number of training patients.
        seed: Seed of the division and of everything planted.
    """

    def __init__(self, slices: Slices, training: int, seed: int) -> None:
        self.slices, self.rng = slices, np.random.default_rng(seed)
        order = self.rng.permutation(np.unique(slices.patient))
        shown = (slices.images > 0.05).mean((1, 2)) >= _CONTENT
        sides = np.split(order, [training, training + _HELD_OUT])
        self.training, self.held_out, self.unseen = (
            np.flatnonzero(np.isin(slices.patient, side) & shown) for side in sides
        )
        rows = np.concatenate([self.training, self.held_out])
        self.rows = rows
        self.real = SliceTable.from_arrays(
            slices.images[rows], slices.masks[rows], z_bin=slices.z_bin[rows], pathology=slices.pathology[rows],
            patient=slices.patient[rows], held_out=np.isin(rows, self.held_out),
        )  # fmt: skip

    def partners(self, rows: Rows, pool: Rows) -> Rows:
        """For each slice one of the same bin and of another patient."""
        s = self.slices
        return np.array([
            self.rng.choice(pool[(s.z_bin[pool] == s.z_bin[r]) & (s.patient[pool] != s.patient[r])]) for r in rows
        ])  # fmt: skip

    def copies(self, images: Images, masks: Masks, rows: Rows, score: str) -> tuple[NDArray[np.bool_], ...]:
        """Whether each judged sample is a copy, and whether the patient it was made from is named."""
        bins = self.slices.z_bin[rows]
        generated = SliceTable.from_arrays(images, masks, z_bin=bins, pathology=self.slices.pathology[rows])
        metric, flag = {"copy": ("copies", "copied"), "lesion_copy": ("lesion_copies", "lesion_copied")}[score]
        values = evaluate_in_detail(self.real, generated, metrics=[metric], features=()).per_slice
        reached, nearest = values[f"{score}_score"].numpy(), values[f"{score}_row"].numpy()
        judged = np.isfinite(reached)
        named = self.slices.patient[self.rows[nearest[judged].astype(np.intp)]]
        return values[flag].numpy()[judged] == 1, named == self.slices.patient[rows][judged]


def main() -> None:
    """Run every kind on one cohort with one number of training patients."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("cohort", help="phantom-16+6, phantom-40+14 or real")
    parser.add_argument("--training", type=int, default=30, help="training patients")
    parser.add_argument("--copies", type=int, default=100, help="copies of each kind")
    parser.add_argument("--steps", type=int, default=600, help="of the network that copies are seen through; 0: none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=GALLERY)
    asked = parser.parse_args()
    opener, arguments, _ = prepared(asked.cohort, "both" if asked.cohort == "real" else "B")
    cohort = opener(*arguments)
    division = Division(cohort.slices, asked.training, asked.seed)
    planted = [_planted(division, asked.copies)]
    if asked.steps and asked.cohort == "real":  # a phantom's patients lie in two stores
        trained_on = [cohort.names[k] for k in np.unique(division.slices.patient[division.training])]
        network = Network(SliceStore(arguments[0]), trained_on, cohort.binning, asked.steps, BUILD / "networks")
        planted.append(_through(network, division, asked.copies))
    rows = []
    for group, kind, score, pair, sources in chain(*planted):
        copied, right = division.copies(*pair, sources, score)
        found, total = int(copied.sum()), len(copied)
        if not total:
            print(f"{kind}: no sample can be judged")
            continue
        low, high = share_interval(found, total)
        share = None if group == "unseen" or not found else round(100 * float(right[copied].mean()), 1)
        rows.append({
            "group": group, "kind": kind, "slices": total, "copies_percent": round(100 * found / total, 1),
            "low": round(100 * low, 1), "high": round(100 * high, 1),
            "right_patient_percent": share,
        })  # fmt: skip
        print(*rows[-1].values(), sep="\t", flush=True)
    out = make_directory(asked.out)
    write_text(out / f"{asked.cohort}-{asked.training}.csv", to_csv(rows))
    write_text(out / "table.md", _table(out))


def _table(folder: Path) -> str:
    """All runs of a folder beside each other: percent found, and percent of these whose patient is named."""
    runs = {
        file.stem: pd.read_csv(file).set_index(["group", "kind"]) for file in sorted(folder.glob("*.csv"), key=_order)
    }
    kinds = list(dict.fromkeys(kind for run in runs.values() for kind in run.index))
    lines = ["| " + " | ".join(["", "", *runs]) + " |", "| --- | --- |" + " --- |" * len(runs)]
    for group in dict.fromkeys(group for group, _ in kinds):
        for kind in (kind for of, kind in kinds if of == group):
            cells = [_cell(run.loc[(group, kind)]) if (group, kind) in run.index else "" for run in runs.values()]
            lines.append("| " + " | ".join([group, kind, *cells]) + " |")
    return "\n".join(lines) + "\n"


def _order(file: Path) -> tuple[bool, str, int]:
    cohort, _, training = file.stem.rpartition("-")
    return cohort != "real", cohort, int(training)


def _cell(row: pd.Series) -> str:
    named = row["right_patient_percent"]
    return f"{row['copies_percent']:g}" + ("" if pd.isna(named) else f" ({named:g})")


def _planted(division: Division, count: int) -> Iterator[tuple[str, str, str, Pair, Rows]]:
    """Group, kind, the score that is to see it, slices, and the rows they were made from."""
    s, rng = division.slices, division.rng
    unseen = rng.permutation(division.unseen)[:_UNSEEN]
    yield "unseen", "slices of unseen patients", "copy", (s.images[unseen], s.masks[unseen]), unseen
    rows = rng.permutation(division.training)[:count]
    for group, kinds in (("listed", LISTED), ("hard", HARD), ("not listed", UNLISTED)):
        for kind, alter in kinds.items():
            yield group, kind, "copy", alter(s.images[rows], s.masks[rows], rng), rows
    others, strangers = (division.partners(rows, pool) for pool in (division.training, division.unseen))
    middle = s.images.shape[2] // 2
    for kind, partners in (("training", others), ("unseen", strangers)):
        halves, masks = s.images[rows].copy(), s.masks[rows].copy()
        halves[:, :, middle:], masks[:, :, middle:] = (
            s.images[partners][:, :, middle:],
            s.masks[partners][:, :, middle:],
        )
        yield "hard", f"half, and half of another {kind} slice", "copy", (halves, masks), rows
    for group, weight in (("hard", 0.5), ("not listed", 0.3)):
        mean = ((1 - weight) * s.images[rows] + weight * s.images[others]).astype(np.float32)
        kind = f"blend with {100 * weight:g} % of another training slice"
        yield group, kind, "copy", (mean, s.masks[rows]), rows
    yield from _transplanted(division, count)


def _through(network: Network, division: Division, count: int) -> Iterator[tuple[str, str, str, Pair, Rows]]:
    """Training slices, and as a control slices of unseen patients, seen through the network."""
    s = division.slices
    for group, kind, pool in (
        ("hard", "through the network", division.training),
        ("unseen", "slices of unseen patients through the network", division.unseen),
    ):
        rows = division.rng.permutation(pool)[:count]
        yield group, kind, "copy", network.seen(s.images[rows], s.masks[rows], s.z_bin[rows], s.pathology[rows]), rows


def _transplanted(division: Division, count: int) -> Iterator[tuple[str, str, str, Pair, Rows]]:
    """Lesions of training patients in slices of unseen ones, with an outline of their own."""
    s, rng = division.slices, division.rng
    large = s.masks.sum((1, 2)) >= 2 * LEAST
    strangers = division.unseen[large[division.unseen]]
    shown = rng.permutation(strangers)[:_UNSEEN]
    yield "unseen", "lesions of unseen patients", "lesion_copy", (s.images[shown], s.masks[shown]), shown
    rows = rng.permutation(division.training[large[division.training]])[:count]
    hosts = division.partners(rows, division.unseen)
    for group, kind, alter in (
        ("hard", "a lesion in another brain, its outline changed", LISTED["as it is"]),
        ("not listed", "the same, moved by 2 px", LISTED["moved 2 px along both axes"]),
        ("not listed", "the same, turned 10 degrees", LISTED["turned 10 degrees"]),
        ("not listed", "the same, mirrored", LISTED["mirrored"]),
    ):
        images, masks = alter(s.images[rows], s.masks[rows], rng)
        outline = np.stack([
            ndimage.binary_dilation(m) if grown else ndimage.binary_erosion(m)
            for m, grown in zip(masks, rng.random(len(masks)) < 0.5, strict=True)
        ])  # fmt: skip
        weight = ndimage.gaussian_filter(
            ndimage.binary_dilation(outline, np.ones((1, 3, 3))).astype(float), (0, 0.7, 0.7)
        )
        pasted = (s.images[hosts] * (1 - weight) + images * weight).astype(np.float32)
        yield group, kind, "lesion_copy", (pasted, outline), rows


if __name__ == "__main__":
    main()
