"""Measured numbers in the prose of the docs are those of committed tables, by the comments below their paragraphs."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from scipy.stats import t as student

from contract.table import ELSEWHERE, ROWS
from documented import PAGES, ROOT, TEXTS
from jsddpm.training.samples import MIN_SAMPLES
from jsddpm_eval.checks.levels import LEVELS
from jsddpm_eval.functional.frechet import frechet_distance
from jsddpm_eval.membership_statement import MARGIN
from jsddpm_eval.stats.auc import auc_interval
from jsddpm_eval.stats.limits import MIN_PATIENTS, MIN_UNITS
from jsddpm_eval.stats.membership import FITTED
from jsddpm_eval.utility.protocol import PRESETS
from numbers_of_code import CODE, NO_SOURCE
from numbers_of_tables import COMMENT, TEST, problems, prose, rows, sources, untied

WRITTEN = [name for name in TEXTS if not name.startswith("docs/reference/")]
MEASURED = "reports/gallery/measured.csv"
COMMENTED = [name for name, text in TEXTS.items() if list(sources(text))]
TABLE = """| a | b |
|---|---|
| x, 1 | 3.96 (2.5 to 4.1) |
| y | 1,500 |
| y | 2,500 |
"""


@pytest.mark.parametrize("page", COMMENTED)
def test_numbers_are_those_of_their_tables(page):
    assert problems(TEXTS[page], ROOT) == []


@pytest.mark.parametrize("page", TEXTS)
def test_every_comment_says_where_something_comes_from(page):
    known = [source for _, source in sources(TEXTS[page])]
    others = [c for c in COMMENT.findall(TEXTS[page]) if c not in known and not re.fullmatch(r"reports/\S+", c)]
    tests = [match for c in others if (match := TEST.fullmatch(c))]
    assert len(tests) == len(others), others
    assert [m[0] for m in tests if f"\ndef {m[2]}(" not in (ROOT / m[1]).read_text()] == []


@pytest.mark.parametrize("page", WRITTEN)
def test_measured_numbers_of_the_prose_have_a_source(page):
    known = (*CODE.get(page, ()), *NO_SOURCE.get(page, ()), *NO_SOURCE["*"])
    assert untied(TEXTS[page], ROOT, known) == []


@pytest.mark.parametrize(("page", "phrase"), [(page, phrase) for page in CODE for phrase in CODE[page]])
def test_limits_of_the_prose_are_those_of_the_code(page, phrase):
    assert phrase in prose(TEXTS[page])


@pytest.mark.parametrize("page", [page for page in NO_SOURCE if page != "*"])
def test_numbers_without_a_source_are_on_their_page(page):
    assert [phrase for phrase in NO_SOURCE[page] if phrase not in prose(TEXTS[page])] == []


def test_measured_numbers_are_each_on_their_page():
    table = rows(ROOT / MEASURED)
    assert all(row["how"] for row in table)
    assert len({row["quantity"] for row in table}) == len(table)
    said = [
        (page, quantity)
        for page, text in TEXTS.items()
        for quantity in re.findall(rf"= {MEASURED} \[quantity=(.*?)\] value -->", text)
    ]
    assert sorted(said) == sorted((row["page"], row["quantity"]) for row in table)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("It takes 1,200 s.", ["1,200"]),
        ("It takes 8 s, 0.4 of 2.5 minutes.\n<!-- 8 = t.md [a=y] b -->", ["0.4", "2.5"]),
        ("It is 71 % to 92 %, in 3 of 4.", ["71", "92", "3", "4"]),
        ('It is 2.5 to 4.1 %.\n<!-- "2.5 to 4.1" in t.md -->', []),
        ("It is 7 %.\n<!-- tests/test_numbers.py::test_rate -->", []),
        ("It has 5 % power, with Python 3.11.2 and [`0.5`](a-0.7.md).", []),
        ("# 3 of 4\n\n| 0.5 |\n\n```sh\n0.5\n```", []),
    ],
)
def test_a_number_without_a_source_is_found(tmp_path, said, found):
    assert [number.split()[0] for number in untied(said, tmp_path, ["5 % power"])] == found


@pytest.mark.parametrize(
    ("said", "source", "right"),
    [
        ("It is 4.0.", "4.0 = t.md [a=x, 1] b", True),
        ("It is 3.9.", "3.9 = t.md [a=x, 1] b", False),
        ("It is 2.5.", "2.5 = t.md [1=x, 1] 2#2", True),
        ("It is 4.", "4.0 = t.md [a=x, 1] b", False),
        ("It is 2000.", "2000 = mean t.md [a=y] b", True),
        ("It is 2 of 3.", "2 = count t.md [a=y]", True),
        ("It is 1 of 3.", "1 = count t.md [a=y]", False),
        ("It is 4000.", "4000 = sum t.md [a=y] b", True),
        ("It is 500.", "500 = max t.md [a=y] b over 5", True),
        ("It is a quarter.", "a quarter = t.md [a=x, 1] b over 16", True),
        ("It is 2.5 to 4.1.", '"2.5 to 4.1" in t.md', True),
        ("It is 2.5 to 4.2.", '"2.5 to 4.2" in t.md', False),
    ],
)
def test_a_wrong_number_is_found(tmp_path, said, source, right):
    (tmp_path / "t.md").write_text(TABLE)
    assert (problems(f"Other 7.\n\n{said}\n<!-- {source} -->\n", tmp_path) == []) == right


def test_a_row_that_is_not_alone_is_refused(tmp_path):
    (tmp_path / "t.md").write_text(TABLE)
    with pytest.raises(ValueError, match="2 rows fit"):
        problems("It is 1500.\n<!-- 1500 = t.md [a=y] b -->", tmp_path)


def numbers(text):
    return [float(n) for n in re.findall(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)]


def test_levels_share_the_false_alarms_as_the_page_says():
    table = [r for r in rows(PAGES["docs/explanation/few-samples.md"]) if "share of the false alarms" in r]
    assert [f"{share:.0%}".replace("%", " %") for share in LEVELS.values()] == [r["2"] for r in table]


def test_bounds_of_the_page_on_copies_are_exact():
    page = " ".join(TEXTS["docs/explanation/copying.md"].split())
    few, more = (100 * (1 - 0.05 ** (1 / n)) for n in (8, 24))
    assert f"{few:.0f} % with 8 patients and {more:.0f} % with 24" in page
    fewest = next(n for n in range(1, 99) if 1 - 0.05 ** (1 / n) < 0.09)
    assert f"It takes {fewest} patients to be below 9 %" in page
    low, high = binomtest(98, 100).proportion_ci()
    assert f"an entry of 98 has a 95 % interval of about {100 * low:.0f} to {100 * high:.0f}" in page


def test_frechet_distance_of_few_samples_with_as_many_features_as_inception():
    draw = torch.Generator().manual_seed(0)
    sides = [torch.randn(40, 2048, generator=draw, dtype=torch.float64) for _ in range(2)]
    about = round(frechet_distance(*sides), -2)
    assert f"give about {about:.0f}." in prose(TEXTS["docs/explanation/few-samples.md"])


def test_rate_of_warnings_without_a_fault():
    page = " ".join(TEXTS["docs/explanation/importing.md"].split())
    table = rows(ROOT / "reports" / "gallery" / "validity" / "imports" / "faithful.csv")
    warned = sum(row["outcome"] == "false alarm" for row in table)
    divisions = Counter(cohort for cohort, _ in {(row["cohort"], row["division"]) for row in table})
    patients, phantoms = divisions.pop("real"), sum(divisions.values())
    bound = binomtest(warned, len(table)).proportion_ci(0.9).high
    assert f"from {patients + phantoms} divisions ({patients} of real patients, {phantoms} of phantoms)" in page
    assert f"({100 * warned / len(table):.1f} % of imports)" in page
    assert f"upper bound of the rate would be {100 * bound:.1f} %" in page


def test_patients_and_samples_that_answers_need():
    table = rows(PAGES["docs/explanation/few-samples.md"])
    needed = {
        row["you want"]: [int(n) for n in re.findall(r"\d+", row["you need"])] for row in table if "you want" in row
    }
    copies, obeying = (math.ceil(math.log(0.025) / math.log(1 - share)) for share in (0.02, 0.05))
    audit = next(n for n in range(3, 999) if auc_interval(0.5, n, n, fitted=FITTED)[1] < MARGIN)
    assert f"at least {audit} training and {audit} held-out patients" in prose(TEXTS["docs/explanation/membership.md"])
    assert list(needed.values()) == [
        [MIN_UNITS, MIN_UNITS], [2, 2], [MIN_PATIENTS, MIN_PATIENTS], [copies], [obeying], [MIN_UNITS, MIN_SAMPLES],
        [4 * MIN_PATIENTS], [audit, audit],
    ]  # fmt: skip


def test_protocols_of_utility_are_those_of_the_presets():
    table = {row["preset"].strip("`"): row for row in rows(PAGES["docs/how-to/utility.md"]) if "preset" in row}
    assert {name: [int(row[c]) for c in ("repeats", "folds", "steps")] for name, row in table.items()} == {
        name: [preset.seeds, preset.folds, preset.training.steps] for name, preset in PRESETS.items()
    }


def test_generators_and_scores_of_the_foresight_are_counted():
    page = prose(TEXTS["docs/explanation/utility.md"])
    folder = ROOT / "reports" / "gallery" / "validity" / "foresight"
    names = [row["generator"] for row in rows(folder / "generators.csv")]
    networks = sum(name.startswith("network") for name in names)
    perfect = sum(name.startswith("perfect draw") for name in names)
    assert (perfect, networks) == (3, 3 * 2)
    assert f"three draws of their slices as they are, {len(names) - perfect - networks} draws with one planted" in page
    assert f"corrected over all {sum(row['p_holm'] != '' for row in rows(folder / 'scores.csv'))} scores" in page


def test_totals_of_sanity_checks_are_near_the_published_ones():
    table = [row for row in rows(ROOT / "reports" / "gallery" / "validity" / "sanity.md") if row.get("fidelity")]
    both = [row for row in table if row["fidelity"] != "not run" and row["published: fidelity"]]
    apart = [abs(int(r[side]) - int(r[f"published: {side}"])) for r in both for side in ("fidelity", "diversity")]
    assert max(apart) == 2
    assert "differ from the published totals by at most two" in prose(TEXTS["docs/explanation/validity.md"])


def test_rows_of_bad_input_are_counted():
    last = dict(zip("ABCDEFGHI", (27, 40, 52, 60, 76, 82, 94, 105, 110), strict=True))  # case of each group
    cases = [int(row.case) if row.case.isdigit() else None for row in (*ROWS, *ELSEWHERE)]
    counted = Counter(case and next(group for group, end in last.items() if case <= end) for case in cases)
    table = [row for row in rows(PAGES["docs/explanation/hostile-input.md"]) if "held" in row]
    assert {row["group"][0]: int(row["rows"]) for row in table[:-2]} == {g: counted[g] for g in last}
    assert [int(row["rows"]) for row in table[-2:]] == [sum(counted[g] for g in last), counted[None]]


def test_faults_at_three_strengths_are_counted():
    page, by_fault = prose(TEXTS["docs/explanation/verdict-measured.md"]), {}
    for row in rows(ROOT / "reports" / "gallery" / "validity" / "real-B-strengths" / "table.csv"):
        by_fault.setdefault(row["fault"], []).append(row)
    sums = {c: [sum(float(r[n][c]) for r in by_fault.values()) for n in range(3)] for c in ("found", "named")}
    weakest, middle, strongest = zip(sums["found"], sums["named"], strict=True)
    assert f"Of these {len(by_fault)} faults, any check found {weakest[0]:g} at the weakest strength," in page
    assert f"and {weakest[1]:g} were named right; at the middle" in page
    assert f"at the middle one {middle[0]:g} and {middle[1]:g}; at the strongest {strongest[0]:g} and" in page
    assert f"the strongest {strongest[0]:g} and {strongest[1]:g}." in page
    assert {f for f, of in by_fault.items() if not float(of[2]["found"])} == {
        "masks_one_part", "mirrored", "garbage_bins", "neighbours",
    }  # fmt: skip


def test_trials_of_exchanged_slices_are_counted():
    page, off = prose(TEXTS["docs/how-to/volumes.md"]), {"0.0": [0, 0], "1.0": [0, 0]}
    for row in rows(ROOT / "reports" / "gallery" / "volumes" / "exchanged.csv"):
        if row["share"] in off:
            off[row["share"]][0] += "off" in row.values()
            off[row["share"]][1] += 1
    found, trials = off["1.0"]
    assert found == trials
    assert f"a number is *off* in each of the {trials} trials" in page
    assert f"a number that is *off* in {off['0.0'][0]} of {off['0.0'][1]} trials" in page


def test_signs_of_planted_utility_are_counted():
    page = " ".join(TEXTS["docs/explanation/utility.md"].split())
    planted = rows(ROOT / "reports" / "gallery" / "validity" / "utility" / "planted.md")
    right, trials = (sum(numbers(r["right sign"])[k] for r in planted if r["right sign"]) for k in (0, 1))
    low, high = binomtest(int(right), int(trials)).proportion_ci()
    assert f"right in {right:.0f} of {trials:.0f} trials" in page
    assert f"({100 * low:.0f} to {100 * high:.0f} %)" in page


def test_slices_that_floats_put_into_the_wrong_bin_are_counted():
    page = " ".join(TEXTS["docs/explanation/binning.md"].split())
    wrong = []
    for length in range(2, 161):
        for n in range(1, 61):
            z = np.arange(length)
            by_floats = (z / (length - 1) * n).astype(int)
            wrong.append(int((by_floats != z * n // (length - 1)).sum()))
    assert f"{len(wrong):,} pairs of a range length" in page
    assert (
        f"In {np.count_nonzero(wrong)} of them the formula puts a slice into the wrong bin, {sum(wrong)} slices" in page
    )


@pytest.mark.parametrize(("text", "training"), [("at least 2.4 standard deviations", 0.75), ("or 3 (with 15 %", 0.6)])
def test_differences_that_four_folds_show(text, training):
    """Nadeau and Bengio: t of 3 degrees of freedom times the root of 1/4 + others / training patients."""
    page = " ".join(TEXTS["docs/how-to/compare.md"].split())
    needed = student.ppf(0.975, 3) * (1 / 4 + (1 - training) / training) ** 0.5
    shown = re.search(r"\d\S*", text)[0]
    assert text in page
    assert rounds(shown, needed)


def rounds(shown, value):
    """Whether a number as it is shown rounds a value; a table's own last digit may differ by one."""
    return abs(float(shown) - value) <= 0.51 * 10.0 ** -len(shown.partition(".")[2])
