"""Tables and plots of the studies, from the rows alone, by the statistics of `jsddpm compare`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.studies.variants import Study, Variant
from jsddpm.binning import ZBinning
from jsddpm.files import write_bytes, write_text
from jsddpm_eval.comparison import Difference
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.replicates import compare_replicates
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Score
from jsddpm_reports import tables
from jsddpm_reports.comparison import comparison_text, forest_picture, notes, verdict
from jsddpm_reports.figures import png
from jsddpm_reports.wording import plain, signed, signed_span

SOURCE = "Patients: LGG MRI Segmentation (Buda et al. 2019; TCGA-LGG)."
"""Named under every table; another cohort needs another line."""
_SPECS = {spec.name: spec for metric in metrics().values() for spec in metric.specs}
_BY_BIN = "binning"
_BY_STEPS = "samplers"
_DRAWN = ("z_error_bins", "kid_radiomics", "diversity_rmse")  # by bin; the table of differences has all scores


def results_of(network: Mapping[str, Any], scores: pd.DataFrame) -> Results:
    """An evaluation as its rows tell it: values without intervals of their own."""
    held_out = int(network["held_out_patients"])
    cells: dict[tuple[int | None, int | None], dict[str, Score]] = {}
    for row in scores.itertuples():
        place = _whole(row.z_bin), _whole(row.pathology)
        score = Score(value=row.value, n_generated=_whole(row.n_generated), n_patients=held_out)
        cells.setdefault(place, {})[row.score] = score.placed(_SPECS[row.spec], row.space)
    real = {
        "store": network["store"], "held_out_split": "test", "patients": int(network["patients"]),
        "held_out_patients": held_out,
    }  # fmt: skip
    z_range = int(network["z_first"]), int(network["z_last"])
    binning = ZBinning(z_range, int(network["n_bins"]), n_slices=int(network["n_slices"]))
    return Results(
        binning=binning.to_dict(), utilization={}, specs=tuple(_SPECS[name] for name in scores["spec"].unique()),
        provenance={"real": real, "seed": 0, "checkpoint": {"config": {"seed": int(network["seed"])}}},
        generation=[Cell(z_bin=k, pathology=p, scores=found) for (k, p), found in cells.items()],
    )  # fmt: skip


def _whole(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def evaluations(trainings: pd.DataFrame, scores: pd.DataFrame, study: Study) -> dict[str, list[Results]]:
    """Evaluations of each variant, of the folds and seeds that all of its variants have."""
    settings, sampling = (scores[name] for name in ("settings", "sampling"))
    own = {v.name: scores[(settings == v.key[0]) & (sampling == v.key[1])] for v in study.variants}
    places = [set(zip(rows["fold"], rows["seed"], strict=True)) for rows in own.values()]
    shared = sorted(set.intersection(*places))

    def one(variant: Variant, fold: str, seed: int) -> Results:
        rows, networks = own[variant.name], trainings[trainings["settings"] == variant.key[0]]
        network = networks[(networks["fold"] == fold) & (networks["seed"] == seed)].iloc[0]
        return results_of(network.to_dict(), rows[(rows["fold"] == fold) & (rows["seed"] == seed)])

    return {v.name: [one(v, *place) for place in shared] for v in study.variants} if shared else {}


def variants_table(found: Mapping[str, list[Results]], compared: Mapping[str, list[Difference]], study: Study) -> str:
    """Scores of the whole: the baseline's mean, then each variant's with its difference and 95 % interval."""
    whole = {
        name: {d.score: d for d in part if (d.z_bin, d.pathology) == (None, None)} for name, part in compared.items()
    }
    first = next(iter(whole.values()))
    rows = [[study.baseline.name, *(plain(d.first, d.unit) for d in first.values())]]
    for name, by_score in whole.items():
        rows.append([name, *(_cell(by_score.get(score)) for score in first)])
    headings = ["", *(d.score + (f" [{d.unit}]" if d.unit not in ("", "share") else "") for d in first.values())]
    said = [f"Baseline: {study.baseline.name}; {len(found[study.baseline.name])} trainings of each variant.", SOURCE]
    return tables.markdown((headings, rows), left=1) + "\n\n" + " ".join([*said, *notes(compared)]) + "\n"


def _cell(d: Difference | None) -> str:
    if d is None:
        return "–"
    spread = f" ({signed_span(d.interval, d.unit)})" if d.interval else ""
    return f"{plain(d.second, d.unit)}\n{' '.join(filter(None, [verdict(d), signed(d.difference, d.unit)]))}{spread}"


def steps_figure(compared: Mapping[str, list[Difference]]) -> Figure:
    """KID of the whole against the steps, a line for each sampler and spacing, a panel for each feature space."""
    rows = pd.DataFrame(
        [{"heading": d.heading, "sampler": name.rpartition(", ")[0], "steps": int(name.split()[-2]), "value": d.second}
         for name, part in compared.items() for d in part
         if d.score.startswith("kid_") and (d.z_bin, d.pathology) == (None, None)]
    )  # fmt: skip
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    groups = rows.groupby("heading", sort=False)
    for axes, (heading, own) in zip(figure.subplots(1, groups.ngroups, squeeze=False)[0], groups, strict=True):
        for sampler, line in own.groupby("sampler", sort=False):
            axes.plot(line["steps"], line["value"], marker="o", markersize=3, linewidth=1, label=sampler)
        axes.set_title(heading, loc="left")
        axes.set_xlabel("steps")
        axes.set_yscale("log")
    axes.legend(fontsize=6)
    return figure


def write_tables(
    trainings: pd.DataFrame, scores: pd.DataFrame, studies: Mapping[str, Study], budget: float, out: Path
) -> None:
    """Write ``NAME.md`` of every study whose variants share a training, and its plots."""
    trainings, scores = (rows[rows["budget"] == budget] for rows in (trainings, scores))
    for name, study in studies.items():
        found = evaluations(trainings, scores, study)
        if not found:
            continue
        baseline = found[study.baseline.name]
        compared = compare_replicates(baseline, {v.name: found[v.name] for v in study.others})
        write_text(out / f"{name}.md", variants_table(found, compared, study))
        write_text(out / f"{name}-differences.csv", comparison_text(compared, ".csv", baseline=study.baseline.name))
        if name == _BY_BIN:
            known = {d.score for part in compared.values() for d in part if d.interval}
            drawn = [score for score in _DRAWN if score in known]
            write_text(out / f"{name}-by-bin.md", comparison_text(compared, ".md", baseline=study.baseline.name))
            if drawn:
                write_bytes(out / f"{name}.png", forest_picture(compared, ".png", drawn))
        if name == _BY_STEPS:
            write_bytes(out / f"{name}.png", png(steps_figure(compared)))
