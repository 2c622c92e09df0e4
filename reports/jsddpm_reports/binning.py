"""The bins report and the sweep as tables of text, markdown, CSV and an HTML page: one set of cells for all."""

from __future__ import annotations

from typing import Any

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.cohort.records import SPLITS
from jsddpm.csvfiles import to_csv
from jsddpm.wording import agreeing, counted
from jsddpm_eval.bins.utilization import verdict
from jsddpm_reports.tables import Table
from jsddpm_reports.tables import markdown as markdown_table

_NONE = "none"


def sentence(report: dict[str, Any]) -> str:
    """The verdict as the beginning of a sentence; empty bins; conditions in which nothing is detected; and a cure."""
    text = verdict(report)
    empty = report["schemes"].get("local", {}).get("unused_bins", [])
    if empty:
        text += f"; local bins without a slice: {', '.join(map(str, empty))}"
    if "store" in report:
        cells = report["store"]["cells"]
        few = sum(not c["assessable"] for c in cells)
        conditions = counted(len(cells), "condition")
        if few:
            verb = agreeing(few, "has", "have")
            text += f"; {few} of {conditions} {verb} too few patients to be assessed"
        none = sum(_smallest(c) == _NONE for c in cells)
        if none:
            text += f"; in {none} {'more' if few else f'of {conditions}'} no difference would be seen"
        if fewer := report["store"]["fewer_bins"]:
            least = report["store"]["min_patients"]
            most = f"the most of which every condition has {least} patients (--bins {fewer})"
            text += f"; take {counted(fewer, 'bin')}, {most}"
    return text[0].upper() + text[1:]


def bin_table(report: dict[str, Any]) -> Table:
    """Bin by bin, every scheme beside the other."""
    rows = []
    for k in range(report["n_bins"]):
        row = {"bin": str(k)}
        for name, s in report["schemes"].items():
            bounds = s["ranges"][k]
            row[f"{name} slices"] = f"{bounds[0]}–{bounds[1]}" if bounds else "–"
            row[f"{name} count"] = str(s["counts"][k])
        rows.append(row)
    return _table(rows)


def summary_table(report: dict[str, Any]) -> Table:
    """Summary statistics of every scheme; with a store, conditions without its training slices count.

    The store is counted in local bins; with others, at least the conditions of empty bins are not trained.
    """
    cells = (report.get("store") or {}).get("cells", [])
    untrained = {name: len(s["unused_embeddings"]) for name, s in report["schemes"].items()}
    untrained |= {"local": sum(not cell["slices"]["train"] for cell in cells)} if cells else {}
    rows = [
        [
            name,
            f"{s['bins_used']} of {s['bins_total']}",
            f"{100 * s['utilization']:.0f}%",
            f"{s['min_per_used_bin']} to {s['max_per_used_bin']}",
            f"{s['entropy']:.3f}",
            _untrained(untrained[name], 2 * s["bins_total"], least=bool(cells) and name != "local"),
        ]
        for name, s in report["schemes"].items()
    ]
    return ["scheme", "bins used", "utilization", "slices per bin", "evenness", "conditions never trained"], rows


def _untrained(count: int, conditions: int, *, least: bool) -> str:
    """How many conditions are never trained; with ``least``, slices of the store were not counted in these bins."""
    if least and not count:
        return "not counted"
    return f"{count}{' or more' if least else ''} of {conditions}"


def cell_table(store: dict[str, Any]) -> Table:
    """Slices and patients (s/p) of each condition by split, and the smallest detectable difference."""
    rows = []
    for c in store["cells"]:
        counts = [f"{c['slices'][s]}/{c['patients'][s]}" for s in SPLITS]
        rows.append(
            [str(c["z_bin"]), PATHOLOGY_NAMES[c["pathology"]], *counts, str(c["patients"]["all"]), _smallest(c)]
        )
    everything = [str(store["patients"]), _smallest(store["whole"])]
    rows.append(["all", "", *("" for _ in SPLITS), *everything])
    return ["bin", "pathology", *(f"{s} s/p" for s in SPLITS), "patients", "detectable, SD"], rows


