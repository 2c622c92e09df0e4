"""A utility study: a view for the terminal, tables for a paper, a figure of differences, and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsddpm.csvfiles import to_csv
from jsddpm.files import write_text
from jsddpm_reports import tables
from jsddpm_reports.wording import p_value, plain, signed, signed_span

if TYPE_CHECKING:  # the terminal's view stays without matplotlib
    from matplotlib.figure import Figure
    from rich.console import RenderableType

Values = Mapping[str, Any]
"""Content of ``utility.json``."""


BETWEEN_FORMS = (".csv", ".md", ".tex")
"""Extensions that differences between studies can be written with."""


def arm_table(values: Values) -> tables.Table:
    """One row for each arm: means of its scores over patients, with their intervals in small print."""
    scores = values["scores"]
    rows = [[arm["arm"], *(_mean(arm[s["name"]]) for s in scores)] for arm in values["arms"]]
    return ["trained on", *(s["heading"] for s in scores)], rows


def comparison_table(values: Values, rows: Sequence[Values]) -> tables.Table:
    """One row for each comparison: difference in Dice, interval, corrected p-value, answer, patients for a gain.

    Args:
        values: Content of ``utility.json``.
        rows: Its ``comparisons`` or ``networks``.
    """
    headings = [
        "trained on",
        "against",
        "answer",
        "Dice",
        "95% interval",
        "p (Holm)",
        f"patients for {values['gain']:g}",
    ]
    by_network = any(row["network"] for row in rows)
    body = []
    for row in rows:
        needed = row["patients_for_gain"]
        cells = [
            row["arm"], row["reference"], row["answer"], signed(row["difference"], decimals=3),
            signed_span(row["interval"], decimals=3), p_value(row["p_value"]), "–" if needed is None else str(needed),
        ]  # fmt: skip
        body.append([row["network"], *cells] if by_network else cells)
    return (["network", *headings] if by_network else headings), body


def part_table(values: Values, rows: Sequence[Values], name: str) -> tables.Table:
    """One row for each third of lesion sizes, or each bin: mean of every arm, and below it what it adds to real slices.

    Args:
        values: Content of ``utility.json``.
        rows: Its ``sizes`` or ``bins``.
        name: Heading of the first column.
    """
    body = []
    for row in rows:
        added = {d["arm"]: d for d in row["differences"]}
        cells = []
        for arm in row["arms"]:
            d = added.get(arm["arm"])
            value = "–" if arm["mean"] is None else plain(arm["mean"])
            below = ""
            if d and d["interval"]:
                below = f"\n{signed(d['difference'], decimals=3)} ({signed_span(d['interval'], decimals=3)})"
            cells.append(value + below)
        body.append([_place(row), str(row["arms"][0]["patients"]), *cells])
    return [name, "patients", *(arm["arm"] for arm in values["arms"])], body


def utility_view(values: Values) -> RenderableType:
    """The study in the terminal: what it says, arms, comparisons."""
    from rich.console import Group
    from rich.text import Text

    from jsddpm_reports.terminal import results_table

    headings, rows = comparison_table(values, values["comparisons"])
    statement = Text("\n".join(values["sentences"]))
    arms, means = arm_table(values)
    flat = [[cell.partition("\n")[0] for cell in row] for row in means]
    return Group(results_table(arms, flat), results_table(headings, rows, left=headings[:1]), statement)


def utility_text(values: Values, suffix: str) -> str:
    """The tables of arms and of comparisons as ``.md`` or ``.tex``."""
    both = ((arm_table(values), 1), (comparison_table(values, values["comparisons"]), 3))
    if suffix == ".md":
        lines = "\n".join(f"- {line}" for line in (*values["sentences"], *values["limits"]))
        return "\n\n".join([*(tables.markdown(table, left=left) for table, left in both), lines]) + "\n"
    captions = (
        "Scores of patients who were not trained on, by what the network was trained on: means over patients and "
        "trainings, with 95% intervals.",
        "Differences in Dice, paired by patient and training, with 95% intervals; p-values corrected by Holm.",
    )
    return "\n".join(
        tables.latex(table, left=left, caption=caption) for (table, left), caption in zip(both, captions, strict=True)
    )


def between_text(values: Values, suffix: str) -> str:
    """Differences between studies as ``.csv`` (full precision, one row per difference), ``.md`` or ``.tex``.

    Args:
        values: What :func:`~jsddpm_eval.utility.between.between_studies` gives.
        suffix: One of :data:`BETWEEN_FORMS`.
    """
    if suffix == ".csv":
        rows = [{key: v for key, v in row.items() if key != "interval"} for row in values["comparisons"]]
        ends = [row["interval"] or (None, None) for row in values["comparisons"]]
        return to_csv([row | {"low": low, "high": high} for row, (low, high) in zip(rows, ends, strict=True)])
    table = comparison_table(values, values["comparisons"])
    if suffix == ".md":
        return tables.markdown(table, left=3) + "\n"
    caption = "Differences in Dice between studies, paired by patient and training, with 95% intervals."
    return tables.latex(table, left=3, caption=caption)


def utility_figure(values: Values) -> Figure:
    """Differences in Dice with their intervals around 0: all networks together, and each of them in small."""
    from matplotlib.figure import Figure

    from jsddpm_reports.figures import BLUE, GREY, GREY_SOFT, INK, PAGE_WIDTH, styled

    rows = [row for row in values["comparisons"] if row["interval"]]
    small = [row for row in values["networks"] if row["interval"]] if len(values["protocol"]["networks"]) > 1 else []

    @styled
    def draw() -> Figure:
        figure = Figure(figsize=(PAGE_WIDTH, 0.6 + 0.32 * len(rows)), layout="constrained")
        axes = figure.subplots()
        axes.axvspan(-values["margin"], values["margin"], color=GREY_SOFT)
        axes.axvline(0, color=GREY, linewidth=0.6)
        for place, row in enumerate(rows):
            axes.plot(row["interval"], [place, place], color=INK)
            axes.plot(row["difference"], place, "D", color=INK)
            beside = [s for s in small if (s["arm"], s["reference"]) == (row["arm"], row["reference"])]
            for number, other in enumerate(beside, 1):
                height = place + 0.5 * number / (len(beside) + 1)
                axes.plot(other["interval"], [height, height], color=BLUE, linewidth=0.6)
                axes.plot(other["difference"], height, "o", color=BLUE, markersize=2)
        axes.set_yticks(range(len(rows)), [f"{row['arm']} − {row['reference']}" for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel("difference in Dice")
        return figure

    return draw()


def write_utility_files(values: Values, folder: str | Path) -> None:
    """Write the study as ``utility.html``, ``table.md`` and ``table.tex``.

    Args:
        values: Content of ``utility.json``.
        folder: The study's folder.
    """
    write_text(Path(folder) / "utility.html", render_utility(values))
    for suffix in (".md", ".tex"):
        write_text(Path(folder) / f"table{suffix}", utility_text(values, suffix))


def render_utility(values: Values) -> str:
    """The page's HTML."""
    from jsddpm_reports.document import inlined, rendered
    from jsddpm_reports.figures import svg

    picture = None
    if any(row["interval"] for row in values["comparisons"]):
        picture = inlined(svg(utility_figure(values), "differences", "Differences in Dice with their intervals"))
    shown = {
        "arms": arm_table(values), "comparisons": comparison_table(values, values["comparisons"]),
        "networks": comparison_table(values, values["networks"]),
        "sizes": part_table(values, values["sizes"], "lesions"), "bins": part_table(values, values["bins"], "bin"),
    }  # fmt: skip
    return rendered("utility.html", study=values, picture=picture, **shown)


def _place(row: Values) -> str:
    if "z_bin" in row:
        return f"{row['z_bin']} (z {row['z'][0]} to {row['z'][1]})"
    above, to = f"above {row['above_ml']:.2g} ml", row["to_ml"]
    sizes = (
        above if to is None else f"to {to:.2g} ml" if not row["above_ml"] else f"{row['above_ml']:.2g} to {to:.2g} ml"
    )
    return f"{row['size']} ({sizes}, {row['lesions']})"


def _mean(estimate: Values) -> str:
    if estimate["mean"] is None:
        return "–"
    interval = estimate["interval"]
    return plain(estimate["mean"]) + (f"\n{plain(interval[0])} to {plain(interval[1])}" if interval else "")
