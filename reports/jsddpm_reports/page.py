"""The HTML report of an evaluation: one self-contained file that opens offline."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from jsddpm.anonymise import Codes
from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.wording import counted, enumerated
from jsddpm_eval.bins.utilization import verdict
from jsddpm_eval.privacy import named_sentences
from jsddpm_eval.results.panels import Panels
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.signs import SIGNS
from jsddpm_reports import reproduction, wording
from jsddpm_reports.columns import column_groups, further_columns, main_columns, reconstruction_specs, titled
from jsddpm_reports.document import inlined, rendered, template_text
from jsddpm_reports.evaluation import Evaluation
from jsddpm_reports.figures import svg
from jsddpm_reports.montage import Strip, montage_rows, nearness
from jsddpm_reports.outputs import write_output
from jsddpm_reports.pictures import embed, path
from jsddpm_reports.publication import charts
from jsddpm_reports.score_table import check_rows, headlines, pooled_rows, table_rows

_NAMES = (
    "The name of a sample has four parts: its file in the store of samples (such as generated-0001), its slice (z), "
    "its pathology, and its number among the samples of this slice's bin and pathology."
)
_CHARTS = ("utilization", "curves", "variety", "confusion", "lesions", "reconstruction")


def write_page(evaluation: str | Path, out: str | Path, codes: Codes | None = None) -> Path:
    """Render ``report.html`` from an evaluation folder.

    Args:
        evaluation: Folder with ``results.json`` and, for pictures and lesions, ``panels.npz`` and ``lesions.csv``.
        out: HTML file to write.
        codes: Codes that stand for the patients; as they are named in the folder when None.

    Raises:
        JsddpmError: ``KEY`` (status 2) for a patient without a code; ``MISSING`` (status 2) or ``RESULTS``
            (status 4) when the folder holds no readable results; ``EXISTS`` (status 2) when ``out`` is another file
            (:func:`~jsddpm_reports.outputs.write_output`).
    """
    read = Evaluation.read(evaluation)
    write_output(out, render(read if codes is None else read.anonymised(codes)))
    return Path(out)


def render(evaluation: Evaluation) -> str:
    """The page's HTML."""
    results, panels = evaluation.results, evaluation.panels
    columns, further = main_columns(results), further_columns(results)
    copies = evaluation.privacy["copies"] if evaluation.privacy else []
    pictures = {name: inlined(svg(figure, name, words)) for name, (figure, words) in charts(evaluation).items()}
    return rendered(
        "report.html",
        template_text("report.js"),
        results=results,
        headlines=headlines(results),
        columns=columns,
        explanations={c.heading: c.spec.help for c in columns if c.spec.help},
        groups=column_groups(columns),
        rows=table_rows(results, columns),
        checks=check_rows(results),
        selftest=results.provenance.get("selftest"),
        privacy=evaluation.privacy,
        copies_counted=_by_kind(copies),
        sample_names=_NAMES if _shows_given_names(panels, copies) else "",
        privacy_sentences=named_sentences(evaluation.privacy) if evaluation.privacy else [],
        bins=range(results.binning["n_bins"]),
        pooled=pooled_rows(results),
        further=[
            (group, members, [row for row in table_rows(results, members) if row.is_asked])
            for group in dict.fromkeys(c.spec.group for c in further)
            for members in [[c for c in further if c.spec.group == group]]
        ],
        verdict=wording.verdict_sentences(results),
        utilization=verdict(results.utilization),
        charts=dict.fromkeys(_CHARTS, Markup()) | pictures,
        slices=None if panels is None else _pictures(panels, results),
        reconstructed=[(spec.name, titled(spec.heading, spec.unit)) for spec in reconstruction_specs(results)],
        reconstruction=[c for c in results.reconstruction if c.timestep is not None and c.z_bin is None],
        pathology_names=PATHOLOGY_NAMES,
        undefined=wording.reasons(results),
        commands=reproduction.commands(results),
        places=reproduction.places(results),
        facts=reproduction.facts(results),
        provenance=json.dumps(results.provenance | {"binning": results.binning}, indent=2, ensure_ascii=False),
        wording=wording,
        signs=SIGNS,
    )


def _by_kind(copies: Sequence[Mapping[str, Any]]) -> str:
    """How many copies are whole slices and how many are lesions, in words; one sample can be both."""
    return enumerated([counted(count, str(what)) for what, count in Counter(c["what"] for c in copies).items()] or [""])


def _shows_given_names(panels: Panels | None, copies: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the page shows a name that jsddpm gave to a sample."""
    shown = [] if panels is None else panels.copies_name.ravel()[: panels.copies.shape[1]].tolist()
    return any(str(name).startswith("generated-") for name in [*shown, *(copy["sample"] for copy in copies)])


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
    names = panels.copies_name if panels.copies_name.shape[1] else np.full((2, count), "")
    return [
        {
            "generated": addresses[i],
            "real": addresses[count + i],
            "names": " ".join(names[:, i]).strip(),
            "generated_name": str(names[0, i]),
            "real_name": str(names[1, i]),
            "nearness": nearness(float(panels.copies_nearness[i])),
        }
        for i in range(count)
    ]
