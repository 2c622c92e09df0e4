"""The HTML report: one self-contained file that opens offline and escapes every name."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.files import write_text
from jsddpm_eval.panels import Panels
from jsddpm_eval.results import Cell, Results
from jsddpm_eval.tables import read_csv
from jsddpm_eval.utilization import verdict
from jsddpm_reports import reproduction, wording
from jsddpm_reports.columns import LESION_SHAPES, further_columns, main_columns
from jsddpm_reports.curves import curve_columns, curves_figure, diversity_columns, reconstruction_figure
from jsddpm_reports.distributions import Lesions, confusion_figure, lesions_figure
from jsddpm_reports.figures import svg
from jsddpm_reports.montage import Strip, decibels, montage_rows
from jsddpm_reports.pictures import embed, path
from jsddpm_reports.table import column_groups, table_rows
from jsddpm_reports.utilization import utilization_figure

_RECONSTRUCTION = ("psnr", "ssim", "lesion_dice", "control_false_positive_pixels")

_CHARTS = ("utilization", "curves", "diversity", "confusion", "lesions", "reconstruction")


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation left that a report shows.

    Attributes:
        results: The results.
        panels: Example slices; None where there are none.
        lesions: Shapes of real and generated lesions; empty where there are none.
    """

    results: Results
    panels: Panels | None = None
    lesions: Lesions = ()

    @classmethod
    def read(cls, folder: str | Path) -> Evaluation:
        """Read an evaluation folder; all but ``results.json`` may be missing.

        Raises:
            JsddpmError: ``MISSING`` (status 2), ``RESULTS``, ``PANELS`` or ``TABLE`` (status 4).
        """
        folder = Path(folder)
        panels, lesions = folder / "panels.npz", folder / "lesions.csv"
        return cls(
            Results.read(folder / "results.json"),
            Panels.read(panels) if panels.is_file() else None,
            read_csv(lesions) if lesions.is_file() else (),
        )


def write_page(evaluation: str | Path, out: str | Path) -> Path:
    """Render ``report.html`` from an evaluation folder.

    Args:
        evaluation: Folder with ``results.json`` and, for pictures and lesions, ``panels.npz`` and ``lesions.csv``.
        out: HTML file to write.

    Raises:
        JsddpmError: ``MISSING`` (status 2) or ``RESULTS`` (status 4) when the folder holds no readable results.
    """
    write_text(out, render(Evaluation.read(evaluation)))
    return Path(out)


def render(evaluation: Evaluation) -> str:
    """The page's HTML."""
    results, panels = evaluation.results, evaluation.panels
    columns, further = main_columns(results), further_columns(results)
    values = {
        "results": results,
        "binning": str(results.z_binning),
        "headlines": wording.headlines(results),
        "columns": columns,
        "explanations": {c.heading: c.explanation for c in columns},
        "groups": column_groups(columns),
        "rows": table_rows(results, columns),
        "further": [
            (group, members, table_rows(results, members))
            for group in dict.fromkeys(c.group for c in further)
            for members in [[c for c in further if c.group == group]]
        ],
        "verdict": wording.verdict_sentences(results),
        "utilization": verdict(results.utilization),
        "charts": _charts(evaluation),
        "slices": None if panels is None else _pictures(panels, results),
        "obedience": _obedience(results),
        "lesion_scores": [(n, results.pooled[n]) for n in LESION_SHAPES if n in results.pooled],
        "reconstruction": [
            _reconstruction_row(c) for c in results.reconstruction if c.timestep is not None and c.z_bin is None
        ],
        "undefined": wording.reasons(results),
        "commands": reproduction.commands(results),
        "places": reproduction.places(results),
        "facts": reproduction.facts(results),
        "provenance": json.dumps(results.provenance | {"binning": results.binning}, indent=2, ensure_ascii=False),
        "wording": wording,
    }
    return rendered("report.html", values, script=_template("report.js"))


