"""No flipped bit is read in silence; `make soak` flips at least 400 bits of every kind of file."""

from __future__ import annotations

import pytest

from flips import flip, kinds

TRIALS = 12


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory, run, generated):
    return kinds(tmp_path_factory.mktemp("flips"), run, generated)


def test_every_kind_of_file_refuses_a_flipped_bit_by_name(every_kind):
    found = {name: flip(kind.path, kind.use, TRIALS) for name, kind in every_kind.items()}
    assert {name: c for name, c in found.items() if c["silent wrong"] or c["raw"]} == {}
    assert all(c["refused"] for name, c in found.items() if name != "evaluation: SHA256SUMS"), found
    assert len(found) >= 24
