"""``jsddpm compare``: compare evaluations with a baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jsddpm.errors import usage_error
from jsddpm_cli.console import Format, FormatOption, emit, note
from jsddpm_cli.lists import with_lists
from jsddpm_cli.options import evaluation_folder, require_endings, require_evaluation

if TYPE_CHECKING:
    from jsddpm_eval.comparison import Difference
    from jsddpm_eval.results.results import Results

app = typer.Typer()
ORDER = 80

FORMS = (".csv", ".md", ".tex", ".html", ".png", ".pdf")


@app.command(
    cls=with_lists("--baseline"), epilog="Example: jsddpm compare runs/first/evaluation runs/second/evaluation"
)
def compare(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Evaluation folders or results.json files, or folders of jsddpm utility; the first is the reference."
        ),
    ],
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            help="Reference evaluations, which those named first are compared with, pair by pair, and pooled: "
            "trainings of other folds or seeds. Takes several; give as many of each fold on both sides."
        ),
    ] = None,
    score: Annotated[
        list[str] | None, typer.Option(help="Score to compare, such as kid_radiomics; repeatable.")
    ] = None,
    all_cells: Annotated[bool, typer.Option("--all", help="Show differences that are not significant too.")] = False,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write all differences. The extension selects the form: a table (.csv, .md, .tex), a page (.html) "
            "or a forest plot (.png, .pdf); repeatable."
        ),
    ] = None,
    how: FormatOption = "table",
) -> None:
    """Compare evaluations bin by bin: difference, 95% interval, and a test corrected for the number of bins.

    Studies of jsddpm utility that differ only in their generators show which samples are more useful.

    Real patients are paired if both evaluations have the influence of each patient on a score. Evaluations must have
    the same real slices, bins, split, feature extractors and seed.

    With --baseline, evaluations of several trainings are paired by fold (real store and split) and training seed, and
    their differences to the baseline are pooled: over folds, or over the seeds of one fold.
    """
    from jsddpm_eval.utility.between import is_study
    from jsddpm_reports.comparison import comparison_table, legend, notes, significant
    from jsddpm_reports.terminal import results_table, stacked

    every = [*results, *(baseline or [])]
    if len(every) < 2:
        raise usage_error("OPTION", "at least two evaluations are needed", fix="give two or more different evaluations")
    _require_different(every)
    if any(map(is_study, every)):
        _compare_studies(results, out or [], how, refused=bool(score or all_cells or baseline))
        return
    require_endings(out or [], FORMS)
    comparison = _one_by_one(results) if baseline is None else _pooled(results, baseline)
    score = _columns(score or [], comparison)
    compared = {name: _chosen(part, score) for name, part in comparison.compared.items()}
    shown = compared if all_cells else significant(compared)
    differences = {name: [d.to_dict() for d in part] for name, part in compared.items()}
    values: dict[str, Any] = {"baseline": comparison.baseline, "differences": differences}
    if comparison.pairs:
        values["pairs"] = comparison.pairs
    table = None
    if any(shown.values()):
        headings, rows = comparison_table(shown)
        table = results_table(headings, stacked(rows), left=headings[:1])
    emit(table, values, how, above=[*comparison.folds, *legend(compared, comparison.baseline)], below=notes(compared))
    for place in out or []:
        _write(place, compared, comparison, score)
        note(f"written {place}")


@dataclass(frozen=True)
class _Comparison:
    """Differences by the name of the other side, the baseline's name and first results, and pairs within folds."""

    compared: dict[str, list[Difference]]
    baseline: str
    results: Results
    pairs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def folds(self) -> list[str]:
        """Which evaluations are compared within a fold, a sentence for each pair."""
        return ["fold {fold}: {evaluation} less {baseline}".format(**pair) for pair in self.pairs]


def _require_different(places: list[Path]) -> None:
    """Refuse an evaluation that is given twice, also by another path or as a copy."""
    from jsddpm.checksums import sha256

    found: dict[Path | str, Path] = {}
    for place in places:
        results = evaluation_folder(place) / "results.json"
        key = sha256(results) if results.is_file() else place.resolve()
        if (other := found.setdefault(key, place)) is not place:
            what = "an evaluation is given twice" if other == place else f"has the same content as {other}"
            raise usage_error("OPTION", what, fix="give different evaluations", file=None if other == place else place)


