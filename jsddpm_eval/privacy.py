"""The statement of an evaluation on copies of patients, for an ethics board: rates with bounds, and their limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jsddpm.checksums import read_recorded, sha256
from jsddpm.files import parse_json
from jsddpm.wording import agreeing, counted, enumerated, percentage, span
from jsddpm_eval.checks.base import of_samples
from jsddpm_eval.results.results import ALIKE
from jsddpm_eval.results.score import Score
from jsddpm_eval.stats.exceedance import share_at_most
from jsddpm_eval.stats.limits import ALPHA

if TYPE_CHECKING:
    from jsddpm_eval.evaluation import Evaluation
    from jsddpm_eval.results.results import Results

PRIVACY = "privacy.json"
"""File of an evaluation."""

_CHECK = "copied"
"""The check whose answer says whether samples are copies."""

_THRESHOLD = 0.09
"""Share of identified patients that regulators of health data have accepted; see SynQP, 2601.12124."""

_ASKED = (
    "Is any sample, or its lesion, a copy of a real patient's, including copies that are mirrored, turned, moved, "
    "brighter, blurred, bent, cropped, or put together from two slices?"
)
_THREAT = (
    "An attacker has the samples and slices of a person, and wants to know whether the person was a training patient, "
    "or recognises a known patient in a sample."
)
_LIMITS = (
    "This statement covers these samples. Other samples of the same network may show other patients.",
    "`jsddpm checkpoint audit` tests what the network itself has memorised.",
    "The search does not find copies that are turned by more than about 15 degrees, upside down, bent by more than 2 "
    "pixels or blurred by more than 2 pixels of 64.",
    "A share of copies is not the risk that a person is identified, which regulators ask for.",
)


def copy_nearness(detail: Evaluation, what: str = "") -> NDArray[np.float64]:
    """Nearness of each sample to its nearest real slice; above 1 it counts as a copy.

    Exact copies count as copies without it, and then it is infinite: where slices of other patients come as near, or
    where nobody knows how near they come.

    Args:
        detail: An evaluation with the metric that searched copies.
        what: ``lesion_`` for the nearness of lesions.

    Returns:
        float64 ``(N,)``; NaN where it is not known.
    """
    score, copied = (detail.per_slice[f"{what}{name}"].double().numpy() for name in ("copy_score", "copied"))
    return np.where((copied == 1) & ~(score > 1), np.inf, score)


def copied_pairs(detail: Evaluation, slices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Samples that count as copies, nearest first: ``sample``, ``real``, ``patient``, ``of``, ``what``, ``nearness``.

    The nearness is None where it is infinite (:func:`copy_nearness`).

    Args:
        detail: The evaluation.
        slices: Its rows of ``per_slice.csv``.
    """
    pairs = []
    for prefix, what in (("", "slice"), ("lesion_", "lesion")):
        if f"{prefix}copy_row" not in detail.per_slice:
            continue
        near, rows = copy_nearness(detail, prefix), detail.per_slice[f"{prefix}copy_row"].numpy()
        for place in np.flatnonzero(detail.per_slice[f"{prefix}copied"].numpy() == 1):
            real = detail.real.where(detail.real.row == int(rows[place]))
            pairs.append({
                "sample": slices[int(place)]["slice"], "real": real.name(0), "patient": str(real.patient_names[0]),
                "of": "held-out" if bool(real.held_out[0]) else "training", "what": what,
                "nearness": None if np.isinf(near[place]) else round(float(near[place]), 3),
            })  # fmt: skip
    return sorted(pairs, key=lambda pair: -np.inf if pair["nearness"] is None else -pair["nearness"])


