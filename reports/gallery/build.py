"""The committed gallery: binning figures, the demo with its spread over seeds, studies on its cohort, benchmarks.

``make reports`` makes all of it again (parts by name: ``build.py binning demo seeds studies benchmarks``). Binning
takes seconds, the demo five minutes, the other seeds a quarter of an hour, the studies about two hours of one core;
trainings are kept in ``runs/`` and reused.
Binning has the same bytes everywhere. The demo is trained, and other processors round in other ways: ``build.py check``
compares a demo with the committed one within what another seed changes (:func:`tolerances`).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
from scipy import stats

from jsddpm.csvfiles import to_csv
from jsddpm.files import make_directory, write_bytes, write_text
from jsddpm.slices.store import SliceStore
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.results.panels import Panels
from jsddpm_eval.results.results import Results
from jsddpm_reports.binning import markdown
from jsddpm_reports.figures import png
from jsddpm_reports.montage import montage_figure
from jsddpm_reports.page import write_page
from jsddpm_reports.utilization import utilization_figure

SETTINGS = (((24, 93), 10), ((24, 93), 50), ((50, 100), 10))
GALLERY = Path(__file__).parent
ROOT = GALLERY.parents[1]
ALL = -1  # stands for all bins
DEMO, SEEDS, WORK = (ROOT / "runs" / name for name in ("demo", "demo-seeds", "studies"))
OTHER_SEEDS = (1, 2, 3)
COMPARED = (
    "z_error_slices", "kid_slice-encoder", "kid_radiomics", "best_match_psnr", "diversity_rmse", "brain_shape",
)  # fmt: skip
OBEDIENCE = {"control_empty": 0.05, "lesion_present": 0.05}
"""How far obedience of all samples may lie from the committed one: 4 of 80. Most seeds obey in all samples, so their
spread says too little."""

TRAINED = {"z_error_slices": 1.6, "kid_slice-encoder": 0.1}
"""How far pooled baselines may lie from the committed ones where a small network trained on real slices reads them off:
4.5 times (as in :func:`tolerances`) their standard deviation over the evaluation seeds 0 to 3, 0.35 and 0.02."""


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
    jsddpm("demo", "--out", demo)
    folder, evaluation = make_directory(out / "demo"), demo / "run" / "evaluation"
    results = Results.read(evaluation / "results.json")
    write_text(folder / "verdict.txt", "\n".join(results.verdict) + "\n")
    write_text(folder / "scores.csv", to_csv(demo_scores(results)))
    write_bytes(folder / "montage.png", png(montage_figure(Panels.read(evaluation / "panels.npz"), results), dpi=100))
    write_page(evaluation, folder / "report.html")


def jsddpm(*arguments: object) -> None:
    """Run a command of this checkout."""
    command = "from jsddpm_cli.app import main; main()"
    subprocess.run([sys.executable, "-c", command, *map(str, arguments)], check=True)


def build_seeds(out: Path = GALLERY, demo: Path = DEMO, work: Path = SEEDS) -> None:
    """Train, sample and evaluate the demo's store from other seeds; write the scores of all to ``demo/seeds.csv``."""
    rows = [{"seed": 0} | row for row in demo_scores(Results.read(demo / "run" / "evaluation" / "results.json"))]
    make_directory(work)
    for seed in OTHER_SEEDS:
        run = work / str(seed)
        results = run / "evaluation" / "results.json"
        if not results.is_file():
            begun = ("--resume",) if run.is_dir() else ("--preset", "demo", "--set", f"seed={seed}")
            jsddpm("train", "--store", demo / "store", "--out", run, *begun)
            if not (run / "samples").is_dir():
                jsddpm("sample", run, "--out", run / "samples", "--seed", seed)
            jsddpm("eval", "--bin-aware", run)
        rows += [{"seed": seed} | row for row in demo_scores(Results.read(results))]
    write_text(make_directory(out / "demo") / "seeds.csv", to_csv(rows))


