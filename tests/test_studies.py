"""The studies' protocol from end to end, with trainings of two steps: rows, resumption, pooled tables."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from scipy import stats

from benchmarks.studies import run as protocol
from benchmarks.studies.trainings import Protocol
from benchmarks.studies.variants import STUDIES, Study, Variant
from synthetic import write_store

pytestmark = pytest.mark.long

TINY = Protocol(
    cpu_seconds=1e-6,
    per_condition=3,
    base=("model.channels=[8,16]", "binning.z_range=[5,34]", "binning.n_bins=2", "data.batch_size=4",
          "optimizer.warmup_steps=1", "sampling.steps=2", "sampling.spacing=trailing"),
    metrics=("kid", "lesion_area"),
    features=("radiomics",),
)  # fmt: skip
FAST = Study(
    "Which sampler?", Variant("as the preset draws"), (Variant("ddim, trailing, 2 steps", (), ("sampler=ddim",)),)
)
SHORT = {"binning": STUDIES["binning"], "samplers": FAST}


def folds(tmp_path, patients):
    """Two folds that test two patients each and validate on one."""
    for k in range(2):
        tested = patients[2 * k : 2 * k + 2]
        split = dict.fromkeys(tested, "test") | {patients[2 * k - 1]: "val"}
        lines = [f"{p},{split.get(p, 'train')}" for p in patients]
        (tmp_path / f"fold-{k}.csv").write_text("\n".join(["patient,split", *lines]) + "\n")
    return sorted(tmp_path.glob("fold-*.csv"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("studies")
    store = write_store(place / "store")
    manifests = folds(place, sorted(set(store.patients.tolist())))
    protocol.run(store, manifests, [0], SHORT, TINY, place / "work", place / "out")
    return place, store, manifests


def test_rows_are_of_every_training_and_every_drawing(made):
    place, _, manifests = made
    trainings, scores = (
        pd.read_csv(place / "out" / f"{n}.csv", keep_default_na=False) for n in ("trainings", "scores")
    )
    assert sorted(zip(trainings["settings"], trainings["fold"], strict=True)) == sorted(
        (s, m.stem) for s in ("", "binning.scheme=global") for m in manifests
    )
    assert set(trainings["steps"]) == {2}
    assert set(trainings["held_out_patients"]) == {3}
    assert len(scores[["settings", "sampling", "fold"]].drop_duplicates()) == 6
    assert set(scores[scores["sampling"] != ""]["z_bin"]) == {""}


def test_what_has_its_rows_is_not_made_again(made):
    place, store, manifests = made
    before = {p.name: p.read_bytes() for p in (place / "out").iterdir() if p.suffix in (".csv", ".md")}
    shutil.rmtree(place / "work")
    protocol.run(store, manifests, [0], SHORT, TINY, place / "work", place / "out")
    assert {p.name: p.read_bytes() for p in (place / "out").iterdir() if p.suffix in (".csv", ".md")} == before
    assert not list((place / "work").glob("*/*/run"))


def test_tables_pool_the_rows_over_folds(made):
    place = made[0]
    scores = pd.read_csv(place / "out" / "scores.csv", keep_default_na=False)
    whole = scores[(scores["score"] == "kid_radiomics") & (scores["z_bin"] == "") & (scores["pathology"] == "")]
    wide = whole[whole["sampling"] == ""].pivot_table(index="fold", columns="settings", values="value")
    change = wide[""] - wide["binning.scheme=global"]
    found = pd.read_csv(place / "out" / "binning-differences.csv")
    row = found[(found["score"] == "kid_radiomics") & (found["cell"] == "all bins")].iloc[0]
    assert row["difference"] == pytest.approx(change.mean(), rel=1e-4)
    half = stats.t.ppf(0.975, 1) * change.std(ddof=1) * (1 / 2 + 3 / 3) ** 0.5
    assert row["interval_high"] - row["difference"] == pytest.approx(half, rel=1e-3)
    assert (row["n_folds"], row["n_pairs"]) == (2, 2)
    assert "| global bins |" in (place / "out" / "binning.md").read_text()
    assert "Buda et al. 2019" in (place / "out" / "samplers.md").read_text()
    assert {"binning.png", "samplers.png", "binning-by-bin.md"} <= {p.name for p in (place / "out").iterdir()}
