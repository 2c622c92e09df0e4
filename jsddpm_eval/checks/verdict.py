"""What an evaluation says: every check's answer for every condition, and their sum in words. Torch-free."""

from __future__ import annotations

from functools import cache

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm_eval.checks.base import Check
from jsddpm_eval.plugins import modules_with
from jsddpm_eval.results.results import Condition, Results


@cache
def checks() -> tuple[Check, ...]:
    """Every check: the modules of this package that hold a ``CHECK``.

    >>> [c.spec.name for c in checks()][:2]
    ['collapsed', 'copied']
    """
    return tuple(module.CHECK for module in modules_with(__package__ or "", "CHECK"))


def with_findings(results: Results) -> Results:
    """The same results with the findings of every check and the verdict."""
    findings = tuple(finding for check in checks() for finding in check.findings(results.cells()))
    specs = tuple(check.spec for check in checks())
    checked = results.model_copy(update={"checks": specs, "findings": findings})
    return checked.model_copy(update={"verdict": verdict(checked)})


def verdict(results: Results) -> tuple[str, ...]:
    """The findings in words, sentence by sentence; empty where nothing generated was evaluated.

    A condition counts as fine only where every check could be made.
    """
    answers = results.answers()
    if not answers:
        return ()
    fine = [key for key, answer in answers.items() if answer == "fine"]
    unknown = [key for key, answer in answers.items() if answer == "unknown"]
    count = f"{len(fine) or 'none'} pass{'es' * (len(fine) < 2)} every check"
    sentences = [f"Of {len(answers)} conditions {count}{_named(fine)}."]
    faults = [
        (check, [(f.z_bin, f.pathology) for f in results.findings if (f.check, f.answer) == (check.name, "off")])
        for check in results.checks
    ]
    for check, where in sorted(faults, key=lambda fault: -len(fault[1])):
        if where:
            sentences.append(f"{len(where)} {check.one if len(where) == 1 else check.many}{_named(where)}.")
    if unknown:
        open_names = {f.check for f in results.findings if f.answer == "unknown" and (f.z_bin, f.pathology) in unknown}
        headings = ", ".join(check.heading for check in results.checks if check.name in open_names)
        which = f"{len(unknown)} show{'s' * (len(unknown) < 2)} no fault, but not every check could be made"
        sentences.append(f"{which}{_named(unknown)}; not made: {headings}.")
    return tuple(sentences)


def _named(conditions: list[Condition]) -> str:
    names = [f"bin {z_bin} {PATHOLOGY_NAMES[pathology or 0]}" for z_bin, pathology in conditions]
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return f" ({shown})" if names else ""