def privacy_statement(results: Results, copies: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The content of ``privacy.json``; None if copies were not searched.

    Where the check of copies is *off* nowhere, samples look like copies by chance, and no patient is named.

    Args:
        results: Results of the metrics ``copies`` and ``lesion_copies``, with findings.
        copies: The list of :func:`copied_pairs`.
    """
    whole = {(c.z_bin, c.pathology): c.scores for c in results.generation}
    pooled, lesions = whole.get((None, None), {}), whole.get((None, 1), {})
    share = pooled.get("copied_train_share")
    if share is None:
        return None
    shares = {"training": share, "held_out": pooled["copied_held_out_share"], "patients": pooled["patients_copied"]}
    shares |= {"lesions": lesions["lesions_copied_share"]} if "lesions_copied_share" in lesions else {}
    copied = any(f.check == _CHECK and f.answer == "off" for f in results.findings)
    trained = dict.fromkeys((p["patient"], p["sample"]) for p in copies if p["of"] == "training")
    worst = Counter(patient for patient, _ in trained).most_common(1 if copied else 0)
    return {
        "schema": "jsddpm-privacy",
        "version": 1,
        "asked": _ASKED,
        "threat_model": _THREAT,
        "rates": {name: _rate(score) for name, score in shares.items()},
        "worst_patient": {"patient": worst[0][0], "samples": worst[0][1]} if worst else None,
        "alike": results.provenance.get(ALIKE, []),
        "sentences": _sentences(shares, copied=copied),
        "detector": _detector(results),
        "limits": list(_LIMITS),
        "copies": list(copies),
    }


def named_sentences(statement: Mapping[str, Any]) -> list[str]:
    """The sentences of a statement, and those that name patients: who is copied most often, who may be one person.

    >>> named_sentences({"sentences": ["Rates."], "worst_patient": {"patient": "sub-1", "samples": 1}})
    ['Rates.', 'The patient copied most often is sub-1, in 1 sample.']
    """
    return [*nameless_sentences(statement), *_naming(statement)]


def nameless_sentences(statement: Mapping[str, Any]) -> list[str]:
    """The sentences of a statement that name no patient; earlier versions kept the worst patient's among them.

    >>> nameless_sentences({"sentences": ["1 of 9 patients."], "worst_patient": {"patient": "1", "samples": 2}})
    ['1 of 9 patients.']
    """
    naming = _naming(statement)
    return [sentence for sentence in statement["sentences"] if sentence not in naming]


def _naming(statement: Mapping[str, Any]) -> list[str]:
    worst, sentences = statement["worst_patient"], []
    if worst is not None:
        name, count = worst["patient"], worst["samples"]
        sentences.append(f"The patient copied most often is {name}, in {counted(count, 'sample')}.")
    if alike := statement.get("alike"):
        sentences.append(f"These may be one person: {'; '.join(enumerated(group) for group in alike)}.")
    return sentences


def read_statement(folder: str | Path) -> dict[str, Any] | None:
    """The statement on copies in an evaluation's folder; None without one, or if it is of other results.

    Statements of earlier versions do not say of which results they are.

    Raises:
        JsddpmError: ``RESULTS``, ``JSON`` (status 4) when it is damaged.
    """
    file, results = Path(folder) / PRIVACY, Path(folder) / "results.json"
    if not file.is_file():
        return None
    statement = parse_json(read_recorded(file, "RESULTS", "evaluate again"), file)
    if "of" in statement and not (results.is_file() and statement["of"] == sha256(results)):
        return None
    return statement


def _rate(score: Score) -> dict[str, Any]:
    """The share with its count, of one weighting: of volumes, each counts as the share of its slices."""
    if score.value is None:
        return {"share": None, "reason": score.reason}
    unit = "patients" if score.spec == "patients_copied" else "samples" if score.n_volumes is None else "volumes"
    total = (score.n_patients or 0) if unit == "patients" else score.n_units
    count = score.value * total
    return {
        "share": score.value,
        "count": round(count, 2) if unit == "volumes" else round(count),
        "of": total,
        "unit": unit,
        "interval": score.interval,
        "upper_bound": share_at_most(count, total, 1 - ALPHA),
        "of_new_patients_at_most": None if score.baseline_interval is None else score.baseline_interval[1],
    }


def _sentences(shares: Mapping[str, Score], *, copied: bool) -> list[str]:
    rates = {name: _rate(score) for name, score in shares.items()}
    sentences = []
    for name, of, real, what in (("training", "samples", "slices", "copies of training slices"),
                                 ("held_out", "samples", "slices", "copies of held-out slices"),
                                 ("lesions", "lesions", "lesions", "those of real patients")):  # fmt: skip
        if name in rates:
            sentences.append(_share(of, real, what, shares[name], copied=copied))
    if copied and rates["held_out"].get("count"):
        sentences.append("Copies of held-out slices mean that the generator was trained on patients of the test.")
    patients = rates["patients"]
    if patients["share"] is None:
        return sentences
    seen = "are copied"
    if patients["count"] and not copied:
        seen = f"{agreeing(patients['count'], 'has', 'have')} a slice that looks like a copy, as may be by chance"
    sentences.append(
        f"{patients['count']} of {patients['of']} training patients {seen}. The one-sided 95% upper bound of this "
        f"share is {percentage(patients['upper_bound'])}; its two-sided 95% interval is "
        f"{span(*patients['interval'], share=True)}."
    )
    needed = ceil(log(ALPHA) / log(1 - _THRESHOLD))
    if patients["of"] < needed:
        sentences.append(
            f"Regulators of published health data accept a risk of at most {percentage(_THRESHOLD)} that a patient is "
            f"identified. To show that a smaller share of patients is copied takes {needed} training patients of whom "
            f"none is copied; there are {patients['of']}."
        )
    return sentences


def _share(of: str, real: str, what: str, score: Score, *, copied: bool) -> str:
    """The share in the words of the verdict."""
    if score.value is None:
        return f"How many {of} are {what} is not known: {score.reason}."
    verb = "are" if copied or not score.value else "look like"
    between, chance = score.interval or (0.0, 1.0), (score.baseline_interval or (0.0, 1.0))[1]
    return (
        f"{of_samples(score, what=of)} {verb} {what} (95% interval {span(*between, share=True)}); up to "
        f"{percentage(chance)} of the {real} of new patients may look so by chance."
    )


def _detector(results: Results) -> list[str]:
    selftest = results.provenance.get("selftest")
    sentences = [] if selftest is None else selftest.get("copies", [])
    return sentences or [
        "This was not measured on this cohort; jsddpm selftest STORE plants copies into its slices and measures it."
    ]
