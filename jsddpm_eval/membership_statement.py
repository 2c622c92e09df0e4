"""The statement of an audit on memorised patients: the answer, its numbers, its control, and its limits."""

from __future__ import annotations

from math import comb
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jsddpm import __version__
from jsddpm.anonymise import Codes
from jsddpm.csvfiles import to_csv
from jsddpm.files import write_json, write_text
from jsddpm.progress import Progress
from jsddpm.slices.store import SliceStore
from jsddpm.wording import capital, enumerated
from jsddpm_eval.membership import SLICES, Measured, measure
from jsddpm_eval.results.anonymised import CODED, coded_rows, in_code_order
from jsddpm_eval.stats.auc import auc_interval, sensitivity_at
from jsddpm_eval.stats.limits import MIN_UNITS, TAIL
from jsddpm_eval.stats.membership import FITTED, Area, Attack, Divisions, Losses, attack

AUDIT, SLICE_TABLE = "audit.json", "slices.csv"
"""Files of an audit."""

MARGIN = 0.6
"""Areas below this count as negligible memorisation: the attack is right in fewer than six of ten pairs."""

RATES = (0.1, 0.01)
"""False-positive rates at which true positives are counted."""

Answer = Literal["off", "fine", "unknown"]

_ASKED = "Does the loss of the network separate training patients from held-out patients?"
_THREAT = (
    "An attacker has the network and slices of a person with their masks, and wants to know whether the person was a "
    "training patient."
)
_LIMITS = (
    "Only one attack was made, by the loss. Other attacks are stronger, and a failed attack does not prove that "
    "nothing was memorised.",
    "A patient whom the loss identifies need not appear in any sample, and a copied patient need not be identified by "
    "the loss: jsddpm eval searches for copies among samples.",
    "The answer assumes that held-out patients come from the same population as the training patients. Any network "
    "separates patients of another scanner or hospital, even if it memorised nobody.",
)


