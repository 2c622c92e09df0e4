"""No flipped bit is read in silence; `make soak` flips at least 400 bits of every kind of file."""

from __future__ import annotations

import numpy as np
import pytest

from flips import flip, kinds
from jsddpm.slices.writer import Shard, finished, mark_finished, write_shard
from synthetic import synthetic_slices

TRIALS = 12


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory, run, generated):
    return kinds(tmp_path_factory.mktemp("flips"), run, generated)


def test_a_damaged_part_of_an_unfinished_store_is_made_again(tmp_path):
    """Its bits decide the index of the store that is finished later."""
    rng = np.random.default_rng(0)
    image, mask, _ = synthetic_slices(rng, lesion=range(5, 9))
    written = write_shard(tmp_path, Shard("sub", image, mask, {"z_index": np.arange(len(image))}))
    mark_finished(tmp_path, written)
    right = finished(tmp_path, "sub")
    assert right.rows.tobytes() == written.rows.tobytes()
    assert right.entry == written.entry
    for path in [*(tmp_path / "parts").iterdir(), *(tmp_path / "arrays").iterdir()]:
        clean = path.read_bytes()
        for place in rng.integers(len(clean), size=40):
            path.write_bytes(clean[:place] + bytes([clean[place] ^ (1 << rng.integers(8))]) + clean[place + 1 :])
            assert finished(tmp_path, "sub") is None
        path.write_bytes(clean)


def test_every_kind_of_file_refuses_a_flipped_bit_by_name(every_kind):
    found = {name: flip(kind.path, kind.use, TRIALS) for name, kind in every_kind.items()}
    assert {name: c for name, c in found.items() if c["silent wrong"] or c["raw"]} == {}
    assert all(c["refused"] for name, c in found.items() if name != "evaluation: SHA256SUMS"), found
    assert len(found) >= 28
