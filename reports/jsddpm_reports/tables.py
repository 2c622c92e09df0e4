"""Results as markdown."""

from __future__ import annotations

from typing import Any

from jsddpm_eval.utilization import verdict


def utilization_markdown(report: dict[str, Any]) -> str:
    """The bins report as markdown: verdict, bin by bin, summary.

    >>> from jsddpm_eval.utilization import bin_utilization
    >>> utilization_markdown(bin_utilization((0, 3), 2, 4)).splitlines()[0]
    '# z_range [0, 3] of 4 slices, 2 bins'
    """
    lo, hi = report["z_range"]
    schemes = report["schemes"]
    sentence = verdict(report)
    lines = [
        f"# z_range [{lo}, {hi}] of {report['n_slices']} slices, {report['n_bins']} bins",
        "",
        f"{sentence[0].upper()}{sentence[1:]}.",
        "",
        "| bin | " + " | ".join(f"{name} slices | {name} count" for name in schemes) + " |",
        "|---:|" + "---:|---:|" * len(schemes),
    ]
    for k in range(report["n_bins"]):
        cells = []
        for s in schemes.values():
            bounds = s["ranges"][k]
            cells += [f"{bounds[0]}–{bounds[1]}" if bounds else "–", str(s["counts"][k])]
        lines.append(f"| {k} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| scheme | bins used | slices per used bin | evenness | embeddings without a gradient |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, s in schemes.items():
        lines.append(
            f"| {name} | {s['bins_used']} of {s['bins_total']} | {s['min_per_used_bin']} to {s['max_per_used_bin']} "
            f"| {s['entropy']:.3f} | {len(s['unused_embeddings'])} of {2 * s['bins_total']} |"
        )
    return "\n".join(lines) + "\n"
