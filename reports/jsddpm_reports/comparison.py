"""A comparison of evaluations as rows, CSV, markdown, LaTeX and a page: the same cells in every form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from jsddpm_eval.compare import Difference, summary
from jsddpm_eval.tables import to_csv
from jsddpm_reports import tables
from jsddpm_reports.document import inlined, rendered
from jsddpm_reports.figures import pdf, png, svg
from jsddpm_reports.forest import forest_figure, forest_scores
from jsddpm_reports.wording import plain

Differences = Mapping[str, Sequence[Difference]]
"""Differences to the baseline, by the name of the other evaluation."""
_NOTHING = 1e-9  # what rounding leaves of equal numbers


def letters(found: Differences) -> dict[str, str]:
    """A letter for each evaluation compared with the baseline, which is A."""
    return {name: ascii_uppercase[i] if i < 26 else str(i) for i, name in enumerate(found, 1)}


def verdict(d: Difference) -> str:
    """What the corrected test says of the other evaluation: better, worse, differs, or nothing."""
    if not d.told_apart:
        return ""
    return {"second": "better", "first": "worse", None: "differs"}[d.better]


def comparison_table(found: Differences) -> tables.Table:
    """One row per condition, score by score: the baseline, then every other evaluation, its difference and its test.

    With several others the interval stands in small print below each difference, and p-values are left out.
    """
    names, alone = letters(found), len(found) == 1
    headings = ["condition", "score", "A"]
    for letter in names.values():
        headings += [letter, f"{letter} − A", *(["95% interval", "p (Holm)", ""] if alone else [])]
    by_place: dict[tuple[str, str, str], dict[str, Difference]] = {}
    for name, differences in found.items():
        for d in differences:
            by_place.setdefault(_place(d), {})[name] = d
    order = {score: i for i, score in enumerate(dict.fromkeys((place[0], place[2]) for place in by_place))}
    rows = []
    for (protocol, cell, score), there in sorted(by_place.items(), key=lambda p: order[p[0][0], p[0][2]]):
        first = next(iter(there.values()))
        where = cell if protocol == "generation" else f"{cell} (reconstruction)"
        row = [where, score, plain(first.first, first.unit)]
        for name in names:
            row += _entry(there.get(name), alone)
        rows.append(row)
    return headings, rows


def told_apart(found: Differences) -> Differences:
    """The scores of conditions in which any evaluation is told apart, with the others beside it."""
    there = {_place(d) for part in found.values() for d in part if d.told_apart}
    return {name: [d for d in part if _place(d) in there] for name, part in found.items()}


def comparison_text(found: Differences, suffix: str, *, baseline: str) -> str:
    """The comparison as ``.csv`` (full precision, one row per difference), ``.md`` or ``.tex``."""
    if suffix == ".csv":
        return to_csv([{"evaluation": name} | _flat(d) for name, part in found.items() for d in part])
    table = comparison_table(found)
    if suffix == ".md":
        lines = [f"- {line}" for line in legend(found, baseline)]
        return "\n".join(lines) + "\n\n" + tables.markdown(table, left=2) + "\n\n" + "\n\n".join(notes(found)) + "\n"
    sides = "; ".join(f"{letter}: {name}" for name, letter in {baseline: "A", **letters(found)}.items())
    caption = f"Differences of evaluations to a baseline, with 95% intervals. {sides}."
    return tables.latex(table, left=2, caption=caption, notes=notes(found))


def legend(found: Differences, baseline: str) -> list[str]:
    """Which letter is which evaluation, and what was found, a line each."""
    lines = [f"{letter}: {name}; {summary(found[name])}" for name, letter in letters(found).items()]
    return [f"A: {baseline}, the baseline", *lines]


def notes(found: Differences) -> list[str]:
    """How the differences were made, and what is not known."""
    every = [d for part in found.values() for d in part]
    tested = [d for d in every if d.p_value is not None]
    paired = sum(d.paired for d in tested)
    words = [
        f"{paired} of {len(tested)} tested differences are paired (real patients, and samples of the same seeds); "
        "the others add both errors as independent. p is corrected over the conditions of a score and the evaluations "
        "compared (Holm). The last column says what is told apart at 5%."
    ]
    reasons: dict[str, list[str]] = {}
    for d in every:
        if d.reason:
            reasons.setdefault(d.reason, []).append(d.score)
    for reason, scores in reasons.items():
        names = list(dict.fromkeys(scores))
        few = ", ".join(names) if len(names) <= 4 else f"{len(names)} scores, such as {names[0]}"
        words.append(f"No interval, as {reason}: {len(scores)} differences of {few}.")
    return words


def signed(value: float, unit: str) -> str:
    """A difference with its sign; shares differ by percentage points, and what is not 0 never reads as 0.

    >>> signed(-0.25, "share"), signed(0.00012, ""), signed(1.26, "dB")
    ('−25 pp', '+0.0001', '+1.3')
    """
    size = plain(abs(value), unit).replace("%", " pp")
    if abs(value) < _NOTHING:
        return size
    if unit != "share" and not size.strip("0."):
        size = f"{abs(value):.1g}"
    return ("+" if value > 0 else "−") + size


def forest_picture(found: Differences, suffix: str, scores: Sequence[str] | None = None) -> bytes:
    """The forest plot as ``.png`` or ``.pdf``; of the first scores that have an interval when none are named."""
    figure = forest_figure(_lettered(found), scores or _drawn(found))
    return pdf(figure) if suffix == ".pdf" else png(figure, dpi=200)


def comparison_page(found: Differences, baseline: str, scores: Sequence[str] | None = None) -> str:
    """The comparison as one self-contained page."""
    headings, rows = comparison_table(found)
    drawn = scores or _drawn(found)
    charts = [
        (
            letter,
            inlined(svg(forest_figure({letter: part}, drawn), f"forest-{letter}", f"Differences of {letter} to A")),
        )
        for letter, part in _lettered(found).items()
        if any(d.interval for d in part)
    ]
    return rendered(
        "comparison.html",
        sides=[("A", f"{baseline}, the baseline"), *((letter, name) for name, letter in letters(found).items())],
        findings=[f"{letter}: {summary(part)}" for letter, part in _lettered(found).items()],
        charts=charts,
        headings=headings,
        apart=comparison_table(told_apart(found))[1],
        rows=rows,
        notes=notes(found),
    )


def _drawn(found: Differences) -> list[str]:
    return forest_scores([d for part in found.values() for d in part])


def _lettered(found: Differences) -> dict[str, Sequence[Difference]]:
    names = letters(found)
    return {names[name]: part for name, part in found.items()}


def _place(d: Difference) -> tuple[str, str, str]:
    return d.protocol, d.cell, d.score


def _entry(d: Difference | None, alone: bool) -> list[str]:
    """Value, difference, interval, p and finding in cells of their own; without p in two."""
    if d is None:
        return ["–"] * 4 + [""] if alone else ["–", "–"]
    interval = f"{signed(d.interval[0], d.unit)} to {signed(d.interval[1], d.unit)}" if d.interval else "–"
    p = "–" if d.p_value is None else f"{d.p_value:.3f}" if d.p_value >= 0.001 else "<0.001"
    value, difference = plain(d.second, d.unit), signed(d.difference, d.unit)
    if alone:
        return [value, difference, interval, p, verdict(d)]
    finding = f"{verdict(d)} " if d.told_apart else ""
    return [value, f"{finding}{difference}\n{interval}" if d.interval else difference]


def _flat(d: Difference) -> dict[str, object]:
    low, high = d.interval or (None, None)
    first, second = d.n_generated
    kept = {k: v for k, v in d.to_dict().items() if k not in ("interval", "n_generated")}
    return kept | {
        "interval_low": low, "interval_high": high, "n_generated_first": first, "n_generated_second": second,
        "told_apart": d.told_apart,
    }  # fmt: skip
