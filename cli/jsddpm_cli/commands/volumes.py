"""``jsddpm volumes``: whether the slices of generated volumes are consistent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jsddpm_cli.console import FormatOption, emit, note

app = typer.Typer()
ORDER = 75


@app.command(epilog="Example: jsddpm volumes --real store --generated brains --out volumes.json")
def volumes(
    real: Annotated[Path, typer.Option(help="Store of real slices.")],
    generated: Annotated[Path, typer.Option(help="Store of generated volumes.")],
    out: Annotated[Path | None, typer.Option(help="Also write the scores here, as JSON.")] = None,
    how: FormatOption = "table",
) -> None:
    """Compare neighbouring slices of generated volumes with neighbouring slices of patients.

    One slice per bin is taken from either side: how much the next slice differs (gradient), how similar both are
    (SSIM), and how much of a lesion continues in it. Differences are in standard deviations of real slices of the same
    condition, with the patient as the unit. The answer is off if the difference is significant and at least 0.5,
    fine if its interval lies within -0.5 to 0.5, and unknown otherwise.
    """
    from jsddpm.files import json_bytes
    from jsddpm.slices.store import SliceStore
    from jsddpm_eval.slice_table import SliceTable
    from jsddpm_eval.through_plane import through_plane
    from jsddpm_reports.outputs import write_output
    from jsddpm_reports.terminal import results_table

    sampled, patients = SliceStore(generated).of_kind("generated"), SliceStore(real).of_kind("real")
    samples = SliceTable.from_store(sampled)
    scores = through_plane(SliceTable.from_store(patients, samples.binning), samples)
    values = {
        "real": patients.fingerprint, "generated": sampled.fingerprint, "binning": sampled.info["binning"],
        "scores": [score.to_dict() for score in scores],
    }  # fmt: skip
    rows = [
        [s.name, s.answer, *(_number(v) for v in (s.real, s.generated, s.shift)), _span(s.interval), _number(s.p_value)]
        for s in scores
    ]
    table = results_table(["score", "answer", "real", "generated", "shift, SD", "95% interval", "p"], rows)
    emit(table, values, how, below=[f"{score.name}: {score.reason}" for score in scores if score.reason])
    if out is not None:
        write_output(out, json_bytes(values))
        note(f"written {out}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _span(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.2g} to {interval[1]:.2g}"
