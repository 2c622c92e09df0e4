"""Facts on an evaluation and its run, in words; a missing fact is *not known*, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jsddpm.wording import agreeing, counted
from jsddpm_eval.privacy import named_sentences, nameless_sentences
from jsddpm_eval.results.anonymised import CODED
from jsddpm_eval.results.results import Results
from jsddpm_reports import wording
from jsddpm_reports.cards.fact import Fact, unknown
from jsddpm_reports.cards.generator import of_generator

NO_RUN = "the run folder was not given: --run RUN"
_CHECKS = {
    "congruence": ("unlike_real", "intensity", "sharpness", "texture"),
    "coverage": ("collapsed",),
    "constraint": (
        "outline",
        "outliers",
        "misplaced",
        "disobeyed",
        "control_lesion",
        "lesion_shape",
        "lesion_contrast",
    ),
}
"""Checks that tell of a criterion."""

_PRECISIONS = {"32-true": "32-bit floats", "bf16-mixed": "mixed with bfloat16", "16-mixed": "mixed with float16"}

_ALWAYS = {
    "output": Fact("Continuous: images in [0, 1], each with a binary lesion mask"),
    "card": Fact("README.md, written with this list"),
    "preprocessing": unknown("results.json does not hold it; the store does: jsddpm cache info STORE"),
    "duration": unknown("a run does not record its duration"),
}


def facts_of(
    results: Results, privacy: Mapping[str, Any] | None = None, run: Mapping[str, Any] | None = None
) -> dict[str, Fact]:
    """Everything that is asked of an evaluation, by name.

    Args:
        results: The evaluation.
        privacy: Content of ``privacy.json``, if there is one.
        run: Content of the run's ``provenance.json``, if it is known.
    """
    checkpoint = results.provenance.get("checkpoint")
    facts = _of_evaluation(results) | _of_run(run) | _ALWAYS
    facts |= of_generator(checkpoint, results.provenance.get("generated", {}))
    facts["disjoint"] = _disjoint(results)
    facts["privacy"] = _privacy(privacy, results)
    return facts


def _of_evaluation(results: Results) -> dict[str, Fact]:
    provenance, binning = results.provenance, results.z_binning
    generated = provenance.get("generated", {})
    groups = list(dict.fromkeys(spec.group for spec in results.specs))
    selftest = provenance.get("selftest")
    low, high = binning.z_range
    return {
        "goal": Fact(
            "Evaluation of a generator of axial brain MRI slices with lesion masks, by axial bin and pathology"
        ),
        "samples": Fact(counted(generated["slices"], "generated slice"))
        if "slices" in generated
        else unknown("nothing generated was evaluated"),
        "patients": _patients(provenance.get("real", {})),
        "binning": Fact(
            f"{counted(binning.n_bins, f'{binning.scheme} bin')} of slices {low} to {high} of {binning.n_slices}"
        ),
        "metrics": Fact(
            f"{counted(len(results.specs), 'score')} of {', '.join(groups)}; each with its definition in results.json"
        ),
        "uncertainty": Fact(
            "95% intervals treat patients and samples as the units. They are by Welch and Banerjee (linearized by "
            "patient) for differences of means, by Clopper and Pearson for shares, and by the jackknife for distances "
            "and other means. The baseline is the same score between real patients. P-values of checks are "
            "corrected over the checks and the conditions; those of single scores are not"
        ),
        "precision": _precision(results),
        "sample_size": _detectable(results),
        "failures": _failures(results),
        "verdict": Fact(" ".join(wording.verdict_sentences(results))),
        "limitations": _limitations(results),
        "robustness": Fact("Faults of graded strength were planted into the cohort (jsddpm selftest)")
        if selftest
        else unknown("jsddpm selftest STORE was not run on this cohort"),
        "software": Fact(", ".join(f"{k} {v}" for k, v in provenance.get("versions", {}).items()))
        if provenance.get("versions")
        else unknown("results.json holds no versions"),
        "baseline": Fact(
            "Scores between real patients, for every score that has them; no other generator: jsddpm compare sets "
            "evaluations side by side"
        ),
        "consistency": _consistency(results),
        **{name: _by_checks(results, checks) for name, checks in _CHECKS.items()},
        "reproduction": Fact(f"Seed {provenance['seed']}; the commands stand in the report")
        if "seed" in provenance
        else unknown("results.json holds no seed"),
        "codes": Fact("Random codes stand for patients in the evaluation")
        if CODED in provenance
        else unknown("the evaluation was made without --anonymise, and what was done before is not recorded"),
    }


def _patients(real: Mapping[str, Any]) -> Fact:
    """Real patients, and how many or which of them are held out, as far as the evaluation says."""
    held_out, split = real.get("held_out_patients"), real.get("held_out_split")
    if held_out is None and "patients" not in real:
        return unknown("the evaluation does not say who is held out")
    patients = counted(real["patients"], "patient") if "patients" in real else "patients whose number is not recorded"
    if held_out is None:
        return Fact(f"{patients} (held out: split {split})" if split else patients)
    return Fact(f"{patients}, {held_out} of them held out" + (f" (split {split})" if split else ""))


def _of_run(run: Mapping[str, Any] | None) -> dict[str, Fact]:
    names = ("partitions", "hardware", "training_data")
    if run is None:
        return dict.fromkeys(names, unknown(NO_RUN))
    split, store = run.get("split", {}), run.get("store", {})
    words = {"train": "to train on", "val": "to validate on", "test": "to test on"}
    held = [counted(store[f"{what}s"], what) for what in ("slice", "patient") if f"{what}s" in store]
    machine = [_PRECISIONS.get(run[key], str(run[key])) for key in ("device", "precision") if key in run]
    return {
        "partitions": Fact(", ".join(f"{counted(split[k], 'patient')} {v}" for k, v in words.items() if k in split))
        if split
        else unknown("the run does not say how patients were divided"),
        "hardware": Fact(f"{', '.join(machine)}, {counted(run.get('processes', 1), 'process')}"),
        "training_data": Fact(
            f"the training split of store {store.get('fingerprint')}"
            + (f", which has {' of '.join(held)}" if held else "")
        ),
    }


def _disjoint(results: Results) -> Fact:
    real, checkpoint = results.provenance.get("real", {}), results.provenance.get("checkpoint") or {}
    origin = results.provenance.get("generated", {}).get("provenance", {})
    trained_on = checkpoint.get("training_store") or origin.get("training_store")
    if trained_on is None:
        return unknown("the samples do not say on which store their generator was trained")
    if "store" not in real:
        return unknown("the evaluation does not say which store the real slices are of")
    if trained_on != real["store"]:
        return unknown(
            f"the generator was trained on another store, {trained_on}, whose patients are not compared with those of "
            "the evaluation"
        )
    unseen = [a for a in (checkpoint or origin).get("ancestors", []) if not a.get("compared")]
    if unseen:
        return unknown(
            f"the generator started from a network that was trained on another store, {unseen[0].get('store')}, whose "
            "patients are not compared with those of the evaluation"
        )
    return Fact("By patient: slices of one patient are on one side only")


def _precision(results: Results) -> Fact:
    scores = [s for s in results.pooled.values() if s.value is not None]
    if not scores:
        return unknown("no score of the whole is defined")
    intervals = sum(s.interval is not None for s in scores)
    known = f"{intervals} of {counted(len(scores), 'score')} of the whole {agreeing(intervals, 'has', 'have')}"
    return Fact(f"{known} a 95% interval; see the table of the card")


def _detectable(results: Results) -> Fact:
    units = {spec.name: spec.unit for spec in results.specs}
    found = {name: f for name, f in results.whole().items() if f.detectable is not None}
    if not found:
        return unknown("no check says what it could have seen")
    named = []
    for heading, finding in zip(_headings(results, found), found.values(), strict=True):
        unit = units.get(finding.detectable_score, "")
        named.append(
            f"{heading} {wording.plain(finding.detectable or 0.0, unit)} {'' if unit == 'share' else unit}".strip()
        )
    return Fact(f"Not planned; smallest differences that would have been seen in 80 of 100 cohorts: {', '.join(named)}")


def _failures(results: Results) -> Fact:
    off = {check: f for check, f in results.whole().items() if f.answer == "off"}
    if not results.findings:
        return unknown(wording.why_no_check(results))
    if not off:
        return Fact("No check of the whole is off; unknown checks are listed under limitations")
    found = zip(_headings(results, off), off.values(), strict=True)
    return Fact("; ".join(f"{heading}: {wording.finding(finding)}" for heading, finding in found))


def _headings(results: Results, checks: Iterable[str]) -> list[str]:
    """Headings of checks by their names."""
    headings = {check.name: check.heading for check in results.checks}
    return [headings.get(name, name) for name in checks]


def _consistency(results: Results) -> Fact:
    """Number of conditions with each common answer of the checks."""
    answers = list(results.answers().values())
    if not answers:
        return unknown("no bin was looked at by itself")
    counts = ", ".join(f"{answers.count(answer)} {answer}" for answer in ("fine", "off", "unknown"))
    return Fact(f"{counted(len(answers), 'condition')} (bin and pathology): {counts}")


def _by_checks(results: Results, names: tuple[str, ...]) -> Fact:
    """Answers of these checks for the whole."""
    whole = results.whole()
    chosen = [check for check in results.checks if check.name in names and check.name in whole]
    answers = [f"{check.question}: {wording.finding(whole[check.name])}" for check in chosen]
    return Fact("; ".join(answers)) if answers else unknown("no such check was made")


def _limitations(results: Results) -> Fact:
    untold = _headings(results, [name for name, f in results.whole().items() if f.answer == "unknown"])
    named = f": {', '.join(untold)}" if untold else ""
    undefined = counted(len(results.undefined()), "score", "is", "are")
    return Fact(
        f"Slices are 2D. {counted(len(untold), 'check', 'is', 'are')} unknown{named}; {undefined} undefined, each with "
        "its reason in the report"
    )


def _privacy(privacy: Mapping[str, Any] | None, results: Results) -> Fact:
    """Sentences on copies; the one that names a patient stays in the evaluation unless codes stand for patients."""
    if privacy is None:
        return unknown("copies of patients were not looked for")
    said = named_sentences if CODED in results.provenance else nameless_sentences
    return Fact(" ".join(said(privacy)))
