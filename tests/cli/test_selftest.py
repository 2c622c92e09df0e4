"""``jsddpm selftest``: a table or strict JSON, files, and a second call that does nothing again."""

from __future__ import annotations

import json

import pytest

from calls import invoke
from synthetic import write_store

pytestmark = pytest.mark.usefixtures("brief_networks")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("selftest")
    write_store(folder / "store", patients=16)
    return folder


def selftest(place, *more):
    words = ["selftest", place / "store", "--out", place / "out", "--z-range", 5, 34, "--bins", 2, "--samples", 4]
    return invoke(*words, "--jobs", 1, "--perfect", 1, "--quick", *more)


def test_a_selftest_is_a_table_files_and_strict_json(place):
    first = selftest(place, "--fault", "inverted")
    assert first.status == 0, first.err
    assert "inverted 0.8 of the way" in " ".join(first.out.split())
    sentence = "Inversion: checks name this fault right from 0.8 of the way on."
    assert sentence in first.out
    assert "A perfect generator had a false alarm in" in first.out
    kept = (place / "out" / "trials.jsonl").read_bytes()
    again = selftest(place, "--fault", "inverted", "--format", "json")
    assert (place / "out" / "trials.jsonl").read_bytes() == kept
    values = json.loads(again.out)
    assert json.loads((place / "out" / "selftest.json").read_text())["faults"] == values["faults"]
    assert [(row["fault"], row["strength"]) for row in values["faults"]] == [("inverted", 0.8)]
    assert (values["sentences"][0], len((place / "out" / "faults.csv").read_text().splitlines())) == (sentence, 2)
    assert values["cohort"]["patients"] == {"real": 8, "held_out": 2, "source": 8}
    written = b"".join(path.read_bytes() for path in (place / "out").iterdir())
    assert not [word for word in (str(place).encode(), b"sub-") if word in written]  # neither a folder nor a patient


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--fault", "inverted", "--seed", "3"], "SELFTEST"), (["--fault", "inversion"], "FAULT"),
     (["--fault", "inverted", "--all"], "OPTION")],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(place, words, code):
    assert selftest(place, "--fault", "inverted").status == 0
    error = selftest(place, *words).error
    assert (error.status, error.code) == (2, code)
