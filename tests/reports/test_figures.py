"""Figures show what the results hold, at print size, as the same bytes every time."""

from __future__ import annotations

import io
import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from PIL import Image

from evaluations import SPECS, made_up
from jsddpm.csvfiles import to_csv
from jsddpm.errors import JsddpmError
from jsddpm.files import write_text
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Score
from jsddpm_reports import curves, distributions, figures, montage
from jsddpm_reports.evaluation import Evaluation
from jsddpm_reports.publication import write_figures
from jsddpm_reports.thumbnails import thumbnail_sheet
from jsddpm_reports.utilization import utilization_figure


@pytest.fixture(scope="module")
def evaluation():
    return made_up(4)


@pytest.fixture(scope="module")
def saved(evaluation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    evaluation.results.write(folder / "results.json")
    evaluation.panels.write(folder / "panels.npz")
    write_text(folder / "lesions.csv", to_csv([{k: _number(v) for k, v in row.items()} for row in evaluation.lesions]))
    return folder


def _number(text):
    return float(text) if re.fullmatch(r"-?[\d.]+", text) else text


def values_of(axes, colour):
    """Data of the line of one colour that joins the points."""
    lines = [line for line in axes.lines if line.get_color() == colour and line.get_linestyle() == "-"]
    return next(np.asarray(line.get_ydata(), float) for line in lines if len(line.get_xdata()))


def test_curves_hold_every_value_interval_band_and_undefined_score(evaluation):
    results = evaluation.results
    columns = curves.curve_columns(results)
    axes = dict(zip((c.names[0] for c in columns), curves.curves_figure(results, columns).axes, strict=False))
    for column in columns:
        for pathology, colour in enumerate((figures.BLUE, figures.ORANGE)):
            scores = [column.of(c) for c in results.cells() if c.pathology == pathology]
            expected = [s.value for s in scores if s is not None and s.value is not None]
            if expected:
                assert values_of(axes[column.names[0]], colour).tolist() == expected
        every = [s for c in results.cells() if (s := column.of(c))]
        crosses = [line for line in axes[column.names[0]].lines if line.get_marker() == "x"]
        assert sum(len(line.get_xdata()) for line in crosses) == sum(s.value is None for s in every)
        chart = axes[column.names[0]]
        assert len(chart.patches) == sum(s.baseline_interval is not None for s in every)
        segments = sum(len(c.get_segments()) for c in chart.collections if isinstance(c, LineCollection))
        intervals = sum(s.interval is not None and s.value is not None for s in every)
        assert segments == intervals + sum(s.baseline is not None for s in every)


def test_reconstruction_is_drawn_at_its_timesteps(evaluation):
    axes = curves.reconstruction_figure(evaluation.results).axes
    assert [a.get_title(loc="left") for a in axes] == ["PSNR [dB]", "SSIM", "lesion Dice"]
    assert values_of(axes[0], figures.ORANGE).tolist() == [29, 25]
    assert [a.get_ylim()[0] for a in axes[1:]] == [0, 0]  # SSIM and Dice are read from 0


def test_the_confusion_figure_prints_every_count(evaluation):
    axes = distributions.confusion_figure(evaluation.results).axes[0]
    printed = {tuple(map(round, t.get_position())): int(t.get_text()) for t in axes.texts}
    assert printed == {(0, 0): 4} | {(k, k): 12 for k in (1, 2, 3)} | {(k - 1, k): 4 for k in (1, 2, 3)}


def test_lesion_shapes_are_steps_counted_by_hand(evaluation):
    figure = distributions.lesions_figure(evaluation.lesions, evaluation.results)
    real, generated = (line for line in figure.axes[0].lines if len(line.get_xdata()))
    assert sorted(real.get_xdata()[1:]) == [10, 20, 30, 40, 50]
    assert real.get_ydata()[list(real.get_xdata()).index(30)] == pytest.approx(0.6)
    assert dict(zip(generated.get_xdata()[1:], generated.get_ydata()[1:], strict=True)) == pytest.approx(
        {20: 2 / 3, 60: 1}
    )
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        "real: 5 slices of 2 patients", "generated: 3 slices",
    ]  # fmt: skip
    assert figure.axes[0].get_title(loc="left") == "area [mm²]: 3.25 (1.50)"


def test_montage_and_pairs_show_the_slices_given(evaluation):
    axes = montage.montage_figure(evaluation.panels, evaluation.results).axes[0]
    first = axes.images[0].get_array()
    assert np.array_equal(first[:, 24:48], evaluation.panels.real_image[0, 1])
    pairs = montage.copies_figure(evaluation.panels)
    canvas = pairs.axes[0].images[0].get_array()
    assert np.array_equal(canvas[:32, 24:48], evaluation.panels.copies[0, 1])
    assert np.array_equal(canvas[32:, :24], evaluation.panels.copies[1, 0])
    assert [t.get_text() for t in pairs.axes[0].get_xticklabels()][:2] == ["exact copy", "1.20 copy"]


@pytest.mark.long
def test_saved_at_two_columns_with_embedded_fonts_and_the_same_bytes(saved, tmp_path):
    first = write_figures(saved, tmp_path / "a")
    pdf = write_figures(saved, tmp_path / "b", ["pdf"])  # a PNG that is saved before changes nothing
    names = {
        "utilization",
        "curves",
        "variety",
        "confusion",
        "lesions",
        "reconstruction",
        "montage",
        "copies",
    }
    assert {p.stem for p in first} == names
    assert len(first) == 2 * len(names)
    assert {p.name: p.read_bytes() for p in first if p.suffix == ".pdf"} == {p.name: p.read_bytes() for p in pdf}
    text = (tmp_path / "a" / "curves.pdf").read_bytes()
    width = float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", text)[1])
    assert width == pytest.approx(7.2 * 72)
    assert b"/FontFile2" in text
    assert b"/CreationDate" not in text
    assert Image.open(tmp_path / "a" / "curves.png").size[0] == 7.2 * 300
    assert [p.suffix for p in pdf] == [".pdf"] * len(names)


