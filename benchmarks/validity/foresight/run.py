"""Can an evaluation foresee utility? Scores of many generators, beside the Dice of networks trained on their samples.

    JSDDPM_REAL_COHORT=FOLDER python benchmarks/validity/foresight/run.py [--work FOLDER] [--out FOLDER]

Half of the patients are the source of every generator; the other half are the real patients of the evaluation, and the
test patients of networks that are trained on samples alone. A row is kept as soon as its generator is measured: an
interrupted run continues.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks" / "validity")]  # so that it runs as a script

from benchmarks.validity.foresight import figure  # noqa: E402
from benchmarks.validity.foresight.generators import GENERATORS, Generator  # noqa: E402
from benchmarks.validity.foresight.ranks import (  # noqa: E402
    Correlation,
    composites,
    correlations,
    foresees,
    reliability,
)
from jsddpm.csvfiles import to_csv  # noqa: E402
from jsddpm.files import make_directory, write_text  # noqa: E402
from jsddpm_eval.checks.verdict import scores_read  # noqa: E402
from jsddpm_eval.evaluation import evaluate  # noqa: E402
from jsddpm_eval.real_slices import GeneratedArrays  # noqa: E402
from jsddpm_eval.results.results import Results  # noqa: E402
from jsddpm_eval.selftest.cohort import Cohort  # noqa: E402
from jsddpm_eval.utility.cohort import Cohort as UtilityCohort  # noqa: E402
from jsddpm_eval.utility.cohort import Fold  # noqa: E402
from jsddpm_eval.utility.grid import Cell, train_and_test  # noqa: E402
from jsddpm_eval.utility.protocol import Training  # noqa: E402
from jsddpm_eval.utility.scores import PRIMARY  # noqa: E402

GALLERY = ROOT / "reports" / "gallery" / "validity" / "foresight"
TRAINING = Training()
METRICS = ("fid", "diversity_rmse", "vendi", "precision", "recall", "density", "coverage", "lesion_area", "brain_shape")
"""Metrics beside those that the checks read."""

_OF_LESIONS = ("lesion_contrast", "lesion_shape", "disobeyed", "control_lesion")
_SHOWN = 8
_USUAL = ("kid_radiomics", "kid_slice-encoder", "fid_radiomics", "fid_slice-encoder", "precision_radiomics",
          "recall_radiomics", "vendi_radiomics", "diversity_rmse")  # fmt: skip
"""Scores that papers report, which tables show wherever they rank."""


def measured(cohort: Cohort, generator: Generator, work: Path, *, count: int, seeds: int) -> dict[str, Any]:
    """One row: deviations of scores from their baselines, checks that are off, and the Dice of each training."""
    samples = generator.draw(cohort, count, work)
    results = evaluate(cohort.table, cohort.generated(samples), metrics=[*scores_read(), *METRICS], seed=0)
    off = [check for check, finding in results.whole().items() if finding.answer == "off"]
    return {
        "generator": generator.name, "family": generator.family, "samples": len(samples.images),
        "dice": dices(cohort, samples, range(seeds)), "off": len(off),
        "off_lesions": sum(check in _OF_LESIONS for check in off), "deviations": deviations(results),
    }  # fmt: skip


def dices(cohort: Cohort, samples: GeneratedArrays, seeds: Sequence[int], training: Training = TRAINING) -> list[float]:
    """Mean Dice over the real patients of a network trained on samples alone, for each seed."""
    rows = cohort.real
    tested = UtilityCohort(cohort.slices, (Fold(rows, rows, samples),), cohort.binning, cohort.table.spacing)
    out = []
    for seed in seeds:
        record = train_and_test(Cell(1, "generated", "unet", seed), tested, training, 0)
        values = [PRIMARY.of(patient) for patient in record["patients"]]
        out.append(float(np.mean([v for v in values if v is not None])))
    return out


def deviations(results: Results) -> dict[str, float | None]:
    """Distance of each score of the whole from its baseline, or without one from its best value."""
    distances: dict[str, float | None] = {}
    specs = {spec.name: spec for spec in results.specs}
    for pathology in (None, 1, 0):
        cell = next((c for c in results.generation if c.key == (None, pathology, None)), None)
        for name, score in (cell.scores if cell else {}).items():
            best = 1.0 if specs[score.spec].better == "higher" else 0.0
            expected = best if score.baseline is None else score.baseline
            distances.setdefault(name, None if score.value is None else abs(score.value - expected))
    return distances


def table(rows: Sequence[dict[str, Any]], sums: Sequence[Correlation], scores: Sequence[Correlation]) -> str:
    """Dice of a second training, the composites, the strongest scores, and those that papers report."""
    strongest = scores[:_SHOWN]
    usual = [c for c in scores[_SHOWN:] if c.score in _USUAL]
    lines = [
        "| score | Spearman's correlation with Dice | 95% interval | p (Holm) | foresees utility |",
        "|---|---:|---:|---:|---|",
        f"| Dice of another training on the same samples | {reliability(rows):+.2f} |  |  |  |",
        *map(_line, [*sums, *strongest, *usual]),
    ]
    return "\n".join(lines) + "\n"


def _line(correlation: Correlation) -> str:
    low, high = correlation.interval
    p = "" if correlation.p_value is None else f"{correlation.p_value:.2g}"
    answer = "yes" if foresees(correlation) else "no"
    return f"| {correlation.score} | {correlation.value:+.2f} | {low:+.2f} to {high:+.2f} | {p} | {answer} |"


def main() -> None:
    """Measure the generators that are not there yet, and write the tables."""
    from cohorts import BUILD, prepared

    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=BUILD / "foresight")
    parser.add_argument("--out", type=Path, default=GALLERY)
    parser.add_argument("--samples", type=int, default=16, help="samples of each condition")
    parser.add_argument("--seeds", type=int, default=2, help="trainings on the samples of each generator")
    asked = parser.parse_args()
    opener, arguments, _ = prepared("real", "both")
    cohort, work = opener(*arguments), make_directory(asked.work)
    if not (work / "store").exists():
        (work / "store").symlink_to(Path(arguments[0]).resolve())
    file = work / "rows.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    for generator in GENERATORS:
        if generator.name in {row["generator"] for row in rows}:
            continue
        rows.append(measured(cohort, generator, work, count=asked.samples, seeds=asked.seeds))
        write_text(file, "".join(json.dumps(row) + "\n" for row in rows))
        print(generator.name, [f"{dice:.3f}" for dice in rows[-1]["dice"]], rows[-1]["off"], flush=True)
    make_directory(asked.out)
    sums, scores = composites(rows), correlations(rows)
    shown = table(rows, sums, scores)
    write_text(asked.out / "table.md", shown)
    write_text(asked.out / "generators.csv", to_csv([_flat(row) for row in rows]))
    write_text(asked.out / "scores.csv", to_csv([_columns(c) for c in [*sums, *scores]]))
    figure.write(asked.out)
    families = len({row["family"] for row in rows})
    print(f"{len(rows)} generators of {families} families; {len(scores)} scores\n\n{shown}")


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    dice = {f"dice_{seed}": round(value, 4) for seed, value in enumerate(row["dice"])}
    values = {name: None if v is None else round(v, 5) for name, v in row["deviations"].items()}
    return {name: row[name] for name in ("generator", "family", "samples", "off", "off_lesions")} | dice | values


def _columns(c: Correlation) -> dict[str, Any]:
    low, high = (round(end, 4) for end in c.interval)
    return {
        "score": c.score, "correlation": round(c.value, 4), "low": low, "high": high,
        "generators": c.generators, "p_holm": c.p_value, "foresees": foresees(c),
    }  # fmt: skip


if __name__ == "__main__":
    main()
