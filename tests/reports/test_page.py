"""The page is one inert, self-contained file that shows what an evaluation left."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from evaluations import CHECKS, HOSTILE, SPACES, made_up, panels
from jsddpm.binning import ZBinning
from jsddpm_cli.app import command
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.checks.verdict import verdict
from jsddpm_eval.results.panels import Panels
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.specs import GROUPS
from jsddpm_reports import binning, montage, page, pictures, reproduction, score_table, terminal, wording
from jsddpm_reports.columns import main_columns
from jsddpm_reports.evaluation import Evaluation

VOID = {"meta", "rect", "path", "use", "image", "br", "img"}


class Collector(HTMLParser):
    """Tags with their attributes, and the text inside each."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.open = [], {}, []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, len(self.tags) - 1))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for _, i in self.open:
            self.text[i] = self.text.get(i, "") + data

    def all(self, tag):
        return [(attrs, " ".join(self.text.get(i, "").split())) for i, (t, attrs) in enumerate(self.tags) if t == tag]


def parsed(html):
    collector = Collector()
    collector.feed(html)
    return collector


@pytest.fixture(scope="module")
def evaluation():
    return made_up()


@pytest.fixture(scope="module")
def html(evaluation):
    return page.render(evaluation)


@pytest.fixture(scope="module")
def found(html):
    return parsed(html)


def bare_results(**changes):
    values = {"binning": ZBinning((0, 9), 2, n_slices=10).to_dict(), "provenance": {}}
    return Results(**values | {"utilization": bin_utilization((0, 9), 2, 10)} | changes)


# Self-contained and inert


def test_nothing_is_loaded_and_nothing_foreign_runs(html, found):
    assert [t for t, _ in found.tags].count("script") == 1
    for _, attrs in found.tags:
        assert not {"style", "srcdoc", "action"} & set(attrs)
        assert not [name for name in attrs if name.startswith("on")]
        for name in ("src", "href"):
            assert attrs.get(name, "#").startswith(("#", "data:image/webp;base64,"))
    assert not re.search(r"@import|url\((?!#)", html)


def test_the_policy_names_exactly_the_style_and_the_script_of_the_page(html, found):
    policy = next(a["content"] for t, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    for what in ("style", "script"):
        (text,) = re.findall(rf"<{what}>(.*?)</{what}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{what}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_hostile_names_are_text(html, found):
    assert "<script>alert" not in html
    assert HOSTILE in "".join(found.text.values())
    assert any(HOSTILE in a.get("title", "") for _, a in found.tags)


def test_every_reference_within_the_page_leads_to_one_place(html, found):
    ids = [a["id"] for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids))
    references = {a["href"][1:] for _, a in found.tags if a.get("href", "").startswith("#")}
    references |= {a["aria-labelledby"] for _, a in found.tags if "aria-labelledby" in a}
    assert references | set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)


def test_same_evaluation_same_bytes(evaluation, html):
    assert page.render(evaluation) == html


@pytest.mark.long
def test_ten_bins_of_eight_seeds_stay_below_five_megabytes_even_of_noise():
    whole = page.render(made_up(size=(128, 128), noise=True))
    assert len(whole.encode()) < 5_000_000
    assert "compressed with loss" in whole


# What it shows


def test_the_verdict_comes_first_and_every_feature_space_is_shown(found):
    text = found.text[next(i for i, (t, _) in enumerate(found.tags) if t == "body")]
    places = [
        text.index(words)
        for words in ("1 of 9 checks is off", "Unlike real slices.", "The answer of each check", "KID radiomics")
    ]
    assert places == sorted(places)
    headings = [words for _, words in found.all("th")]
    assert {f"{kind}{space}" for kind in ("KID", "FID") for space in SPACES} <= set(headings)
    assert {"precisionradiomics", "exact copies", "z error", "obeys", "lesion contrast"} <= set(headings)


def test_values_stand_beside_their_baselines_and_undefined_ones_give_the_reason(found):
    cells = found.all("td")

    def entries(kind):
        return {words for a, words in cells if a.get("class") == kind}

    # in dB, as plain numbers, counted in slices, as shares
    assert entries("above certain") == {"9.0 ▲5.0", "9.00 ▲5.00", "9 ▲5", "90% ▲50%"}
    assert entries("above") == {"7.0 ▲5.0", "7.00 ▲5.00", "7 ▲5", "70% ▲50%"}
    assert entries("below certain") == {"1.0 ▼5.0", "1.00 ▼5.00", "1 ▼5", "10% ▼50%"}
    undefined = [a["title"] for a, _ in cells if a.get("class") == "undefined"]
    assert undefined
    assert all("too few patients" in title and "6 patients" in title for title in undefined)
    assert any(words.startswith("~3.25") for _, words in cells)


