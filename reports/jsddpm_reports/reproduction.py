"""Reproduction of an evaluation: the commands, and everything that the numbers depend on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from jsddpm.binning import Condition
from jsddpm.wording import counted
from jsddpm_eval.results.results import Results

_SAMPLING = {"sampler": "--sampler", "steps": "--steps", "spacing": "--spacing", "guidance": "--guidance"}


def places(results: Results) -> list[tuple[str, str]]:
    """The names that stand for folders in :func:`commands`, each with what is known of its content."""
    provenance = results.provenance
    real, generated, checkpoint = (provenance.get(k, {}) for k in ("real", "generated", "checkpoint"))
    patients = [counted(real["patients"], "patient")] if "patients" in real else []
    pairs = [("STORE", ", ".join([_known("real slices", ("fingerprint {}", real, "store")), *patients]))]
    network, samples = _sources(provenance)
    if checkpoint:
        trained = ("trained on store {}", checkpoint, "training_store"), ("step {}", checkpoint, "step")
        pairs += [("RUN", _known("run", *trained)), (network, "new folder for a run that repeats RUN")]
    elif _drawn_by_jsddpm(generated):
        pairs.append((network, "run whose network drew the samples"))
    if generated:
        new = "new folder for generated slices" if _drawn_by_jsddpm(generated) else "generated slices"
        content = ("{} of them", generated, "slices"), ("fingerprint {}", generated, "store")
        pairs.append((samples, _known(new, *content)))
    return [*pairs, ("EVALUATION", "new folder for results.json and this report")]


def commands(results: Results) -> list[str]:
    """The commands in order, with the names of :func:`places` for the folders.

    A training and a sampling write into new folders, because a command that would write into the folders of the first
    ones is refused. Sampling is named where the samples say that this program drew them. If they were drawn of bins
    that differ between the pathologies, the command draws every trained condition: no other command draws such a set.
    """
    provenance = results.provenance
    generated, checkpoint = provenance.get("generated", {}), provenance.get("checkpoint")
    network, samples = _sources(provenance)
    lines = []
    if checkpoint:
        lines.append(f"jsddpm train --config RUN/config.yaml --store STORE --out {network}")
    if _drawn_by_jsddpm(generated):
        lines.append(_sample(network, samples, generated, results.z_binning.n_bins))
    words = ["jsddpm eval"]
    words += [network] if checkpoint else []
    words += ["--real STORE"]
    words += [f"--generated {samples} --bin-aware"] if generated else []
    words += [f"--split {_quoted(provenance.get('real', {}).get('held_out_split', 'test'))}"]
    words += [f"--metrics {_quoted(name)}" for name in provenance.get("metrics_asked", [])]
    words += [f"--features {_quoted(name)}" for name in provenance.get("features_asked", [])]
    words += [f"--seed {_quoted(provenance.get('seed', 0))}", "--out EVALUATION"]
    return [*lines, " ".join(words), "jsddpm report EVALUATION --out report.html"]


def facts(results: Results) -> list[tuple[str, str]]:
    """Versions, binning and feature spaces, as (what, value)."""
    provenance = results.provenance
    pairs = [("binning", f"{results.z_binning}, fingerprint {results.z_binning.fingerprint}")]
    for space in provenance.get("features", []):
        weights = f", weights {str(space['weights_sha256'])[:16]}" if space.get("weights_sha256") else ""
        pairs.append((f"feature space {space.get('name')}", f"reference: {space.get('reference')}{weights}"))
    return pairs + [(str(k), str(v)) for k, v in provenance.get("versions", {}).items()]


def _known(what: str, *facts: tuple[str, Mapping[str, Any], str]) -> str:
    """What is in a folder, with those facts (words, record, key) that its record holds."""
    return ", ".join([what, *(words.format(record[key]) for words, record, key in facts if key in record)])


def _sources(provenance: Mapping[str, Any]) -> tuple[str, str]:
    """Names of the run that draws and is evaluated, and of the samples that are evaluated."""
    drawn = _drawn_by_jsddpm(provenance.get("generated", {}))
    return "NEW_RUN" if provenance.get("checkpoint") else "RUN", "NEW_SAMPLES" if drawn else "SAMPLES"


def _drawn_by_jsddpm(generated: Mapping[str, Any]) -> bool:
    """Whether the samples say that this program drew them."""
    return bool(generated.get("sampling") and generated.get("provenance"))


def _sample(network: str, samples: str, generated: dict[str, Any], n_bins: int) -> str:
    sampling = generated["sampling"]
    words = [f"jsddpm sample {network} --out {samples}", *_drawn(generated, n_bins)]
    words += [f"{option} {_quoted(sampling[key])}" for key, option in _SAMPLING.items() if key in sampling]
    words += [f"--{key} {_quoted(sampling[key])}" for key in ("eta", "redraws") if sampling.get(key)]
    if generated["provenance"].get("weights") == "raw":
        words.append("--weights raw")
    return " ".join([*words, f"--seed {_quoted(generated.get('seed', 0))}"])


def _drawn(generated: dict[str, Any], n_bins: int) -> list[str]:
    """Options for how many samples of which conditions; without ``--bins``, a command draws every trained condition."""
    count = generated["sampling"].get("per_condition")
    drawn = [Condition.from_token(token, n_bins) for token in generated.get("conditions", [])]
    bins = {p: sorted(c.z_bin for c in drawn if c.pathology == p) for p in sorted({c.pathology for c in drawn})}
    every = sorted({c.z_bin for c in drawn})
    numbers = ",".join(map(str, every))
    if "coherence" in generated:
        words = [f"--volumes {_quoted(count)}", f"--coherence {_quoted(generated['coherence'])}"]
        words += [f"--bins {numbers}"] if len(every) < n_bins else []
        return words + ([f"--lesion-bins {','.join(map(str, bins[1]))}"] if 1 in bins else [])
    words = [] if count is None else [f"--per-condition {_quoted(count)}"]
    if drawn and len(every) < n_bins and all(chosen == every for chosen in bins.values()):
        words.append(f"--bins {numbers}")
    return words + ([f"--pathology {next(iter(bins))}"] if len(bins) == 1 else [])


def _quoted(value: object) -> str:
    return shlex.quote(str(value))
