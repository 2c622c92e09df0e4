"""A complete evaluation in a folder: exact reconstruction, bin-aware generation, and their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isfinite, isnan
from pathlib import Path
from typing import Any

import torch

from jsddpm.anonymise import Codes
from jsddpm.binning import ZBinning
from jsddpm.checksums import read_recorded, remove_recorded, sha256, write_recorded
from jsddpm.csvfiles import csv_bytes
from jsddpm.diffusion.checkpoint import checkpoint_info
from jsddpm.errors import usage_error
from jsddpm.files import json_bytes, parse_json
from jsddpm.publish import beside, exclusive_lock
from jsddpm.slices.opened import Store, opened
from jsddpm.slices.store import SliceStore
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.evaluation import Evaluation, Features, Metrics, Progress, Slices, evaluate_in_detail, versions
from jsddpm_eval.features.registry import DEFAULT
from jsddpm_eval.metrics.lesion_shape import lesion_rows
from jsddpm_eval.privacy import PRIVACY, copied_pairs, copy_nearness, privacy_statement
from jsddpm_eval.results.anonymised import coded_panels, coded_results, coded_rows, in_code_order
from jsddpm_eval.results.panels import Panels
from jsddpm_eval.results.results import Results
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.target import folder_for, refuse_foreign

FILES = (
    "results.json", "results.influence.json", "per_bin.csv", "per_slice.csv", "lesions.csv", "panels.npz", PRIVACY,
    "report.html",
)  # fmt: skip
"""Files of an evaluation, besides the record of their checksums."""

SELFTEST = ".selftest"
"""Suffix of the folder of a store's selftest, which lies beside the store."""

Rows = Sequence[Mapping[str, Any]]

_ROW = "_row"  # suffix of the name of a value that is a real slice
_FLAG = "copied"  # suffix of the name of a value that is yes or no


def evaluate_into(
    out: str | Path,
    real: Store,
    generated: Slices | None = None,
    *,
    checkpoint: str | Path | None = None,
    split: str = "test",
    seed: int = 0,
    metrics: Metrics | None = None,
    features: Features = DEFAULT,
    cache: str | Path | None = None,
    codes: Codes | None = None,
    progress: Progress | None = None,
) -> Results:
    """Evaluate, and write results, tables, example slices and the statement on copies.

    Files are ``results.json``, ``per_bin.csv``, ``per_slice.csv``, ``lesions.csv``, ``panels.npz``, ``privacy.json``;
    their checksums are in ``SHA256SUMS``.

    Args:
        out: Folder for the files; those of an earlier evaluation and its report are removed first. After
            an error, a new folder without results keeps only features that were computed, if there are any.
        real: Real store, or its folder.
        generated: Generated slices for the bin-aware protocol; None leaves it out.
        checkpoint: Network for the exact reconstruction; None leaves it out.
        split: Held-out split.
        seed: Seed of all random numbers of the evaluation.
        metrics: See :func:`~jsddpm_eval.evaluation.evaluate`.
        features: See :func:`~jsddpm_eval.evaluation.evaluate`.
        cache: Folder of features, baselines and trained networks; ``features`` below ``out`` when None.
        codes: Codes that replace patients in all files and in the results; None uses their names. The scores are the
            same.
        progress: See :data:`~jsddpm_eval.evaluation.Progress`.

    Raises:
        JsddpmError: When the stores, or store and checkpoint, cannot be compared; ``OTHER_NETWORK`` (status 2) when
            another checkpoint drew the generated slices; ``KEY`` (status 2) for a patient without a code; ``EXISTS``
            (status 2) when files of other origin would be replaced, or the folder lies in a store; ``LOCKED`` (status
            5) while another process evaluates into the folder.
    """
    real = opened(real)
    if generated is not None and checkpoint is not None:
        refuse_other_network(generated, checkpoint)
    say = progress or (lambda *_: None)
    refuse_foreign(out, FILES)
    with folder_for(out, FILES, empty=["features"]) as out, exclusive_lock(out / ".lock"):
        detail, results = None, None
        if generated is not None:
            detail = evaluate_in_detail(real, generated, metrics, features, split, seed, cache or out / "features", say)
            results = detail.results
        if checkpoint is not None:
            say("exact reconstruction", 0, 1)
            results = _with_reconstruction(results, checkpoint, real, split, seed, say)
        if results is None:
            cure = "give generated slices, a checkpoint, or both"
            raise usage_error("OPTION", "there is nothing to evaluate", fix=cure)
        if detail is not None and (selftest := revealed(real, results.z_binning)):
            results = results.model_copy(update={"provenance": results.provenance | {"selftest": selftest}})
        if codes is not None:
            results = coded_results(results, codes)
        remove_recorded(out, FILES)  # they are of another evaluation, which may name patients
        copies: Rows = ()
        if detail is not None:
            say("panels", 0, 1)
            copies = _write_slices(out, detail, codes)
        results.write(out / "results.json")
        write_recorded(out / "per_bin.csv", csv_bytes(list(results.rows())))
        if statement := privacy_statement(results, copies):
            write_recorded(out / PRIVACY, json_bytes({"of": sha256(out / "results.json")} | statement))
        return results


