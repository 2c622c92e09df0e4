"""Faults of a part of a set, where the cohort itself has gaps."""

from __future__ import annotations

import numpy as np
import pytest

from jsddpm.binning import ZBinning
from jsddpm_eval.import_check.check import suspicions
from jsddpm_eval.slice_table import SliceTable

BINNING = ZBinning((0, 9), 10, n_slices=10)


def table(rng, people, per_bin, upside_down=0.0, alone=False, patients=True):
    """Slices that are brighter at the top, of every bin but the last, which at most one patient has."""
    owner, z = (grid.ravel() for grid in np.meshgrid(np.arange(people), np.tile(np.arange(9), per_bin), indexing="ij"))
    if alone:
        owner, z = np.append(owner, 0), np.append(z, 9)
    slope = np.linspace(0.3, 0, 32)[:, None] * (1 + 0.2 * rng.standard_normal(people))[owner, None, None]
    images = (0.4 + slope + 0.05 * rng.standard_normal((len(z), 32, 32))).clip(0, 1).astype(np.float32)
    turned = rng.random(len(z)) < upside_down
    images[turned] = images[turned, ::-1]
    return SliceTable.from_arrays(
        images, z_index=z, pathology=0 * z, patient=owner if patients else None, binning=BINNING
    )


@pytest.mark.parametrize("alone", [False, True], ids=["shared bins", "a bin of one patient"])
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_turned_slices_are_seen_beside_a_bin_that_one_patient_has_alone(share, alone):
    rng = np.random.default_rng(0)
    real, made = table(rng, 24, 1, alone=alone), table(rng, 8, 1, share, alone, patients=False)
    found = [s for s in suspicions(real, made, BINNING) if s.name == "part turned"]
    assert len(found) == (share > 0)
