"""Anonymisation of files to share: paths without the folders of this machine, and codes for patients.

Codes are random; only the key file, which is not shared, maps them to patients.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from jsddpm.csvfiles import csv_bytes, read_rows
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.files import atomic_open, make_directory
from jsddpm.publish import exclusive_lock

_COLUMNS = ("code", "patient", "image")
_CODE = re.compile(r"(P-[0-9A-F]{4,})(?:-([0-9A-F]{4,}))?")
_SHORT = 1 << 12  # with more names than this, codes are of eight digits instead of four
POSITION = " z "
"""Separator of image and position in the name of a real slice."""


@dataclass(frozen=True)
class Codes:
    """Codes of patients, such as ``P-7F3A``, and of their images: the patient's code, with a second part if needed.

    Attributes:
        patients: Code of each patient, by name.
        images: Code of each image, by its name in a store.
    """

    patients: Mapping[str, str]
    images: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """16 characters that are the same for the same patients and key file."""
        return hashlib.sha256(" ".join(sorted(self.patients.values())).encode()).hexdigest()[:16]

    def patient(self, name: str) -> str:
        """Code of a patient.

        Raises:
            JsddpmError: ``KEY`` (status 2) for one without a code.
        """
        return _known(self.patients, name)

    def image(self, name: str) -> str:
        """Code of an image.

        Raises:
            JsddpmError: ``KEY`` (status 2) for one without a code.
        """
        return _known(self.images, name)

    def slice(self, name: str) -> str:
        """Name of a real slice with its image's code; any other name is unchanged.

        >>> codes = Codes({"sub-003": "P-7F3A"}, {"sub-003": "P-7F3A"})
        >>> codes.slice("sub-003 z 57"), codes.slice("generated-0000 z 57 lesion sample 2")
        ('P-7F3A z 57', 'generated-0000 z 57 lesion sample 2')
        """
        image, _, position = name.rpartition(POSITION)
        return f"{self.image(image)}{POSITION}{position}" if image and position.isdecimal() else name


def coded_parts(code: str) -> tuple[str, str]:
    """Patient and session of an image's code; the session is empty if the code has one part.

    >>> coded_parts("P-7F3A-03C7"), coded_parts("P-7F3A")
    (('P-7F3A', '03C7'), ('P-7F3A', ''))
    """
    match = _CODE.fullmatch(code)
    if match is None:
        raise ValueError(f"{code!r} is no code")
    return match[1], match[2] or ""


def codes_of(
    key: str | PathLike[str], subjects: Sequence[Mapping[str, Any]], *, shared: Iterable[str | PathLike[str]]
) -> Codes:
    """Codes of a store's patients and images; new ones are added to the key file.

    A code in the file never changes. The file is readable by its owner alone.

    Args:
        key: CSV of ``code``, ``patient`` and ``image``; created if it does not exist.
        subjects: Entries of ``store.json``.
        shared: Folders that will be shared; the key file must not lie in them.

    Raises:
        JsddpmError: ``KEY``, with status 2 when it lies in such a folder, with status 3 when it is no key file or says
            of an image that it is another patient's.
    """
    key = Path(key)
    for folder in shared:
        if key.resolve().is_relative_to(Path(folder).resolve()):
            what = f"the key file lies in {folder}, which will be shared"
            raise usage_error("KEY", what, fix="keep it in another folder: --key FILE", file=key)
    patients = {str(s["name"]): str(s.get("patient", s["name"])) for s in subjects}
    sessions = {str(s["name"]) for s in subjects if s.get("session")}
    make_directory(key.parent)
    with exclusive_lock(key.with_name(f".{key.name}.lock"), wait=True):
        rows = {row["image"]: row for row in (_read(key) if key.exists() else [])}
        for image, patient in patients.items():
            if image in rows and rows[image]["patient"] != patient:
                what = f"{image} belongs to {rows[image]['patient']} in the key file and to {patient} in the store"
                raise JsddpmError("KEY", what, fix="use one key file per cohort", file=key)
        rows = _extended(rows, patients, sessions)
        with atomic_open(key, mode=0o600) as stream:
            stream.write(csv_bytes([rows[image] for image in sorted(rows)]))
    return _codes([rows[image] for image in patients])


def known_codes(key: str | PathLike[str]) -> Codes:
    """Codes of all patients in a key file.

    Raises:
        JsddpmError: ``KEY`` (status 3) when it is not a key file.
    """
    return _codes(_read(Path(key)))


def local_name(path: str | PathLike[str]) -> str:
    """A path in the form in which shared files may show it; it is never absolute.

    Args:
        path: A relative path stays as it is; one below the current folder is shown from there on, any other by its
            last part.

    >>> local_name("runs/first"), local_name(Path.cwd() / "runs" / "first"), local_name("/home/me/data/store")
    ('runs/first', 'runs/first', 'store')
    """
    return local_names([path])[0]


def local_names(paths: Sequence[str | PathLike[str]]) -> list[str]:
    """:func:`local_name` of several paths, with as many last parts as tell different ones apart.

    >>> local_names(["/home/me/a/evaluation", "/home/me/b/evaluation"])
    ['a/evaluation', 'b/evaluation']
    """
    distinct = [Path(path) for path in paths]
    longest = max((len(path.parts) for path in distinct), default=0)
    for count in range(1, longest + 1):
        names = [_shown(path, count) for path in distinct]
        if len(set(names)) == len(set(distinct)):
            break
    return names if distinct else []


def way(path: str | PathLike[str], start: str | PathLike[str]) -> str:
    """A path relative to a folder; absolute if there is no relative one (another drive).

    >>> way("data/store", "runs/first")
    '../../data/store'
    """
    path, start = Path(path).resolve(), Path(start).resolve()
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:
        return str(path)


def _extended(
    rows: Mapping[str, dict[str, str]], patients: Mapping[str, str], sessions: set[str]
) -> dict[str, dict[str, str]]:
    """Rows of a key file by image, with new rows for images that it lacks.

    The code has two parts if the patient has several images, or the image a session.
    """
    whole = dict(rows)
    codes = {row["patient"]: coded_parts(row["code"])[0] for row in rows.values()}
    used = {row["code"] for row in rows.values()}
    images_of = Counter(patients.values())
    for image, patient in patients.items():
        if image not in whole:
            in_use = {*used, *codes.values(), *patients, *images_of}
            person = codes.setdefault(patient, _drawn("P-", in_use))
            apart = image in sessions or images_of[patient] > 1 or person in used
            code = _drawn(f"{person}-", in_use) if apart else person
            used.add(code)
            whole[image] = {"code": code, "patient": patient, "image": image}
    return whole


def _drawn(start: str, in_use: set[str]) -> str:
    """A random code that is not in use."""
    size = 2 if len(in_use) < _SHORT else 4
    while (code := f"{start}{secrets.token_hex(size).upper()}") in in_use:
        continue
    return code


def _codes(rows: Iterable[Mapping[str, str]]) -> Codes:
    return Codes(
        {row["patient"]: coded_parts(row["code"])[0] for row in rows}, {row["image"]: row["code"] for row in rows}
    )


def _read(key: Path) -> list[dict[str, str]]:
    """Rows of a key file; contradictions are refused."""
    cure = "give another file; a missing file is created"
    rows: list[dict[str, str]] = [*read_rows(key, _COLUMNS, code="KEY", fix=cure)]
    wrong = [f"{row['code']!r} is no code" for row in rows if not _CODE.fullmatch(row["code"])]
    if not wrong:
        pairs = {(row["patient"], coded_parts(row["code"])[0]) for row in rows}
        columns = [[row["code"] for row in rows], [row["image"] for row in rows], *map(list, zip(*pairs, strict=True))]
        counts = [item for column in columns for item in Counter(column).items()]
        wrong = [f"{value} stands for two" for value, count in counts if count > 1]
    if wrong:
        raise JsddpmError("KEY", f"is not a key file: {wrong[0]}", fix="restore it, or give another file", file=key)
    return rows


def _known(codes: Mapping[str, str], name: str) -> str:
    if name not in codes:
        raise usage_error("KEY", f"{name} has no code", fix="give the store of these patients: --real STORE")
    return codes[name]


def _shown(path: Path, parts: int) -> str:
    """A path relative to the current folder, or its last parts."""
    if not path.is_absolute():
        return str(path)
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else Path(*path.parts[1:][-parts:]))
