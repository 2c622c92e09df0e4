"""A folder of documents on an evaluation: card, methods with references, checklists; nothing is computed here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from jsddpm import __version__
from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.files import make_directory, write_text
from jsddpm.publish import published_directory
from jsddpm.wording import capital
from jsddpm_eval.privacy import read_statement
from jsddpm_eval.results.results import Results
from jsddpm_reports import wording
from jsddpm_reports.cards.checklists import CHECKLISTS
from jsddpm_reports.cards.fact import sentence, unknowns
from jsddpm_reports.cards.facts import facts_of
from jsddpm_reports.cards.header import header
from jsddpm_reports.columns import readable_unit, spaced
from jsddpm_reports.document import environment
from jsddpm_reports.score_table import check_rows

Kind = Literal["model", "data"]

_CITED = {
    "ddpm": "ho2020ddpm", "ddim": "song2021ddim", "dpmpp": "lu2022dpmpp", "dpmpp_sde": "lu2022dpmpp",
    "unipc": "zhao2023unipc",
    "kid": "binkowski2018kid", "fid": "heusel2017fid", "precision": "kynkaanniemi2019precision",
    "density": "naeem2020density", "vendi": "friedman2023vendi",
}  # fmt: skip
"""References of samplers and scores, by their names."""


def write_cards(evaluation: str | Path, out: str | Path, kind: Kind, run: Mapping[str, Any] | None = None) -> list[str]:
    """Publish ``README.md``, ``methods.md``, ``references.bib`` and ``checklists/`` of an evaluation.

    Args:
        evaluation: Evaluation folder.
        out: New folder.
        kind: Whether the card is of the model or of its samples.
        run: Content of the run's ``provenance.json``; None where it is not known.

    Returns:
        Names of the files.

    Raises:
        JsddpmError: ``EXISTS``, ``MISSING`` (status 2); ``RESULTS``, ``JSON`` (status 4).
    """
    folder = Path(evaluation)
    results = Results.read(folder / "results.json")
    texts = documents(results, kind, read_statement(folder), run)
    with published_directory(out) as root:
        make_directory(root / "checklists")
        for name, text in texts.items():
            write_text(root / name, text)
    return list(texts)


def documents(
    results: Results, kind: Kind, privacy: Mapping[str, Any] | None = None, run: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """The documents by their file names; see :func:`write_cards`.

    Args:
        results: The evaluation.
        kind: Whether the card is of the model or of its samples.
        privacy: Content of ``privacy.json``.
        run: Content of the run's ``provenance.json``.
    """
    facts = facts_of(results, privacy, run)
    cited = _cited(results)
    verdict = wording.verdict_sentences(results)
    shared: dict[str, Any] = {
        "results": results, "facts": facts, "version": __version__, "cited": cited,
        "cohort": facts["patients"].text if facts["patients"].known else "real patients",
    }  # fmt: skip
    card = _rendered(
        "card.md",
        kind=kind,
        scores=_scores(results),
        checks=check_rows(results),
        verdict=verdict,
        unknowns=unknowns(facts),
        why_no_check=capital(wording.why_no_check(results)),
        **shared,
    )
    texts = {
        "README.md": f"---\n{header(results, kind)}---\n\n{card}",
        "methods.md": _rendered("methods.md", **shared),
        "references.bib": _references([*cited.values(), *(c.source for c in CHECKLISTS)]),
    }
    for checklist in CHECKLISTS:
        answers = [(item, item.answer(facts)) for item in checklist.items]
        known = sum(answer.known for _, answer in answers)
        texts[f"checklists/{checklist.file}.md"] = _rendered(
            "checklist.md", checklist=checklist, answers=answers, known=known
        )
    return texts


def _scores(results: Results) -> list[tuple[str, str, str, str, str]]:
    """Heading, pathology, value, 95% interval and baseline of the defined scores of the whole that are shown first."""
    rows = []
    for spec, space in spaced(results):
        score = results.pooled.get(spec.named(space))
        if spec.place in ("compact", "main") and score is not None and score.value is not None:
            unit = "" if spec.unit == "share" else f" {readable_unit(spec.unit)}"
            kind = "both" if spec.pathology is None else PATHOLOGY_NAMES[spec.pathology]
            heading = f"{spec.group}: {spec.heading} {space}".strip()
            baseline = wording.with_baseline(score)[1]
            rows.append((heading, kind, wording.number(score) + unit, wording.interval(score), baseline))
    return rows


def _cited(results: Results) -> dict[str, str]:
    """Keys of the references that an evaluation needs, by what they are for."""
    sampler = results.provenance.get("generated", {}).get("sampling", {}).get("sampler")
    used = {sampler, *(spec.name for spec in results.specs)}
    used |= {"ddpm"} if results.provenance.get("checkpoint") else set()
    return {"jsddpm": "jsddpm"} | {name: key for name, key in _CITED.items() if name in used}


def _references(keys: list[str]) -> str:
    """BibTeX entries of these keys, in alphabetical order."""
    text = files("jsddpm_reports").joinpath("templates", "references.bib").read_text(encoding="utf-8")
    entries = {match[1]: match[0] for match in re.finditer(r"@\w+\{(\w+),.*?\n\}\n", text, re.DOTALL)}
    return "\n".join(entries[key] for key in sorted(set(keys))).replace("VERSION", __version__)


def _rendered(template: str, /, **values: object) -> str:
    """A Markdown document; names that are HTML stay text."""
    templates = environment(keep_trailing_newline=True)
    templates.filters |= {"cell": _cell, "sentence": lambda fact: _cell(sentence(fact))}
    return templates.get_template(template).render(**values)


def _cell(value: object) -> Markup:
    """Text of one cell of a Markdown table; markup stays what it is, quotes stay readable."""
    text = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return Markup(text)
