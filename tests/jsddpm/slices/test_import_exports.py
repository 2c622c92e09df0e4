"""What jsddpm exports is imported again: the same slices at the same places, with the same conditions."""

from __future__ import annotations

import numpy as np
import pytest

from jsddpm.binning import ZBinning
from jsddpm.exports.dataset import export_stores
from jsddpm.slices.imported import import_slices
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from synthetic import N_SLICES, SIZE, synthetic_slices

BINNING = ZBinning((5, 34), 3, n_slices=N_SLICES)


def generated(out, *, volumes):
    """Six samples of each of two conditions, out of order; or two volumes of slices 5 to 34."""
    image, mask, _ = synthetic_slices(np.random.default_rng(3), lesion=range(18, 23))
    with new_store(
        out, kind="generated", n_slices=N_SLICES, spacing=(3.0, 2.0, 1.5), binning=BINNING.to_dict(),
        **({"groups": ["a", "b"]} if volumes else {}),
    ) as writer:  # fmt: skip
        if volumes:
            z = np.r_[5:35, 5:35]
            rows = {
                "z_index": z,
                "pathology": mask[z].any((1, 2)),
                "sample": np.arange(60),
                "group": np.repeat([0, 1], 30),
            }
        else:
            z = np.repeat([19, 9], 6)
            sample = np.r_[3, 1, 0, 5, 4, 2, 0:6]
            rows = {"z_index": z, "pathology": np.repeat([1, 0], 6), "sample": sample, "seed": sample + 100}
        noise = np.random.default_rng(4).uniform(0, 0.05, (len(z), *SIZE))
        writer.add(Shard("part", (image[z] + noise).clip(0, 1).astype(np.float32), mask[z], rows))
    return SliceStore(out)


@pytest.mark.parametrize("form", ["nifti", "png"])
@pytest.mark.parametrize("volumes", [False, True], ids=["slices", "volumes"])
def test_an_export_is_read_as_it_was(store, tmp_path, form, volumes):
    """Stacks of samples were taken for volumes: 48 samples of 4 conditions became 116 slices all over the head."""
    made = generated(tmp_path / "made", volumes=volumes)
    export_stores([made, store], tmp_path / "files", form)
    again = SliceStore(import_slices(tmp_path / "files", tmp_path / "out", binning=BINNING, real=store))
    assert again.info["provenance"]["imported"]["layout"] == "jsddpm"
    rows = [np.lexsort((s.index["sample"], s.groups, s.index["seed"], s.index["z_index"])) for s in (made, again)]
    for name in ("z_index", "pathology", "seed"):
        assert made.index[name][rows[0]].tolist() == again.index[name][rows[1]].tolist(), name
    assert made.groups[rows[0]].tolist() == again.groups[rows[1]].tolist()
    assert np.abs(made.images(rows[0]) - again.images(rows[1])).max() < (1e-4 if form == "nifti" else 0.003)
    assert np.array_equal(made.masks(rows[0]), again.masks(rows[1]))
