"""The page is one inert, self-contained file that shows what the results hold."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from jsddpm.binning import ZBinning
from jsddpm_eval.panels import Panels
from jsddpm_eval.results import Cell, Results, Score
from jsddpm_eval.utilization import bin_utilization
from jsddpm_reports import binning, figures, page, terminal, wording

HOSTILE = '<script>alert(1)</script>"onerror="x'
BINNING = ZBinning((0, 9), 2, n_slices=10)


@pytest.fixture
def results():
    def scores(pathology):
        obey = {0: "control_empty", 1: "lesion_present"}[pathology]
        return {
            "best_match_psnr": Score(value=24.13, unit="dB", floor=26.0, n_real=9, n_generated=4, n_patients=3),
            "kid_radiomics": Score.undefined(HOSTILE, n_real=1),
            "fid_radiomics": Score(value=3.2, status="unreliable", reason="4 slices", interval=(1, 5)),
            obey: Score(value=0.75, unit="share", n_generated=4),
        }

    pooled = Cell(scores={"z_error_bins": Score(value=0.5, floor=0.4), "z_error_chance_bins": Score(value=3.3)})
    cells = [Cell(z_bin=k, pathology=p, scores=scores(p)) for p in (0, 1) for k in (0, 1)]
    reconstruction = [Cell(timestep=300, pathology=1, scores={"psnr": Score(value=30.0, unit="dB")})]
    return Results(
        binning=BINNING.to_dict(), provenance={"name": HOSTILE}, utilization=bin_utilization((0, 9), 2, 10),
        reconstruction=reconstruction, generation=[pooled, *cells],
    )  # fmt: skip


@pytest.fixture
def panels():
    rng = np.random.default_rng(0)
    mask = np.zeros((4, 2, 12, 16), bool)
    mask[2:, :, 4:7, 5:9] = True
    image = rng.integers(0, 255, (4, 2, 12, 16)).astype(np.uint8)
    return Panels(image, mask, np.array([2, 2, 1, 0]), image, mask, np.array([2, 2, 2, 2]))


class Collector(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def parsed(html):
    collector = Collector()
    collector.feed(html)
    return collector


def test_is_inert_and_opens_offline(results, panels):
    found = parsed(page.render(results, panels))
    assert "script" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    for name, value in found.attributes:
        if name in ("src", "href"):
            assert value.startswith("data:image/png;base64,")
    policy = dict(found.attributes)["content"] if ("http-equiv", "Content-Security-Policy") in found.attributes else ""
    assert ("http-equiv", "Content-Security-Policy") in found.attributes, policy
    assert HOSTILE in " ".join(found.text)


def test_shows_values_yardsticks_and_reasons(results, panels):
    found = parsed(page.render(results, panels))
    words = " ".join(" ".join(found.text).split())
    assert "24.1 26.0" in words
    assert "~3.20" in words
    assert "75%" in words
    assert "bin 0 control: kid_radiomics" in words
    assert found.tags.count("img") == 3
    assert ("title", "95% interval 1.00 to 5.00; 4 slices") in found.attributes


def test_without_panels_or_generation_the_page_still_opens(results):
    bare = results.model_copy(update={"generation": []})
    assert parsed(page.render(bare, None)).tags.count("img") == 1


def test_the_verdict_and_the_nearest_pairs_are_shown(results, panels):
    pairs = replace(panels, copies=panels.real_image[:2])
    found = parsed(page.render(results.model_copy(update={"verdict": "All is well."}), pairs))
    assert "All is well." in found.text
    assert found.tags.count("img") == 4
    drawn = figures.copies_figure(pairs).axes[0].images[0].get_array()
    assert np.array_equal(drawn[:12, 16:32], panels.real_image[0, 1])
    assert np.array_equal(drawn[12:, :16], panels.real_image[1, 0])


def test_same_results_same_bytes(results, panels):
    assert page.render(results, panels) == page.render(results, panels)


def test_panels_come_back(panels, tmp_path):
    panels.write(tmp_path / "p.npz")
    again = Panels.read(tmp_path / "p.npz")
    assert all(np.array_equal(getattr(again, f), getattr(panels, f)) for f in Panels.__dataclass_fields__)


def test_montage_outlines_the_lesion_and_hatches_what_is_absent(panels):
    strip = figures._strip(panels, 2, 4)
    outlined = (strip == (255, 60, 0)).all(-1)
    assert outlined.sum() > 0
    inside = np.zeros_like(outlined)
    inside[8:14, 10:18] = True
    assert not (outlined[:, :32] & ~inside[:, :32]).any()
    absent = strip[:, 32:64]
    assert set(np.unique(absent)) == {205, 240}


def test_the_utilization_figure_draws_every_used_bin_and_stays_readable():
    for bins, words in ((10, "7 of 10 bins; unused: 0, 8, 9"), (50, "28 of 50 bins; unused: 22 of them")):
        report = bin_utilization((24, 93), bins, 128)
        axes = figures.utilization_figure(report).axes[0]
        texts = [t.get_text() for t in axes.texts]
        assert words in texts
        assert len(axes.patches) == sum(s["bins_used"] for s in report["schemes"].values())
        spans = sorted((p.get_x(), p.get_width()) for p in axes.patches if p.get_y() > 0.5)
        assert spans[0][0] == 23.5
        assert sum(w for _, w in spans) == 70
    assert all(len(t) < 3 for t in texts if t.isdigit())


def test_numbers_are_worded_alike_everywhere(results):
    cell = results.cells()[0]
    assert wording.number(cell.scores["kid_radiomics"]) == "–"
    assert wording.number(cell.scores["fid_radiomics"]) == "~3.20"
    assert wording.number(wording.score_of(cell, "obedience")) == "75%"
    assert wording.cell_label(cell, results) == ("0", "0–4", "control")
    assert wording.headlines(results)[0] == ("position error", "0.50", "bin widths; chance 3.30, real slices 0.40")


def test_the_terminal_report_fits_80_columns():
    report = bin_utilization((24, 93), 10, 128)
    console = Console(width=80, file=None, record=True, force_terminal=False)
    with console.capture() as captured:
        summary = terminal.results_table(*binning.summary_table(report))
        console.print(terminal.utilization_panel(report, binning.sentence(report), [summary]))
    text = captured.get()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "87–93" in text