def rendered(template: str, values: Mapping[str, object], *, script: str = "") -> str:
    """A page from a template, under a policy that lets it load nothing and run nothing but what it is made with.

    Args:
        template: Name of the template, which extends ``base.html``.
        values: What it shows.
        script: Its script.
    """
    style = _template("page.css")
    digests = {what: base64.b64encode(sha256(text.encode()).digest()).decode() for what, text in
               (("style", style), ("script", script))}  # fmt: skip
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digests['style']}'"
    policy += f"; script-src 'sha256-{digests['script']}'" if script else ""
    policy += "; base-uri 'none'; form-action 'none'"
    environment = Environment(
        loader=PackageLoader("jsddpm_reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        policy=policy, style=Markup(style), script=Markup(script), **values
    )


def inlined(drawing: str) -> Markup:
    """A drawing of ours, which is markup already."""
    return Markup(drawing)


def _template(name: str) -> str:
    return files("jsddpm_reports").joinpath("templates", name).read_text(encoding="utf-8")


def _charts(evaluation: Evaluation) -> dict[str, Markup]:
    results = evaluation.results
    found = {
        "utilization": (utilization_figure(results.utilization), "Slices of each bin under local and global binning")
    }
    if results.cells():
        found["curves"] = (curves_figure(results, curve_columns(results)), "Scores by bin; every value is in the table")
        if diversity_columns(results):
            found["diversity"] = (curves_figure(results, diversity_columns(results)), "Variety between seeds by bin")
    if any(map(sum, results.confusion)):
        found["confusion"] = (confusion_figure(results), "Samples by bin asked for and bin read off")
    if evaluation.lesions:
        found["lesions"] = (lesions_figure(evaluation.lesions, results), "Shapes of real and generated lesions")
    if any(c.timestep is not None for c in results.reconstruction):
        found["reconstruction"] = (reconstruction_figure(results), "Exact reconstruction by timestep")
    drawn = {name: inlined(svg(figure, name, words)) for name, (figure, words) in found.items()}
    return dict.fromkeys(_CHARTS, Markup()) | drawn


def _pictures(panels: Panels, results: Results) -> dict[str, Any]:
    """Montage and nearest pairs, every picture embedded."""
    rows = list(montage_rows(panels, results))
    strips = [strip for row in rows for strip in (row.real, row.generated)]
    pairs = [image for side in panels.copies for image in side]
    addresses, lossless = embed([*(s.canvas for s in strips), *pairs])
    shown = [_strip(s, address) for s, address in zip(strips, addresses, strict=False)]
    height, width = panels.real_image.shape[2:]
    return {
        "lossless": lossless,
        "height": height,
        "width": width,
        "kinds": [
            (name, [(row, *shown[2 * i : 2 * i + 2]) for i, row in enumerate(rows) if row.pathology == name])
            for name in reversed(PATHOLOGY_NAMES)
        ],
        "pairs": _pairs(panels, addresses[len(strips) :]),
    }


def _strip(strip: Strip, address: str) -> dict[str, Any]:
    count = len(strip.images)
    names = [strip.names[i] if i < len(strip.names) else "" for i in range(count)]
    return {"address": address, "count": count, "there": strip.count, "names": names, "path": path(strip.outlines)}


def _pairs(panels: Panels, addresses: list[str]) -> list[dict[str, str]]:
    count = panels.copies.shape[1]
    return [
        {
            "generated": addresses[i],
            "training": addresses[count + i],
            "names": " ".join(panels.copies_name[:, i]) if panels.copies_name.shape[1] else "",
            "generated_name": str(panels.copies_name[0, i]) if panels.copies_name.shape[1] else "",
            "training_name": str(panels.copies_name[1, i]) if panels.copies_name.shape[1] else "",
            "psnr": decibels(float(panels.copies_psnr[i])) if len(panels.copies_psnr) else "",
        }
        for i in range(count)
    ]


def _obedience(results: Results) -> list[tuple[str, str, str, int]]:
    """Pathology asked for, samples that have it and that have not, of how many."""
    found = []
    for kind, name in zip(PATHOLOGY_NAMES, ("control_empty", "lesion_present"), strict=True):
        score = results.pooled.get(name)
        if score is not None and score.value is not None and score.n_generated:
            right = round(score.value * score.n_generated)
            empty = right if kind == PATHOLOGY_NAMES[0] else score.n_generated - right
            found.append((kind, str(empty), str(score.n_generated - empty), score.n_generated))
    return found


def _reconstruction_row(cell: Cell) -> dict[str, object]:
    scores = [cell.scores.get(n) for n in _RECONSTRUCTION]
    return {
        "timestep": cell.timestep,
        "pathology": "all" if cell.pathology is None else PATHOLOGY_NAMES[cell.pathology],
        "scores": [{"value": wording.number(s), "context": wording.context(s)} for s in scores],
    }
