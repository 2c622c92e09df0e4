"""Which checks count as off, and the parts in which they are. Torch-free."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.specs import Finding, Place


def faults_of(results: Results) -> dict[str, list[Finding]]:
    """The findings that make each check off: of the whole, or of the parts that are off by themselves.

    A check that is off neither in the whole nor in a part is not in it. Parts are the largest ones, the most certain
    first.
    """
    findings: dict[str, list[Finding]] = defaultdict(list)
    for finding in results.findings:
        findings[finding.check].append(finding)
    whole = results.whole()
    found = ((name, _fault(whole.get(name), of_check)) for name, of_check in findings.items())
    return {name: parts for name, parts in found if parts}


def under(place: Place, above: Place) -> bool:
    """Whether a place equals another one or is part of it.

    >>> under((3, 1), (None, 1)), under((3, 1), (3, 0))
    (True, False)
    """
    return all(part is None or part == own for part, own in zip(above, place, strict=True))


def doubt(finding: Finding) -> tuple[float, float]:
    """Less for what is more certain: by the corrected p-value, then in standard errors."""
    low, high = finding.interval or (0.0, 0.0)
    size = abs(finding.value or 0.0)
    return 1.0 if finding.p_value is None else finding.p_value, -(size / (high - low) if high > low else size)


def named(place: Place) -> str:
    """A part in words.

    >>> named((3, 1)), named((3, None)), named((None, 1))
    ('bin 3 lesion', 'bin 3', 'lesion samples')
    """
    z_bin, pathology = place
    if z_bin is None:
        return "all samples" if pathology is None else f"{PATHOLOGY_NAMES[pathology]} samples"
    return f"bin {z_bin}" + ("" if pathology is None else f" {PATHOLOGY_NAMES[pathology]}")


def _fault(top: Finding | None, findings: Sequence[Finding]) -> list[Finding]:
    if top is not None and top.answer == "off":
        return [top]
    off = [f for f in findings if f.answer == "off" and not f.inherited]
    largest = [f for f in off if not any(f is not other and under(f.place, other.place) for other in off)]
    return sorted(largest, key=doubt)
