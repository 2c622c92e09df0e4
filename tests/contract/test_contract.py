"""Every bad input and fault of the table gets its status, its words and its cure, and harms nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.case import World, check
from contract.table import ELSEWHERE, ROWS


@pytest.fixture
def world(tmp_path, request) -> World:
    return World(tmp_path, request.getfixturevalue)


@pytest.mark.usefixtures("brief_networks")
@pytest.mark.parametrize("row", [row.parameter for row in ROWS])
def test_the_answer_is_the_one_of_the_table(row, world):
    check(row, world)


def test_no_two_rows_have_one_name():
    names = [row.name for row in ROWS]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("case", ELSEWHERE, ids=lambda case: f"{case.case}-{case.test.partition('::')[2]}")
def test_a_case_that_is_tested_elsewhere_is(case):
    file, _, name = case.test.partition("::")
    assert f"def {name}(" in (Path(__file__).parents[1] / file).read_text(encoding="utf-8")


def test_every_case_of_the_list_has_a_row():
    found = {row.case for row in (*ROWS, *ELSEWHERE)}
    assert {str(number) for number in range(1, 111)} <= found
