"""Results of a selftest as tables and sentences."""

from __future__ import annotations

from typing import Any

from jsddpm.wording import counted
from jsddpm_reports import tables

HEADINGS = ("fault", "strength", "found", "named", "own check", "flagged", "elsewhere", "other names")


def fault_rows(values: dict[str, Any]) -> list[list[str]]:
    """One row for each fault and strength."""
    return [
        [
            row["fault"].replace("_", " "), f"{row['strength']:g} {row['unit']}".strip(),
            _count(row["found"], row["trials"]), _count(row["named"], row["trials"]),
            _count(row["own_check"], row["trials"]), f"{row['affected_flagged']} of {row['affected']}",
            str(row["unaffected_flagged"]), row["also_named"],
        ]
        for row in values["faults"]
    ]  # fmt: skip


def markdown(values: dict[str, Any]) -> str:
    """The table of faults, false alarms and sentences as Markdown."""
    table = tables.markdown((list(HEADINGS), fault_rows(values)), left=len(HEADINGS))
    return f"{alarms(values)}\n\n{table}\n\n" + "\n".join(f"- {line}" for line in values["sentences"]) + "\n"


def alarms(values: dict[str, Any]) -> str:
    """False alarms of perfect samples, and what their interval covers, in two sentences."""
    perfect = values["perfect"]
    if not perfect["trials"]:
        return "No perfect samples were drawn."
    low, high = perfect["interval"]
    named = ", ".join(f"{name} {share['count']}" for name, share in perfect["checks"].items() if share["count"])
    draws = counted(perfect["trials"], "draw")
    return (
        f"A perfect generator had a false alarm in {perfect['count']} of {draws} (95% interval "
        f"{100 * low:.0f} to {100 * high:.0f}%){f': {named}' if named else ''}. The draws are of "
        "one division of the patients; the interval does not cover other divisions."
    )


def _count(share: float, trials: int) -> str:
    return ("yes" if share else "no") if trials == 1 else f"{round(share * trials)} of {trials}"
