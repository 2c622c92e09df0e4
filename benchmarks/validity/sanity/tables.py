"""Passes of every metric as tables, beside the totals that the paper's authors published."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from benchmarks.validity.sanity.designs import DESIGNS
from benchmarks.validity.sanity.rules import Curve, outcomes
from benchmarks.validity.sanity.scores import OURS, PUBLISHED

Curves = dict[str, dict[str, dict[str, dict[str, Curve]]]]
"""Metric -> check -> kind -> level -> curve."""
KINDS = ("fidelity", "diversity")
PRINTED = {  # passes of 30, fidelity and diversity: plotting/print_pass_fail_tables.ipynb of the paper's code
    "precision and recall": (11, 9),
    "density and coverage": (18, 13),
    "alpha-precision and beta-recall": (11, 9),
    "precision and recall cover": (10, 13),
    "symmetric precision and recall": (10, 9),
    "probabilistic precision and recall": (13, 10),
}
SOURCE = "github.com/DPBayes/position-fidelity-diversity-metrics-flawed, plotting/print_pass_fail_tables.ipynb"
SIGNS = {"pass": "✓", "low": "✓ low", "high": "✓ high", "fail": "–"}


@dataclass(frozen=True)
class Result:
    metric: str
    kind: str
    check: str
    desideratum: str
    outcome: str


def results(curves: Curves) -> list[Result]:
    """One result per metric, kind, check and desideratum: 30 each."""
    return [
        Result(metric, kind, check, desideratum, outcome)
        for metric, checks in curves.items()
        for kind in KINDS
        for check in DESIGNS
        for desideratum, outcome in outcomes(kind, check, checks[check][kind]).items()
    ]


def total(found: list[Result], metric: str, kind: str) -> int:
    return sum(r.outcome != "fail" for r in found if (r.metric, r.kind) == (metric, kind))


def as_csv(found: list[Result]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["metric", "kind", "check", "desideratum", "outcome"])
    writer.writerows([r.metric, r.kind, DESIGNS[r.check].title, r.desideratum, r.outcome] for r in found)
    return stream.getvalue()


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def totals_table(found: list[Result]) -> str:
    """Passes of 30 as measured here, beside those the authors published."""
    measured = list(dict.fromkeys(r.metric for r in found))
    rows = []
    for metric in [*measured, *(m for m in PRINTED if m not in measured)]:
        here = [str(total(found, metric, kind)) if metric in measured else "not run" for kind in KINDS]
        rows.append([metric, *here, *(str(n) for n in PRINTED.get(metric, ("", "")))])
    return _table(["metric", "fidelity", "diversity", "published: fidelity", "published: diversity"], rows)


def checks_table(found: list[Result], kind: str) -> str:
    """Check and desideratum by metric: the published metrics and ours."""
    metrics = [*PUBLISHED, OURS]
    heads = [PUBLISHED[m][kind == "diversity"] if m in PUBLISHED else m for m in metrics]
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for r in found:
        if r.kind == kind:
            rows.setdefault((DESIGNS[r.check].title, r.desideratum), {})[r.metric] = SIGNS[r.outcome]
    return _table(["check", "desideratum", *heads], [[*key, *(row[m] for m in metrics)] for key, row in rows.items()])


def as_markdown(found: list[Result], repeats: int) -> str:
    parts = [f"Passes of 30 for each side, means of {repeats} repeats:\n", totals_table(found)]
    for kind in KINDS:
        parts.append(f"{kind.capitalize()}:\n\n{checks_table(found, kind)}")
    return "\n".join([*parts, f"Published totals: {SOURCE}.\n"])