def refuse_other_network(generated: Slices, checkpoint: str | Path) -> None:
    """Refuse samples of another network than the checkpoint's averaged one, because results describe one network.

    Only what the samples record is compared; those of other generators record nothing of it.

    Args:
        generated: Generated slices.
        checkpoint: The network whose reconstruction is shown with them.

    Raises:
        JsddpmError: ``OTHER_NETWORK`` (status 2) with the differences.
    """
    samples = generated if isinstance(generated, SliceTable) else opened(generated)
    drawn_by = (samples.origin if isinstance(samples, SliceTable) else samples.info).get("provenance", {})
    own = checkpoint_info(checkpoint).network()
    differing = [f"{k} {drawn_by[k]} instead of {v}" for k, v in own.items() if k in drawn_by and drawn_by[k] != v]
    if differing:
        what = f"another network than {checkpoint} drew these samples ({', '.join(differing)})"
        cure = "draw samples of this checkpoint into a new folder with jsddpm sample"
        cure += ", or evaluate these without the run: --real STORE --generated STORE --bin-aware"
        file = samples.path if isinstance(samples, SliceStore) else None
        raise usage_error("OTHER_NETWORK", what, fix=cure, file=file)


def _write_slices(out: Path, detail: Evaluation, codes: Codes | None) -> Rows:
    """Write the values of single slices, by name or by code; returns the samples that are copies."""
    panels = Panels.collect(detail.real, detail.generated, *nearest_pairs(detail))
    slices: Rows = per_slice_rows(detail)
    copies: Rows = copied_pairs(detail, slices)
    masks = detail.real.has_masks and detail.generated.has_masks
    lesions: Rows = lesion_rows(detail.real) + lesion_rows(detail.generated) if masks else []
    if codes is not None:
        panels = coded_panels(panels, codes)
        slices, copies, lesions = (coded_rows(rows, codes) for rows in (slices, copies, lesions))
        lesions = in_code_order(lesions)
    panels.write(out / "panels.npz")
    write_recorded(out / "per_slice.csv", csv_bytes(slices))
    write_recorded(out / "lesions.csv", csv_bytes(lesions))
    return copies


def revealed(real: SliceStore, binning: ZBinning) -> dict[str, Any] | None:
    """The results of a store's selftest in these bins.

    These are ``sentences``, the sentences on ``copies``, and ``perfect`` (false alarms).

    Returns:
        None without a selftest of this store and binning.

    Raises:
        JsddpmError: ``JSON`` (status 4) when it is damaged.
    """
    file = beside(real.path, SELFTEST) / "selftest.json"
    values = parse_json(read_recorded(file, "JSON", "run jsddpm selftest again"), file) if file.is_file() else {}
    cohort = values.get("cohort", {})
    if cohort.get("store") != real.fingerprint or cohort.get("binning") != binning.to_dict():
        return None
    perfect = {name: values["perfect"][name] for name in ("count", "trials")}
    families = {row["fault"]: row["family"] for row in values["faults"]}  # a sentence each
    of_copies = [s for s, family in zip(values["sentences"], families.values(), strict=True) if family == "copies"]
    return {"sentences": values["sentences"], "copies": of_copies, "perfect": perfect}


def per_slice_rows(detail: Evaluation) -> list[dict[str, Any]]:
    """One row per generated slice: its description, and all values of it."""
    table, values = detail.generated, {name: each.tolist() for name, each in detail.per_slice.items()}
    columns: dict[str, list[Any]] = {
        "slice": [table.name(i) for i in range(len(table))],
        "z_bin": table.z_bin.tolist(),
        "pathology": table.pathology.tolist(),
    }
    if table.store is not None:
        columns["seed"] = table.store.index["seed"][table.index_rows].tolist()
    columns |= {n: [_rounded(v) for v in each] for n, each in values.items() if not n.endswith((_ROW, _FLAG))}
    columns |= {n: [None if isnan(v) else bool(v) for v in each] for n, each in values.items() if n.endswith(_FLAG)}
    if "best_match_psnr" in values:
        columns["exact_copy"] = [v == inf for v in values["best_match_psnr"]]
    for name, nearest in values.items():
        if name.endswith(_ROW):
            real = [detail.real.name(int(row)) if row >= 0 else None for row in nearest]
            columns[f"nearest_{name.removesuffix(_ROW)}"] = real
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def nearest_pairs(detail: Evaluation) -> tuple[torch.Tensor, torch.Tensor]:
    """Generated slices and their nearest real slices, nearest pair first, int64 ``(2, n)``, and their nearness.

    See :func:`~jsddpm_eval.privacy.copy_nearness`.
    """
    rows = detail.per_slice.get("copy_row")
    if rows is None:
        return torch.empty((2, 0), dtype=torch.int64), torch.empty(0)
    nearness, near = torch.from_numpy(copy_nearness(detail)), torch.nonzero(rows >= 0)[:, 0]
    order = near[nearness[near].nan_to_num(0, torch.inf).argsort(descending=True, stable=True)]
    return torch.stack([order, rows[order].long()]), nearness[order]


def _with_reconstruction(
    results: Results | None, checkpoint: str | Path, real: SliceStore, split: str, seed: int, say: Progress
) -> Results:
    """The results with the exact reconstruction of a network, or new results of that alone."""
    from jsddpm_eval.reconstruction import reconstruct_held_out

    expected = None if results is None else results.z_binning
    cells, info = reconstruct_held_out(
        checkpoint,
        real,
        split,
        expected=expected,
        progress=lambda done, total: say("exact reconstruction", done, total),
    )
    origin = info.network() | {"config": info.config.model_dump(mode="json")}
    binning = info.binning
    if results is None:
        use = bin_utilization(binning.z_range, binning.n_bins, binning.n_slices, allow_empty_bins=True)
        people = SliceTable.from_store(real, binning, split=split).origin
        provenance = {"real": people, "versions": versions(), "seed": seed}
        results = Results(binning=binning.to_dict(), provenance=provenance, utilization=use)
    from jsddpm_eval.metrics.reconstruction import SPECS

    update = {"provenance": results.provenance | {"checkpoint": origin}, "reconstruction": tuple(cells)}
    return results.model_copy(update=update | {"specs": (*results.specs, *SPECS)})


def _rounded(value: float) -> float | None:
    return round(value, 4) if isfinite(value) else None
