"""Rebuild the committed gallery: the binning figures and tables of three settings. Same code, same bytes."""

from __future__ import annotations

from pathlib import Path

from jsddpm.files import make_directory, write_bytes, write_text
from jsddpm_eval.utilization import bin_utilization
from jsddpm_reports.binning import markdown
from jsddpm_reports.figures import png
from jsddpm_reports.utilization import utilization_figure

SETTINGS = (((24, 93), 10), ((24, 93), 50), ((50, 100), 10))
GALLERY = Path(__file__).parent


def build(out: Path = GALLERY) -> None:
    """Write ``binning/z{lo}-{hi}-{bins}.png`` and ``.md`` for every setting."""
    folder = make_directory(out / "binning")
    for (lo, hi), bins in SETTINGS:
        report = bin_utilization((lo, hi), bins)
        name = f"z{lo}-{hi}-{bins}"
        write_bytes(folder / f"{name}.png", png(utilization_figure(report)))
        write_text(folder / f"{name}.md", markdown(report))


if __name__ == "__main__":
    build()
