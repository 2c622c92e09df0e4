"""What became of planted faults, by fault and by layout, and of sets without a fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

Row = dict[str, str]
OUTCOMES = ("refused", "named", "named otherwise", "declared undetermined", "missed")
NO_EFFECT, CALM, FALSE_ALARM = "no effect", "calm", "false alarm"


def by_fault(rows: Sequence[Row]) -> str:
    """Imports of each fault; those that an evaluation reads as if there were none are counted aside."""
    return _table("fault", rows, list(dict.fromkeys(row["fault"] for row in rows)))


def by_form(rows: Sequence[Row], faithful: Sequence[Row]) -> str:
    """Imports of each form, with sets without a fault, and how many of these gave a false alarm."""
    names = list(dict.fromkeys(row["form"] for row in rows))
    lines = _table("form", rows, names).splitlines()
    ends = [" without a fault | false alarms |", "---:|---:|"]
    for name in [*names, "all"]:
        counts = Counter(row["outcome"] for row in faithful if name in (row["form"], "all"))
        ends.append(f" {counts.total()} | {counts[FALSE_ALARM]} |")
    return "\n".join(line + end for line, end in zip(lines, ends, strict=True)) + "\n"


def _table(column: str, rows: Sequence[Row], names: Iterable[str]) -> str:
    lines = [f"| {column} | imports | {' | '.join(OUTCOMES)} | {NO_EFFECT} |", f"|---|{'---:|' * (len(OUTCOMES) + 2)}"]
    for name in [*names, "all"]:
        counts = Counter(row["outcome"] for row in rows if name in (row[column], "all"))
        shown = [counts.total() - counts[NO_EFFECT], *(counts[o] for o in (*OUTCOMES, NO_EFFECT))]
        lines.append(f"| {name} | {' | '.join(map(str, shown))} |")
    return "\n".join(lines) + "\n"
