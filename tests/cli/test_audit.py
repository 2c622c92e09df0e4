"""``jsddpm checkpoint audit``: a panel, files that appear together or not at all, refusals."""

from __future__ import annotations

import csv
import json

import pytest

from calls import invoke


def audit(checkpoint, store, *more):
    words = ["checkpoint", "audit", checkpoint, "--store", store, *more]
    return invoke(*words)


@pytest.fixture(scope="module")
def asked(run, store, tmp_path_factory):
    out = tmp_path_factory.mktemp("audit") / "found"
    return audit(run / "checkpoints" / "last.ckpt", store.path, "--out", out, "--slices", 5), out


def test_an_audit_is_a_panel_and_three_files(asked):
    found, out = asked
    assert found.status == 0, found.err
    assert {p.name for p in out.iterdir()} == {"audit.json", "slices.csv", "audit.html"}
    assert "membership: unknown" in found.out
    assert "4 training and 2 held-out patients" in " ".join(found.out.replace("│", " ").split())
    assert max(map(len, found.out.splitlines())) <= 80
    assert "\x1b" not in found.out


def test_its_numbers_are_strict_json_with_a_row_for_every_slice(asked, run, store, tmp_path):
    _, out = asked
    values = json.loads((out / "audit.json").read_text())
    assert (values["answer"], values["patients"]) == ("unknown", {"training": 4, "held_out": 2})
    assert [p["patient"] for p in values["by_patient"]] == [f"p{i}" for i in range(6)]
    rows = list(csv.DictReader((out / "slices.csv").read_text().splitlines()))
    assert len(rows) == 6 * 5
    again = audit(
        run / "checkpoints" / "last.ckpt", store.path, "--out", tmp_path / "a", "--slices", 5, "--format", "json"
    )
    assert json.loads(again.out) == values


def test_with_codes_the_numbers_are_the_same_and_nobody_is_named(asked, run, store, tmp_path):
    last, key = run / "checkpoints" / "last.ckpt", tmp_path / "key.csv"
    found = audit(last, store.path, "--out", tmp_path / "a", "--slices", 5, "--anonymise", "--key", key)
    assert found.status == 0, found.err
    code = {row["patient"]: row["code"] for row in csv.DictReader(key.read_text().splitlines())}
    plain, coded = (json.loads((place / "audit.json").read_text()) for place in (asked[1], tmp_path / "a"))
    owners = {row["patient"]: row for row in coded["by_patient"]}
    assert list(owners) == sorted(code.values())
    for row in plain.pop("by_patient"):
        assert owners[code[row["patient"]]] == row | {"patient": code[row["patient"]]}
    del coded["by_patient"], coded["patient_codes"]
    assert coded == plain
    rows = list(csv.DictReader((tmp_path / "a" / "slices.csv").read_text().splitlines()))
    assert [row["patient"] for row in rows] == [c for c in sorted(code.values()) for _ in range(5)]
    for path in (tmp_path / "a").iterdir():
        assert not [name for name in ("sub-", *(f">{p}<" for p in code)) if name in path.read_text()]


def test_results_are_never_overwritten_and_lie_beside_the_checkpoint(asked, run, store):
    again = audit(run / "checkpoints" / "last.ckpt", store.path, "--out", asked[1])
    assert (again.error.status, again.error.code) == (2, "EXISTS")


def test_what_cannot_be_done_is_refused_and_leaves_nothing(run, tmp_path):
    from synthetic import write_store

    other = write_store(tmp_path / "other", seed=9)
    found = audit(run / "checkpoints" / "last.ckpt", other.path, "--out", tmp_path / "out")
    assert (found.error.status, found.error.code) == (2, "TRAINING_STORE")
    assert [p.name for p in tmp_path.iterdir()] == ["other"]
    missing = audit(tmp_path / "none.ckpt", other.path, "--out", tmp_path / "out")
    assert (missing.error.status, missing.error.code) == (2, "MISSING")
