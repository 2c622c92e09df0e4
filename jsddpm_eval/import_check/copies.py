"""Repeated images: files that were copied, a seed that did not change, or slices of patients among the samples."""

from __future__ import annotations

from collections import Counter

from jsddpm.wording import agreeing, counted
from jsddpm_eval.import_check.suspicion import Suspicion
from jsddpm_eval.overlap import digests
from jsddpm_eval.slice_table import SliceTable

_FEW = 0.01
"""Largest share of repeated slices without a warning."""


def copies(generated: SliceTable) -> list[Suspicion]:
    """A suspicion if more than 1 % of slices equal another one in 256 grey levels; blank slices do not count."""
    hashes = digests(generated)
    times = Counter(digest for digest in hashes if digest)
    again = sum(n - 1 for n in times.values())
    if again <= _FEW * len(hashes):
        return []
    first = next(i for i, digest in enumerate(hashes) if times[digest] > 1)
    other = next(i for i in range(first + 1, len(hashes)) if hashes[i] == hashes[first])
    names = f"{generated.name(first)} and {generated.name(other)}"
    repeat = agreeing(again, "repeats", "repeat")
    what = f"{again} of {counted(len(hashes), 'slice')} {repeat} another one: {names}"
    return [Suspicion("repeated", what, "leave them out, and check names and seeds")]


def of_patients(real: SliceTable, generated: SliceTable) -> list[Suspicion]:
    """A suspicion if more than 1 % of slices equal real ones in 256 grey levels; blank slices do not count.

    Args:
        real: Real slices.
        generated: Imported ones.
    """
    there = {digest: row for row, digest in enumerate(digests(real)) if digest}
    equal = [(row, there[digest]) for row, digest in enumerate(digests(generated)) if digest in there]
    if len(equal) <= _FEW * len(generated):
        return []
    first, other = equal[0]
    count = f"{len(equal)} of {counted(len(generated), 'slice')} {agreeing(len(equal), 'equals', 'equal')} real ones"
    what = f"{count}: {generated.name(first)} is {real.name(other)}"
    return [Suspicion("real", what, "leave out the files of patients")]
