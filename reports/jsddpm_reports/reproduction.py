"""How to make an evaluation again: the commands, and what must be the same for the same numbers."""

from __future__ import annotations

import shlex
from typing import Any

from jsddpm_eval.results import Results

_SAMPLING = {"per_condition": "--per-condition", "sampler": "--sampler", "steps": "--steps", "guidance": "--guidance"}


def places(results: Results) -> list[tuple[str, str]]:
    """The names that stand for folders in :func:`commands`, each with what is in it."""
    provenance = results.provenance
    real, made, checkpoint = (provenance.get(k, {}) for k in ("real", "generated", "checkpoint"))
    found = [("STORE", f"real slices, fingerprint {real.get('store')}, {real.get('patients')} patients")]
    if checkpoint:
        found.append(("RUN", f"run trained on store {checkpoint.get('training_store')}, step {checkpoint.get('step')}"))
    if made:
        found.append(("SAMPLES", f"generated slices, fingerprint {made.get('store')}, {made.get('slices')} slices"))
    return [*found, ("EVALUATION", "where results.json and this report are written")]


def commands(results: Results) -> list[str]:
    """The commands in order, with STORE, RUN, SAMPLES and EVALUATION for the folders.

    Sampling is named where the samples say that this program drew them.
    """
    provenance = results.provenance
    made, checkpoint = provenance.get("generated", {}), provenance.get("checkpoint")
    lines = []
    if checkpoint:
        lines.append("jsddpm train --config RUN/config.yaml --store STORE --out RUN")
    if made.get("sampling") and made.get("provenance"):
        lines.append(_sample(made))
    words = ["jsddpm eval"]
    words += ["RUN"] if checkpoint else []
    words += ["--real STORE"]
    words += ["--generated SAMPLES --bin-aware"] if made else []
    words += [f"--split {_quoted(provenance.get('real', {}).get('held_out_split', 'test'))}"]
    words += [f"--features {_quoted(name)}" for name in provenance.get("features_asked", [])]
    words += [f"--seed {_quoted(provenance.get('seed', 0))}", "--out EVALUATION"]
    return [*lines, " ".join(words), "jsddpm report EVALUATION --out report.html"]


def facts(results: Results) -> list[tuple[str, str]]:
    """Versions, binning and feature spaces, as (what, value)."""
    provenance = results.provenance
    found = [("binning", f"{results.z_binning}, fingerprint {results.z_binning.fingerprint}")]
    for space in provenance.get("features", []):
        weights = f", weights {str(space['weights_sha256'])[:16]}" if space.get("weights_sha256") else ""
        found.append((f"feature space {space.get('name')}", f"reference: {space.get('reference')}{weights}"))
    return found + [(str(k), str(v)) for k, v in provenance.get("versions", {}).items()]


def _sample(made: dict[str, Any]) -> str:
    sampling = made["sampling"]
    words = ["jsddpm sample RUN --out SAMPLES"]
    words += [f"{option} {_quoted(sampling[key])}" for key, option in _SAMPLING.items() if key in sampling]
    if sampling.get("eta"):
        words.append(f"--eta {_quoted(sampling['eta'])}")
    if made["provenance"].get("weights") == "raw":
        words.append("--weights raw")
    return " ".join([*words, f"--seed {_quoted(made.get('seed', 0))}"])


def _quoted(value: object) -> str:
    return shlex.quote(str(value))