def _one_by_one(places: list[Path]) -> _Comparison:
    from jsddpm.anonymise import local_names
    from jsddpm_eval.comparison import compare_all

    read = _read(places)
    for place in [place for place, r in zip(places, read, strict=True) if not r.has_influences]:
        note(f"{place} does not hold what each patient adds: nothing is paired, and intervals are wider")
    baseline, *names = local_names(list(map(evaluation_folder, places)))
    return _Comparison(compare_all(read[0], dict(zip(names, read[1:], strict=True))), baseline, read[0])


def _pooled(places: list[Path], others: list[Path]) -> _Comparison:
    from jsddpm.anonymise import local_names
    from jsddpm_eval.replicates import compare_replicates, matched

    second, first = _read(places), _read(others)
    names = local_names(list(map(evaluation_folder, (*others, *places))))
    baseline, named = names[: len(others)], names[len(others) :]
    pairs = [
        {"fold": number, "baseline": baseline[i], "evaluation": named[j]}
        for number, fold in enumerate(matched(first, second), 1)
        for i, j in fold
    ]
    title, other = (n[0] if len(n) == 1 else f"{n[0]} and {len(n) - 1} more" for n in (baseline, named))
    return _Comparison(compare_replicates(first, {other: second}), title, first[0], pairs)


def _read(places: list[Path]) -> list[Results]:
    from jsddpm_eval.results.results import Results

    for place in places:
        require_evaluation(place)
    return list(map(Results.read, places))


def _compare_studies(folders: list[Path], out: list[Path], how: Format, *, refused: bool) -> None:
    """Print and write the differences of utility studies."""
    from string import ascii_uppercase

    from jsddpm.anonymise import local_names
    from jsddpm_eval.utility.between import between_studies, is_study
    from jsddpm_reports.outputs import write_output
    from jsddpm_reports.terminal import results_table
    from jsddpm_reports.utility import BETWEEN_FORMS, between_text, comparison_table

    if refused or not all(map(is_study, folders)):
        cure = "give only folders of jsddpm utility, without --baseline, --score and --all"
        raise usage_error("OPTION", "utility studies can only be compared with each other", fix=cure)
    if len(folders) > len(ascii_uppercase):
        what = f"{len(folders)} studies are given, and the table has letters for {len(ascii_uppercase)}"
        raise usage_error("OPTION", what, fix="compare fewer at a time")
    require_endings(out, BETWEEN_FORMS)
    letters = dict(zip(ascii_uppercase, folders, strict=False))
    names = dict(zip(letters, local_names(folders), strict=True))
    values = between_studies(letters)
    table = results_table(*comparison_table(values, values["comparisons"]))
    emit(table, values | {"studies": names}, how, above=[f"{letter}: {name}" for letter, name in names.items()])
    for place in out:
        write_output(place, between_text(values, place.suffix))
        note(f"written {place}")


def _columns(scores: list[str], comparison: _Comparison) -> list[str]:
    """Names of columns; that of a score (``kid``) stands for its columns in all feature spaces."""
    known = {d.score for part in comparison.compared.values() for d in part}
    spaces = comparison.results.spaces()
    of = {spec.name: [spec.named(s) for s in spaces] for spec in comparison.results.specs if spec.per_space}
    return list(
        dict.fromkeys(name for score in scores for name in ([score] if score in known else of.get(score, [score])))
    )


def _chosen(differences: list[Difference], scores: list[str]) -> list[Difference]:
    unknown = set(scores) - {d.score for d in differences}
    if unknown:
        known = ", ".join(sorted({d.score for d in differences}))
        raise usage_error("OPTION", f"{sorted(unknown)[0]!r} is not a score of both", fix=f"use one of {known}")
    return [d for d in differences if not scores or d.score in scores]


def _write(place: Path, compared: dict[str, list[Difference]], comparison: _Comparison, scores: list[str]) -> None:
    from jsddpm_reports.comparison import comparison_page, comparison_text, forest_picture
    from jsddpm_reports.forest import forest_scores
    from jsddpm_reports.outputs import write_output

    charted = scores or forest_scores([d for part in compared.values() for d in part], comparison.results)
    if place.suffix in (".png", ".pdf"):
        write_output(place, forest_picture(compared, place.suffix, charted))
    elif place.suffix == ".html":
        write_output(place, comparison_page(compared, comparison.baseline, charted))
    else:
        write_output(place, comparison_text(compared, place.suffix, baseline=comparison.baseline))
