"""Summary of trials: fault x strength, false alarms, confusion of checks, and sentences on faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jsddpm.checksums import write_recorded
from jsddpm.csvfiles import csv_bytes
from jsddpm.files import json_bytes
from jsddpm.wording import capital, enumerated
from jsddpm_eval.selftest.fault import Fault
from jsddpm_eval.selftest.trials import PERFECT, Row
from jsddpm_eval.stats.exceedance import share_interval

SEEN = 0.8
"""Share of the trials of a fault at a strength in which it must be found, or named right, to count as seen."""

_COUNTS = (
    "affected", "affected_judged", "affected_flagged", "affected_named", "unaffected_judged", "unaffected_flagged",
)  # fmt: skip


def summary(rows: Sequence[Row], faults: Sequence[Fault], checks: Sequence[str]) -> dict[str, Any]:
    """The results of a selftest, as plain values.

    Args:
        rows: Rows of :func:`~jsddpm_eval.selftest.trials.run_trials`.
        faults: The faults that were planted.
        checks: Names of the checks of the evaluation.
    """
    table = fault_table(rows, faults)
    return {
        "faults": table,
        "perfect": false_alarms(rows, checks),
        "names": confusion(rows, faults, checks),
        "sentences": sentences(table, faults),
        "seconds": {
            "trials": len(rows),
            "mean": round(sum(row["seconds"] for row in rows) / len(rows), 2) if rows else None,
        },
    }


def fault_table(rows: Iterable[Row], faults: Iterable[Fault]) -> list[Row]:
    """One row for each fault and strength: shares of trials with an answer, and conditions, summed over trials.

    ``found``, ``named`` and ``own_check`` are the shares in which any check, any expected check, and the first expected
    check is off.
    """
    by_place: dict[tuple[str, float | None], list[Row]] = {}
    for row in rows:
        by_place.setdefault((row["fault"], row["strength"]), []).append(row)
    places = [(fault, strength) for fault in faults for strength in fault.strengths]
    return [_tried(f, s, by_place[f.name, s]) for f, s in places if (f.name, s) in by_place]


def false_alarms(rows: Iterable[Row], checks: Iterable[str]) -> dict[str, Any]:
    """Perfect draws in which any check was off, with an exact 95 % interval of the share; check by check as well."""
    perfect = [row for row in rows if row["fault"] == PERFECT]
    named = [{finding[0] for finding in row["off"]} for row in perfect]
    return {
        **_share(sum(row["false_alarm"] for row in perfect), len(perfect)),
        "conditions_judged": sum(row["unaffected_judged"] for row in perfect),
        "conditions_flagged": sum(row["unaffected_flagged"] for row in perfect),
        "checks": {check: _share(sum(check in names for names in named), len(perfect)) for check in checks},
        "drawn": {
            way: _share(sum(row["false_alarm"] for row in perfect if row["uniform"] == way),
                        sum(row["uniform"] == way for row in perfect))
            for way in ("patient", "slice")
        },
    }  # fmt: skip


def confusion(rows: Iterable[Row], faults: Iterable[Fault], checks: Sequence[str]) -> list[Row]:
    """Names given, by the proper name of the fault: the share of trials in which each check was off anywhere."""
    proper = {fault.name: fault.expected[0] for fault in faults} | {PERFECT: PERFECT}
    trials: dict[str, list[set[str]]] = {}
    for row in rows:
        if row["fault"] in proper:
            trials.setdefault(proper[row["fault"]], []).append({finding[0] for finding in row["off"]})
    return [
        {
            "expected": name, "trials": len(trials[name]),
            **{check: sum(check in named for named in trials[name]) / len(trials[name]) for check in checks},
            "none": sum(not named for named in trials[name]) / len(trials[name]),
        }
        for name in sorted(trials, key=lambda name: (name != PERFECT, name))
    ]  # fmt: skip


def sentences(table: Sequence[Row], faults: Iterable[Fault]) -> list[str]:
    """For each fault the weakest strength from which it is named right, and the strengths that are missed."""
    lines = []
    for fault in faults:
        tried = [row for row in table if row["fault"] == fault.name]
        if tried:
            lines.append(_sentence(fault, tried))
    return lines


def write(folder: str | Path, values: dict[str, Any]) -> None:
    """Write ``selftest.json``, and as tables ``faults.csv`` and ``names.csv``."""
    folder, described = Path(folder), {"schema": "jsddpm-selftest", "version": 1, **values}
    write_recorded(folder / "selftest.json", json_bytes(described))
    for name in ("faults", "names"):
        write_recorded(folder / f"{name}.csv", csv_bytes(values[name]))


def _tried(fault: Fault, strength: float, rows: Sequence[Row]) -> Row:
    others = {finding[0] for row in rows for finding in row["off"]} - set(fault.expected)
    own = [row["named"] and any(finding[0] == fault.expected[0] for finding in row["off"]) for row in rows]
    return {
        "fault": fault.name, "family": fault.family, "strength": strength, "unit": fault.unit,
        "expected": " or ".join(fault.expected), "trials": len(rows),
        **{what: sum(row[what] for row in rows) / len(rows) for what in ("found", "named")},
        "own_check": sum(own) / len(rows),
        **{name: sum(row[name] for row in rows) for name in _COUNTS},
        "also_named": ", ".join(sorted(others)),
    }  # fmt: skip


def _sentence(fault: Fault, tried: Sequence[Row]) -> str:
    """The sentence on one fault, whose rows begin with the strength that is hardest to see."""
    first_named, first_seen = _from(tried, "named"), _from(tried, "found")
    parts = []
    if first_named < len(tried):
        parts.append(("name", f"right from {fault.stated(tried[first_named]['strength'])} on"))
    if first_seen < first_named:
        parts.append(("see", f"under another name from {fault.stated(tried[first_seen]['strength'])} on"))
    if missed := [f"{row['strength']:g}" for row in tried[: min(first_seen, first_named)]]:
        parts.append(("would miss", f"at {enumerated(missed)} {fault.unit}".strip()))
    said = [f"{verb} {'it' if i else 'this fault'} {where}" for i, (verb, where) in enumerate(parts)]
    return f"{capital(fault.title)}: checks {enumerated(said, ', and ' if said[2:] else ' and ')}."


def _from(tried: Sequence[Row], what: str) -> int:
    """Index of the first strength from which on all are detected; their number if the last one is not."""
    place = len(tried)
    while place and tried[place - 1][what] >= SEEN:
        place -= 1
    return place


def _share(count: int, of: int) -> dict[str, Any]:
    if not of:
        return {"count": 0, "trials": 0, "share": None, "interval": None}
    return {"count": count, "trials": of, "share": count / of, "interval": list(share_interval(count, of))}
