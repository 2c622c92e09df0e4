"""Studies on real patients: trainings of equal cost over folds of patients, resumable, pooled like `compare`.

    jsddpm cohort split cohort.csv --folds 4 --out folds
    python benchmarks/studies/run.py STORE --folds folds/fold-*.csv --work DIR --out reports/gallery/patients

`trainings.csv` has a row for each network, `scores.csv` one for each score of its samples. Existing rows are
not computed again, and tables are made from the rows alone. Patients, slices and samples stay in the work folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.rows import Rows
from benchmarks.studies.tables import write_tables
from benchmarks.studies.trainings import Protocol, Training, fold_store, place_of, score_rows
from benchmarks.studies.variants import STUDIES, Study, Variant
from jsddpm.files import make_directory
from jsddpm.slices.store import SliceStore
from jsddpm.training.recommended import Recommendation


@dataclass
class Measured:
    """The rows of trainings, and those of the scores of their samples."""

    trainings: Rows
    scores: Rows


def train_and_judge(rows: Measured, variant: Variant, fold: str, network: Training) -> None:
    """Leave the rows of a variant of a network."""
    settings, sampling = variant.key
    key = {"settings": settings, "fold": fold, "seed": network.seed, "budget": network.protocol.cpu_seconds}
    drawn = key | {"sampling": sampling}
    if rows.scores.has(drawn):
        return
    print(f"{fold}, seed {network.seed}: {settings or 'preset'} {sampling}", flush=True)
    record = network.trained()
    results = network.evaluated(variant)
    if not rows.trainings.has(key):
        real, binning = results.provenance["real"], results.z_binning
        places = {"z_first": binning.z_range[0], "z_last": binning.z_range[1], "n_bins": binning.n_bins}
        known = {"store": real["store"], "patients": real["patients"], "held_out_patients": real["held_out_patients"]}
        rows.trainings.add(key | record | known | places | {"n_slices": binning.n_slices})
    rows.scores.add(*(drawn | row for row in score_rows(results, by_bin=not sampling)))


def run(
    store: SliceStore, folds: Sequence[Path], seeds: Sequence[int], studies: dict[str, Study], protocol: Protocol,
    work: Path, out: Path,
) -> None:  # fmt: skip
    """Make the rows that are not there and write the tables after every fold and seed."""
    rows = Measured(
        Rows(out / "trainings.csv", ["settings"]), Rows(out / "scores.csv", ["settings", "sampling", "space"])
    )
    recommended = Recommendation.of(store)
    for seed in seeds:
        for manifest in folds:
            fold = make_directory(work / manifest.stem)
            divided = fold_store(store, manifest, fold)
            for variant in dict.fromkeys(v for study in studies.values() for v in study.variants):
                place = fold / place_of(protocol, variant, seed)
                network = Training(protocol, variant.settings, recommended, divided, place, seed)
                train_and_judge(rows, variant, manifest.stem, network)
            write_tables(rows.trainings.table, rows.scores.table, studies, protocol.cpu_seconds, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="real store")
    parser.add_argument("--folds", type=Path, nargs="+", required=True, help="tables of jsddpm cohort split --folds")
    parser.add_argument("--work", type=Path, required=True, help="runs and samples; what is there is not made again")
    parser.add_argument("--out", type=Path, required=True, help="folder of the rows, the tables and the plots")
    parser.add_argument("--studies", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cpu-seconds", type=float, default=600, help="budget of a training")
    parser.add_argument("--per-condition", type=int, default=16, help="samples of each bin and pathology")
    parser.add_argument("--set", nargs="+", default=[], help="section.key=value for every training; use another --out")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    protocol = Protocol(asked.cpu_seconds, asked.per_condition, tuple(asked.set))
    chosen = {name: STUDIES[name] for name in asked.studies}
    run(SliceStore(asked.store), asked.folds, asked.seeds, chosen, protocol, asked.work, asked.out)


if __name__ == "__main__":
    main()