def demo_scores(results: Results) -> list[dict[str, object]]:
    """Value, baseline and status of the scores that :func:`check` compares, pooled and by condition."""
    names = {*COMPARED, *OBEDIENCE}
    return [
        {"cell": cell.name, "z_bin": ALL if cell.z_bin is None else cell.z_bin, "score": name, "value": score.value,
         "baseline": score.baseline, "status": score.status}
        for cell in results.generation
        for name, score in cell.scores.items()
        if name in names and (cell.z_bin is None) == (cell.pathology is None)
    ]  # fmt: skip


def tolerances(seeds: Path = GALLERY / "demo" / "seeds.csv") -> pd.Series:
    """How far a score may lie from the committed one, as a share of it, by score and by whether it is of one bin.

    Another processor rounds another way, which changes a training less than another seed does. The bound is the 95 %
    prediction interval of one more seed about the committed one: t times the square root of 2 times the relative
    standard deviation over the seeds of :func:`build_seeds`. That of single bins is the root mean square over the bins.
    The level of t is corrected over the scores, and over the bins (Bonferroni).
    """
    values = pd.concat([_by_bin(rows)["value"] for _, rows in pd.read_csv(seeds).groupby("seed")])
    by_bin = values.groupby(["score", "z_bin"]).agg(["mean", "std", "count"]).reset_index()
    rows = {}
    for (score, single), group in by_bin.groupby(["score", by_bin["z_bin"] != ALL]):
        spread = float(((group["std"] / group["mean"]) ** 2).mean() ** 0.5)
        freedom = int((group["count"] - 1).sum())
        rows[score, single] = stats.t.ppf(1 - 0.025 / (len(COMPARED) * len(group)), freedom) * 2**0.5 * spread
    return pd.Series(rows).rename_axis(["score", "single"])


def check(demo: Path = DEMO, committed: Path = GALLERY) -> list[str]:
    """What of a finished demo differs from the committed scores by more than is allowed, in words."""
    now = pd.DataFrame(demo_scores(Results.read(demo / "run" / "evaluation" / "results.json")))
    before = pd.read_csv(committed / "demo" / "scores.csv")
    both = before.merge(now, "outer", ["cell", "score"], suffixes=("_before", "_now"))
    undefined = both[[f"value_{side}" for side in ("before", "now")]].isna()
    changed = both[(both["status_before"] != both["status_now"]) | undefined.nunique(axis=1).gt(1)]
    problems = [f"{r.cell}: {r.score} was {r.status_before}, is {r.status_now}" for r in changed.itertuples()]
    allowed, first, second = tolerances(), _by_bin(before), _by_bin(now)
    for score, z_bin in first.index.intersection(second.index):
        where = "all bins" if z_bin == ALL else f"bin {z_bin}"
        old, new = first.loc[(score, z_bin)], second.loc[(score, z_bin)]
        single = z_bin != ALL
        value = OBEDIENCE[score] if score in OBEDIENCE else abs(old["value"]) * allowed[score, single]
        baseline = TRAINED.get(score, 0.001 + 0.01 * abs(old["baseline"]))
        for what, bound, apart in (("value", value, OBEDIENCE), ("baseline", baseline, TRAINED)):
            if abs(old[what] - new[what]) > bound and not (single and score in apart):
                words = f"{what} of {score} is {new[what]:.4g}, committed {old[what]:.4g}, allowed {bound:.2g}"
                problems.append(f"{where}: {words}")
    return problems


def _by_bin(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over control and lesion by score and bin; of all bins what is pooled, else the mean over conditions."""
    means = rows[rows["z_bin"] != ALL].groupby(["score", "z_bin"])[["value", "baseline"]].mean()
    pooled = rows[rows["z_bin"] == ALL].set_index(["score", "z_bin"])[["value", "baseline"]].astype(float)
    every = means.groupby("score").mean().assign(z_bin=ALL).set_index("z_bin", append=True)
    return pd.concat([means, pooled.combine_first(every)])


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


PARTS = {
    "binning": build_binning,
    "demo": build_demo,
    "seeds": build_seeds,
    "studies": build_studies,
    "benchmarks": build_benchmarks,
}


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        sys.exit("\n".join(check()) or 0)
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
