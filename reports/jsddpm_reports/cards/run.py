"""The run that drew the samples of an evaluation: whether a folder is that run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsddpm.errors import usage_error
from jsddpm.training.progress import is_run, read_provenance
from jsddpm_eval.results.results import Results


def run_of_samples(evaluation: str | Path, run: str | Path | None = None) -> dict[str, Any] | None:
    """Content of ``provenance.json`` of the run that drew the samples of an evaluation, or whose network it judges.

    Args:
        evaluation: Evaluation folder.
        run: The run; None looks at the folder that contains the evaluation, which may be another one or none.

    Returns:
        None if no run is given, and the folder around the evaluation is not that run.

    Raises:
        JsddpmError: ``OPTION`` (status 2) for a given run that did not draw the samples, or of which the samples do not
            say it; ``MISSING``, ``NO_RUN`` (status 2); ``RESULTS``, ``JSON`` (status 4).
    """
    folder = Path(evaluation)
    results = Results.read(folder / "results.json")  # read before the folder that contains it is searched
    place = Path(run) if run is not None else folder.resolve().parent
    if run is None and not is_run(place):
        return None
    provenance = read_provenance(place)
    networks = _networks(results)
    other = [network for network in networks if _differs(provenance, network)]
    if run is None:
        return provenance if networks and not other else None
    cure = "give the run that drew the samples, or leave out --run; the card then says what is not known"
    if not networks:
        what = f"cannot be checked: {_of_others(results)}, and name no run"
        raise usage_error("OPTION", f"whether the run drew the samples {what}", fix=cure, file=run)
    if other:
        given = _described(provenance["store"].get("fingerprint"), provenance.get("seed"), provenance.get("steps"))
        theirs = _described(*(other[0].get(key) for key in ("training_store", "training_seed", "step")))
        what = f"did not draw the samples: it was trained on {given}, and their network on {theirs}"
        raise usage_error("OPTION", what, fix=cure, file=run)
    return provenance


def _networks(results: Results) -> list[Mapping[str, Any]]:
    """What the evaluation says of the network that was evaluated, and of the one that drew the samples."""
    said = results.provenance.get("checkpoint"), results.provenance.get("generated", {}).get("provenance")
    return [network for network in said if network and "training_store" in network]


def _differs(run: Mapping[str, Any], network: Mapping[str, Any]) -> bool:
    """Whether a network is of another run, as far as both say."""
    store, seed = run["store"].get("fingerprint"), run.get("seed")
    other_seed = None not in (seed, network.get("training_seed")) and seed != network["training_seed"]
    later = network.get("step", 0) > run.get("steps", math.inf)
    return bool(store != network["training_store"] or other_seed or later)


def _described(store: object, seed: object, step: object) -> str:
    known = {"store": store, "seed": seed, "step": step}
    return ", ".join(f"{name} {value}" for name, value in known.items() if value is not None)


def _of_others(results: Results) -> str:
    """Where samples that name no network come from."""
    imported = results.provenance.get("generated", {}).get("provenance", {}).get("imported", {})
    return f"they were imported from {imported['folder']}" if imported.get("folder") else "they were not drawn by a run"
