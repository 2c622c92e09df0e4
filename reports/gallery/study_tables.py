"""Tables and figures of the studies."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import studies
from matplotlib.figure import Figure
from studies import GLOBAL, LOCAL, PREDICTIONS, SCORES

from jsddpm.files import write_bytes, write_text
from jsddpm.slices.store import SliceStore
from jsddpm_reports.figures import BLUE, GREY, png


def write(out: Path, store: SliceStore, work: Path) -> None:
    """Run what is not there yet and write every table."""

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    values = studies.collect((LOCAL, GLOBAL), store, work, say)
    write_text(out / "binning.csv", values.to_csv(index=False, float_format="%.5g"))
    changed = studies.differences(values, GLOBAL.name, LOCAL.name)
    write_text(out / "binning.md", difference_table(changed))
    write_bytes(out / "binning.png", png(difference_figure(changed)))
    values = studies.collect(PREDICTIONS, store, work, say)
    write_text(out / "prediction.csv", values.to_csv(index=False, float_format="%.5g"))
    write_text(out / "prediction.md", variant_table(values))
    write_text(out / "samplers.md", sampler_table(studies.samplers(store, work, say)))


def difference_table(changed: pd.DataFrame) -> str:
    """Local less global bins: mean over the seeds and 95 % interval, a star where it is significant."""
    rows = ["| bin | " + " | ".join(SCORES.values()) + " |", "|---|" + "---|" * len(SCORES)]
    for z_bin in sorted(changed["z_bin"].unique()):
        cells = [_difference(changed, score, z_bin) for score in SCORES]
        rows.append(f"| {'all' if z_bin < 0 else z_bin} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _difference(changed: pd.DataFrame, score: str, z_bin: int) -> str:
    row = changed[(changed["score"] == score) & (changed["z_bin"] == z_bin)]
    if row.empty:
        return "–"
    r = row.iloc[0]
    return f"{r.difference:+.3g} [{r.low:+.3g}, {r.high:+.3g}]{' *' if r.p_value <= 0.05 else ''}"


def difference_figure(changed: pd.DataFrame) -> Figure:
    """Difference by bin with its interval, a panel for each score; filled where it is significant."""
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    for axes, (score, label) in zip(figure.subplots(2, 3).flat, SCORES.items(), strict=True):
        own = changed[(changed["score"] == score) & (changed["z_bin"] >= 0)]
        axes.axhline(0, color=GREY, linewidth=0.8)
        for r in own.itertuples():
            told = r.p_value <= 0.05
            axes.errorbar(
                r.z_bin, r.difference, yerr=[[r.difference - r.low], [r.high - r.difference]], color=BLUE, fmt="o",
                markersize=4, linewidth=1, markerfacecolor=BLUE if told else "white",
            )  # fmt: skip
        axes.set_title(label, fontsize=9)
        axes.set_xlabel("local z-bin", fontsize=8)
        axes.set_xticks(own["z_bin"])
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        "local less global bins, trained at equal cost: mean over seeds, 95 % interval (filled: p at most 0.05)",
        fontsize=10,
    )
    return figure


def variant_table(values: pd.DataFrame) -> str:
    """Pooled scores of each variant: mean over the seeds, and the smallest and largest."""
    pooled = values[values["z_bin"] < 0].groupby(["variant", "score"])["value"].agg(["mean", "min", "max", "count"])
    names: Sequence[str] = [v.name for v in PREDICTIONS]
    rows = ["| predicts | seeds | " + " | ".join(SCORES.values()) + " |", "|---|---|" + "---|" * len(SCORES)]
    for name in names:
        cells = [
            f"{r['mean']:.3g} ({r['min']:.3g} to {r['max']:.3g})" if (name, score) in pooled.index else "–"
            for score in SCORES
            for r in [pooled.loc[(name, score)] if (name, score) in pooled.index else None]
        ]
        shown = "x0" if name == LOCAL.name else name
        rows.append(f"| {shown} | {int(pooled.loc[name]['count'].max())} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def sampler_table(found: pd.DataFrame) -> str:
    """KID to real slices by sampler, beside the band of ddim with 200 steps."""
    rows = ["| features | sampler | steps | KID to real slices | band of ddim-200 | not above it |", "|---" * 6 + "|"]
    rows += [
        f"| {r.features} | {r.sampler} | {r.steps} | {r.kid:.4g} | {r.band_low:.4g} to {r.band_high:.4g} "
        f"| {'yes' if r.inside else 'no'} |"
        for r in found.itertuples()
    ]
    return "\n".join(rows) + "\n"
