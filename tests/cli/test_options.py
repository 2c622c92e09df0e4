"""Options of the commands: one name and meaning has one help; an option that would have no effect is refused."""

from __future__ import annotations

from collections import defaultdict

import pytest

from calls import call
from jsddpm_cli.commands import apps
from jsddpm_cli.usage import parameters

OF_THE_COMMAND = {
    "--all", "--controls TEXT", "--folds N", "--generated PATH", "--layout LAYOUT", "--modality TEXT", "--out PATH",
    "--real PATH", "--resume", "--score TEXT", "--seed N", "--share I/N", "--slices N", "--spacing MM MM MM",
    "--steps N", "--store PATH", "--z-range LO HI",
}  # fmt: skip
"""Options whose help says what they mean for their command."""


def test_an_option_with_one_meaning_has_one_help():
    helps = defaultdict(set)
    for group in apps():
        for command in group.registered_commands:
            for taken in parameters(command.callback):
                if not taken.is_argument:
                    helps[taken.name].add(
                        taken.meaning.partition(" (default")[0].removeprefix("New n").removeprefix("N")
                    )
    several = {name for name, said in helps.items() if len({text.rstrip(".") for text in said}) > 1}
    assert several == OF_THE_COMMAND


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report", "{run}", "--real", "x"), "--real is given without --anonymise"),
        (("report", "{run}", "--figure-format", "pdf"), "--figure-format is given without --figures"),
        (("train", "--preset", "demo", "--config", "c.yaml"), "--preset and --config exclude each other"),
        (("train", "--resume", "--preset", "demo", "--out", "{run}"), "--resume uses the run's configuration"),
        (("selftest", "x", "--all", "--fault", "blur"), "--all and --fault exclude each other"),
        (("utility", "x", "--fold", "f.csv", "--folds", 2), "--fold and --folds exclude each other"),
    ],
)
def test_options_that_exclude_or_need_others(run, tmp_path, words, said):
    words = [str(word).format(run=run) for word in words]
    found = call(*words, *(["--out", tmp_path / "r.html"] if words[0] == "report" else []))
    assert (found.status, found.err.startswith(f"error[OPTION]: {said}")) == (2, True), found.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cohort", "scan", "bids", "--out", ""), "--out is empty"),
        (("cohort", "scan", "bids", "--controls="), "--controls is empty"),
        (("report", "x", "--figures", ""), "--figures is empty"),
        (("eval", "x", "--bin-aware", "--metrics", "kid", "--metrics", ""), "--metrics is empty"),
        (("utility", "x", "--fold", "a.csv", ""), "an argument is empty"),
        (("demo", "--out", ""), "--out is empty"),
        (("cache", "info", ""), "an argument is empty"),
    ],
)
def test_no_value_is_empty(tmp_path, monkeypatch, words, said):
    """An empty path was the working folder, and an empty list the default."""
    monkeypatch.chdir(tmp_path)
    found = call(*words)
    assert (found.status, found.err) == (2, f"error[OPTION]: {said}; fix: give it a value, or leave it out\n")
    assert list(tmp_path.iterdir()) == []


def test_a_key_of_the_configuration_may_end_with_an_equals_sign():
    assert "is empty" not in call("train", "--set=logging.grid=").err


@pytest.mark.parametrize(
    "words",
    [
        ("cohort", "phantom", "{}"),
        ("cohort", "scan", "x", "--out", "{}.csv"),
        ("cache", "build", "{bids}", "--out", "{}"),
        ("cache", "resplit", "{store}", "{table}", "--out", "{}"),
        ("export", "nnunet", "{store}", "--out", "{}"),
        ("train", "--preset", "demo", "--store", "{store}", "--out", "{}/deep/run", "--set", "binning.z_range=[5,34]"),
        ("sample", "{run}", "--out", "{}", "--per-condition", "1"),
        ("checkpoint", "export", "{run}/checkpoints/last.ckpt", "{}"),
    ],
)
def test_nothing_is_written_into_a_store(run, store, bids, tmp_path, words):
    """A store in a store was neither listed nor refused."""
    table = tmp_path / "splits.csv"
    table.write_text("patient,split\n" + "".join(f"p{i},train\n" for i in range(6)))
    files = {"store": store.path, "run": run, "bids": bids, "table": table}
    before = sorted(store.path.rglob("*"))
    found = call(*(word.format(store.path / "inner", **files) for word in words))
    assert (found.status, "error[EXISTS]" in found.err) == (2, True), found.err
    assert f"lies in the store {store.path}" in found.err
    assert sorted(store.path.rglob("*")) == before


def test_raw_weights_are_asked_for_alike(run, tmp_path):
    last = run / "checkpoints" / "last.ckpt"
    found = call("checkpoint", "export", last, tmp_path / "m", "--weights", "raw", "--format", "json")
    assert (found.status, '"weights": "raw"' in found.out) == (0, True)