def test_headings_go_down_step_by_step_tables_have_captions_and_pictures_words(found):
    levels = [int(t[1]) for t, _ in found.tags if re.fullmatch(r"h\d", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert len(found.all("caption")) == len(found.all("table"))
    assert all(words for _, words in found.all("caption"))
    drawings = [a for t, a in found.tags if t == "svg" and "aria-hidden" not in a]
    assert all(a["role"] == "img" and a["aria-label"] for a in drawings)
    assert len(drawings) == 6 + 40 + 12  # charts, two strips for each condition, pairs


def test_every_pooled_score_is_in_one_table_with_its_counts(evaluation, found):
    rows = [words for _, words in found.all("tr")]
    table = rows[1 + next(i for i, words in enumerate(rows) if words.startswith("scorepathologyunit")) :]
    assert (
        "share of control samples with an empty maskcontrolshare75%––––80" in table
    )  # value, interval, baseline, real slices, patients, generated slices
    assert "distance in lesion arealesionmm²3.25–1.50–––" in table
    assert any(words.startswith("KID with condition radiomicsboth") for words in table)  # pooled alone
    titles = {a["title"] for a, _ in found.all("td") if "title" in a}
    shown = [(spec, space) for spec in evaluation.results.specs if spec.place != "hidden" for space in ("", *SPACES)]
    for spec, space in shown:
        score = evaluation.results.pooled.get(spec.named(space))
        if score is not None and spec.per_space == bool(space):
            assert f"{spec.words} {space}".strip() + f": {wording.context(score)}" in titles


def test_the_whole_comes_first_check_by_check(found):
    rows = [words for _, words in found.all("tr")]
    start = next(i for i, words in enumerate(rows) if words.startswith("checkwhat was seen"))
    assert rows[start].endswith("conditions")
    assert rows[start + 1] == "offfineunknown"
    table = rows[start + 2 : start + 2 + len(CHECKS)]
    last, first = CHECKS[-1], CHECKS[0]
    conditions = 20 if last.pathology is None else 10
    assert table[0] == (
        f"! off{last.question}{last.heading}unlike real slices: p = 0.01{conditions * 9 // 10}{conditions // 10}0"
    )
    (unknown,) = (words for words in table if words.startswith("? unknown"))
    assert unknown.startswith(f"? unknown{first.question}{first.heading}a -1.0 to 2.0; too few seeds {HOSTILE[:5]}")
    assert sum(words.startswith("✓ fine") for words in table) == len(CHECKS) - 2


def test_every_check_says_what_it_found_and_why_place_by_place(found):
    signs = {"fine": "✓", "off": "!", "unknown": "?"}
    cells = [(a, words) for a, words in found.all("td") if "title" in a and a.get("class", "").split(" ")[0] in signs]
    assert all(words == signs[a["class"].split()[0]] for a, words in cells)
    asked = sum(1 if check.pathology is not None else 2 for check in CHECKS)
    assert len(cells) == 10 * asked + len(CHECKS)  # every check in every condition it is asked of, and of the whole
    titles = {a["title"]: a["class"] for a, _ in cells}
    first, last = CHECKS[0].heading, CHECKS[-1].heading
    assert titles[f"bin 0 lesion, {first}: unknown, too few seeds {HOSTILE}"] == "unknown"
    assert titles[f"bin 4 lesion, {last}: off, p = 0.01"] == "off"
    assert titles[f"bin 1 lesion, {first}: fine"] == "fine"
    assert titles[f"all bins, {first}: unknown, a -1.0 to 2.0; too few seeds {HOSTILE}"] == "unknown first"
    states = [
        (a["class"], words) for a, words in found.all("td") if a.get("class", "").startswith("state") and "title" in a
    ]
    assert states[0] == ("state fine", "✓ every check is fine")
    assert states[1] == ("state off", f"! {last}")
    made = sum(check.pathology in (None, 1) for check in CHECKS)
    assert states[10] == ("state unknown", f"? {made - 1} of {made} checks fine")
    assert {check.rule for check in CHECKS} <= {words for _, words in found.all("dd")}


def test_the_table_of_checks_counts_a_fault_of_a_part_as_the_verdict_does(evaluation):
    """The second check is fine on the whole and off in one bin by itself; the first is unknown."""
    results, check = evaluation.results, CHECKS[1].name
    own = {"answer": "off", "kind": "too dark; too flat", "label": "grain", "reason": "-2.0 SD", "p_value": 0.01}
    findings = [f.model_copy(update=own) if (f.check, f.z_bin) == (check, 3) else f for f in results.findings]
    results = results.model_copy(update={"findings": tuple(findings)})
    sentence = verdict(results)[0]
    assert f"2 of {len(CHECKS)} checks are off (1 only in parts)" in sentence
    rows = [words for _, words in parsed(page.render(replace(evaluation, results=results))).all("tr")]
    assert [words for words in rows if words.startswith("! off")] == [
        next(words for words in rows if words.startswith(f"! off{CHECKS[-1].question}")),
        next(words for words in rows if words.startswith(f"! off in parts{CHECKS[1].question}")),
    ]
    assert sum(words.startswith("✓ fine") for words in rows) == len(CHECKS) - 3
    (parts,) = (words for words in rows if words.startswith("! off in parts"))
    assert "too dark: grain -2.0 SD, p = 0.01, in bin 3 " in parts
    assert "; also too flat" in parts
    shown = results._repr_html_()
    assert "too dark; in bin 3 " in shown


def test_a_condition_names_what_is_off_line_by_line(evaluation):
    results, (check, other) = evaluation.results, CHECKS[1:3]
    long = {"answer": "off", "kind": "too dark; too flat", "label": "grain", "reason": "-2.0 SD"}
    findings = [f.model_copy(update=long) if f.check == check.name else f for f in results.findings]
    (row, *_) = score_table.table_rows(results.model_copy(update={"findings": tuple(findings)}), [])
    first, fine = row.note.split("\n")
    assert first == f"{check.heading}: too dark: grain -2.0 SD"
    assert other.heading in fine.removeprefix("fine: ").split(", ")


def test_a_table_has_no_rows_of_conditions_without_its_scores(html):
    table = html.partition("<caption>Lesion shapes</caption>")[2].partition("</table>")[0]
    assert re.findall(r'scope="rowgroup" class="lead">(\w+)<', table) == ["lesion"]


def test_scores_of_all_conditions_are_named_by_their_group_and_no_two_alike(html):
    table = html.partition("<caption>Pooled over all bins</caption>")[2].partition("</table>")[0]
    groups = re.findall(r'class="group" colspan="9">([^<]+)<', table)
    assert groups == [g for g in GROUPS if g in groups]
    names = re.findall(r'<th scope="row">([^<]+)</th><td>(?:\w+)</td><td>([^<]*)</td>', table)
    assert len(names) == len(set(names))
    assert not {"equal", "size", "row", "contrast", "varied", "patients", "number"} & {name for name, _ in names}


def test_copies_are_counted_by_what_is_copied(evaluation):
    rows = [("slice", "generated-0001 z 5 lesion sample 0"), ("lesion", "generated-0001 z 5 lesion sample 0"),
            ("slice", "generated-0000 z 3 control sample 1")]  # fmt: skip
    copies = [{"sample": name, "real": "r", "patient": "p", "of": "training", "what": what, "nearness": 1.2}
              for what, name in rows]  # fmt: skip
    privacy = {"asked": "?", "sentences": [], "detector": [], "threat_model": "", "limits": [], "copies": copies,
               "worst_patient": None}  # fmt: skip
    found = parsed(page.render(replace(evaluation, privacy=privacy)))
    assert "Copies: 2 slices and 1 lesion" in {words for _, words in found.all("summary")}
    assert any(words.startswith("The name of a sample has four parts") for _, words in found.all("p"))


def test_an_exact_copy_without_a_nearness_is_called_one(evaluation):
    copies = [{"sample": "s", "real": "r", "patient": "p", "of": "training", "what": "slice", "nearness": nearness}
              for nearness in (None, 1.234)]  # fmt: skip
    privacy = {"asked": "?", "sentences": [], "detector": [], "threat_model": "", "limits": [], "copies": copies,
               "worst_patient": None}  # fmt: skip
    cells = [words for _, words in parsed(page.render(replace(evaluation, privacy=privacy))).all("td")]
    assert [words for words in cells if words in ("exact copy", "1.23")] == ["exact copy", "1.23"]


def test_shifts_stand_in_tables_of_further_scores_by_what_they_are_of(evaluation, found):
    captions = [words for _, words in found.all("caption")]
    assert {"Sharpness", "Texture", "Intensity", "Head"} <= set(captions)
    main = {c.spec.name for c in main_columns(evaluation.results)}
    assert not main & {s.name for s in evaluation.results.specs if s.group in ("sharpness", "texture", "intensity")}


def test_the_page_and_the_terminal_name_the_patient_who_is_copied_most_often(evaluation):
    privacy = {"asked": "?", "sentences": ["1 of 10 samples are copies."], "detector": [], "threat_model": "",
               "limits": [], "copies": [], "worst_patient": {"patient": "1", "samples": 2}}  # fmt: skip
    text = "".join(parsed(page.render(replace(evaluation, privacy=privacy))).text.values())
    console = Console(width=100, file=io.StringIO())
    console.print(terminal.evaluation_view(evaluation.results, 100, privacy))
    for shown in (text, console.file.getvalue()):
        assert "1 of 10 samples are copies." in shown
        assert "The patient copied most often is 1, in 2 samples." in shown


def test_without_pictures_lesions_or_generation_the_page_still_opens(evaluation):
    results = evaluation.results
    assert "Real beside generated" not in page.render(Evaluation(results))
    bare = parsed(
        page.render(
            Evaluation(results.model_copy(update={"generation": (), "verdict": (), "findings": (), "confusion": ()}))
        )
    )
    assert [a["href"] for a, _ in bare.all("a")] == ["#reconstruction", "#binning", "#undefined", "#provenance"]
    assert "no verdict" in "".join(bare.text.values())


def test_panels_come_back(evaluation, tmp_path):
    evaluation.panels.write(tmp_path / "p.npz")
    again = Panels.read(tmp_path / "p.npz")
    assert all(np.array_equal(getattr(again, f.name), getattr(evaluation.panels, f.name)) for f in fields(Panels))


# Pictures


def test_pictures_are_exact_and_beyond_the_budget_smaller(monkeypatch):
    canvas = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    (address,), lossless = pictures.embed([canvas])
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))
    assert lossless
    assert np.array_equal(shown, np.stack([canvas] * 3, -1))
    monkeypatch.setattr(pictures, "BUDGET", 100)
    (smaller,), lossless = pictures.embed([canvas])
    assert not lossless
    assert len(smaller) < len(address)


