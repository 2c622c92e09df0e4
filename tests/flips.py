"""One flipped bit in a file of every kind that is read again: what its reader makes of it."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from jsddpm.binning import ZBinning
from jsddpm.checksums import RECORD, write_recorded
from jsddpm.diffusion.checkpoint import load_denoiser
from jsddpm.diffusion.exported import CARD
from jsddpm.errors import JsddpmError
from jsddpm.publish import beside
from jsddpm.slices.store import SliceStore
from jsddpm.training.export import export_checkpoint
from jsddpm.training.progress import last_checkpoint, read_provenance
from jsddpm_eval.features.networks import SliceNetwork, kept_network
from jsddpm_eval.folder import SELFTEST, evaluate_into, revealed
from jsddpm_eval.memo import Memo
from jsddpm_eval.privacy import read_statement
from jsddpm_eval.results.panels import Panels
from jsddpm_eval.results.results import Results
from jsddpm_eval.selftest.summary import write as write_summary
from jsddpm_eval.selftest.trials import Trial, run_trials
from jsddpm_reports.evaluation import Evaluation
from state import digest as state_digest
from synthetic import N_SLICES, write_store

OUTCOMES = ("silent wrong", "refused", "no effect", "raw")
"""Another value and no word; a typed refusal that names a file; the same value; an error that is none of ours."""


def flip(path: Path, use: Callable[[], str], trials: int, seed: int = 0) -> Counter[str]:
    """Flip one bit of a file at a time, anywhere in it, and use it; the file is as it was afterwards.

    Args:
        path: The file.
        use: Reads it as the packages do, and gives a hash of what was read.
        trials: How many bits.
        seed: Seed of their places.
    """
    clean, rng, found = path.read_bytes(), random.Random(f"{path.name} {seed}"), Counter()
    right = use()
    path.chmod(0o644)
    try:
        for _ in range(trials):
            damaged = bytearray(clean)
            damaged[rng.randrange(len(clean))] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            try:
                found["no effect" if use() == right else "silent wrong"] += 1
            except JsddpmError as error:
                found["refused" if error.status == 4 and error.file and error.fix else "raw"] += 1
            except Exception:
                found["raw"] += 1
    finally:
        path.write_bytes(clean)
    return found


def digest(*parts) -> str:
    """Hash of arrays, tensors and plain values, NaN included."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, torch.Tensor | np.ndarray):
            array = np.ascontiguousarray(part.numpy() if isinstance(part, torch.Tensor) else part)
            found.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
        elif isinstance(part, dict):
            found.update(digest(*(piece for item in sorted(part.items()) for piece in item)).encode())
        else:
            found.update(repr(part).encode())
    return found.hexdigest()


@dataclass(frozen=True)
class Kind:
    """A kind of file: where one lies, and how it is read."""

    path: Path
    use: Callable[[], str]


def kinds(folder: Path, run: Path, generated: SliceStore) -> dict[str, Kind]:
    """One file of every kind.

    Args:
        folder: Empty folder.
        run: A trained run.
        generated: Its samples.
    """
    real = write_store(folder / "store")
    shutil.copytree(generated.path, folder / "samples")
    checkpoint = Path(shutil.copy(last_checkpoint(run), folder / "last.ckpt"))
    provenance = Path(shutil.copytree(run, folder / "run", ignore=shutil.ignore_patterns("*.ckpt"))) / "provenance.json"
    found = {"checkpoint": Kind(checkpoint, lambda: state_digest(checkpoint))}
    found["provenance.json"] = Kind(provenance, lambda: digest(read_provenance(provenance.parent)))
    for name, store, shard in (("store", real.path, "sub-2"), ("samples", folder / "samples", "generated-0000")):
        files = {f: store / f for f in ("store.json", "store.json.sha256", "index.npy")}
        files |= {kind: store / "arrays" / f"{shard}.{kind}.npy" for kind in ("image", "mask")}
        found |= {f"{name}: {f}": Kind(path, lambda store=store: _whole_store(store)) for f, path in files.items()}
    exported = export_checkpoint(checkpoint, folder / "exported")
    files = {p.relative_to(exported): p for p in sorted(exported.rglob("*")) if p.is_file() and p.name != CARD}
    found |= {f"exported: {name}": Kind(p, lambda: _network(exported)) for name, p in files.items()}
    found |= _of_cache(folder / "cache") | _of_evaluation(folder / "evaluation", real, generated)
    return found | _of_selftest(beside(real.path, SELFTEST), real)


