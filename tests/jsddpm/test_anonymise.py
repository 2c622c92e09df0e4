"""Codes of patients: random, the same for one key file, and only in the key file beside a name."""

from __future__ import annotations

import csv
import stat
from itertools import pairwise

import pytest

from jsddpm.anonymise import coded_parts, codes_of, known_codes, local_names
from jsddpm.errors import JsddpmError

COHORT = [
    {"name": "Anna", "patient": "Anna", "session": ""},
    {"name": "Bela_2019", "patient": "Bela", "session": "2019"},
    {"name": "Bela_2021", "patient": "Bela", "session": "2021"},
    {"name": "=Cem", "patient": "=Cem"},
]


def rows(key):
    with open(key, newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_patient_has_one_code_and_an_image_of_a_session_another_part(tmp_path):
    codes = codes_of(tmp_path / "keys" / "key.csv", COHORT, shared=[tmp_path / "shared"])
    assert set(codes.patients) == {"Anna", "Bela", "=Cem"}
    assert len(set(codes.patients.values())) == 3
    assert codes.images["Anna"] == codes.patients["Anna"]
    parts = [coded_parts(codes.images[f"Bela_{year}"]) for year in (2019, 2021)]
    assert {patient for patient, _ in parts} == {codes.patients["Bela"]}
    assert len({session for _, session in parts} - {""}) == 2
    assert {(r["patient"], r["image"], r["code"]) for r in rows(tmp_path / "keys" / "key.csv")} == {
        (s["patient"].replace("=", "'="), s["name"].replace("=", "'="), codes.images[s["name"]]) for s in COHORT
    }
    assert known_codes(tmp_path / "keys" / "key.csv") == codes


def test_only_the_owner_reads_the_key_and_nothing_is_left_beside_it(tmp_path):
    key = tmp_path / "key.csv"
    codes_of(key, COHORT, shared=[])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o644)
    codes_of(key, COHORT, shared=[])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["key.csv"]


def test_codes_stay_when_the_cohort_grows(tmp_path):
    key = tmp_path / "key.csv"
    first = codes_of(key, COHORT[:2], shared=[])
    later = codes_of(key, [{"name": "Aaron", "patient": "Aaron"}, *COHORT], shared=[])
    assert first.images.items() <= later.images.items()
    assert first.patients.items() <= later.patients.items()
    assert codes_of(key, COHORT[:2], shared=[]) == first
    assert len(rows(key)) == 5
    again = [{"name": "Anna_2", "patient": "Anna"}]  # a second image that has no session
    assert coded_parts(codes_of(key, again, shared=[]).images["Anna_2"])[0] == first.patients["Anna"]


def test_codes_are_other_ones_in_another_file_and_carry_no_order(tmp_path):
    """Of 300 patients neighbours in the order of names are as often in order by code as not: 149.5 +- 5 by chance."""
    cohort = [{"name": f"sub-{i:03d}", "patient": f"sub-{i:03d}"} for i in range(300)]
    found = [list(codes_of(tmp_path / f"{k}.csv", cohort, shared=[]).patients.values()) for k in range(4)]
    assert len({tuple(codes) for codes in found}) == 4
    rising = sum(a < b for codes in found for a, b in pairwise(codes))
    assert abs(rising - 4 * 149.5) < 6 * 10  # the standard deviation of ascents is sqrt(301 / 12) in each file


def test_a_cohort_larger_than_the_short_codes_gets_codes(tmp_path):
    cohort = [{"name": str(i), "patient": str(i)} for i in range(5000)]
    codes = codes_of(tmp_path / "key.csv", cohort, shared=[])
    assert len(set(codes.patients.values())) == 5000


@pytest.mark.parametrize("place", ["shared/key.csv", "shared/deep/key.csv", "other/../shared/key.csv"])
def test_a_key_inside_what_is_shared_is_refused(tmp_path, place):
    with pytest.raises(JsddpmError, match=r"KEY.*which will be shared") as refused:
        codes_of(tmp_path / place, COHORT, shared=[tmp_path / "else", tmp_path / "shared"])
    assert refused.value.status == 2
    assert not list(tmp_path.rglob("key.csv"))


def test_a_key_behind_a_link_is_refused(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "shared")
    with pytest.raises(JsddpmError, match="which will be shared"):
        codes_of(tmp_path / "link" / "key.csv", COHORT, shared=[tmp_path / "shared"])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name\nAnna\n", "lacks the column"),
        ("code,patient,image\nA-1,Anna,Anna\n", "'A-1' is no code"),
        ("code,patient,image\nP-0001,Anna,Anna\nP-0001,Bela,Bela\n", "P-0001 stands for two"),
        ("code,patient,image\nP-0001-0001,Anna,a\nP-0001-0002,Bela,b\n", "P-0001 stands for two"),
        ("code,patient,image\nP-0001-0001,Anna,a\nP-0002-0002,Anna,b\n", "Anna stands for two"),
        ("code,patient,image\nP-0001-0001,Anna,a\nP-0001-0002,Anna,a\n", "a stands for two"),
        ("code,patient,image\nP-0001,Bela,Anna\n", "Anna belongs to Bela in the key file and to Anna in the store"),
    ],
)
def test_a_file_that_is_no_key_is_refused_and_stays(tmp_path, text, what):
    key = tmp_path / "key.csv"
    key.write_text(text)
    with pytest.raises(JsddpmError, match="KEY") as refused:
        codes_of(key, COHORT, shared=[])
    assert what in str(refused.value)
    assert refused.value.status == 3
    assert key.read_text() == text


def test_whoever_has_no_code_is_named(tmp_path):
    codes = codes_of(tmp_path / "key.csv", COHORT, shared=[])
    for ask in (lambda: codes.patient("Dora"), lambda: codes.slice("Dora z 3")):
        with pytest.raises(JsddpmError, match="Dora has no code"):
            ask()


def test_paths_are_shown_without_the_folders_above(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert local_names([tmp_path / "a" / "b", "c", "/x/y/d"]) == ["a/b", "c", "d"]
    assert local_names(["/x/y/d", "/x/y/d", "/z/y/d"]) == ["x/y/d", "x/y/d", "z/y/d"]
    assert local_names([]) == []
