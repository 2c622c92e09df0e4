"""Heads of another place, against heads that were drawn there."""

from __future__ import annotations

import numpy as np
import pytest

from jsddpm.binning import ZBinning
from jsddpm_eval.import_check.size import sizes
from jsddpm_eval.import_check.suspicion import RealReference
from jsddpm_eval.slice_table import SliceTable

BINNING = ZBinning((0, 4), 1, n_slices=5)


def table(rng, people, down, patients=True):
    """Ellipses with soft edges, five slices each, whose place varies by a twentieth of a pixel between persons."""
    y, x = np.mgrid[:40, :40] - 19.5
    row = down + 0.05 * rng.standard_normal((people, 1, 1))
    inside = 1 / (1 + np.exp(8 * (np.sqrt(((y - row) / 13) ** 2 + (x / 10) ** 2) - 1)))
    images = np.repeat(0.6 * inside, 5, 0) + 0.01 * rng.random((5 * people, 40, 40))
    z, owner = np.tile(np.arange(5), people), np.repeat(np.arange(people), 5)
    return SliceTable.from_arrays(
        images.clip(0, 1).astype(np.float32), z_index=z, pathology=0 * z, patient=owner if patients else None,
        binning=BINNING,
    )  # fmt: skip


@pytest.mark.parametrize(("down", "said"), [(0.0, ""), (0.3, ""), (2.0, "2 pixels lower"), (-3.0, "3 pixels higher")])
def test_heads_that_lie_less_than_half_a_pixel_off_are_no_crop(down, said):
    """They lay *0 pixels lower*."""
    rng = np.random.default_rng(0)
    found = sizes(RealReference(table(rng, 12, 0.0), BINNING), table(rng, 12, down, patients=False))
    assert [s.what for s in found] == ([f"heads lie {said} than in real slices"] if said else [])
