"""The page of a run: where it stands, what was logged, the newest samples; for a run that may still be training."""

from __future__ import annotations

import base64
import re
import shutil
from html.parser import HTMLParser

import pytest
from matplotlib.colors import to_hex

from calls import invoke
from jsddpm.checksums import write_recorded
from jsddpm.errors import JsddpmError
from jsddpm.files import json_bytes, write_json
from jsddpm.training.progress import RunProgress, read_provenance
from jsddpm_reports.run_page import render_run
from jsddpm_reports.training_curves import training_figure


class Text(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.words, self.tags, self.attributes = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def unfinished(run, tmp_path):
    """The tiny run as if it had many steps to go."""
    shutil.copytree(run, tmp_path / "a & b")
    config = tmp_path / "a & b" / "config.yaml"
    config.write_text(config.read_text().replace("max_steps: 4", "max_steps: 400"))
    begun = read_provenance(run)
    write_recorded(tmp_path / "a & b" / "provenance.json", json_bytes({k: v for k, v in begun.items() if k != "steps"}))
    return tmp_path / "a & b"


def test_the_page_of_an_unfinished_run_says_how_to_go_on(unfinished, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    html = render_run(RunProgress.read(unfinished), beside=unfinished)
    page = Text(html)
    assert "Unfinished: 4 of 400 steps are logged. Last written 20" in page.text
    assert "jsddpm train --resume --store store --out 'a & b'" in page.text
    assert "No checkpoint was chosen: 3 validation patients are needed, there are 1. The last" in page.text
    assert "script" not in page.tags
    pictures = [v for name, v in page.attributes if name == "src"]
    expected = [(unfinished / "pictures" / f"step-{k:08d}.png").read_bytes() for k in (4, 2)]
    assert [base64.b64decode(p.partition(",")[2]) for p in pictures] == expected
    assert not [v for name, v in page.attributes if name in ("src", "href") and not v.startswith(("data:", "#"))]


def test_a_finished_run_points_to_its_evaluation(unfinished, run, tmp_path):
    finished = Text(render_run(RunProgress.read(run), beside=run))
    assert "Finished: all 4 steps are done." in finished.text
    assert f"jsddpm eval {run.name} --bin-aware" in finished.text
    (unfinished / "evaluation").mkdir()
    (unfinished / "evaluation" / "report.html").write_text("")
    page = Text(render_run(RunProgress.read(unfinished), beside=tmp_path))
    assert ("href", "a & b/evaluation/report.html") in page.attributes
    elsewhere = render_run(RunProgress.read(unfinished), beside=tmp_path / "share")
    assert "report.html" not in elsewhere
    assert all(word not in elsewhere for word in (str(tmp_path), str(run.parent), "sub-0"))


def test_a_run_before_its_first_check_has_a_page(unfinished):
    for name in ("metrics.csv", "pictures", "checkpoints"):
        place = unfinished / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    page = Text(render_run(RunProgress.read(unfinished), beside=unfinished))
    assert "0 of 400 steps are logged. Nothing is written yet." in page.text
    assert "There is no checkpoint yet" in page.text


def test_a_picture_that_cannot_be_read_is_an_error_of_reading(unfinished):
    picture = unfinished / "pictures" / "step-00000004.png"
    picture.unlink()
    picture.mkdir()
    with pytest.raises(JsddpmError) as refused:
        render_run(RunProgress.read(unfinished), beside=unfinished)
    assert (refused.value.code, refused.value.file) == ("NOT_READABLE", str(picture))


def test_curves_are_what_was_logged(run):
    progress = RunProgress.read(run)
    charts = {axes.get_title(loc="left"): axes for axes in training_figure(progress).axes if axes.get_title(loc="left")}
    assert {"training loss", "validation PSNR [dB]", "learning rate", "slices a second"} <= set(charts)
    drawn = charts["validation PSNR [dB]"].lines[0]
    assert list(zip(*drawn.get_data(), strict=True)) == progress.metrics["val/psnr_t300"]
    losses = charts["training loss"].lines
    assert len({(to_hex(line.get_color()), line.get_linestyle()) for line in losses}) == len(losses) == 3


def test_every_timestep_has_a_curve_of_its_own(unfinished):
    names = [f"val/psnr_t{t}" for t in range(100, 1000, 100)]
    rows = [",".join(map(str, [step, *(step + n for n in range(9))])) for step in (1, 3)]
    (unfinished / "metrics.csv").write_text("\n".join([",".join(["step", *names]), *rows]) + "\n")
    (chart,) = [a for a in training_figure(RunProgress.read(unfinished)).axes if "PSNR" in a.get_title(loc="left")]
    assert [list(line.get_ydata()) for line in chart.lines] == [[1 + n, 3 + n] for n in range(9)]
    assert len({to_hex(line.get_color()) for line in chart.lines}) == 9
    labels = [text.get_text() for text in chart.get_legend().get_texts()]
    assert len(labels) <= 6
    assert (labels[0], labels[-1]) == ("t = 100", "t = 900")


def test_the_best_check_and_signs_of_memorisation_are_marked(unfinished):
    write_json(
        unfinished / "choice.json",
        {"step": 3, "reason": "KID 1, the first checkpoint", "rule": "the lowest", "stopped": None, "not_judged": None,
         "memorisation": {"step": 4, "signs": ["20% of the samples are copies"]}, "baselines": {"copied": 0.125}},
    )  # fmt: skip
    (unfinished / "metrics.csv").write_text("step,samples/copied\n1,0.0\n3,0.2\n")
    progress = RunProgress.read(unfinished)
    page = Text(render_run(progress, beside=unfinished))
    assert "Best checkpoint: step 3 (KID 1, the first checkpoint); it is sampled and evaluated." in page.text
    assert "First signs of memorisation at step 4: 20% of the samples are copies." in page.text
    (chart,) = [a for a in training_figure(progress).axes if a.get_title(loc="left") == "copies among samples"]
    ends = [tuple(map(float, line.get_xdata())) + tuple(map(float, line.get_ydata())) for line in chart.lines]
    assert ends == [(2, 4, 0, 0.2), (0, 1, 0.125, 0.125), (3, 3, 0, 1), (4, 4, 0, 1)]


def test_the_command_knows_runs_evaluations_and_neither(unfinished, tmp_path):
    def call(*arguments):
        return invoke("report", *arguments)

    assert call(unfinished).status == 0
    assert "Unfinished" in (unfinished / "report.html").read_text()
    assert call(unfinished, "--out", tmp_path / "c.png").status == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert "end it with one of" in str(call(unfinished, "--out", tmp_path / "t.tex").error)
    assert re.search("NO_RESULTS.*neither", str(call(tmp_path).error))
