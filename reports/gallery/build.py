"""The committed gallery: binning figures, the demo's evaluation, studies on the demo cohort, the benchmark table.

``make reports`` makes all of it again (parts by name: ``build.py binning demo studies benchmarks``). Binning takes
seconds, the demo five minutes, the studies about two hours of one core; trainings are kept in ``runs/`` and reused.
Binning has the same bytes everywhere. The demo is trained, so other processors round other ways: ``build.py check``
compares a demo with the committed one within TOLERANCES.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd

from jsddpm.files import make_directory, write_bytes, write_text
from jsddpm.slices.store import SliceStore
from jsddpm_eval.panels import Panels
from jsddpm_eval.results import Results
from jsddpm_eval.tables import to_csv
from jsddpm_eval.utilization import bin_utilization
from jsddpm_reports.binning import markdown
from jsddpm_reports.figures import png
from jsddpm_reports.montage import montage_figure
from jsddpm_reports.page import write_page
from jsddpm_reports.utilization import utilization_figure

SETTINGS = (((24, 93), 10), ((24, 93), 50), ((50, 100), 10))
GALLERY = Path(__file__).parent
ROOT = GALLERY.parents[1]
DEMO, WORK = ROOT / "runs" / "demo", ROOT / "runs" / "studies"
TOLERANCES = {  # pooled value, value of one condition, floor
    "best_match_psnr": (4.0, 4.0, 0.01),
    "diversity_rmse": (0.1, 0.1, 1e-4),
    "z_error_bins": (0.4, 2.5, 0.3),
    "control_empty": (0.25, 0.6, 0.0),
    "lesion_present": (0.25, 0.6, 0.0),
    "brain_shape": (0.15, 0.15, 0.01),
}
"""How far a score may lie from the committed one, in its unit. Values depend on a training and, of one condition, on
eight samples; floors on real slices alone, that of the position error on a small training too."""


def build_binning(out: Path = GALLERY) -> None:
    """Write ``binning/z{lo}-{hi}-{bins}.png`` and ``.md`` for every setting."""
    folder = make_directory(out / "binning")
    for (lo, hi), bins in SETTINGS:
        report = bin_utilization((lo, hi), bins)
        name = f"z{lo}-{hi}-{bins}"
        write_bytes(folder / f"{name}.png", png(utilization_figure(report)))
        write_text(folder / f"{name}.md", markdown(report))


def build_demo(out: Path = GALLERY, demo: Path = DEMO) -> None:
    """Write the demo's report, verdict, montage, and the scores that :func:`check` compares."""
    command = "from jsddpm_cli.app import main; main()"
    subprocess.run([sys.executable, "-c", command, "demo", "--out", str(demo)], check=True)
    folder, evaluation = make_directory(out / "demo"), demo / "run" / "evaluation"
    results = Results.read(evaluation / "results.json")
    write_text(folder / "verdict.txt", results.verdict + "\n")
    write_text(folder / "scores.csv", to_csv(demo_scores(results)))
    write_bytes(folder / "montage.png", png(montage_figure(Panels.read(evaluation / "panels.npz"), results), dpi=100))
    write_page(evaluation, folder / "report.html")


def demo_scores(results: Results) -> list[dict[str, object]]:
    """Value and floor of the scores with a tolerance, pooled and by condition."""
    return [
        {"cell": cell.name, "score": name, "value": score.value, "floor": score.floor, "status": score.status}
        for cell in results.generation
        for name, score in cell.scores.items()
        if name in TOLERANCES
    ]


def check(demo: Path = DEMO, committed: Path = GALLERY) -> list[str]:
    """What of a finished demo differs from the committed scores by more than is allowed, in words."""
    made = demo_scores(Results.read(demo / "run" / "evaluation" / "results.json"))
    known = pd.read_csv(committed / "demo" / "scores.csv").set_index(["cell", "score"])
    found = []
    if {(r["cell"], r["score"]) for r in made} != set(known.index):
        found.append("other scores than the committed ones")
    for row in pd.DataFrame(made).itertuples():
        if (row.cell, row.score) not in known.index:
            continue
        pooled, single, floor = TOLERANCES[row.score]
        for name, allowed in (("value", pooled if row.cell == "all bins" else single), ("floor", floor)):
            before, now = known.loc[(row.cell, row.score), name], getattr(row, name)
            if pd.isna(before) != pd.isna(now) or abs(before - now) > allowed:
                found.append(f"{row.cell}: {name} of {row.score} is {now}, committed {before}, allowed {allowed}")
    return found


def build_studies(out: Path = GALLERY) -> None:
    """Train, compare and write the studies' tables and figures."""
    import study_tables

    study_tables.write(make_directory(out / "studies"), SliceStore(DEMO / "store"), make_directory(WORK))


def build_benchmarks(out: Path = GALLERY) -> None:
    """Run every benchmark on this machine, with PEER_PYTHON slim-diff's beside them, and what a training step costs."""
    folder = make_directory(out / "benchmarks")
    benchmarks = ROOT / "benchmarks"
    subprocess.run([sys.executable, str(benchmarks / "run.py"), "--markdown", str(folder / "cpu.md")], check=True)
    table = subprocess.run([sys.executable, str(benchmarks / "cost.py")], check=True, stdout=subprocess.PIPE)
    write_bytes(folder / "cost.md", table.stdout)


PARTS = {"binning": build_binning, "demo": build_demo, "studies": build_studies, "benchmarks": build_benchmarks}


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        sys.exit("\n".join(check()) or 0)
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
