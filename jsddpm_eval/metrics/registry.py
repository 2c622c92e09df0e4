"""All metrics: the modules of this package, and the entry points ``jsddpm.metrics`` of others.

A module (or the object of an entry point) provides one :class:`~jsddpm_eval.metrics.base.Metric` as ``METRIC``.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache

from jsddpm.errors import environment_error, usage_error
from jsddpm_eval.metrics.base import Metric
from jsddpm_eval.plugins import listed, loaded, modules_with, registered
from jsddpm_eval.results.specs import GROUPS, ScoreSpec

GROUP = "jsddpm.metrics"


@cache
def metrics() -> dict[str, Metric]:
    """Metrics by name, in the reading order of their first scores' groups.

    Raises:
        JsddpmError: ``PLUGIN`` (status 5) when another package's metric cannot be loaded, or when it or one of its
            scores has the name of another metric or score.

    >>> "best_match" in metrics()
    True
    """
    every: list[Metric] = [module.METRIC for module in modules_with(__package__ or "", "METRIC")]
    names = {name for metric in every for name in _names(metric)}
    for point in registered(GROUP).values():
        metric = loaded(point, Metric)
        if taken := sorted(names & _names(metric)):
            what = f"{point.value} has the name of another metric or score: {', '.join(taken)}"
            raise environment_error("PLUGIN", what, fix="rename it, or remove the package that registers it")
        names |= _names(metric)
        every.append(metric)
    return {metric.name: metric for metric in sorted(every, key=lambda m: group_order(m.specs[0]))}


def _names(metric: Metric) -> set[str]:
    return {metric.name, *(spec.name for spec in metric.specs)}


def group_order(spec: ScoreSpec) -> int:
    """Position of a score's group in reading order."""
    return GROUPS.index(spec.group) if spec.group in GROUPS else len(GROUPS)


def chosen(names: str | Metric | Sequence[str | Metric] | None) -> tuple[list[Metric], frozenset[str]]:
    """Requested metrics and the names of their requested specs.

    Args:
        names: Names of metrics or of single scores, or metrics themselves, or one of them; all metrics when None.

    Raises:
        JsddpmError: ``METRIC`` (status 2) for a name that is neither, another object, a metric that has the name of
            another one or of its scores, and for no metric.

    >>> [m.name for m in chosen(["kid"])[0]], chosen("kid")[1]
    (['feature_distance'], frozenset({'kid'}))
    """
    names = list(metrics()) if names is None else listed(names)
    if not names:
        raise usage_error("METRIC", "no metric is asked for", fix="name at least one, or leave it out for all of them")
    _require_metrics(names)
    _require_own_names(names)
    picked: dict[str, Metric] = {}
    requested: set[str] = set()
    for name in names:
        metric = name if isinstance(name, Metric) else _owner(name)
        picked[metric.name] = metric
        single = isinstance(name, str) and name != metric.name
        requested |= {str(name)} if single else {spec.name for spec in metric.specs}
    ordered = sorted(picked.values(), key=lambda m: group_order(m.specs[0]))
    return ordered, frozenset(requested)


def require_no_space(picked: Sequence[Metric], requested: frozenset[str]) -> None:
    """Refuse metrics of which no score would be left without a feature extractor.

    Args:
        picked: Requested metrics.
        requested: Names of their requested specs.

    Raises:
        JsddpmError: ``METRIC`` (status 2) naming the metric.
    """
    for metric in picked:
        if all(spec.per_space for spec in metric.specs if spec.name in requested):
            cure = "name at least one, such as features=['radiomics'], or leave features out for the usual ones"
            raise usage_error("METRIC", f"{metric.name} needs a feature extractor, and none is asked for", fix=cure)


def _require_metrics(given: Sequence[object]) -> None:
    """Refuse what is neither a name nor a metric, such as the class of one."""
    for each in given:
        if isinstance(each, type):
            raise usage_error("METRIC", f"{each.__name__} is a class", fix=f"give an instance: {each.__name__}()")
        if not isinstance(each, (str, Metric)):
            what = f"a {type(each).__name__} is no metric"
            raise usage_error(
                "METRIC", what, fix="give an instance of a class derived from jsddpm_eval.Metric, or a name"
            )


def _require_own_names(given: Sequence[str | Metric]) -> None:
    """Refuse metrics with names of others, because one would replace the scores of the other."""
    of = {name: metric for metric in metrics().values() for name in _names(metric)}
    for metric in (each for each in given if isinstance(each, Metric)):
        if taken := sorted(name for name in _names(metric) if of.setdefault(name, metric) is not metric):
            what = f"the metric {metric.name} has the name of another metric or score: {', '.join(taken)}"
            raise usage_error("METRIC", what, fix="rename it, or ask for the other one by its name")


def _owner(name: str) -> Metric:
    for metric in metrics().values():
        if name == metric.name or name in {spec.name for spec in metric.specs}:
            return metric
    specs = {spec.name: spec for metric in metrics().values() for spec in metric.specs}
    score, _, space = name.partition("_")
    while score and space:  # names of spaces have no underscores, but those of scores have
        if score in specs and specs[score].per_space:
            what = f"{name!r} is the score {score} in the feature space {space}"
            raise usage_error("METRIC", what, fix=f"ask for {score}, and for the feature extractor {space}")
        word, _, space = space.partition("_")
        score = f"{score}_{word}"
    near = get_close_matches(name, [*metrics(), *specs], n=3)
    cure = f"use one of {', '.join(dict.fromkeys([*near, *metrics()]))}, or one of their scores, such as kid"
    raise usage_error("METRIC", f"unknown metric or score {name!r}", fix=cure)