def _whole_store(path: Path) -> str:
    store = SliceStore(path)
    rows = np.arange(len(store.index))
    return digest(store.info, np.array(store.index), store.images(rows), store.masks(rows))


def _network(path: Path) -> str:
    network, info = load_denoiser(path)
    return digest(network.state_dict(), info)


def _of_cache(folder: Path) -> dict[str, Kind]:
    """A feature table, baselines and a network, as evaluations keep them."""
    rng = np.random.default_rng(0)
    table, numbers = torch.from_numpy(rng.random((40, 9))), rng.random(20)

    def memo() -> Memo:
        kept = Memo(lambda: "pixels", lambda: "labels")
        kept.keep_in(folder)
        return kept

    def features() -> str:
        return digest(memo().table("features", "key", len(table), lambda: table))

    def baselines() -> str:
        kept = memo()
        value = kept.values(("kid",), lambda: numbers)
        kept.save()
        return digest(value)

    def network() -> str:
        made = kept_network(
            lambda: SliceNetwork(2), lambda net, rows, _: net(torch.ones(len(rows), 16, 16)).square().mean(), 9,
            steps=2, seed=0, name="network", settings=(), folder=folder,
        )  # fmt: skip
        return digest(made.state_dict())

    uses = {"features": features, "baselines": baselines, "network": network}
    for use in uses.values():
        use()
    return {f"cache: {name}": Kind(next(folder.glob(f"{name}-*")), use) for name, use in uses.items()}


def _of_selftest(folder: Path, real: SliceStore) -> dict[str, Kind]:
    """What a selftest of a store leaves: its summary, which evaluations take over, and its trials."""
    binning, trial = ZBinning((5, 34), 5, n_slices=N_SLICES), Trial("blur", 0.5, 0)
    cohort = {"store": real.fingerprint, "binning": binning.to_dict()}
    said = {"perfect": {"count": 0, "trials": 20}, "faults": [{"fault": "blur", "family": "sharpness"}], "names": []}
    write_summary(
        folder.mkdir() or folder, {"cohort": cohort, "sentences": ["Blur: 0.5 px would not be seen."], **said}
    )
    write_recorded(folder / "trials.jsonl", json.dumps({"key": trial.key, "found": 1.0, "off": []}).encode() + b"\n")

    def trials() -> str:
        return digest(run_trials(folder, [trial], lambda: None, (), samples=2, seed=0, plan={}))

    trials()
    uses = {"selftest.json": lambda: digest(revealed(real, binning)), "trials.jsonl": trials}
    return {f"selftest: {name}": Kind(folder / name, use) for name, use in uses.items()}


def _of_evaluation(folder: Path, real: SliceStore, generated: SliceStore) -> dict[str, Kind]:
    asked = ["kid", "lesion_shape", "copies", "lesion_copies"]
    evaluate_into(folder, real, generated, metrics=asked, features=["radiomics"], cache=folder / "features")

    def results() -> str:
        return digest(Results.read(folder / "results.json").model_dump(mode="json"))

    def influences() -> str:
        read = Results.read(folder / "results.json")
        return digest(*(s.influence for c in read.generation for s in c.scores.values()))

    uses = {
        "results.json": results,
        "results.influence.json": influences,
        "lesions.csv": lambda: digest(Evaluation.read(folder).lesions),
        "panels.npz": lambda: digest(vars(Panels.read(folder / "panels.npz"))),
        "privacy.json": lambda: digest(read_statement(folder)),
        RECORD: results,
    }  # fmt: skip
    return {f"evaluation: {name}": Kind(folder / name, use) for name, use in uses.items()}
