"""Results in a notebook: verdict and table as HTML, one score along the bins as a chart."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.errors import JsddpmError, usage_error
from jsddpm_eval.results.faults import faults_of, named
from jsddpm_eval.results.score import Score
from jsddpm_eval.results.signs import MARKS, SIGNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jsddpm_eval.results.results import Results

_COLOURS = ("#0072b2", "#d55e00")


def html(results: Results) -> str:
    """Verdict, answers of the checks, then a table of the first scores of each condition, as HTML."""
    shown = [s.name for s in results.specs if s.place == "compact"] or [s.name for s in results.specs]
    cells = results.cells()
    names = [
        n for n in dict.fromkeys(n for c in cells for n in c.scores) if any(_is(c.scores.get(n), shown) for c in cells)
    ]
    answers, headings = results.answers(), {check.name: check.heading for check in results.checks}
    off: dict[tuple[int | None, int | None], list[str]] = {}
    for finding in results.findings:
        if finding.answer == "off":
            off.setdefault(finding.place, []).append(headings[finding.check])
    head = "".join(f"<th>{escape(text)}</th>" for text in ("", "condition", "off", *names))
    rows = "".join(
        f"<tr><td>{SIGNS.get(answers.get((c.z_bin, c.pathology), ''), '')}</td><td>{escape(c.name)}</td>"
        f"<td>{escape(', '.join(off.get((c.z_bin, c.pathology), [])))}</td>"
        + "".join(f"<td>{_entry(c.scores.get(n))}</td>" for n in names)
        + "</tr>"
        for c in cells
    )
    words = "".join(f"<p>{escape(sentence)}</p>" for sentence in results.verdict)
    key = (
        "<p>▲ above, ▼ below the baseline of real slices (small print); – undefined. "
        "✓ every check is fine, ! off, ? unknown.</p>"
    )
    return f"{words}{_checks(results)}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{key}"


def _checks(results: Results) -> str:
    """A table of the answers of each check for the whole, and the number of conditions."""
    rows, whole = "", results.whole()
    order = ("off", "unknown", "fine")
    shown = whole | {check: parts[0] for check, parts in faults_of(results).items()}
    for check, finding in sorted(shown.items(), key=lambda item: order.index(item[1].answer)):
        spec = next(spec for spec in results.checks if spec.name == check)
        part = "" if finding == whole.get(check) else f"in {named(finding.place)}"
        fault, seen = (
            "; ".join(filter(None, pair)) for pair in ((finding.fault, part), (finding.evidence, finding.also))
        )
        texts = (SIGNS[finding.answer], spec.question, fault, seen, *results.counts(check).values())
        rows += "<tr>" + "".join(f"<td>{escape(str(text))}</td>" for text in texts) + "</tr>"
    head = "".join(f"<th>{text}</th>" for text in ("", "check", "fault", "seen", "conditions off", "fine", "unknown"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""


def plot(results: Results, name: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw one score along the bins: control and lesion with their intervals, and the baseline of real slices.

    Args:
        results: An evaluation.
        name: Name of the score for :meth:`Results.score`; None draws the first one.
        ax: Axes for the chart; None makes a figure of pyplot, which a notebook shows.

    Raises:
        JsddpmError: ``SCORE`` (status 2) when no bin and pathology has such a score, as in an evaluation of
            reconstruction alone.
    """
    cells = results.cells()
    score_name = name or next((n for c in cells for n in c.scores), "")
    if not any(_has(c.scores, score_name) for c in cells):
        raise _no_chart(results, score_name)
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots(figsize=(6, 3), layout="constrained")[1]
    for kind, (label, colour) in enumerate(zip(PATHOLOGY_NAMES, _COLOURS, strict=True)):
        of_kind = [c for c in cells if c.pathology == kind and c.z_bin is not None and _has(c.scores, score_name)]
        scores = [(c.z_bin or 0, results.score(score_name, c.z_bin, kind)) for c in of_kind]
        defined = [(k, s, s.value) for k, s in scores if s.value is not None]
        ax.plot([k for k, *_ in defined], [v for *_, v in defined], "o-", color=colour, label=label)
        for k, s, _ in defined:
            if s.interval:
                ax.vlines(k, *s.interval, color=colour)
            if s.baseline is not None:
                ax.hlines(s.baseline, k - 0.3, k + 0.3, color=colour, linestyles="dotted")
    if not any(s.value is not None for c in cells for n, s in c.scores.items() if score_name in (n, s.spec)):
        ax.text(0.5, 0.5, "undefined in every bin", transform=ax.transAxes, ha="center")
    ax.set_xlabel("z-bin")
    ax.set_ylabel(score_name)
    ax.legend(title="dotted: baseline of real slices")
    return ax


def _no_chart(results: Results, name: str) -> JsddpmError:
    """The error of a score that no bin and pathology has."""
    by_bin = list(dict.fromkeys(n for c in results.cells() for n in c.scores))
    if not by_bin:
        what, cure = "no score was computed bin by bin", "evaluate generated slices"
    else:
        what, cure = f"no bin has the score {name!r}", f"use one of {', '.join(by_bin)}"
    return usage_error("SCORE", what, fix=cure)


def _has(scores: dict[str, Score], name: str) -> bool:
    return name in scores or any(s.spec == name for s in scores.values())


def _is(score: Score | None, specs: list[str]) -> bool:
    return score is not None and score.spec in specs


def _entry(score: Score | None) -> str:
    if score is None or score.value is None:
        return "" if score is None else f'<span title="{escape(score.reason or "")}">–</span>'
    mark = MARKS[score.standing.side] if score.standing else ""
    baseline = "" if score.baseline is None else f"<br><small>{score.baseline:.3g}</small>"
    return f"{'~' if score.status == 'unreliable' else ''}{score.value:.3g}{mark}{baseline}"
