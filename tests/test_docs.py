"""What the README, CONTRIBUTING and docs say exists; that what they show also runs, see test_documented_commands."""

from __future__ import annotations

import ast
import inspect
import math
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections import defaultdict

import pytest
from ruamel.yaml import YAML

from documented import PAGES, ROOT, SOURCES, TEXTS, blocks, called, nodes
from jsddpm_cli.app import command
from jsddpm_eval.checks.verdict import checks
from jsddpm_eval.selftest.fault import known_faults

COMMANDS = sorted(
    {
        line[line.index("jsddpm ") :]
        for page in PAGES
        for block in blocks(page)
        for line in block.commands
        if re.match(r"(torchrun .*)?jsddpm ", line)
    }
)
LINKS = [(page, link) for page, text in TEXTS.items() for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)]
ANCHORS = [(page, *link) for page, text in TEXTS.items() for link in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", text)]
STATUS = {"usage_error": 2, "integrity_error": 4, "environment_error": 5, "JsddpmError": 3, "problem": 3, "bad": 3}
READERS = {"read_arrays", "read_recorded"}
"""Functions that are given the code of a damaged file, status 4, after the file."""

NAMED = {"ENVIRONMENT": 5, "NON_FINITE": 6, "SIGINT": 130, "SIGTERM": 143}
OF_TABLES = {"BIN", "EMPTY_BIN", "PATHOLOGY", "Z_OUTSIDE"}
"""Codes of requests that a row of a table to import raises anew, with status 3."""


@pytest.mark.parametrize(
    "shown",
    ["jsddpm train", "jsddpm eval", "jsddpm bins report --z-range 24 93", "jsddpm cache build", "jsddpm sample"],
)
def test_the_readme_shows_the_commands_of_the_mission(shown):
    assert re.search(rf"^{shown}", TEXTS["README.md"], re.MULTILINE)


def test_the_citation_is_that_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    assert {key: citation[key] for key in ("cff-version", "title", "version", "license")} == {
        "cff-version": "1.2.0", "title": project["name"], "version": project["version"], "license": project["license"],
    }  # fmt: skip
    assert f"The {project['name']} developers" in (ROOT / "LICENSE").read_text()
    assert citation["authors"] == [{"name": f"The {project['name']} developers"}]


def test_the_docs_begin_with_the_first_sentences_of_the_readme():
    title, purpose = TEXTS["docs/index.md"].split("\n\n")[:2]
    assert TEXTS["README.md"].startswith(f"{title}\n\n{purpose}")


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_of_the_docs_exist(line):
    words = shlex.split(line, comments=True)[1:]
    node = command()
    while words and not words[0].startswith("-") and hasattr(node, "commands"):
        node = node.commands[words.pop(0)]
    known = {o for p in node.params for o in p.opts} | {"--help"}
    assert {w for w in words if w.startswith("--")} <= known


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z]+)\b", TEXTS["CONTRIBUTING.md"]))))
def test_make_targets_of_the_docs_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_links_of_the_docs_lead_somewhere(page, link):
    assert link.startswith("https://") or (PAGES[page].parent / link).exists()


@pytest.mark.parametrize(("page", "link", "anchor"), [a for a in ANCHORS if not a[1].startswith("https://")])
def test_anchors_of_links_are_headings(page, link, anchor):
    """GitHub shows README and CONTRIBUTING, so the anchors are those that GitHub makes."""
    target = PAGES[page].parent / link if link else PAGES[page]
    headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize(
    ("page", "table"), [(page, t) for page, text in TEXTS.items() for t in re.findall(r"<!-- (reports/\S+) -->", text)]
)
def test_tables_of_the_docs_are_those_of_the_gallery(page, table):
    assert f"<!-- {table} -->\n{(ROOT / table).read_text()}" in TEXTS[page]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page):
    """Else a command could stand where nobody runs it."""
    known = {"sh", "python", "text", "{toctree}", "{eval-rst}", "{include} ../CONTRIBUTING.md"}
    assert {b.language for b in blocks(page)} <= known


@pytest.mark.parametrize("name", ["cli.md", "configuration.md", "scores.md", "faults.md"])
def test_pages_made_from_the_code_are_current(tmp_path, name):
    folder = ROOT / "docs" / "reference"
    runpy.run_path(str(folder / "build.py"))["build"](tmp_path)
    assert (tmp_path / name).read_text() == (folder / name).read_text(), "run make reference"


