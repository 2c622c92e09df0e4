"""A comparison of evaluations as rows, CSV, markdown, LaTeX and a page: the same cells in every form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from jsddpm.csvfiles import to_csv
from jsddpm.wording import agreeing, counted
from jsddpm_eval.comparison import Difference, summary
from jsddpm_reports import tables
from jsddpm_reports.document import inlined, rendered
from jsddpm_reports.figures import pdf, png, svg
from jsddpm_reports.forest import forest_figure
from jsddpm_reports.wording import p_value, plain, signed, signed_span

Differences = Mapping[str, Sequence[Difference]]
"""Differences to the reference, by the name of the other evaluation."""

_CORRECTED = "corrected over the conditions of a score and the evaluations compared (Holm)"


def letters(compared: Differences) -> dict[str, str]:
    """A letter for each evaluation compared with the reference, which is A."""
    return {name: ascii_uppercase[i] if i < 26 else str(i) for i, name in enumerate(compared, 1)}


def verdict(d: Difference) -> str:
    """Result of the corrected test for the other evaluation: better, worse, differs, or empty."""
    if not d.significant:
        return ""
    return {"second": "better", "first": "worse", None: "differs"}[d.better]


def comparison_table(compared: Differences) -> tables.Table:
    """One row per condition, score by score: the reference, then every other evaluation, its difference and its test.

    With several others the interval stands in small print below each difference, and p-values are left out. Of pooled
    evaluations the last column holds p, and below it counts of folds, pairs and patients.
    """
    names, alone = letters(compared), len(compared) == 1
    headings, pooled = ["condition", "score", "A"], alone and _pooled(compared)
    for letter in names.values():
        headings += [letter, f"{letter} − A", *(["95% interval", "p (Holm)", ""] if alone and not pooled else [])]
    headings += ["p (Holm)\nn"] if pooled else []
    by_place: dict[tuple[str, str, str], dict[str, Difference]] = {}
    for name, differences in compared.items():
        for d in differences:
            by_place.setdefault(_place(d), {})[name] = d
    order = {score: i for i, score in enumerate(dict.fromkeys((place[0], place[2]) for place in by_place))}
    rows = []
    for (protocol, cell, score), beside in sorted(by_place.items(), key=lambda p: order[p[0][0], p[0][2]]):
        first = next(iter(beside.values()))
        where = cell if protocol == "generation" else f"{cell} (reconstruction)"
        row = [where, score, plain(first.first, first.unit)]
        for name in names:
            row += _entry(beside.get(name), alone and not pooled)
        row += [f"{p_value(first.p_value)}\n{_counts(first)}"] if pooled else []
        rows.append(row)
    return headings, rows


def significant(compared: Differences) -> Differences:
    """The scores of conditions in which any evaluation differs significantly, with the others beside it."""
    places = {_place(d) for part in compared.values() for d in part if d.significant}
    return {name: [d for d in part if _place(d) in places] for name, part in compared.items()}


def comparison_text(compared: Differences, suffix: str, *, baseline: str) -> str:
    """The comparison as ``.csv`` (full precision, one row per difference), ``.md`` or ``.tex``."""
    if suffix == ".csv":
        return to_csv([{"evaluation": name} | _flat(d) for name, part in compared.items() for d in part])
    table = comparison_table(compared)
    if suffix == ".md":
        lines = [f"- {line}" for line in legend(compared, baseline)]
        return "\n".join(lines) + "\n\n" + tables.markdown(table, left=2) + "\n\n" + "\n\n".join(notes(compared)) + "\n"
    sides = "; ".join(f"{letter}: {name}" for name, letter in {baseline: "A", **letters(compared)}.items())
    caption = f"Differences of evaluations to a reference, with 95% intervals. {sides}."
    return tables.latex(table, left=2, caption=caption, notes=notes(compared))


def legend(compared: Differences, baseline: str) -> list[str]:
    """Which evaluation each letter stands for, and how it differs, a line each."""
    lines = [f"{letter}: {name}; {summary(compared[name])}" for name, letter in letters(compared).items()]
    return [f"A: {baseline}, the reference", *lines]


def notes(compared: Differences) -> list[str]:
    """Notes on the computation of the differences, and reasons for missing intervals."""
    every = [d for part in compared.values() for d in part]
    words = _how_pooled(every) if _pooled(compared) else [_how_paired(every)]
    words[-1] += f" p is {_CORRECTED}. The words better, worse and differs mark what is significant at 5%."
    reasons: dict[str, list[str]] = {}
    for d in every:
        if d.reason:
            reasons.setdefault(d.reason, []).append(d.score)
    for reason, scores in reasons.items():
        names = list(dict.fromkeys(scores))
        few = ", ".join(names) if len(names) <= 4 else f"{len(names)} scores, such as {names[0]}"
        words.append(f"{counted(len(scores), 'difference', 'has', 'have')} no interval ({reason}): {few}.")
    return words


def _how_paired(every: Sequence[Difference]) -> str:
    tested = [d for d in every if d.p_value is not None]
    paired = sum(d.paired for d in tested)
    return (
        f"{paired} of {counted(len(tested), 'tested difference')} {agreeing(paired, 'is', 'are')} paired (real "
        "patients, and samples of the same seeds); the others add both errors as if they were independent."
    )


def _how_pooled(every: Sequence[Difference]) -> list[str]:
    words = ["n counts folds/pairs of evaluations/patients."]
    if any(d.n_folds > 1 for d in every):
        words.append(
            "A difference is the mean over folds of the mean over the pairs of a fold; its t interval is over the "
            "folds, corrected for trainings that share patients (Nadeau and Bengio 2003)."
        )
    else:
        words.append(
            "A difference is the mean over pairs of trainings of one fold; the scatter of the trainings and of the "
            "patients add. Another fold of patients may show another difference."
        )
    return words


def forest_picture(compared: Differences, suffix: str, scores: Sequence[str]) -> bytes:
    """The forest plot of these scores as ``.png`` or ``.pdf``."""
    figure = forest_figure(_lettered(compared), scores)
    return pdf(figure) if suffix == ".pdf" else png(figure, dpi=200)


def comparison_page(compared: Differences, baseline: str, scores: Sequence[str]) -> str:
    """The comparison as one self-contained page, with a forest plot of these scores."""
    headings, rows = comparison_table(compared)
    charts = [
        (k, inlined(svg(forest_figure({k: part}, scores), f"forest-{k}", f"Differences of {k} to A")))
        for k, part in _lettered(compared).items()
        if any(d.interval for d in part)
    ]
    return rendered(
        "comparison.html",
        sides=[("A", f"{baseline}, the reference"), *((letter, name) for name, letter in letters(compared).items())],
        findings=[f"{letter} against A: {summary(part)}" for letter, part in _lettered(compared).items()],
        charts=charts,
        headings=headings,
        significant=comparison_table(significant(compared))[1],
        rows=rows,
        notes=notes(compared),
        corrected=_CORRECTED,
    )


def _lettered(compared: Differences) -> dict[str, Sequence[Difference]]:
    names = letters(compared)
    return {names[name]: part for name, part in compared.items()}


def _place(d: Difference) -> tuple[str, str, str]:
    return d.protocol, d.cell, d.score


def _entry(d: Difference | None, alone: bool) -> list[str]:
    """Value, difference, interval, p and finding in cells of their own; without p in two."""
    if d is None:
        return ["–"] * 4 + [""] if alone else ["–", "–"]
    interval = signed_span(d.interval, d.unit)
    value, difference = plain(d.second, d.unit), signed(d.difference, d.unit)
    if alone:
        return [value, difference, interval, p_value(d.p_value), verdict(d)]
    finding = f"{verdict(d)} " if d.significant else ""
    return [value, f"{finding}{difference}\n{interval}" if d.interval else difference]


def _counts(d: Difference) -> str:
    """Folds, pairs and patients."""
    return f"{d.n_folds}/{d.n_pairs}/{'–' if d.n_patients is None else d.n_patients}"


def _pooled(compared: Differences) -> bool:
    return any(d.n_pairs > 1 for part in compared.values() for d in part)


def _flat(d: Difference) -> dict[str, object]:
    low, high = d.interval or (None, None)
    first, second = d.n_generated
    columns = {k: v for k, v in d.to_dict().items() if k not in ("interval", "n_generated")}
    return columns | {
        "interval_low": low, "interval_high": high, "n_generated_first": first, "n_generated_second": second,
        "significant": d.significant,
    }  # fmt: skip
