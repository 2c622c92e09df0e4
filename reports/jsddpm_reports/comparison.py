"""A comparison of two evaluations as rows, CSV, markdown and LaTeX (booktabs)."""

from __future__ import annotations

from collections.abc import Sequence

from jsddpm_eval.compare import Difference
from jsddpm_eval.tables import to_csv
from jsddpm_reports.wording import plain

HEADINGS = ["condition", "score", "first", "second", "difference", "95 % interval", "p (Holm)", "better"]
_ESCAPED = str.maketrans({"_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "–": "--", "−": "$-$", "<": "$<$"})


def comparison_rows(differences: Sequence[Difference]) -> list[list[str]]:
    """Cells of the table, in the order of :data:`HEADINGS`."""
    return [
        [
            d.cell if d.protocol == "generation" else f"{d.cell} (reconstruction)",
            d.score,
            plain(d.first, d.unit),
            plain(d.second, d.unit),
            _signed(d.difference, d.unit),
            f"{_signed(d.interval[0], d.unit)} to {_signed(d.interval[1], d.unit)}" if d.interval else "–",
            "–" if d.p_value is None else f"{d.p_value:.3f}" if d.p_value >= 0.001 else "<0.001",
            d.better or "",
        ]
        for d in differences
    ]


def comparison_text(differences: Sequence[Difference], suffix: str) -> str:
    """The table as ``.csv`` (full precision), ``.md`` or ``.tex``."""
    if suffix == ".csv":
        return to_csv([_flat(d) for d in differences])
    rows = comparison_rows(differences)
    if suffix == ".md":
        lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
    body = [" & ".join(cell.translate(_ESCAPED) for cell in cells) + r" \\" for cells in [HEADINGS, *rows]]
    columns = "ll" + "r" * (len(HEADINGS) - 3) + "l"
    top = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule"]
    return "\n".join([*top, *body[1:], r"\bottomrule", r"\end{tabular}"]) + "\n"


def _signed(value: float, unit: str) -> str:
    return ("+" if value > 0 else "−" if value < 0 else "") + plain(abs(value), unit)


def _flat(d: Difference) -> dict[str, object]:
    low, high = d.interval or (None, None)
    return {k: v for k, v in d.to_dict().items() if k != "interval"} | {"interval_low": low, "interval_high": high}