def audit(
    checkpoint: str | Path,
    store: SliceStore,
    out: Path,
    *,
    reference: str | Path | None = None,
    slices: int = SLICES,
    seed: int = 0,
    codes: Codes | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Audit a checkpoint for memorised patients, and write ``audit.json`` and ``slices.csv``.

    Args:
        checkpoint: See :func:`~jsddpm_eval.membership.measure`, as for the other arguments.
        store: The store it was trained on.
        out: Existing folder for the files.
        reference: Checkpoint of a network that was not trained on the patients.
        slices: Largest number of slices of a patient.
        seed: Seed of the noise and of the relabellings.
        codes: Codes that replace patients, which are then in the order of the codes; None uses their names.
        progress: Called with (patients done, in all).

    Returns:
        The content of ``audit.json``.

    Raises:
        JsddpmError: As :func:`~jsddpm_eval.membership.measure`; ``KEY`` (status 2) for a patient without a code.
    """
    measured = measure(checkpoint, store, reference=reference, slices=slices, seed=seed, progress=progress)
    values, rows = statement(measured, store, seed=seed)
    if codes is not None:
        values["by_patient"] = in_code_order(coded_rows(values["by_patient"], codes))
        values[CODED] = codes.fingerprint
        rows = in_code_order(coded_rows(rows, codes))
    write_json(out / AUDIT, values)
    write_text(out / SLICE_TABLE, to_csv(rows))
    return values


def statement(measured: Measured, store: SliceStore, *, seed: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The content of ``audit.json`` and the rows of ``slices.csv``."""
    losses = measured.losses()
    n, m = losses.groups
    result = attack(losses, seed=seed) if min(n, m) >= MIN_UNITS else None
    answer, reason = _answer(result, losses)
    unknown_start = _unknown_start(measured)
    if answer == "fine" and unknown_start:  # held-out patients who were seen make the attack weaker, never stronger
        answer, reason = "unknown", unknown_start
    patients = [
        {
            "patient": name, "of": _side(bool(member)), "slices": int((measured.patient == i).sum()),
            "score": None if result is None else float(result.scores[i]),
            "scores": None if result is None else result.by_level[i].tolist(),
            "log_loss": losses.network[i].tolist(), "log_reference": losses.reference[i].tolist(),
        }
        for i, (name, member) in enumerate(zip(measured.patients, measured.member, strict=True))
    ]  # fmt: skip
    by = "filter" if measured.reference is None else "network"
    values = {
        "schema": "jsddpm-audit",
        "version": 1,
        "asked": _ASKED,
        "threat_model": _THREAT,
        "answer": answer,
        "reason": reason,
        "sentences": [_headline(answer, reason), *([] if result is None else _sentences(result, measured))],
        "limits": [*_LIMITS, *([f"{capital(unknown_start)}."] if unknown_start else [])],
        "patients": {"training": n, "held_out": m},
        "attack": None if result is None else _numbers(result, losses.member),
        "levels": _levels(measured, result),
        "control": None if result is None else _control(result, measured),
        "calibrated_by": by,
        "by_patient": patients,
        "checkpoint": measured.info.network(),
        "seed": seed,
        "jsddpm": __version__,
    }
    return values, _slice_rows(measured, result, store)


def _unknown_start(measured: Measured) -> str:
    """What is not known of the networks that the weights came from; empty if their patients are known."""
    stores = sorted({ancestor.store for ancestor in measured.info.ancestors if not ancestor.compared})
    if not stores:
        return ""
    return (
        f"the network started from one that was trained on store {enumerated(stores)}, and it is not known whether "
        "that one saw patients who count as held-out here, which would hide memory"
    )


def _answer(result: Attack | None, losses: Losses) -> tuple[Answer, str]:
    n, m = losses.groups
    if result is None:
        return "unknown", (
            f"an attack needs {MIN_UNITS} patients of either kind, and there are {n} training and {m} held-out patients"
        )
    if not losses.enough:
        return "unknown", (
            f"{n} training and {m} held-out patients can be divided in {comb(n + m, n)} ways, so that no attack can be "
            f"significant; {1 / TAIL:.0f} ways are needed, such as those of 4 and 4 patients"
        )
    low, high = result.difficulty.interval
    if result.p_value <= TAIL:
        if low > 0.5 and result.gap[1][0] <= result.difficulty_gap:
            return "unknown", (
                "the training patients are easier in themselves, and the network adds no more than that; held-out "
                "patients of the same difficulty are needed"
            )
        return "off", ""
    if low > 0.5 or high < 0.5:
        return "unknown", (
            f"the training patients are {'easier' if low > 0.5 else 'harder'} in themselves; held-out patients of "
            "the same difficulty are needed"
        )
    highest = max(area.interval[1] for area in (result.area, *result.level_areas))
    if highest < MARGIN:
        return "fine", ""
    return "unknown", (
        f"areas up to {highest:.2f} are possible; to show that they are below {MARGIN:g}, about {_needed()} patients "
        f"of either kind are needed, and there are {n} and {m}"
    )


def _needed() -> int:
    """Smallest number of patients of either kind for which an area of one half has an interval below the margin."""
    return next(k for k in range(MIN_UNITS, 10_000) if auc_interval(0.5, k, k, fitted=FITTED)[1] < MARGIN)


def _headline(answer: Answer, reason: str) -> str:
    return {
        "off": "The network has memorised its patients: its loss separates them from others.",
        "fine": f"The network's loss hardly separates training patients from others: all areas are below {MARGIN:g}.",
        "unknown": f"It is unknown whether the network has memorised its patients: {reason}.",
    }[answer]


def _sentences(result: Attack, measured: Measured) -> list[str]:
    n, m = int(measured.member.sum()), int((~measured.member).sum())
    best, control = result.informative, "a filter" if measured.reference is None else "the reference network"
    sentences = [
        f"The attack ranks a training patient before a held-out one in {_area(result.area)}, p = {result.p_value:.2g}; "
        f"{n} training and {m} held-out patients. Noise of {measured.noise[best]:.2g} gives the "
        f"largest area, {_area(result.level_areas[best])}.",
        f"The control: {control} that was not fitted to the patient separates them in {_area(result.difficulty)}, by "
        f"the difficulty of slices. The loss of the network without this correction: {_area(result.plain)}.",
    ]
    for name, divisions in (("training", result.training), ("held-out", result.held_out)):
        if divisions is not None:
            low, high = divisions.interval
            sentences.append(
                f"Random halves of the {name} patients alone are separated with areas of {low:.2f} to {high:.2f} in "
                f"95 of 100 divisions; {100 * divisions.beyond:.0f}% reach that of the attack."
            )
    return sentences + [_sensitivity(result.scores, measured.member, rate) for rate in RATES]


def _sensitivity(scores: np.ndarray[Any, Any], member: np.ndarray[Any, Any], rate: float) -> str:
    counted, n, m = sensitivity_at(scores[member], scores[~member], rate), int(member.sum()), int((~member).sum())
    share = f"{100 * rate:g}%"
    if counted is None:
        needed = round(1 / rate)
        return f"The sensitivity at {share} false alarms is unknown: {needed} held-out patients are needed, not {m}."
    count, (low, high) = counted
    identified = f"{count} of {n} training patients are identified ({100 * low:.0f} to {100 * high:.0f}%)"
    return f"At {share} false alarms, {identified}."


def _area(area: Area) -> str:
    low, high = area.interval
    return f"{100 * area.value:.0f}% of pairs (95% interval {100 * low:.0f} to {100 * high:.0f}%)"


def _numbers(result: Attack, member: np.ndarray[Any, Any]) -> dict[str, Any]:
    rates = []
    for rate in RATES:
        counted = sensitivity_at(result.scores[member], result.scores[~member], rate)
        reached = {} if counted is None else {"count": counted[0], "interval": list(counted[1])}
        rates.append({"false_positive_rate": rate, "training": int(member.sum()), **(reached or {
            "count": None, "interval": None, "reason": f"takes {round(1 / rate)} held-out patients"})})  # fmt: skip
    return {
        **_plain(result.area), "p_value": result.p_value, "most_informative": result.informative,
        "without_calibration": _plain(result.plain), "sensitivity": rates,
        "gap": {"log_loss": result.gap[0], "interval": _finite(result.gap[1])},
    }  # fmt: skip


def _finite(interval: tuple[float, float]) -> list[float] | None:
    return list(interval) if np.isfinite(interval).all() else None


def _levels(measured: Measured, result: Attack | None) -> list[dict[str, Any]]:
    levels = []
    for i, (timestep, noise) in enumerate(zip(measured.timesteps, measured.noise, strict=True)):
        areas = {} if result is None else _plain(result.level_areas[i]) | {"slope": float(result.calibration.slope[i])}
        levels.append({"timestep": timestep, "noise": noise} | areas)
    return levels


def _control(result: Attack, measured: Measured) -> dict[str, Any]:
    filtered = Area.of(-measured.by_patient(measured.filter).mean(1), measured.member)
    return {
        "filter": _plain(filtered),
        "network": None if measured.reference is None else _plain(result.difficulty),
        "difficulty_gap": result.difficulty_gap,
        "training_divisions": _divisions(result.training),
        "held_out_divisions": _divisions(result.held_out),
    }


def _divisions(divisions: Divisions | None) -> dict[str, Any] | None:
    return None if divisions is None else {"interval": list(divisions.interval), "beyond": divisions.beyond}


def _plain(area: Area) -> dict[str, Any]:
    return {"area": area.value, "interval": list(area.interval)}


def _side(member: bool) -> str:
    return "training" if member else "held-out"


def _slice_rows(measured: Measured, result: Attack | None, store: SliceStore) -> list[dict[str, Any]]:
    """One row a slice: its patient, its score, its loss and that of the reference at each level."""
    reference = measured.filter if measured.reference is None else measured.reference
    scores = None
    if result is not None:
        scores = result.calibration.scores(np.log(measured.network), np.log(reference)).mean(1)
    rows = []
    for i, row in enumerate(measured.rows):
        place = int(measured.patient[i])
        values: dict[str, Any] = {
            "slice": store.slice_name(int(row)), "patient": measured.patients[place],
            "of": _side(bool(measured.member[place])), "score": "" if scores is None else round(float(scores[i]), 4),
        }  # fmt: skip
        for name, table in (("loss", measured.network), ("reference", reference)):
            values |= {f"{name}_t{t}": float(f"{v:.6g}") for t, v in zip(measured.timesteps, table[i], strict=True)}
        rows.append(values)
    return rows
