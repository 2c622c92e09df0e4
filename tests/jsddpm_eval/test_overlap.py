"""Real slices shown as generated ones are no evaluation."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from jsddpm.errors import JsddpmError
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.overlap import refuse_real_slices
from jsddpm_eval.slice_table import SliceTable
from synthetic import BINNING


def shown(path, store, rows, image=None):
    """Slices of the real store as a generated one."""
    head = {"binning": BINNING.to_dict(), "kind": "generated", "n_slices": 40, "spacing": store.spacing}
    with new_store(path, **head) as writer:
        picked = store.index[rows]
        columns = {name: picked[name] for name in ("z_index", "pathology")} | {"sample": np.arange(len(rows))}
        pixels = store.images(rows) if image is None else image
        writer.add(Shard("all", pixels, store.masks(rows), columns))
    return SliceStore(path)


def test_the_real_store_shown_as_generated_is_refused(store, tmp_path):
    """It was evaluated, and every slice was an exact copy."""
    made = shown(tmp_path / "made", store, store.select(binning=BINNING))
    with pytest.raises(
        JsddpmError, match=r"180 of 180 generated slices equal real ones, 60 of them those of held-out"
    ) as caught:
        evaluate(store, made, metrics=["outline"], features=["radiomics"])
    assert (caught.value.code, caught.value.status) == ("STORES", 3)


def test_most_of_the_held_out_slices_in_eight_bits_are_enough(store, tmp_path):
    """A detour over PNG files changes the numbers a little."""
    rows = store.select(binning=BINNING, split="test")
    images = np.round(store.images(rows) * 255) / np.float32(255)
    images[: len(rows) // 3] *= 0.7
    made = shown(tmp_path / "made", store, rows, images)
    with pytest.raises(JsddpmError, match=r"20 of 30 generated slices equal real ones, 20 of them"):
        evaluate(store, made, metrics=["outline"], features=["radiomics"])


def table(images, **more):
    count = len(images)
    return SliceTable.from_arrays(images, z_bin=[0] * count, pathology=[0] * count, **more)


IMAGES = torch.rand(20, 8, 8, generator=torch.Generator().manual_seed(0))
PATIENTS = {"patient": [f"p{i // 2}" for i in range(20)], "held_out": [i >= 10 for i in range(20)]}


@pytest.mark.parametrize(
    ("training", "held_out", "new", "refused"),
    [
        (10, 0, 0, False),  # copies of training slices alone: an evaluation has to show them
        (9, 1, 0, True),
        (0, 1, 0, True),
        (0, 5, 5, False),  # half of them, and no more
        (0, 6, 5, True),
        (5, 1, 5, True),
        (4, 1, 5, False),
    ],
)
def test_more_than_half_that_are_real_with_a_held_out_one_are_refused(training, held_out, new, refused):
    noise = torch.rand(new, 8, 8, generator=torch.Generator().manual_seed(1))
    made = table(torch.cat([IMAGES[:training], IMAGES[10 : 10 + held_out], noise]))
    with pytest.raises(JsddpmError, match="STORES") if refused else nullcontext():
        refuse_real_slices(table(IMAGES, **PATIENTS), made)


@pytest.mark.parametrize(("equal", "refused"), [(2, False), (3, True)])
def test_blank_slices_do_not_count(equal, refused):
    """Four samples have content: of them more than half are held-out slices, or not; ten blank ones change nothing."""
    blank = torch.zeros(10, 8, 8)
    noise = torch.rand(4 - equal, 8, 8, generator=torch.Generator().manual_seed(1))
    real = table(torch.cat([IMAGES[:4], blank]), patient=[f"p{i}" for i in range(14)], held_out=[True] * 14)
    with pytest.raises(JsddpmError, match=f"{equal} of 4 generated slices") if refused else nullcontext():
        refuse_real_slices(real, table(torch.cat([IMAGES[:equal], noise, blank])))
