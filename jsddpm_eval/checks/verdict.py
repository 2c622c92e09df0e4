"""The verdict: the answers of all checks for the whole and its parts, and a summary in words. Torch-free."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache

from jsddpm.wording import agreeing, capital, counted, enumerated
from jsddpm_eval.checks.base import Check, ShiftCheck, of_samples
from jsddpm_eval.checks.causes import causes_of_all, causes_of_masks, may_follow, minority, shared_by_all
from jsddpm_eval.checks.coverage import not_compared, why_not_covered
from jsddpm_eval.checks.decision import FINE_IF, NARROWER, decide
from jsddpm_eval.checks.outliers import BESIDE_OTHERS
from jsddpm_eval.checks.texture import ROUGH
from jsddpm_eval.plugins import modules_with
from jsddpm_eval.results.faults import doubt, faults_of, named
from jsddpm_eval.results.results import ALIKE, Results
from jsddpm_eval.results.score import Cell
from jsddpm_eval.results.specs import Answer, CheckSpec, Finding

_MOST_FAULTS, _MOST_NAMES, _MOST_REASONS = 4, 6, 2
_SHARES_OF_COPIES = {"training": "copied_train_share", "held-out": "copied_held_out_share"}
_SUSPECTED = {
    "inverted": "intensity", "intensity": "intensity", "orientation": "outline", "part turned": "outline",
    "size": "outline", "place": "outline", "order": "misplaced", "masks": "disobeyed", "mask place": "lesion_contrast",
    "pairs": "lesion_contrast", "repeated": "collapsed", "foreign": "outliers", "blank": "outliers",
}  # fmt: skip
"""The check that asks what a suspicion of the import check is about."""


@cache
def checks() -> tuple[Check, ...]:
    """Every check: the modules of this package that hold a ``CHECK``.

    >>> [c.spec.name for c in checks()][:2]
    ['collapsed', 'control_lesion']
    """
    return tuple(module.CHECK for module in modules_with(__package__ or "", "CHECK"))


def scores_read() -> list[str]:
    """Names of the scores that some check reads: all that a verdict needs."""
    return list(dict.fromkeys(name for check in checks() for name in check.reads))


def with_findings(results: Results) -> Results:
    """The same results with the findings of every check and the verdict."""
    cells = [cell for cell in results.generation if cell.timestep is None]
    specs = tuple(check.spec for check in checks())
    words = {spec.name: {"label": spec.words, "unit": spec.unit} for spec in results.specs}
    missing = {c.spec.name: [name for name in c.reads if name not in words] for c in checks()}
    by_name, conditions, alike = {c.spec.name: c for c in checks()}, results.cells(), ALIKE in results.provenance

    def known(finding: Finding) -> Finding:
        """The finding, unknown where it is fine beside something that the check could not see."""
        if finding.answer != "fine":
            return finding
        names = missing[finding.check]
        reasons = (
            why_not_covered(by_name[finding.check], finding.place, conditions),
            "some real patients are as near to each other as copies are" if alike and finding.check == "copied" else "",
            f"some of its scores were not computed: {', '.join(names)}" if names else "",
        )
        reason = next(filter(None, reasons), "")
        return finding.model_copy(update={"answer": "unknown", "reason": reason}) if reason else finding

    decided = map(known, decide(checks(), cells))
    findings = (f.model_copy(update=words.get(f.score, {})) for f in decided)
    checked = results.model_copy(update={"checks": specs, "findings": tuple(findings)})
    return checked.model_copy(update={"verdict": verdict(checked)})


def verdict(results: Results) -> tuple[str, ...]:
    """The findings in words, sentence by sentence, the whole first; empty where nothing generated was evaluated.

    What the import check suspects stands before them. Then:
    How much was compared and how many checks give each answer; samples without real slices; the faults, the most
    certain first; what is fine; what is unknown, and what would be needed; which checks were not made.
    """
    findings: dict[str, list[Finding]] = defaultdict(list)
    for finding in results.findings:
        findings[finding.check].append(finding)
    suspected = _suspected(results)
    if not findings:
        return suspected
    whole = results.whole()
    faults = faults_of(results)
    words = {check.spec.name: check.words for check in checks() if isinstance(check, ShiftCheck)}
    causes, few = causes_of_masks(faults, results.generation, words), minority(faults)

    def order(fault: tuple[str, list[Finding]]) -> tuple[bool, bool, bool, bool, bool, tuple[float, float]]:
        name, parts = fault  # copies first, because they may disclose patients; rough spectra follow from smoothing
        return (
            name != "copied",
            parts[0] != whole.get(name),
            name not in few,
            bool(causes) and name not in causes,
            parts[0].fault == ROUGH and "sharpness" in faults,
            doubt(parts[0]),
        )

    faults = dict(sorted(faults.items(), key=order))
    calm = [check for check in results.checks if check.name in findings and check.name not in faults]
    answers = {c.name: whole.get(c.name) or min(findings[c.name], key=lambda f: f.answer == "fine") for c in calm}
    fine = [check for check in calm if answers[check.name].answer == "fine"]
    in_parts = sum(parts[0] != whole.get(name) for name, parts in faults.items())
    sentences = [capital(_compared(results) + _counted(len(findings), len(faults), in_parts, len(fine)))]
    sentences += _alike(results)
    sentences += filter(None, [_redrawn(results), not_compared(results.cells())])
    for name, parts in list(faults.items())[:_MOST_FAULTS]:
        sentences += [_said(results, parts, whole.get(name)), *(_copies(results, parts[0]) if name == "copied" else ())]
    if further := [parts[0].kind for parts in list(faults.values())[_MOST_FAULTS:]]:
        sentences.append(f"Further faults: {'; '.join(further)}.")
    sentences += may_follow("The other answers", causes_of_all(faults))
    sentences += may_follow("What is said of masks", causes)
    if fine:
        beside = {"outliers": BESIDE_OTHERS} if shared_by_all(faults) else {}
        asked = ((check.name, beside.get(check.name, check.question)) for check in fine)
        questions = "; ".join(question + _where(results, name, "fine") for name, question in asked)
        sentences.append(f"Fine on the whole, within the margins of the checks: {questions}.")
        sentences += [f"{capital(check.unseen)}." for check in fine if check.unseen]
    about = {_SUSPECTED.get(suspicion["name"]) for suspicion in results.provenance.get("suspicions", ())}
    if both := [check.question for check in fine if check.name in about]:
        suspects = "The import check suspects a fault of what is fine here"
        sentences.append(f"{suspects}: {'; '.join(both)}. Look at the slices before you rely on either answer.")
    sentences += _open([(check, answers[check.name]) for check in calm if check not in fine])
    if missing := [check.question for check in results.checks if check.name not in findings]:
        sentences.append(f"Not checked, because the scores were not computed: {'; '.join(missing)}.")
    return (*suspected, *sentences)


def _suspected(results: Results) -> tuple[str, ...]:
    """Suspicions of the import check; they come first, because they can explain every score."""
    suspicions = [s["sentence"] for s in results.provenance.get("suspicions", ())]
    return tuple(f"{'Before any score' if i == 0 else 'Also'}: {sentence}." for i, sentence in enumerate(suspicions))


def _redrawn(results: Results) -> str:
    """A sentence on samples that were drawn again, because the checks see their last attempt only."""
    count = results.provenance.get("generated", {}).get("redrawn", 0)
    if not count:
        return ""
    samples = counted(count, "sample", "was", "were")
    return f"{samples} drawn again, because masks contradicted the pathology that samples are conditioned on."


def _alike(results: Results) -> list[str]:
    """A sentence on real patients who may be one person; it names nobody, because verdicts are passed on."""
    patients = sum(map(len, results.provenance.get(ALIKE, ())))
    if not patients:
        return []
    what = f"Slices of {patients} real patients are as near to those of another one as copies are"
    cure = "give all scans of one person one patient name and evaluate again"
    return [f"{what}: they may be one person under several names (privacy.json lists them); if so, {cure}."]


def _pooled(results: Results) -> Cell | None:
    """The cell of all slices pooled."""
    return next((c for c in results.generation if c.key == (None, None, None)), None)


def _compared(results: Results) -> str:
    cell = _pooled(results)
    if cell is None or cell.n_generated is None or cell.n_patients is None:
        return ""
    held_out = results.provenance.get("real", {}).get("held_out_patients")
    aside = "" if held_out is None else f" ({held_out} held out)"
    samples, patients = counted(cell.n_generated, "sample"), counted(cell.n_patients, "patient")
    return f"{samples} compared with slices of {patients}{aside}: "


def _counted(checks: int, faults: int, in_parts: int, fine: int) -> str:
    one = f"{faults or 'none'} of {counted(checks, 'check')} {_is(faults)} off"
    one += f" ({in_parts} only in parts)" if in_parts else ""
    parts = [one, f"{fine or 'none'} {_is(fine)} fine"]
    unknown = checks - faults - fine
    return ", ".join(parts + [f"{unknown} {_is(unknown)} unknown"] * (unknown > 0)) + "."


def _said(results: Results, parts: Sequence[Finding], top: Finding | None) -> str:
    first = parts[0]
    if first == top:
        seen = f"{first.evidence}{_where(results, first.check, 'off')}"
        return f"{capital(first.fault)}: {'; '.join(filter(None, [seen, first.also]))}."
    by_kind: dict[str, list[str]] = defaultdict(list)
    for finding in sorted(parts[:_MOST_NAMES], key=lambda f: sum(part is not None for part in f.place)):
        by_kind[", ".join(filter(None, [finding.fault, finding.also]))].append(named(finding.place))
    if len(parts) > _MOST_NAMES:
        next(reversed(by_kind.values())).append(f"{len(parts) - _MOST_NAMES} more")
    parts_in_words = "; ".join(f"{kind} in {enumerated(names)}" for kind, names in by_kind.items())
    most = f", most in {named(first.place)}" if len(parts) > 1 else ""
    whole = _on_the_whole(results, first)
    opening = "Significant only in parts" if whole else "Only in parts"
    return f"{opening}: {parts_in_words}{most}: {first.evidence}{whole}."


def _copies(results: Results, first: Finding) -> list[str]:
    """How many of all samples count as copies, unless the first finding on copies says it."""
    cell = _pooled(results)
    said = first.score if first.place == (None, None) else ""
    shares = {} if cell is None else {name: cell.scores.get(score) for name, score in _SHARES_OF_COPIES.items()}
    counts = [
        f"{of_samples(share)} are copies of {name} slices"
        for name, share in shares.items()
        if share and share.value and share.spec != said
    ]
    return [f"{capital(enumerated(counts))}."] if counts else []


def _on_the_whole(results: Results, finding: Finding) -> str:
    """The score of a finding in SD for the whole, if the whole has this fault too but for its p-value; else empty."""
    cell = _pooled(results)
    check = next((c for c in checks() if c.spec.name == finding.check), None)
    if cell is None or not isinstance(check, ShiftCheck):
        return ""
    same = (e for e in check.evidence(cell) if (e.score, e.kind) == (finding.score, finding.fault))
    return next((f"; on the whole {e.figure(e.value or 0.0)}, not significant" for e in same), "")


def _where(results: Results, check: str, answer: Answer) -> str:
    """Conditions with samples that have the answer of the whole, in words; nothing of a check of the whole alone."""
    empty = {(c.z_bin, c.pathology) for c in results.generation if c.n_generated == 0}
    findings = [f for f in results.findings if f.check == check and None not in f.place and f.place not in empty]
    tested = any(f.answer != "unknown" or f.interval or f.p_value is not None for f in findings)
    if not findings or (answer == "off" and not tested):
        return ""
    count, total = sum(f.answer == answer for f in findings), len(findings)
    conditions = counted(total, "condition") + " with samples" * bool(empty)
    if not count:
        return f", in none of {conditions} alone" if answer == "off" else f" (unknown in {conditions} taken alone)"
    where = f"in {'all' if count == total > 1 else f'{count} of'} {conditions}"
    return f", {where}" if answer == "off" else f" ({where})"


def _open(unknown: Sequence[tuple[CheckSpec, Finding]]) -> list[str]:
    """Sentences on checks without an answer, grouped by what they would need."""
    by_reason: dict[str, list[tuple[CheckSpec, Finding]]] = defaultdict(list)
    for check, finding in unknown:
        by_reason[finding.reason].append((check, finding))
    groups = sorted(by_reason.items(), key=lambda group: -len(group[1]))
    few = len(groups) <= _MOST_REASONS
    shown, rest = (groups, []) if few else (groups[: _MOST_REASONS - 1], groups[_MOST_REASONS - 1 :])
    sentences = []
    for why, items in shown:
        questions = "; ".join(_with(check.question, finding.evidence) for check, finding in items)
        sentences.append(f"Unknown: {questions}." + f" {capital(why)}." * bool(why))
    if rest:
        others = "; ".join(_with(c.question, f.evidence, _short(why)) for why, items in rest for c, f in items)
        sentences.append(f"Unknown, each for its own reason: {others}.")
    return sentences


def _with(question: str, *more: str) -> str:
    said = ", ".join(filter(None, more))
    return f"{question} ({said})" if said else question


def _short(reason: str) -> str:
    """The reason of an unknown answer beside its interval.

    >>> _short(f"{FINE_IF} below 0.5; {NARROWER}"), _short("no images were given")
    ('fine if it lies below 0.5', 'no images were given')
    """
    return reason.replace(FINE_IF, "fine if it lies").replace(f"; {NARROWER}", "").replace("; ", ", ")


def _is(count: int) -> str:
    return agreeing(count or 1, "is", "are")  # none is
