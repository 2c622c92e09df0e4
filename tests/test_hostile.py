"""Hostile calls of every family, a few of each; ``make soak`` makes thousands."""

from __future__ import annotations

import os
import tempfile

import pytest

from brief import brief_training
from hostile import FAMILIES, Playground, attempt, calls


@pytest.fixture(scope="module")
def playground(tmp_path_factory, store, run, generated) -> Playground:
    with brief_training():
        return Playground(tmp_path_factory.mktemp("hostile"), store.path, run, generated.path)


@pytest.mark.usefixtures("brief_networks")
@pytest.mark.parametrize("family", FAMILIES)
def test_no_hostile_call_ends_in_a_bug(family, playground, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path))
    outcomes = [attempt(playground, hostile) for hostile in calls(playground, 0, 30, (family,))]
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    assert not faults, "\n".join(faults)