def cell_key(store: dict[str, Any]) -> list[str]:
    """What the words of :func:`cell_table` mean, one sentence for each."""
    samples, cohorts = counted(store["samples"], "sample"), f"{100 * store['power']:.0f} of 100 cohorts"
    lines = [
        "s/p: slices/patients",
        f"detectable: the smallest difference between {samples} of a condition and real slices, in SD of real slices "
        f"(median over what is compared), that an evaluation detects in {cohorts}",
    ]
    reasons = [c["reason"] for c in (*store["cells"], store["whole"]) if _smallest(c) == _NONE]
    return lines + [f"{_NONE}: {reason}" for reason in dict.fromkeys(reasons)]


def _smallest(cell: dict[str, Any]) -> str:
    shift = cell["minimum_detectable"]
    if shift:
        return f"{shift['median']:#.2g}"
    few = "too few samples" if "sample" in cell["reason"] else "too few patients"
    return _NONE if cell["reason"].startswith("not") else few


def sweep_table(sweep: dict[str, Any]) -> Table:
    """The choices of a sweep, the recommended one marked."""
    rows = []
    for e in sweep["choices"]:
        row = {"": "→" if e["n_bins"] == sweep["recommended"] else "", "bins": str(e["n_bins"])}
        row |= {"used": str(e["bins_used"]), "slices per bin": "{} to {}".format(*e["slices_per_bin"])}
        if "cells_assessable" in e:
            row["mm per bin"] = "{:g} to {:g}".format(*e["mm_per_bin"])
            row["patients per condition"] = "{} to {}".format(*e["patients_per_cell"])
            row["assessable"] = f"{e['cells_assessable']} of {e['cells']}"
        rows.append(row)
    return _table(rows)


def _table(rows: list[dict[str, str]]) -> Table:
    return list(rows[0]), [list(row.values()) for row in rows]


def markdown(report: dict[str, Any]) -> str:
    """The bins report as markdown.

    >>> from jsddpm_eval.bins.utilization import bin_utilization
    >>> markdown(bin_utilization((0, 3), 2, 4)).splitlines()[0]
    '# z_range [0, 3] of 4 slices, 2 bins'
    """
    lo, hi = report["z_range"]
    parts = [
        f"# z_range [{lo}, {hi}] of {counted(report['n_slices'], 'slice')}, {counted(report['n_bins'], 'bin')}",
        f"{sentence(report)}.",
        markdown_table(bin_table(report)),
        markdown_table(summary_table(report)),
    ]
    if "store" in report:
        parts += [markdown_table(cell_table(report["store"])), *(f"{line}." for line in cell_key(report["store"]))]
    return "\n\n".join(parts) + "\n"


def csv(report: dict[str, Any]) -> str:
    """The bins report as CSV: one row per bin, or per condition with a store."""
    rows = []
    bins: list[dict[str, Any]] = [{"z_bin": k} for k in range(report["n_bins"])]
    for cell in report["store"]["cells"] if "store" in report else bins:
        k = cell["z_bin"]
        row: dict[str, object] = {"z_bin": k}
        for name, s in report["schemes"].items():
            first, last = s["ranges"][k] or (None, None)
            row |= {f"{name}_first": first, f"{name}_last": last, f"{name}_count": s["counts"][k]}
        if "store" in report:
            detectable = cell["minimum_detectable"] or {}
            row["pathology"] = PATHOLOGY_NAMES[cell["pathology"]]
            row |= {f"{what}_{s}": cell[what][s] for what in ("slices", "patients") for s in (*SPLITS, "all")}
            row |= {f"detectable_{what}": detectable.get(what) for what in ("median", "largest")}
            row["reason"] = cell["reason"]
        rows.append(row)
    return to_csv(rows)


def html(report: dict[str, Any]) -> str:
    """The bins report as one self-contained page."""
    from jsddpm_reports.document import inlined, rendered
    from jsddpm_reports.figures import svg
    from jsddpm_reports.utilization import utilization_figure

    store = report.get("store")
    tables = {"bin": bin_table(report), "summary": summary_table(report)}
    key = []
    if store:
        tables["cell"], key = cell_table(store), cell_key(store)
    named = {f"{n}_{part}": t[i] for n, t in tables.items() for i, part in enumerate(("headings", "rows"))}
    words = "Slices of each bin under each scheme" + (", over the mean brain profile" if store else "")
    picture = inlined(svg(utilization_figure(report), "bins", words))
    shown = {"report": report, "store": store, "sentence": sentence(report), "picture": picture, "key": key}
    return rendered("bins.html", **shown, **named)
