"""The commands of a report draw the same samples again."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

from calls import invoke
from evaluations import made_up
from jsddpm.slices.store import SliceStore
from jsddpm_eval.whole_table import origin_of
from jsddpm_reports.cards.facts import facts_of
from jsddpm_reports.reproduction import commands, places


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--seed 3 --spacing karras --sampler dpmpp --steps 3", "DPM-Solver++ (2M) with 3 steps, Karras spacing"),
        ("--bins 0,3 --pathology 1 --per-condition 1", "1 sample of each of 2 conditions"),
        ("--bins 2 --sampler ddim --eta 0.5 --weights raw", "DDIM with 2 steps, 2 samples of each of 2 conditions"),
        ("--redraws 2", "masks that contradict their pathology drawn again up to 2 times"),
        ("--volumes 2 --coherence 0.7 --lesion-bins 1,2 --seed 5", "2 volumes of 5 slices that share noise"),
        ("--volumes 1 --bins 1,2,3", "1 volume of 3 slices that share noise (coherence 0.4)"),
    ],
)  # fmt: skip
def test_the_printed_command_draws_the_same_samples(run, tmp_path, options, said):
    first = sampled(tmp_path / "first", f"jsddpm sample RUN --out SAMPLES {options}", run)
    results = made_up(first.binning.n_bins).results
    results = results.model_copy(update={"provenance": {"generated": origin_of(first, "test")}})
    assert said in facts_of(results)["sampling"].text
    again = sampled(tmp_path / "again", commands(results)[0], run)
    assert again.info["conditions"] == first.info["conditions"]
    for column in ("seed", "z_index", "pathology", "sample"):
        np.testing.assert_array_equal(again.index[column], first.index[column])
    every = np.arange(len(first.index))
    np.testing.assert_array_equal(again.images(every), first.images(every))


def test_the_printed_commands_run_beside_the_run_that_they_repeat(run, store, generated, tmp_path):
    """The folder of the run exists, and a training that would write into it is refused."""
    provenance = {
        "checkpoint": {"step": 4, "training_store": store.fingerprint}, "generated": origin_of(generated, "test"),
    }  # fmt: skip
    results = made_up(generated.binning.n_bins).results.model_copy(update={"provenance": provenance})
    there = {"STORE": store.path, "RUN": run}
    new = {name: tmp_path / name for name, _ in places(results) if name not in there}
    for command in commands(results)[:2]:
        call(command, there | new)
    again = SliceStore(new["NEW_SAMPLES"])
    every = np.arange(len(generated.index))
    np.testing.assert_array_equal(again.images(every), generated.images(every))
    named = {word for line in commands(results) for word in re.findall(r"\b[A-Z_]+\b", line)}
    assert named == {*there, *new}, "every name of a command is explained"


def sampled(out, command, run):
    call(command, {"RUN": run, "SAMPLES": out, "NEW_SAMPLES": out})
    return SliceStore(out)


def call(command, folders):
    words = [re.sub(r"[A-Z_]{3,}", lambda name: str(folders[name[0]]), word) for word in shlex.split(command)[1:]]
    done = invoke(*words)
    assert done.status == 0, done.said