def test_the_metric_that_readers_add_satisfies_the_rules_of_the_metrics(tmp_path):
    """A file without a docstring was no file of ``jsddpm_eval/metrics``."""
    (source,) = [b.text for b in blocks("docs/how-to/own-metric.md") if b.language == "python" and "METRIC =" in b.text]
    checked = ["ruff", "check", "--no-cache", "--stdin-filename", "jsddpm_eval/metrics/sliced_wasserstein.py", "-"]
    found = subprocess.run([sys.executable, "-m", *checked], input=source, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stdout


def test_a_rebinned_network_is_trained_with_the_settings_that_rebin_prints():
    page = TEXTS["docs/how-to/change-bins.md"].replace("\\\n", " ")
    (low, high, bins) = re.search(
        r"checkpoint rebin .* --z-range (\d+) (\d+) --bins (\d+) --out start.ckpt", page
    ).groups()
    (trained,) = re.findall(r"jsddpm train .*--warm-start start.ckpt", page)
    words = shlex.split(trained)
    settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    assert settings == [f"binning.z_range=[{low},{high}]", f"binning.n_bins={bins}"]


def test_every_error_code_is_explained_with_its_statuses():
    raised = defaultdict(set, {code: {3} for code in OF_TABLES})
    for path in SOURCES:
        for node in nodes(path):
            maker = called(node).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            code = node.args[0] if maker in STATUS and node.args else None
            code = node.args[1] if maker in READERS else code
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                said = [ast.unparse(k.value).rpartition(".")[2] for k in node.keywords if k.arg == "status"]
                raised["NIFTI_" * (maker == "bad") + code.value].add(NAMED[said[0]] if said else STATUS.get(maker, 4))
    explained = {
        code: {int(s) for s in statuses.split(",")}
        for codes, statuses in re.findall(
            r"^\| (`[A-Z_`, ]+`) \| ([\d, ]+) \|", TEXTS["docs/reference/errors.md"], re.M
        )
        for code in re.findall(r"[A-Z_]+", codes)
    }
    assert explained == raised | {"INTERNAL": {70}}


@pytest.mark.parametrize(
    "picture", [p for p in (ROOT / "docs").rglob("*.*") if p.suffix in (".png", ".webp")], ids=lambda p: p.name
)
def test_pictures_stay_small(picture):
    assert picture.stat().st_size < 300_000


def test_the_page_on_reports_has_a_section_and_a_picture_of_every_check():
    page, found = TEXTS["docs/tutorial/read-your-report.md"], [check.spec for check in checks()]
    sections = dict(re.findall(r"^### (.+?)\n(.*?)(?=^#)", page.partition("\n## The checks\n")[2], re.M | re.S))
    assert list(sections) == [spec.heading.capitalize() for spec in found]
    for check, section in zip(checks(), sections.values(), strict=True):
        assert re.findall(r"!\[.+\]\((\S+)\)", section) == [f"faults/{check.spec.name}.webp"]
        said = re.search(r"^\*\*Off:\*\*(.*?)\n\n", section, re.M | re.S)[1]
        source = inspect.getsource(inspect.getmodule(check))
        assert all(words in source for words in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", said.replace("\n", " ")))
        assert "**Unknown:**" in section
        assert "**Next:**" in section


def test_the_pictures_of_faults_show_what_their_checks_look_for():
    script = runpy.run_path(str(ROOT / "docs" / "tutorial" / "faults.py"))
    assert list(script["EXAMPLES"]) == [check.spec.name for check in checks()]
    assert all(known_faults()[e.fault].expected[0] == name for name, e in script["EXAMPLES"].items())


def test_the_page_on_reports_says_how_weak_a_fault_was_found():
    examples = runpy.run_path(str(ROOT / "docs" / "tutorial" / "faults.py"))["EXAMPLES"]
    bench = {row[0]: row for row in rows_of(ROOT / "reports" / "gallery" / "validity" / "real-B" / "table.md")}
    rows = ["| check | planted fault | strength | found | by this check |", "|---|---|---|:-:|:-:|"]
    for check in checks():
        fault = known_faults()[examples[check.spec.name].fault]
        _, strength, found, _, own, *_ = bench[fault.name.replace("_", " ")]
        rows.append(f"| {check.spec.heading} | {fault.title} | {strength} | {found} | {own} |")
    assert "\n".join(rows) + "\n\n" in TEXTS["docs/tutorial/read-your-report.md"]


def test_samples_that_a_share_needs_are_those_of_the_exact_binomial_bound():
    page = TEXTS["docs/tutorial/read-your-report.md"]
    fewest = {share: math.ceil(math.log(0.025) / math.log(1 - share)) for share in (0.02, 0.05)}
    assert re.findall(r"[Ff]rom (\d+) samples", page) == [str(fewest[share]) for share in (0.02, 0.05, 0.02)]


def test_the_readme_says_what_the_bench_measured():
    said = " ".join(TEXTS["README.md"].split())
    folder = ROOT / "reports" / "gallery" / "validity"
    bench, copies = (rows_of(folder / name / "table.md") for name in ("real-B", "copying"))
    found, named, own = (sum(row[column] == "yes" for row in bench) for column in (2, 3, 4))
    assert f"Of {len(bench)} planted faults of medium strength, {found} were found and {named} named right" in said
    assert f"in {own} cases the one made for it" in said
    alarms = re.search(
        r"false alarm in (\d+ of \d+ draws \(95% interval .*?%\))", (folder / "real-B/table.md").read_text()
    )[1]
    assert f"had a false alarm in {alarms.replace('%', ' %')}" in said
    missed = {"dim", "lesions faint", "hole", "mirrored"}  # the four examples of the sentence
    assert missed < {row[0] for row in bench if row[2] == "no"}
    left_out = {"noise of 3 %", "cropped by 6 px"}  # the kinds of the list that the sentence does not name
    assert f"slightly bent, {share_found(copies, 'listed', without=left_out)} were found" in said
    assert f"strongly bent copies {share_found(copies, 'warped by 2 px rms')} were found" in said
    assert f"all changes together {share_found(copies, ALL_CHANGES)}" in said
    unseen = [float(cell) for row in copies if row[0] == "unseen" for cell in row[2:5] if cell]
    assert f"At most {max(unseen)} % of slices of unseen patients" in said
    lost = {row[1]: max(float(cell.split()[0]) for cell in row[2:5]) for row in copies if row[0] == "not listed"}
    assert {name for name, share in lost.items() if share < 10} == {"upside down", "blurred by 2.5 px"}


ALL_CHANGES = "mirrored, turned, scaled, moved, warped, blurred, noisy"


def share_found(copies, kind, without=(), columns=slice(2, 5)):
    """Range of the shares of planted copies that were found, of real patients; each with the right patient."""
    chosen = [row for row in copies if kind in row[:2] and row[1] not in without]
    shares, patients = zip(*(re.findall(r"[\d.]+", cell) for row in chosen for cell in row[columns]), strict=True)
    assert set(patients) == {"100"}, "the right patient was named each time"
    return f"{min(map(int, shares))} to {max(map(int, shares))} %"


def test_the_page_on_copies_says_how_many_bent_copies_are_missed():
    said = " ".join(TEXTS["docs/explanation/copying.md"].split())
    copies = rows_of(ROOT / "reports" / "gallery" / "validity" / "copying" / "table.md")
    missed = []
    for kind in ("warped by 2 px rms", ALL_CHANGES):
        low, high = map(int, re.findall(r"\d+", share_found(copies, kind, columns=slice(2, 6))))
        missed.append(f"{100 - high} to {100 - low} %")
    assert f"{missed[0]} of the copies with the strongest deformation" in said
    assert f"{missed[1]} of copies with all changes together" in said


def test_the_readme_says_which_score_predicts_utility_best():
    said = " ".join(TEXTS["README.md"].split())
    folder = ROOT / "reports" / "gallery" / "validity" / "foresight"
    scores = [row for row in rows_of(folder / "table.md") if row[3]]  # single scores have a p-value
    nearest = max(scores, key=lambda row: abs(float(row[1])))
    generators = len((folder / "generators.csv").read_text().splitlines()) - 1
    assert nearest[0] == "lesion_borderless_share"
    assert f"Over {generators} generators, neither FID nor KID predicted" in re.sub(r"\[(.*?)\]\(.*?\)", r"\1", said)
    assert f"predicts it best (rank correlation {nearest[1]}, 95 % interval {nearest[2]})" in said
    assert all(row[4] == "no" for row in scores if row[0].startswith(("fid", "kid")))


def test_the_readme_says_what_the_report_of_the_demo_says():
    said = " ".join(TEXTS["README.md"].split())
    folder = ROOT / "reports" / "gallery" / "demo"
    off, total, fine, unknown = re.search(
        r"(\d+) of (\d+) checks are off.*?, (\d+) are fine, (\d+) are unknown",
        (folder / "verdict.txt").read_text(),
    ).groups()
    assert f"{off} of {total} checks are off" in said
    assert f"{fine} checks are fine. The other {unknown} are unknown" in said
    report = (folder / "report.html").read_text()
    copies = re.search(r"(\d+ of \d+ samples) are copies of training slices", report)[1]
    copied, people = re.search(r"(\d+) of (\d+) training patients are copied", report).groups()
    assert f"{copies} are copies of slices of {copied} of the {people} training patients" in said
    assert "checkerboard of single pixels" in report


def test_the_table_of_systems_is_the_same_in_the_readme_and_on_its_page():
    tables = [
        re.search(r"^\| \| jsddpm \|.*?\n\n", TEXTS[page], re.M | re.S)[0]
        for page in ("README.md", "docs/explanation/other-systems.md")
    ]
    assert re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", tables[0]) == tables[1]


def rows_of(table):
    """Rows of a Markdown table below its head, cell by cell."""
    lines = [line for line in table.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_on_rivals_says_how_many_lesion_samples_have_no_mask():
    rows = rows_of(ROOT / "reports" / "gallery" / "rivals" / "table.md")
    without = {(row[0], row[1]): 1 - float(row[8].split()[0]) for row in rows if row[0]}
    said = {("1200", "jsddpm"): 0.25, ("1200", "diffusers tuned"): 0.2, ("400", "jsddpm"): 0.4}
    assert {place: without[place] for place in said} == pytest.approx(said, abs=0.03)
