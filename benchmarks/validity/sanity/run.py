"""Sanity checks of fidelity and diversity metrics: rows, then the table of passes. About ten minutes of one core.

    python benchmarks/validity/sanity/run.py [--rows FOLDER] [--out FOLDER]

A row is one metric at one point of one repeat. Rows are appended as they are measured, into a file named after the code
that measured them, so a run that was stopped goes on where it was, and changed code starts afresh.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from argparse import ArgumentParser
from collections import defaultdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))  # so that the suite runs as a script

from benchmarks.validity.sanity import tables  # noqa: E402
from benchmarks.validity.sanity.designs import DESIGNS, N, sides  # noqa: E402
from benchmarks.validity.sanity.rules import Curve  # noqa: E402
from benchmarks.validity.sanity.scores import scores  # noqa: E402

REPEATS = 10
FIELDS = ("check", "level", "repeat", "point", "metric", "fidelity", "diversity")
MEASURED_BY = (
    *(f"benchmarks/validity/sanity/{name}.py" for name in ("designs", "scores", "clipped")),
    *(f"jsddpm_eval/functional/{name}.py" for name in ("support", "neighbours", "frechet", "kernel")),
)


def repeats_of(samples: int) -> int:
    """Large sets scatter little and cost much: 2 repeats above 1001 samples, 1 above 5000."""
    return REPEATS if samples <= N + 1 else 2 if samples < 5000 else 1


def measure(path: Path) -> None:
    """Append every row that the file lacks."""
    done = {(r["check"], r["level"], r["repeat"], r["point"]) for r in rows_of(path)}
    fresh = not path.exists()
    with path.open("a", newline="") as stream:
        writer = csv.writer(stream)
        if fresh:
            writer.writerow(FIELDS)
        for repeat in range(REPEATS):
            for name, design in DESIGNS.items():
                for level in design.levels:
                    for point, real, generated in sides(name, level, repeat):
                        key = (name, str(level), str(repeat), repr(point))
                        if key in done or repeat >= repeats_of(max(len(real), len(generated))):
                            continue
                        pairs = scores(real, generated).items()
                        writer.writerows([*key, metric, f"{f:.6g}", f"{d:.6g}"] for metric, (f, d) in pairs)
                        stream.flush()
            print(f"repeat {repeat + 1} of {REPEATS} is measured", file=sys.stderr, flush=True)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows measured so far; a last line that a stop cut short is left out with its point."""
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["diversity"]]
    counts = defaultdict(int)
    for row in rows:
        counts[row["check"], row["level"], row["repeat"], row["point"]] += 1
    whole = max(counts.values(), default=0)
    return [r for r in rows if counts[r["check"], r["level"], r["repeat"], r["point"]] == whole]


def curves_of(rows: list[dict[str, str]]) -> tables.Curves:
    """Metric -> check -> kind -> level -> curve of means over repeats."""
    values = defaultdict(list)
    for row in rows:
        for kind in ("fidelity", "diversity"):
            values[row["metric"], row["check"], kind, row["level"], float(row["point"])].append(float(row[kind]))
    curves: tables.Curves = {}
    for (metric, check, kind, level, point), found in values.items():
        by_level = curves.setdefault(metric, {}).setdefault(check, {}).setdefault(kind, {})
        curve: Curve = by_level.setdefault(level, {})
        curve[point] = float(np.mean(found))
    return curves


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, default=ROOT / "build/sanity", help="where rows are kept")
    parser.add_argument("--out", type=Path, default=ROOT / "reports/gallery/validity", help="where the tables go")
    options = parser.parse_args()
    code = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in MEASURED_BY)).hexdigest()[:12]
    options.rows.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.rows / f"rows-{code}.csv"
    measure(path)
    results = tables.results(curves_of(rows_of(path)))
    (options.out / "sanity.csv").write_text(tables.as_csv(results))
    (options.out / "sanity.md").write_text(tables.as_markdown(results, REPEATS))
    print(tables.totals_table(results))


if __name__ == "__main__":
    main()
