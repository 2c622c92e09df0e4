"""Evaluations of several trainings against those of others: pairs within folds of patients, pooled. Torch-free.

A network depends on its seed and on its fold of patients, so one pair of networks says little about two methods of
training. Evaluations are paired within a fold (the same real store and held-out patients), by training seed if every
evaluation of the fold has it, else in the order given. The statistics are in :mod:`jsddpm_eval.stats.replicates`;
a single pair is compared as :mod:`jsddpm_eval.comparison` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from jsddpm.binning import ZBinning
from jsddpm.errors import usage_error
from jsddpm_eval.comparison import (
    Difference,
    Evaluated,
    Place,
    corrected,
    difference,
    read_results,
    require_comparable,
    same_seeds,
    shared_scores,
)
from jsddpm_eval.results.anonymised import CODED
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Influence, Score, patients_of
from jsddpm_eval.stats.jackknife import jackknife_variance
from jsddpm_eval.stats.paired import Contrast, contrast, patient_changes
from jsddpm_eval.stats.replicates import over_folds, over_seeds

Scores = tuple[Score, Score]
Pairs = list[list[tuple[int, int]]]
"""By fold, the positions of paired evaluations."""


def compare_replicates(
    baseline: Sequence[Evaluated], others: Mapping[str, Sequence[Evaluated]]
) -> dict[str, list[Difference]]:
    """Mean differences of every other group of evaluations to the baseline's, by name, corrected over all of them.

    Args:
        baseline: Evaluations of one method of training, each of another fold or seed: results, or their folders.
        others: Evaluations of other methods, with the same number for each fold.

    Raises:
        JsddpmError: ``NOT_COMPARABLE`` (status 2) when they cannot be paired, or a pair is not comparable.
    """
    first = list(map(read_results, baseline))
    return corrected({name: _pooled(first, list(map(read_results, other))) for name, other in others.items()})


def matched(first: Sequence[Results], second: Sequence[Results]) -> Pairs:
    """Which evaluations are pairs, fold by fold in the order of the first.

    Raises:
        JsddpmError: ``NOT_COMPARABLE`` (status 2) when a fold has more evaluations on one side, when two evaluations of
            a side belong to one training, or when the fold of an evaluation is unknown.
    """
    left, right = _by_fold(first), _by_fold(second)
    uneven = [k for k in {**left, **right} if len(left.get(k, [])) != len(right.get(k, []))]
    if uneven:
        words = (
            f"store {s} ({split}): {len(left.get(k, []))} and {len(right.get(k, []))}"
            for k in uneven
            for s, split in [k]
        )
        cure = "give both sides the same folds, and the same number of trainings of each"
        raise usage_error("NOT_COMPARABLE", f"the evaluations cannot be paired: of {'; of '.join(words)}", fix=cure)
    return [_by_seed(first, second, left[fold], right[fold]) for fold in left]


def _by_fold(group: Sequence[Results]) -> dict[tuple[str, str], list[int]]:
    folds: dict[tuple[str, str], list[int]] = {}
    for i, results in enumerate(group):
        real = results.provenance.get("real", {})
        if "store" not in real:
            cure = "evaluate each training against the store of its fold (jsddpm cache resplit)"
            raise usage_error("NOT_COMPARABLE", "the fold of an evaluation without a real store is unknown", fix=cure)
        folds.setdefault((real["store"], real.get("held_out_split", "")), []).append(i)
    return folds


def _by_seed(
    first: Sequence[Results], second: Sequence[Results], left: list[int], right: list[int]
) -> list[tuple[int, int]]:
    seeds = [_training_seeds(first, left), _training_seeds(second, right)]
    if None in seeds[0] or set(seeds[0]) != set(seeds[1]):
        return list(zip(left, right, strict=True))
    place = dict(zip(seeds[1], right, strict=True))
    return [(i, place[seed]) for seed, i in zip(seeds[0], left, strict=True)]


def _training_seeds(group: Sequence[Results], places: Iterable[int]) -> list[int | None]:
    seeds = [((group[i].provenance.get("checkpoint") or {}).get("config") or {}).get("seed") for i in places]
    repeated = next((s for s in seeds if s is not None and seeds.count(s) > 1), None)
    if repeated is not None:
        what = f"two evaluations of one fold have the same training seed {repeated}"
        raise usage_error("NOT_COMPARABLE", what, fix="give one evaluation of each training")
    return seeds


def _pooled(first: Sequence[Results], second: Sequence[Results]) -> list[Difference]:
    folds = [[(first[i], second[j]) for i, j in fold] for fold in matched(first, second)]
    pairs = [pair for fold in folds for pair in fold]
    for pair in pairs:
        require_comparable(*pair)
        _require_alike(pairs[0][0], pair[0])
    places: dict[tuple[Any, ...], Place] = {}
    by_place: dict[tuple[Any, ...], dict[int, list[Scores]]] = {}
    for number, fold in enumerate(folds):
        for a, b in fold:
            for place, *scores in shared_scores(a, b):
                places.setdefault(place.key, place)
                by_place.setdefault(place.key, {}).setdefault(number, []).append((scores[0], scores[1]))
    shares = [_share(fold[0][0]) for fold in folds] if len(folds) > 1 else [0.0]
    same = same_seeds(*pairs[0])
    return [_difference(places[key], by_fold, shares, len(pairs), same) for key, by_fold in by_place.items()]


def _require_alike(first: Results, other: Results) -> None:
    """Refuse to pool evaluations in other bins, feature spaces or codes."""
    differing = [f"binning.{k}" for k in ZBinning.from_dict(first.binning).diff(ZBinning.from_dict(other.binning))]
    names = [[f.get("name") for f in r.provenance.get("features", [])] for r in (first, other)]
    differing += ["features"] if names[0] != names[1] else []
    differing += [CODED] if first.provenance.get(CODED) != other.provenance.get(CODED) else []
    if differing:
        cure = "evaluate all with the same bins and features (and key file, if anonymised)"
        raise usage_error("NOT_COMPARABLE", f"the folds differ in {', '.join(differing)}", fix=cure)


def _share(results: Results) -> float:
    """Held-out patients in those trained on; as in every score, validation patients are held out.

    Raises:
        JsddpmError: ``NOT_COMPARABLE`` (status 2) when an evaluation of an earlier version lacks these numbers.
    """
    real = results.provenance["real"]
    if not {"patients", "held_out_patients"} <= set(real):
        what = f"the evaluation against store {real['store']} lacks the number of held-out patients"
        raise usage_error("NOT_COMPARABLE", what, fix="evaluate again with this version")
    held_out, patients = int(real["held_out_patients"]), int(real["patients"])
    return held_out / max(1, patients - held_out)


def _difference(
    place: Place, by_fold: Mapping[int, list[Scores]], shares: Sequence[float], n_given: int, same: bool
) -> Difference:
    pairs = [pair for fold in by_fold.values() for pair in fold]
    values = {k: [float(b.value or 0) - float(a.value or 0) for a, b in fold] for k, fold in by_fold.items()}
    if n_given == 1:
        change = contrast(*pairs[0], same_seeds=same)
    elif len(by_fold) > 1:
        change = over_folds(list(values.values()), [shares[k] for k in by_fold])
    elif len(pairs) == 1 or len(shares) > 1:
        change = Contrast(reason=f"one {'fold' if len(shares) > 1 else 'pair'} alone defines it")
    else:
        change = over_seeds(next(iter(values.values())), _patients_of(pairs))
    if n_given > 1:
        change = replace(change, n_patients=_n_patients(pairs))
    sides = [fmean(fmean(float(pair[k].value or 0) for pair in fold) for fold in by_fold.values()) for k in (0, 1)]
    generated = [[pair[k].n_generated for pair in pairs] for k in (0, 1)]
    counts = [None if None in n else sum(x or 0 for x in n) for n in generated]
    return difference(
        place, pairs[0][0], (sides[0], sides[1]), change, n_generated=(counts[0], counts[1]), n_pairs=len(pairs),
        n_folds=len(by_fold),
    )  # fmt: skip


def _patients_of(pairs: Sequence[Scores]) -> tuple[float, int] | None:
    """Jackknife variance of the mean difference over the patients of a fold, and how many units were left out."""
    if all(score.influence is None and score.n_patients is None for pair in pairs for score in pair):
        return 0.0, 0
    changes = [patient_changes(a.influence, b.influence) for a, b in pairs]
    known = [change for change in changes if change is not None]
    names = list(dict.fromkeys(name for change in known for name in change))
    other_blocks = any(len(patients_of(name)) > 1 for name in names) and any(
        set(change) != set(names) for change in known
    )
    if len(known) < len(changes) or other_blocks:
        return None
    mean = {name: fmean(change.get(name, 0.0) for change in known) for name in names}
    if not mean:
        return 0.0, 0
    return jackknife_variance(list(mean.values()), Influence(patients=mean).patient_blocks), len(mean)


def _n_patients(pairs: Sequence[Scores]) -> int | None:
    """Number of different real patients in all pairs, if the evaluations name them."""
    names = {
        patient for pair in pairs for score in pair if score.influence is not None
        for block in score.influence.patients for patient in patients_of(block)
    }  # fmt: skip
    return len(names) or None
