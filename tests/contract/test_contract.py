"""Every bad input and fault of the table gets its status, its words and its cure, and harms nothing."""

from __future__ import annotations

import pytest

from contract.case import World, check
from contract.table import ROWS


@pytest.fixture
def world(tmp_path, store, run, generated) -> World:
    return World(tmp_path, store, run, generated)


@pytest.mark.parametrize("row", [row.parameter for row in ROWS])
def test_the_answer_is_the_one_of_the_table(row, world):
    check(row, world)


def test_no_two_rows_have_one_name():
    names = [row.name for row in ROWS]
    assert sorted(set(names)) == sorted(names)
