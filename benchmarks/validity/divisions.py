"""How often does a perfect generator get an answer *off*, over divisions of the patients?

    JSDDPM_REAL_COHORT=COHORT python benchmarks/validity/divisions.py --divisions 20

In each division half of the patients are real, and the perfect generator draws from the others: once with every patient
equally likely, and once with every slice. Draws of one division share its patients, so the interval counts divisions.
Interrupted runs continue; change the code, and take a new --work.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from cohorts import BUILD, prepared
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from jsddpm.csvfiles import to_csv
from jsddpm.files import make_directory, write_text
from jsddpm.parallel import in_processes
from jsddpm.runtime import cores
from jsddpm_eval.selftest.trials import Row, grid, run_trials
from jsddpm_eval.stats.exceedance import share_interval

GALLERY = Path(__file__).parents[2] / "reports" / "gallery" / "validity" / "divisions"
WAYS = {"patient": "every patient equally likely", "slice": "every slice equally likely"}


def rows_of(work: Path, seed: int, samples: int) -> list[Row]:
    """The draws of one division: what each draws uniformly, and the checks that are off anywhere."""
    opener, (store, binning, _, half), settings = prepared("real", "both")
    trials = run_trials(
        work / f"division-{seed}", grid([], perfect=len(WAYS)), opener, (store, binning, seed, half), samples=samples,
        seed=seed, plan=settings,
    )  # fmt: skip
    names = [sorted({finding[0] for finding in trial["off"]}) for trial in trials]
    return [
        {"division": seed, "uniform": trial["uniform"], "alarm": int(bool(off)), "checks": " ".join(off)}
        for trial, off in zip(trials, names, strict=True)
    ]


def table(rows: list[Row]) -> str:
    """Divisions with a false alarm, by what is drawn uniformly, with exact 95 % intervals over divisions."""
    lines = [
        "| samples are drawn with | divisions | with a false alarm | 95% interval | checks |",
        "|---|---:|---:|---|---|",
    ]
    for way, words in WAYS.items():
        drawn = [row for row in rows if row["uniform"] == way]
        alarms = [row for row in drawn if row["alarm"]]
        low, high = share_interval(len(alarms), len(drawn))
        names = sorted(name for row in alarms for name in row["checks"].split())
        counts = ", ".join(f"{name} {names.count(name)}" for name in dict.fromkeys(names)) or "none"
        lines.append(f"| {words} | {len(drawn)} | {len(alarms)} | {100 * low:.0f} to {100 * high:.0f}% | {counts} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Evaluate two perfect draws of every division."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--divisions", type=int, default=20)
    parser.add_argument("--samples", type=int, default=16, help="samples of each condition")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes; each takes one division at a time")
    parser.add_argument("--work", type=Path, default=BUILD / "divisions", help="where trials are kept")
    parser.add_argument("--out", type=Path, default=GALLERY)
    asked = parser.parse_args()
    prepared("real", "both")  # the store is built before any process needs it
    columns = TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()
    calls = [(asked.work, seed, asked.samples) for seed in range(asked.divisions)]
    rows: list[Row] = []
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("divisions", total=asked.divisions)
        for drawn in in_processes(rows_of, calls, jobs=asked.jobs):
            rows += drawn
            write_text(make_directory(asked.out) / "draws.csv", to_csv(rows))
            write_text(asked.out / "table.md", table(rows))
            bars.update(task, advance=1)


if __name__ == "__main__":
    main()