def test_outlines_run_along_the_pixels_of_their_slice():
    mask = np.zeros((2, 12, 16), bool)
    mask[1, 4:7, 5:9] = True
    strip = montage.Strip(np.zeros(mask.shape, np.uint8), mask, 2, [])
    (line,) = strip.outlines
    x, y = line.T
    assert (x.min(), x.max(), y.min(), y.max()) == (16 + 5, 16 + 9, 4, 7)
    area = abs(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2
    assert area == pytest.approx(3 * 4 - 4 / 8)  # each corner is cut by half a pixel both ways
    assert montage.Strip(strip.images, mask, 1, []).outlines == []


def test_an_absent_slice_is_no_black_one():
    strip = montage.Strip(np.zeros((2, 3, 4), np.uint8), np.zeros((2, 3, 4), bool), 1, [])
    assert (strip.canvas[:, :4] == 0).all()
    assert (strip.canvas[:, 4:] > 200).all()


def test_rows_of_the_montage_follow_the_tokens(evaluation):
    rows = list(montage.montage_rows(evaluation.panels, evaluation.results))
    assert [(r.z_bin, r.pathology) for r in rows] == [(k, p) for p in ("control", "lesion") for k in range(10)]
    assert (rows[13].slices, rows[13].generated.names[2]) == ("21–27", "made 13 2")
    assert np.array_equal(rows[13].real.images, evaluation.panels.real_image[13])


# How to make it again


def test_the_commands_exist_with_their_options_and_carry_the_settings(evaluation):
    lines = reproduction.commands(evaluation.results)
    assert [line.split()[1] for line in lines] == ["train", "sample", "eval", "report"]
    known = command().commands
    for line in lines:
        options = {o for p in known[line.split()[1]].params for o in p.opts}
        assert {w for w in line.split() if w.startswith("--")} <= options
    for part in ("--sampler ddim --steps 20 --guidance 2.0 --eta 0.5 --weights raw --seed 5", "--per-condition 8"):
        assert part in lines[1]
    assert (
        "--split test --metrics kid --metrics position --features radiomics --features slice-encoder --seed 3"
        in lines[2]
    )
    stores = Results.model_validate(evaluation.results.model_dump() | {"provenance": {"generated": {"store": "x"}}})
    assert reproduction.commands(stores)[0].startswith("jsddpm eval --real STORE --generated SAMPLES --bin-aware")


def test_the_bins_page_is_as_inert(store):
    found = parsed(binning.html(bin_utilization((24, 93), 10, 128)))
    assert "script" not in [t for t, _ in found.tags]
    assert not any("style" in a for _, a in found.tags)
    assert [words for _, words in found.all("td")][:3] == ["0", "24–30", "7"]


def test_panels_of_a_montage_without_seeds_are_drawn():
    alone = panels(2, (12, 16), 1)
    assert montage.montage_figure(alone, bare_results()).axes
