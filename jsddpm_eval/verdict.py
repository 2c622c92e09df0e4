"""What an evaluation says, in words, by stated rules. Torch-free.

Each bin x pathology is *not judged* when it has fewer than four patients or four generated slices, or so few of them
that no permutation test could reach 5 % after the correction below. Otherwise it is *off* when any of these holds, and
*passes every check* when none does:

- *differs*: the KID's permutation p-value, in any feature space, is below 5 % after Holm's correction over all judged
  bins and feature spaces;
- *collapsed*: the mean difference between seeds is, with its whole interval, below half of what real patients show;
- *copied*: an exact copy, or a copy gap whose interval lies more than 3 dB above that of real slices;
- *misplaced*: slices lie a bin width further from their bin than held-out real slices from their position;
- *disobeys*: fewer than 80 % of masks are empty for control, or present for lesion;
- *unmatched*: the contrast of lesions is no better with their own masks than with swapped ones (p above 5 %), although
  real lesions have such a contrast.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb

from jsddpm_eval.multiplicity import holm_adjusted
from jsddpm_eval.results import Cell, Results, Score

MIN_UNITS = 4
ALPHA = 0.05
COLLAPSE = 0.5
COPY_DB = 3.0
MISPLACED_BINS = 1.0
OBEDIENCE = 0.8
_PHRASES = {
    "differs": ("differs", "differ", "from real slices of new patients"),
    "collapsed": ("varies", "vary", "too little between seeds"),
    "copied": ("comes", "come", "closer to training slices than new slices do"),
    "misplaced": ("lies", "lie", "in another place than asked for"),
    "disobeys": ("does", "do", "not obey the pathology asked for"),
    "unmatched": ("has", "have", "lesion masks without a lesion in the image"),
}


def findings(results: Results) -> dict[str, list[str] | None]:
    """What is off with each bin x pathology by name; an empty list where it is fine, None where it cannot be judged."""
    cells = results.cells()
    tests = {(c.name, n): s for c in cells for n, s in _kid(c) if s.p_value is not None and _enough(s)}
    able = {key: s.p_value or 0.0 for key, s in tests.items() if _least_p(s) <= ALPHA / len(tests)}
    differing = {name for name, _ in holm(able)}
    names = {name for name, _ in able}
    return {c.name: list(_faults(c, c.name in differing)) if c.name in names else None for c in cells}


def verdict(results: Results) -> str:
    """One paragraph; empty where nothing generated was evaluated."""
    found = findings(results)
    if not found:
        return ""
    fine = [name for name, faults in found.items() if faults == []]
    unknown = [name for name, faults in found.items() if faults is None]
    parts = [
        f"Of {len(found)} conditions {len(fine) or 'none'} pass{'es' * (len(fine) < 2)} every check{_named(fine)}."
    ]
    for fault, (one, many, what) in _PHRASES.items():
        where = [name for name, faults in found.items() if faults and fault in faults]
        if where:
            parts.append(f"{len(where)} {one if len(where) == 1 else many} {what}{_named(where)}.")
    if unknown:
        parts.append(f"{len(unknown)} cannot be judged with so few patients or samples{_named(unknown)}.")
    return " ".join(parts)


def holm(p_values: dict[tuple[str, str], float]) -> set[tuple[str, str]]:
    """Keys whose hypotheses are rejected at 5 % together (Holm 1979).

    >>> sorted(holm({("a", ""): 0.01, ("b", ""): 0.04, ("c", ""): 0.2}))
    [('a', '')]
    """
    return {key for key, p in holm_adjusted(p_values).items() if p <= ALPHA}


def _kid(cell: Cell) -> list[tuple[str, Score]]:
    return [(n, s) for n, s in cell.scores.items() if n.startswith("kid_")]


def _enough(score: Score) -> bool:
    return min(score.n_patients or 0, score.n_generated or 0) >= MIN_UNITS


def _least_p(score: Score) -> float:
    """The smallest p-value that exchanging patients with generated slices can give."""
    people, made = score.n_patients or 0, score.n_generated or 0
    return 1 / comb(people + made, people)


def _faults(cell: Cell, differs: bool) -> Iterator[str]:
    scores = cell.scores
    if differs:
        yield "differs"
    if any(
        s.interval and s.floor is not None and s.interval[1] < COLLAPSE * s.floor
        for n, s in scores.items()
        if n.startswith("diversity_")
    ):
        yield "collapsed"
    copies, gap = scores.get("exact_copies"), scores.get("copy_gap")
    far = gap is not None and gap.interval and gap.interval[0] > (gap.floor or 0.0) + COPY_DB
    if (copies is not None and copies.value) or far:
        yield "copied"
    place = scores.get("z_error_bins")
    if place is not None and place.value is not None and place.value > (place.floor or 0.0) + MISPLACED_BINS:
        yield "misplaced"
    asked = scores.get("control_empty") or scores.get("lesion_present")
    if asked is not None and asked.value is not None and asked.value < OBEDIENCE:
        yield "disobeys"
    coupling = scores.get("coupling_contrast")
    if coupling is not None and (coupling.p_value or 0.0) > ALPHA and (coupling.floor or 0.0) > 0:
        yield "unmatched"


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return f" ({shown})" if names else ""
