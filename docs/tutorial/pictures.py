"""Make this folder's pictures of a report: python docs/tutorial/pictures.py runs/demo/run/evaluation/report.html."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

REGIONS = {
    "verdict": ("header", "nav"),
    "table": ("#bins", "#bins ~ details"),
    "lesions": ("#montage", ".kind.control"),
    "nearest": ("#copies", "#variety"),
}
"""Picture: the elements at whose tops it begins and ends."""

WIDTH, MARGIN = 1240, 12


def main(report: Path) -> None:
    """Write a WebP picture of each region beside this file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, device_scale_factor=1.5)
        page.goto(report.resolve().as_uri())
        for name, ends in REGIONS.items():
            top, bottom = (page.locator(end).first.bounding_box() for end in ends)
            if top is None or bottom is None:
                raise SystemExit(f"{report} has no {' or '.join(ends)}")
            clip = {"x": 0, "y": top["y"] - MARGIN, "width": WIDTH, "height": bottom["y"] - top["y"]}
            shot = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip)))
            shot.save(Path(__file__).with_name(f"{name}.webp"), quality=50, method=6)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