def test_a_folder_without_more_than_results_gives_what_it_can(evaluation, tmp_path):
    evaluation.results.write(tmp_path / "results.json")
    alone = Evaluation.read(tmp_path)
    assert (alone.panels, alone.lesions) == (None, ())
    assert alone.results == evaluation.results


@pytest.mark.parametrize(
    "text", ["origin,slice,patient,area\nreal,a,p,1\n", "origin,slice,patient,z_bin,area\nreal,a,p,0,much\n"]
)
def test_damaged_lesions_are_named_and_none_are_no_error(evaluation, tmp_path, text):
    evaluation.results.write(tmp_path / "results.json")
    (tmp_path / "lesions.csv").write_text(text)
    with pytest.raises(JsddpmError, match="TABLE"):
        Evaluation.read(tmp_path)
    write_text(tmp_path / "lesions.csv", to_csv([]))
    assert Evaluation.read(tmp_path).lesions == []


def test_inline_drawings_take_the_pages_colours_and_carry_no_style():
    figure = utilization_figure(bin_utilization((24, 93), 10, 128))
    text = figures.svg(figure, "bins", 'a "b" <c>')
    assert "style=" not in text
    assert "var(--blue)" in text
    assert figures.BLUE not in text
    assert "#000000" not in text
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in text
    assert re.findall(r'id="(?!bins-)', text) == []
    assert figures.svg(figure, "bins", "") == figures.svg(figure, "bins", "")


def test_drawing_leaves_the_callers_settings_alone(evaluation):
    with mpl.rc_context({"font.size": 31}):
        figure = curves.reconstruction_figure(evaluation.results)
        assert mpl.rcParams["font.size"] == 31
    assert figure.axes[0].xaxis.label.get_size() == 8


def test_tick_labels_are_those_the_layout_made_room_for(evaluation):
    values = {100: 25.176, 300: 23.154, 500: 21.222}
    cells = [
        Cell(timestep=t, pathology=0, scores={"psnr": Score(value=v), "ssim": Score(value=0.7)})
        for t, v in values.items()
    ]
    cells += [Cell(timestep=500, pathology=1, scores={"psnr": Score(value=18.905), "lesion_dice": Score(value=0.1)})]
    results = evaluation.results.model_copy(update={"reconstruction": tuple(cells)})
    figure = curves.reconstruction_figure(results)
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert min(axes.get_tightbbox(renderer).x0 for axes in figure.axes) >= 0


@pytest.mark.parametrize("kind", ["utilization", "thumbnails"])
def test_settings_of_the_caller_do_not_change_figures_of_stores(store, kind):
    def drawn():
        if kind == "thumbnails":
            return figures.png(thumbnail_sheet(store))
        return figures.png(utilization_figure(bin_utilization((24, 93), 10, 128)))

    expected = drawn()
    with mpl.rc_context({"font.size": 31, "axes.linewidth": 9, "text.usetex": True, "savefig.bbox": "tight"}):
        assert drawn() == expected  # LaTeX, which may not be there, is not asked either


def test_the_utilization_figure_draws_every_used_bin_and_stays_readable():
    for bins, words in ((10, "7 of 10 bins; unused: 0, 8, 9"), (50, "28 of 50 bins; unused: 22 of them")):
        report = bin_utilization((24, 93), bins, 128)
        axes = utilization_figure(report).axes[0]
        texts = [t.get_text() for t in axes.texts]
        assert words in texts
        assert len(axes.patches) == sum(s["bins_used"] for s in report["schemes"].values())
        spans = sorted((p.get_x(), p.get_width()) for p in axes.patches if p.get_y() > 0.5)
        assert spans[0][0] == 23.5
        assert sum(w for _, w in spans) == 70
    assert all(len(t) < 3 for t in texts if t.isdigit())


def test_a_figure_is_a_png_without_time_or_version():
    first, again = (figures.png(utilization_figure(bin_utilization((0, 9), 2, 10))) for _ in range(2))
    assert first[:4] == b"\x89PNG"
    assert first == again
    assert Image.open(io.BytesIO(first)).info["Software"] == "jsddpm"


def test_one_bin_of_one_score_can_be_drawn():
    values = {"binning": {"z_range": [0, 9], "n_bins": 1, "n_slices": 10}, "provenance": {}}
    spec = next(spec for spec in SPECS if spec.name == "best_match_psnr")
    cell = Cell(z_bin=0, pathology=0, scores={spec.name: Score(value=20.0).placed(spec)})
    results = Results(**values, utilization=bin_utilization((0, 9), 1, 10), specs=[spec], generation=[cell])
    figure = curves.curves_figure(results, curves.curve_columns(results))
    assert values_of(figure.axes[0], figures.BLUE).tolist() == [20.0]
    assert (figure.axes[0].get_title(loc="left"), figure.axes[0].get_xlabel()) == ("match [dB]", "z-bin")


def test_a_score_that_is_undefined_everywhere_has_no_chart(evaluation):
    columns = curves.curve_columns(evaluation.results)
    name = columns[0].names[0]
    cells = [
        c.model_copy(update={"scores": c.scores | {name: Score.undefined("too small").placed(columns[0].spec)}})
        for c in evaluation.results.generation
    ]
    without = curves.curve_columns(evaluation.results.model_copy(update={"generation": tuple(cells)}))
    assert [c.names for c in without] == [c.names for c in columns[1:]]
