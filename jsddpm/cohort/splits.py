"""Train, validation and test sets by patient: slices of one person are never on two sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jsddpm.cohort.sources import Record, Split
from jsddpm.errors import usage_error


def split_patients(groups: Mapping[str, str], *, val: float, test: float, seed: int) -> dict[str, Split]:
    """Assign every patient to a split, each group in proportion.

    Args:
        groups: Group of each patient.
        val: Share of patients for validation, in [0, 1); at least one patient when above 0.
        test: Share of patients for test, likewise.
        seed: Seed of the shuffle; the same groups and seed give the same split.

    Raises:
        JsddpmError: ``SPLIT`` (status 2) when no patient would be left for training.

    >>> split_patients({"a": "x", "b": "x", "c": "y", "d": "y"}, val=0.25, test=0.25, seed=0)
    {'a': 'test', 'b': 'train', 'c': 'val', 'd': 'train'}
    """
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        raise usage_error(
            "SPLIT", f"val {val:g} and test {test:g} leave nothing to train on", fix="give shares below 1"
        )
    rng = np.random.default_rng(seed)
    left = sorted(groups)
    result: dict[str, Split] = {}
    shares: tuple[tuple[Split, float], ...] = (("test", test), ("val", val))
    for split, share in shares:
        wanted = max(1, round(share * len(groups))) if share > 0 else 0
        chosen = _in_proportion(left, groups, rng)[:wanted]
        result |= dict.fromkeys(chosen, split)
        left = [p for p in left if p not in result]
    if not left:
        raise usage_error("SPLIT", f"{len(groups)} patients are too few for these shares", fix="lower --val or --test")
    return {p: result.get(p, "train") for p in sorted(groups)}


def assign_splits(records: Sequence[Record], *, val: float, test: float, seed: int) -> dict[str, Split]:
    """Split of each patient: the records' own where they all have one, else :func:`split_patients`.

    Raises:
        JsddpmError: ``SPLIT`` when only some records name a split.
    """
    given = {r.patient: r.split for r in records if r.split is not None}
    groups = {r.patient: r.group for r in records}
    if not given:
        return split_patients(groups, val=val, test=test, seed=seed)
    if missing := sorted(set(groups) - set(given)):
        raise usage_error(
            "SPLIT",
            f"{len(missing)} patients have no split ({missing[0]})",
            fix="fill the column, or leave it out",
        )
    return dict(sorted(given.items()))


def _in_proportion(patients: list[str], groups: Mapping[str, str], rng: np.random.Generator) -> list[str]:
    """Shuffled so that every prefix holds each group in proportion."""
    ranked = []
    for group in sorted({groups[p] for p in patients}):
        members = [p for p in patients if groups[p] == group]
        ranked += [((i + 0.5) / len(members), members[j]) for i, j in enumerate(rng.permutation(len(members)))]
    return [p for _, p in sorted(ranked)]
