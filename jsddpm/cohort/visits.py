"""Visits in names of patients: names that contain one by a rule, and names that differ in one alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jsddpm.wording import first_names

_BRATS = re.compile(r"^(?P<patient>BraTS-[A-Za-z]+-\d+)-(?P<visit>\d{3})$")
_WORDS = "tp|ses|session|visit|v|t|time|timepoint|scan|fu|followup|month|week|year"
_VISIT = re.compile(
    rf"^(?P<patient>.*\d[^\W_]*?)[-_ .]?((?:{_WORDS})[-_ ]?\d{{1,3}}|bl|baseline|fu|followup)$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"^(?P<patient>.*\d)[-_ .]\d{1,3}$")


def patient_and_visit(case: str) -> tuple[str, str]:
    """Patient and visit of a case with a name of BraTS since 2023; the name itself and no visit for another one.

    >>> patient_and_visit("BraTS-GLI-00002-001"), patient_and_visit("BraTS2021_00495")
    (('BraTS-GLI-00002', '001'), ('BraTS2021_00495', ''))
    """
    match = _BRATS.match(case)
    return (match["patient"], match["visit"]) if match else (case, "")


def visit_notes(patients: Iterable[str]) -> list[str]:
    """A note if patients have names that differ in a visit at the end alone.

    A name has a digit before the visit. The visit has a word (``MS01_tp1``, ``01-ses2``, ``01v2``), or is a number of
    up to three digits after another one (``003_01``). It may also be the number of a patient after that of a centre, so
    such numbers count only where there are as many names before them as numbers after one of them.

    Args:
        patients: Names of all patients of a cohort.

    >>> visit_notes(["MS00_tp0", "MS00_tp1", "MS01_tp0"])[0].partition(":")[0]
    'MS00_tp0 and MS00_tp1 differ in a visit alone'
    >>> visit_notes(["MS_01", "MS_02", "c1_01", "c1_02", "c1_03", "c2_01"])
    []
    """
    worded: dict[str, list[str]] = {}
    numbered: dict[str, list[str]] = {}
    for name in sorted(set(patients)):
        if match := _VISIT.match(name):
            worded.setdefault(match["patient"].casefold(), []).append(name)
        elif match := _NUMBERED.match(name):
            numbered.setdefault(match["patient"].casefold(), []).append(name)
    if max(map(len, numbered.values()), default=0) > len(numbered):
        numbered = {}
    if not (groups := [names for names in (*worded.values(), *numbered.values()) if len(names) > 1]):
        return []
    shown = first_names([first_names(names, separator=" and ") for names in groups], separator="; ")
    cure = "if they are one person, give all scans one patient name, and the visits as sessions"
    return [f"{shown} differ in a visit alone: {cure}"]
