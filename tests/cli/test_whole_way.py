"""The whole way on small data, from NIfTI files or slices of others to reports and the next run."""

from __future__ import annotations

import json

import numpy as np
import pytest

from contract.case import SMALL
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from synthetic import BINNING

pytestmark = pytest.mark.usefixtures("brief_networks")

TINY = [
    "model.channels=[8,16]", "trainer.max_steps=2", "trainer.check_every=2", "optimizer.warmup_steps=1",
    "binning.z_range=[6,21]",
    "binning.n_bins=2", "data.batch_size=4", "sampling.steps=2", "sampling.per_condition=2",
]  # fmt: skip


def test_the_whole_way_from_nifti_to_report(jsddpm, bids, tmp_path):
    store, run, more = tmp_path / "store", tmp_path / "runs" / "a", tmp_path / "more"
    status, out, _ = jsddpm("cache", "build", bids, "--out", store, *SMALL, "--format", "json")
    assert status == 0
    assert [s["slices"] for s in json.loads(out)["subjects"]] == [28] * 4
    assert jsddpm("cache", "verify", store)[0] == 0
    shown = json.loads(jsddpm("cache", "info", store, "--format", "json")[1])
    assert (shown["size"], shown["mask_reading"]) == ([32, 24], {"labels": [], "threshold": None})
    status, out, err = jsddpm("cache", "info", store)
    assert (status, err) == (0, "")
    volumes = "volumes: 24x32x28 voxels of 3x3x3 mm; percentiles 0.1 to 99.9 inside the brain"
    summary = [f"real store {shown['fingerprint']}: 112 slices of 32x24, 4 subjects", volumes, "masks: values 0 and 1"]
    assert set(summary) <= set(out.splitlines())
    settings = [part for s in TINY for part in ("--set", s)]
    assert jsddpm("train", "--preset", "demo", "--store", store, "--out", run, *settings)[0] == 0
    assert (
        json.loads(jsddpm("checkpoint", "info", run / "checkpoints" / "last.ckpt", "--format", "json")[1])["step"] == 2
    )
    assert (
        jsddpm("sample", run, "--out", more, "--per-condition", 1, "--bins", "0", "--pathology", "0", "--seed", 3)[0]
        == 0
    )
    assert len(SliceStore(more).index) == 1
    for share, there in (("2/2", False), ("1/2", True)):
        status, _, err = jsddpm("sample", run, "--out", tmp_path / "shared", "--per-condition", 20, "--share", share)
        assert (status, (tmp_path / "shared").exists(), "part 2 of 2" in err) == (0, there, not there)
    assert SliceStore(tmp_path / "shared").verify() == []
    status, _, err = jsddpm("sample", run, "--out", tmp_path / "shared", "--per-condition", 20)
    assert (status, "shared is complete" in err) == (0, True)
    assert jsddpm("sample", run, "--out", tmp_path / "shared", "--per-condition", 21)[0] == 2
    assert jsddpm("sample", run, "--out", tmp_path / "x", "--share", "3/2")[0] == 2
    status, out, err = jsddpm("eval", run, "--bin-aware", "--format", "json")
    results = json.loads(out, parse_constant=pytest.fail)
    undefined = [
        s for c in results["generation"] + results["reconstruction"] for s in c["scores"].values() if s["value"] is None
    ]
    assert (status, f"{len(undefined)} scores are undefined" in err) == (0, True)
    assert "drawn now with its settings" in err
    for name in ("results.json", "per_bin.csv", "per_slice.csv", "report.html"):
        assert (run / "evaluation" / name).stat().st_size > 0
    page = (run / "evaluation" / "report.html").read_bytes()
    assert jsddpm("report", run / "evaluation", "--out", tmp_path / "again.html")[0] == 0
    assert (tmp_path / "again.html").read_bytes() == page
    saving = ["--figures", tmp_path / "figures", "--figure-format", "pdf"]
    assert jsddpm("report", run / "evaluation", *saving)[0] == 0
    assert {p.suffix for p in (tmp_path / "figures").iterdir()} == {".pdf"}
    assert (tmp_path / "figures" / "montage.pdf").read_bytes()[:4] == b"%PDF"
    assert jsddpm("report", run, *saving)[0] == 2


