"""Parts of tables as input: selections, real slices that are all held out, and no samples at all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm.errors import JsddpmError
from jsddpm_eval.comparison import compare
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.registry import make_extractors
from jsddpm_eval.slice_table import SliceTable

pytestmark = pytest.mark.usefixtures("brief_networks")

RNG = np.random.default_rng(0)
COUNT, SAMPLES = 120, 40
METRICS = ["best_match", "copies", "outliers", "diversity", "intensity"]


def slices(count, **more):
    row, column = np.meshgrid(np.arange(32) - 15.5, np.arange(32) - 15.5, indexing="ij")
    images = 0.5 * (np.hypot(row, column) < 11) + 0.05 * RNG.standard_normal((count, 32, 32))
    number = np.arange(count)
    masks = np.zeros((count, 32, 32), bool)
    masks[::2, 12:18, 12:18] = True
    images = (images + 0.3 * masks).clip(0, 1).astype(np.float32)
    return {"images": images, "masks": masks, "z_bin": number // 2 % 5, "pathology": (number + 1) % 2, **more}


REAL = slices(COUNT, patient=np.arange(COUNT) // 10, held_out=np.arange(COUNT) // 10 > 7)
GENERATED = slices(SAMPLES)


def table(arrays, rows=None):
    return SliceTable.from_arrays(**{k: v if rows is None else v[rows] for k, v in arrays.items()})


def values(results):
    return {(c.key, n): s.model_dump() for c in results.generation for n, s in c.scores.items()}


@pytest.mark.long
def test_a_selection_is_evaluated_as_a_table_of_its_slices():
    """Also after an evaluation of the whole table, whose values its selections must not take."""
    chosen, made = np.flatnonzero(REAL["patient"] % 3 > 0), np.arange(3, SAMPLES)
    real, generated = table(REAL), table(GENERATED)
    evaluate(real, generated, metrics=METRICS, features=["radiomics"])
    found = evaluate(real.where(torch.from_numpy(chosen)), generated.where(torch.from_numpy(made)), metrics=METRICS,
                     features=["radiomics"])  # fmt: skip
    expected = evaluate(table(REAL, chosen), table(GENERATED, made), metrics=METRICS, features=["radiomics"])
    assert values(found) == values(expected)
    assert found.verdict == expected.verdict
    assert found.provenance["real"]["slices"] == len(chosen)


def test_a_whole_table_is_its_own_root():
    real = table(REAL)
    assert real.rooted() is real
    part = real.where(torch.arange(5)).rooted()
    assert (part.row.tolist(), part.rooted() is part) == ([0, 1, 2, 3, 4], True)
    assert torch.equal(part.images, real.images[:5])


def test_a_selection_that_is_evaluated_again_computes_nothing_anew():
    read = []

    def means(images):
        read.append(len(images))
        return images.mean(2).double()

    extractor = Extractor("means", means, {})
    real, chosen = table(REAL), torch.arange(60)
    part = real.where(chosen)
    first = evaluate(part, table(GENERATED), metrics=["kid"], features=[extractor])
    assert sorted(read) == [SAMPLES, 60]
    again = evaluate(part, table(GENERATED), metrics=["kid"], features=[extractor])
    assert sorted(read) == [SAMPLES, SAMPLES, 60]
    assert values(again) == values(first)


def test_evaluations_of_other_real_slices_are_not_paired():
    """Of as many slices and patients; the same slices in another order are compared."""
    found = {
        name: evaluate(real, table(GENERATED), metrics=["kid"], features=["radiomics"])
        for name, real in {
            "first": table(REAL, np.arange(60)), "selected": table(REAL).where(torch.arange(60)),
            "turned": table(REAL, np.arange(60)[::-1]), "second": table(REAL, np.arange(60, 120)),
            "other masks": table(REAL | {"masks": REAL["masks"][:, ::-1]}, np.arange(60)),
            "all held out": table(REAL | {"held_out": np.ones(COUNT, bool)}, np.arange(60)),
        }.items()
    }  # fmt: skip
    for name in ("selected", "turned"):
        assert compare(found["first"], found[name])
    for name in ("second", "other masks", "all held out"):
        with pytest.raises(JsddpmError, match=r"NOT_COMPARABLE.*real.slices_digest: [0-9a-f]+ and [0-9a-f]+") as caught:
            compare(found["first"], found[name])
        assert caught.value.status == 2


def test_selections_of_a_store_are_told_apart_and_the_whole_is_its_fingerprint(store, generated):
    samples = SliceTable.from_store(generated)
    real = SliceTable.from_store(store, samples.binning)
    patients = sorted(set(real.patient.tolist()))
    assert "slices_digest" not in real.origin
    rows = [torch.nonzero(torch.isin(real.patient, torch.tensor(patients[k::2])))[:, 0] for k in (0, 1)]
    first, second, turned = (real.where(r).rooted().origin["slices_digest"] for r in (*rows, rows[0].flip(0)))
    assert first == turned != second
    parts = [SliceTable.from_store(store, samples.binning, only=(split,)) for split in ("train", "test")]
    assert len({part.origin["slices_digest"] for part in parts}) == 2


def test_real_slices_that_are_all_held_out_have_every_other_score():
    """The usual case of another group's generator: all real patients are new to it."""
    real = table(REAL | {"held_out": np.ones(COUNT, bool)})
    results = evaluate(real, table(GENERATED), metrics=["kid", "sharpness"], features=["radiomics", "slice-encoder"])
    assert results.pooled["kid_radiomics"].n_patients == COUNT // 10
    encoder = results.pooled["kid_slice-encoder"]
    assert (encoder.value, "nothing to learn from" in (encoder.reason or "")) == (None, True)


def test_no_samples_leave_undefined_scores_and_no_blame():
    results = evaluate(table(REAL), table(GENERATED, np.arange(0)), metrics=["kid"], features=["radiomics"])
    assert results.pooled["kid_radiomics"].status == "undefined"
    (extractor,) = make_extractors(["radiomics"], table(REAL), seed=0)
    assert extractor(torch.zeros(0, 32, 32)).shape == (0, extractor(torch.zeros(1, 32, 32)).shape[1])


@pytest.mark.parametrize("metric", ["lesion_contrast_kept", "lesion_step_kept", "lesion_contrast"])
def test_one_lesion_score_alone_is_evaluated(metric):
    results = evaluate(table(REAL), table(GENERATED), metrics=[metric], features=[])
    assert metric in {name for cell in results.generation for name in cell.scores}


def test_a_store_and_samples_without_a_binning_need_one(store):
    with pytest.raises(JsddpmError, match=r"BINNING.*neither have the generated slices; fix: .*from_arrays") as caught:
        evaluate(store, table(GENERATED))
    assert caught.value.status == 2
