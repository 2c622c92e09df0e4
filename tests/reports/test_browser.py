"""The report in a real browser: nothing leaves it, keyboard and hover work, it reads well on every screen and on paper.

Needs Chromium and playwright's Python package; skipped where either is missing.
"""

from __future__ import annotations

import os
import shutil
import socket

import numpy as np
import pytest

from evaluations import made_up
from jsddpm.cohort.nifti import open_nifti, write_nifti
from jsddpm.errors import JsddpmError
from jsddpm_reports import page as report
from jsddpm_reports.viewer import volume_page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine (apt-get install chromium)")

CONTRAST = """(selector) => {
  const part = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = (c) => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
  const rgba = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll(selector)].map((e) => {
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}"""
"""Contrast ratios of text and what is behind it (WCAG 2.2, relative luminance)."""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report.render(made_up()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        yield started
        started.close()


@pytest.fixture
def opened(browser, file):
    """Open the report: the page, what the console said, and what was asked for."""
    contexts = []

    def open_page(**options):
        context = browser.new_context(**options)
        context.set_default_timeout(120_000)  # a busy machine is no fault of the page
        contexts.append(context)
        page = context.new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        return page, said, asked

    yield open_page
    for context in contexts:
        context.close()


def test_nothing_is_said_or_asked_for_while_everything_is_used(opened, file):
    page, said, asked = opened()
    page.hover("#montage")
    for key in "mmgggccc":
        page.keyboard.press(key)
    for summary in page.query_selector_all("summary"):
        summary.click()
    page.query_selector("td.undefined").hover()
    page.mouse.wheel(0, 100_000)
    assert page.evaluate("[...document.images].every((i) => i.complete)")
    assert said == []
    assert [url for url in asked if not url.startswith("data:image/webp;base64,")] == [file.as_uri()]


def test_the_policy_stops_what_does_not_belong_to_the_page(opened):
    page, _, _ = opened()
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    page.evaluate(
        """(place) => {
      window.stopped = [];
      document.addEventListener("securitypolicyviolation", (e) => window.stopped.push(e.effectiveDirective));
      const add = (name, values) => document.body.append(Object.assign(document.createElement(name), values));
      add("script", { textContent: "window.hit = 1" });
      add("img", { src: `${place}/x.png` });
      add("style", { textContent: "h1 { display: none }" });
      fetch(place).catch(() => {});
    }""",
        f"http://127.0.0.1:{server.getsockname()[1]}",
    )
    page.wait_for_function("window.stopped.length >= 4")
    stopped = set(page.evaluate("window.stopped"))
    assert {"script-src-elem", "img-src", "style-src-elem", "connect-src"} <= stopped
    assert page.evaluate("window.hit") is None
    assert page.is_visible("h1")
    with server, pytest.raises(BlockingIOError):
        server.accept()  # nobody knocked


def test_keys_and_buttons_turn_outlines_sides_and_conditions(opened):
    page, _, _ = opened()

    def shown(selector):
        return page.evaluate(
            "(s) => [...document.querySelectorAll(s)].filter((e) => e.checkVisibility()).length", selector
        )

    masks, real, made, lesion = ".outline", "svg.real", "svg.generated", ".kind.lesion svg.part"
    assert [shown(s) for s in (masks, real, made, lesion)] == [20, 20, 20, 20]
    page.keyboard.press("m")  # typed elsewhere, such as by speech
    assert shown(masks) == 20
    page.focus("button[data-key=g]")
    page.keyboard.press("m")
    assert shown(masks) == 0
    page.keyboard.press("m")
    assert shown(masks) == 20
    page.eval_on_selector("button[data-key=g]", "(button) => button.blur()")
    page.hover("#montage")
    for expected in ((0, 20), (20, 0), (20, 20)):
        page.keyboard.press("g")
        assert (shown(real), shown(made)) == expected
    button = page.query_selector("button[data-key=c]")
    for expected, words in (((20, 0), "lesion only"), ((0, 20), "control only"), ((20, 20), "lesion and control")):
        button.click()
        assert (shown(lesion), shown(".kind.control svg.part")) == expected
        assert page.get_by_role("button", name=words, exact=True).count() == 1
        assert button.get_attribute("aria-keyshortcuts") == "c"
    page.keyboard.press("Control+m")
    assert shown(masks) == 20


def test_reasons_show_on_hover_and_by_keyboard(opened):
    page, _, _ = opened()
    cell = page.query_selector("td.undefined")
    cell.hover()
    tip = page.wait_for_selector("#tip:not([hidden])")
    assert "too few patients" in tip.inner_text()
    assert "6 patients" in tip.inner_text()
    page.keyboard.press("Escape")
    page.wait_for_selector("#tip", state="hidden")
    page.mouse.move(0, 0)
    cell.hover()
    page.wait_for_selector("#tip:not([hidden])")
    page.mouse.move(0, 0)
    page.wait_for_selector("#tip", state="hidden")
    table = "table.heat:not(.strip)"
    assert len(page.query_selector_all(f"{table}:first-of-type [tabindex='0']")) >= 1
    page.eval_on_selector(f"{table} td[tabindex='0']", "(cell) => cell.focus()")
    before = page.evaluate("document.activeElement.dataset.note")
    page.keyboard.press("ArrowDown")
    below = page.evaluate("document.activeElement.dataset.note")
    page.keyboard.press("ArrowRight")
    right = page.evaluate("document.activeElement.dataset.note")
    assert [note.split(":")[0] for note in (before, below, right)] == [
        "bin 0 control", "bin 1 control", "bin 1 control, match",
    ]  # fmt: skip
    assert " ".join(page.inner_text("#tip").split()) == " ".join(right.split())
    page.keyboard.press("Escape")
    assert page.is_hidden("#tip")
    for _ in range(25):
        page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.note").startswith("bin 9 lesion, match")


def test_a_screen_reader_is_told_each_reason_once_and_the_name_of_every_slice(opened):
    page, _, _ = opened()
    page.query_selector("td.undefined").hover()
    page.wait_for_selector("#tip:not([hidden])")
    assert page.get_by_role("status").count() == 0
    assert page.eval_on_selector("#tip", "(tip) => tip.getAttribute('aria-hidden')") == "true"
    names = page.eval_on_selector_all("svg.part rect.hit title", "(all) => all.map((title) => title.textContent)")
    labels = page.eval_on_selector_all("svg.part", "(all) => all.map((svg) => svg.getAttribute('aria-label'))")
    assert len(names) > len(labels)
    read = [name for label in labels for name in label.split(": ")[2].split(", ")]
    assert read == names


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_colour_schemes(opened, scheme):
    page, _, _ = opened(color_scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    for selector in ("td", "th", "p", ".tile", ".tile b", "a", "figcaption", "button", ".state", ".key li", "dd", "i"):
        ratios = page.evaluate(CONTRAST, selector)
        assert ratios, selector
        assert min(ratios) >= 4.5, selector


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_page_is_never_wider_than_the_screen(opened, width):
    page, _, _ = opened(viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": width, "height": 800})
    page.query_selector_all("td.undefined")[-1].hover()
    box = page.wait_for_selector("#tip:not([hidden])").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("width", [400, 1280])
def test_a_long_note_stays_on_the_screen(opened, width):
    page, _, _ = opened(viewport={"width": width, "height": 800})
    note = "\n".join(["the head is wider than in real slices"] * 200)
    page.eval_on_selector("td.state[data-note]", "(cell, note) => { cell.dataset.note = note; }", note)
    page.query_selector("td.state[data-note]").hover()
    box = page.wait_for_selector("#tip:not([hidden])").bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 800
    assert box["x"] + box["width"] <= width
    style = page.evaluate("getComputedStyle(document.getElementById('tip')).whiteSpaceCollapse")
    assert style == "preserve-breaks"  # a line for each check


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colour_of_a_fault_means_nothing_else(opened, scheme):
    page, _, _ = opened(color_scheme=scheme)
    colour = "(e) => getComputedStyle(e).backgroundColor"
    faults = {page.eval_on_selector(s, colour) for s in (".swatch.off:not(.inherited)", ".swatch.off.inherited")}
    others = {page.eval_on_selector(f".key .{side}", colour) for side in ("above", "above.certain", "below")}
    assert len(faults) == 2
    assert not faults & others


def test_counts_of_conditions_say_so_on_a_narrow_screen(opened):
    page, _, _ = opened(viewport={"width": 400, "height": 800})
    said = page.eval_on_selector(".checks tbody tr", "(row) => getComputedStyle(row, '::after').content")
    assert said == '"conditions"'
    inside = "(e) => e.scrollWidth <= e.clientWidth"
    assert page.eval_on_selector(".scroll:has(.checks)", inside)


def test_on_paper_it_is_light_and_whole(opened, tmp_path):
    page, _, _ = opened(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 32, 36)"
    assert page.is_hidden("nav")
    assert page.is_hidden(".keys")
    assert page.evaluate("[...document.querySelectorAll('details pre, details dl')].every((e) => e.offsetHeight > 0)")
    page.emulate_media(media="screen")
    assert page.pdf(format="A4", path=tmp_path / "report.pdf").startswith(b"%PDF")
    assert page.eval_on_selector_all("details", "(all) => all.every((d) => !d.open)")  # closed again afterwards


def test_without_scripts_everything_is_there(opened):
    page, _, _ = opened(java_script_enabled=False)
    assert page.locator("td.undefined[title]").count() > 0
    assert page.locator(".keys").is_hidden()
    assert page.locator("svg.generated").count() == 20
    assert all(page.locator("svg.generated").nth(i).is_visible() for i in (0, 19))


@pytest.mark.parametrize(("motion", "behaviour"), [("reduce", "auto"), ("no-preference", "smooth")])
def test_nothing_moves_for_who_does_not_want_it(opened, motion, behaviour):
    page, _, _ = opened(reduced_motion=motion)
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == behaviour


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    """A ball of grey, 4 by 3 by 6 mm voxels, and a mask of a box in it."""
    folder = tmp_path_factory.mktemp("brain")
    affine, place = np.diag([4.0, 3.0, 6.0, 1.0]), np.indices((20, 24, 12))
    ball = (
        (place - np.array([10, 12, 6])[:, None, None, None]) ** 2 / np.array([80, 100, 30])[:, None, None, None]
    ).sum(0)
    mask = np.zeros((20, 24, 12), np.uint8)
    mask[8:13, 10:15, 4:9] = 1
    write_nifti(folder / "image.nii.gz", (100 * (ball < 1)).astype(np.float32), affine)
    write_nifti(folder / "mask.nii.gz", mask, affine)
    return open_nifti(folder / "image.nii.gz", flat=True), open_nifti(folder / "mask.nii.gz", flat=True)


@pytest.mark.parametrize("masked", [True, False])
def test_a_volume_is_looked_through_offline_with_its_mask_over_it(browser, brain, tmp_path, masked):
    file = tmp_path / "view.html"
    file.write_text(volume_page(brain[0], brain[1] if masked else None, title="volume 0"), encoding="utf-8")
    page, asked, said = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_function("document.querySelector('canvas')?.width > 100")
    counts = page.evaluate("""() => {
      const canvas = document.querySelector("canvas");
      const p = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      let grey = 0, warm = 0;
      for (let i = 0; i < p.length; i += 4) {
        if (p[i] > 60 && Math.abs(p[i] - p[i + 2]) < 10) grey++;
        if (p[i] > 120 && p[i] - p[i + 2] > 60) warm++;
      }
      return [grey, warm];
    }""")
    page.close()
    assert counts[0] > 1000
    assert (counts[1] > 200) is masked
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]


def test_a_mask_of_another_grid_is_refused(brain):
    image, mask = brain
    with pytest.raises(JsddpmError) as refused:
        volume_page(image, type(mask)(mask.data[1:], mask.affine, mask.path))
    assert (refused.value.code, refused.value.status) == ("MASK_SHAPE", 3)
