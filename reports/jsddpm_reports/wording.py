"""How scores are put into words and cells, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jsddpm.binning import PATHOLOGY_NAMES

if TYPE_CHECKING:  # the bins report words its numbers here and stays instant
    from jsddpm_eval.results import Cell, Results, Score

COLUMNS = {
    "best_match_psnr": "match",
    "diversity_rmse": "diversity",
    "copy_gap": "copy gap",
    "kid_radiomics": "KID",
    "fid_radiomics": "FID",
    "z_error_bins": "z error",
    "obedience": "obeys",
}
"""Scores of the per-bin table, in order, with their headings."""

EXPLANATIONS = {
    "best_match_psnr": "PSNR in dB against the nearest real slice of the bin; beside it what a real slice reaches "
    "among the other patients' slices.",
    "diversity_rmse": "Mean RMSE between samples of different seeds; beside it real slices of different patients.",
    "copy_gap": "Best match to training slices less that to held-out ones, in dB at equal numbers; beside it what real "
    "training patients' slices show. A copier stands out.",
    "kid_radiomics": "Kernel distance on radiomics-like features, all samples, unbiased; beside it real against real, "
    "patients halved. Negative means no difference seen.",
    "fid_radiomics": "Fréchet distance on the same features; biased upwards with few samples (marked ~), "
    "compare with the real-against-real value only.",
    "z_error_bins": "Distance between the bin asked for and the slice position a small network reads off the sample, "
    "in bin widths; beside it the network's error on held-out real slices.",
    "obedience": "Share of samples with an empty mask for control, with a lesion for lesion.",
}


def score_of(cell: Cell, column: str) -> Score | None:
    """The score a column of the per-bin table shows for a cell."""
    if column != "obedience":
        return cell.scores.get(column)
    name = {0: "control_empty", 1: "lesion_present"}.get(-1 if cell.pathology is None else cell.pathology)
    return None if name is None else cell.scores.get(name)


def number(score: Score | None) -> str:
    """The value in few characters: ``~`` before an unreliable one, a dash for an undefined one."""
    if score is None or score.value is None:
        return "–"
    return ("~" if score.status == "unreliable" else "") + plain(score.value, score.unit)


def plain(value: float, unit: str = "") -> str:
    """A number with as many digits as it deserves.

    >>> plain(24.13, "dB"), plain(0.01234), plain(1.0, "share")
    ('24.1', '0.012', '100%')
    """
    if unit == "share":
        return f"{100 * value:.0f}%"
    if unit == "dB" or abs(value) >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def with_floor(score: Score | None) -> tuple[str, str]:
    """Value and its real-against-real yardstick, both as text; the second empty where there is none."""
    floor = "" if score is None or score.floor is None else plain(score.floor, score.unit)
    return number(score), floor


def context(score: Score | None) -> str:
    """Counts, interval and reason of a score, for a tooltip or a note."""
    if score is None:
        return "not asked for"
    parts = []
    if score.interval:
        parts.append(f"95% interval {plain(score.interval[0], score.unit)} to {plain(score.interval[1], score.unit)}")
    if score.p_value is not None:
        parts.append(f"p = {score.p_value:.3g}")
    counts = {"real": score.n_real, "generated": score.n_generated, "patients": score.n_patients}
    parts += [f"{count} {what}" for what, count in counts.items() if count is not None]
    if score.reason:
        parts.append(score.reason)
    return "; ".join(parts)


def headlines(results: Results) -> list[tuple[str, str, str]]:
    """The numbers a reader looks for first, as (what, value, how to read it)."""
    scores = results.pooled
    lines = [
        _headline(
            scores,
            "z_error_bins",
            "position error",
            "bin widths; chance {z_error_chance_bins}, real slices {floor}",
        ),
        _headline(scores, "control_empty", "control: empty mask", "of {n_generated} samples"),
        _headline(scores, "lesion_present", "lesion: mask present", "of {n_generated} samples"),
        _headline(scores, "kid_radiomics", "KID, all bins", "real against real {floor}"),
    ]
    local = results.utilization["schemes"].get("local", {})
    if results.binning["scheme"] == "local" and local:
        lines.append(("bins used", f"{local['bins_used']} of {local['bins_total']}", "local binning"))
    return [line for line in lines if line is not None]


def _headline(scores: Mapping[str, Score], name: str, what: str, reading: str) -> tuple[str, str, str] | None:
    score = scores.get(name)
    if score is None:
        return None
    floor = "not known" if score.floor is None else plain(score.floor, score.unit)
    chance = number(scores.get("z_error_chance_bins"))
    filled = reading.format(floor=floor, n_generated=score.n_generated, z_error_chance_bins=chance)
    return what, number(score), filled if score.value is not None else score.reason or ""


def cell_label(cell: Cell, results: Results) -> tuple[str, str, str]:
    """Bin, slice range and pathology of a per-bin cell, as text."""
    bounds = results.z_binning.ranges()[cell.z_bin] if cell.z_bin is not None else None
    slices = f"{bounds[0]}–{bounds[1]}" if bounds else ""
    return str(cell.z_bin), slices, "" if cell.pathology is None else PATHOLOGY_NAMES[cell.pathology]