@pytest.mark.long
def test_imported_slices_are_evaluated_like_our_own(jsddpm, store, tmp_path):
    rows = store.select(binning=BINNING, split="train")[::5]
    lines = ["image,mask,z,pathology"]
    for n, row in enumerate(rows):
        image, mask = store.images(rows[n : n + 1])[0], store.masks(rows[n : n + 1])[0]
        np.savez(tmp_path / f"{n}.npz", image=image, mask=mask)
        lines.append(f"{n}.npz,,{store.index['z_index'][row]},{store.index['pathology'][row]}")
    (tmp_path / "made.csv").write_text("\n".join(lines))
    imported = tmp_path / "imported"
    asked = ["--real", store.path, "--z-range", 5, 34, "--bins", 5, "--out", imported]
    status, _, err = jsddpm("cache", "import", tmp_path / "made.csv", *asked)
    assert (status, f"--generated {imported} --bin-aware" in err) == (0, True)
    binning = BINNING
    native = {"binning": binning.to_dict(), "kind": "generated", "n_slices": 40, "spacing": store.spacing}
    with new_store(tmp_path / "native", **native) as writer:
        picked = SliceStore(imported).index
        columns = {name: picked[name] for name in ("z_index", "pathology", "sample")}
        writer.add(Shard("all", store.images(rows), store.masks(rows), columns))
    scores = []
    for generated in (imported, tmp_path / "native"):
        evaluated = ["--real", store.path, "--generated", generated, "--bin-aware", "--features", "radiomics"]
        status, out, err = jsddpm("eval", *evaluated, "--out", tmp_path / f"eval-{generated.name}", "--format", "json")
        assert (status, "scores are undefined" in err) == (0, True), "six patients are too few for some scores"
        scores.append(json.loads(out)["generation"])
    assert scores[0] == scores[1]
    assert len(scores[0]) >= 10


def test_warnings_of_an_import_are_also_strict_json(jsddpm, store, tmp_path):
    """Half of the samples are inverted, which the import check finds."""
    rows = store.select(binning=BINNING, split="train")[::2]
    images = store.images(rows)
    images[::2] = 1 - images[::2]
    index = store.index[rows]
    labels = {"z_index": index["z_index"].astype(int), "pathology": index["pathology"].astype(int)}
    np.savez(tmp_path / "made.npz", image=images, mask=store.masks(rows), **labels)
    words = ["cache", "import", tmp_path / "made.npz", "--real", store.path, "--z-range", 5, 34, "--bins", 5]
    status, out, err = jsddpm(*words, "--out", tmp_path / "out", "--format", "json")
    found = json.loads(out)
    assert (status, found["slices"], found["layout"], found["files_left"]) == (0, len(rows), "arrays", [])
    assert found["warnings"]
    for warning in found["warnings"]:
        assert set(warning) == {"name", "what", "cure"}
        assert f"warning: {warning['what']}; if this is not intended, {warning['cure']}" in err
    assert all(f"not checked: {question}" in err for question in found["not_checked"])


def test_rebinning_leads_to_a_warm_start(jsddpm, run, store, tmp_path):
    start, next_run = tmp_path / "start.ckpt", tmp_path / "next"
    rebin = ["checkpoint", "rebin", run / "checkpoints" / "last.ckpt", "--z-range", 5, 34, "--out", start]
    assert jsddpm(*rebin, "--bins", 40)[0] == 2
    status, _, err = jsddpm(*rebin, "--bins", 3)
    assert (status, "continue with\njsddpm train --warm-start" in err) == (0, True)
    assert jsddpm(*rebin, "--bins", 3)[0] == 2
    settings = [part for s in ("binning.n_bins=3", "trainer.max_steps=5") for part in ("--set", s)]
    again = ["train", "--config", run / "config.yaml", "--store", store.path, "--out", next_run, *settings]
    assert jsddpm(*again, "--warm-start", start)[0] == 0
    assert (
        json.loads(jsddpm("checkpoint", "info", next_run / "checkpoints" / "last.ckpt", "--format", "json")[1])["step"]
        == 5
    )
