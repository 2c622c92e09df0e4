"""The binning rule against exact rationals, the seed's tables, and everything it must refuse."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jsddpm.binning import Condition, ZBinning, compute_class_token
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.quantization import quantize_z_global, quantize_z_local


def oracle(z: int, lo: int, hi: int, n: int) -> int:
    """The seed's formula in exact arithmetic: min(int((z - lo) / (hi - lo) * n), n - 1)."""
    return 0 if hi == lo else min(int(Fraction(z - lo, hi - lo) * n), n - 1)


@st.composite
def ranges(draw):
    lo = draw(st.integers(0, 120))
    return lo, draw(st.integers(lo, lo + 140))


@given(ranges(), st.integers(1, 60), st.data())
def test_local_is_the_exact_formula_for_int_array_and_tensor(z_range, n, data):
    z = data.draw(st.integers(*z_range))
    expected = oracle(z, *z_range, n)
    assert quantize_z_local(z, z_range, n) == expected
    assert type(quantize_z_local(z, z_range, n)) is int
    for dtype in (np.int16, np.int64, np.uint8 if z < 256 else np.uint16):
        got = quantize_z_local(np.array([z], dtype), z_range, n)
        assert got.tolist() == [expected]
    assert quantize_z_local(torch.tensor([z], dtype=torch.int16), z_range, n).tolist() == [expected]
    assert quantize_z_local(np.int32(z), z_range, n) == expected


@given(ranges(), st.integers(1, 60), st.integers(0, 500))
def test_local_is_translation_invariant(z_range, n, shift):
    lo, hi = z_range
    z = np.arange(lo, hi + 1)
    moved = quantize_z_local(z + shift, (lo + shift, hi + shift), n)
    assert np.array_equal(quantize_z_local(z, z_range, n), moved)


def test_every_range_length_and_bin_count_exhaustively():
    for length in range(1, 161):
        z = np.arange(length)
        for n in range(1, 61):
            got = quantize_z_local(z, (0, length - 1), n)
            exact = (
                np.zeros(1, int)
                if length == 1
                else np.array([min(i * n // (length - 1), n - 1) for i in range(length)])
            )
            assert np.array_equal(got, exact), (length, n)
            assert (np.diff(got) >= 0).all()
            if length >= n:
                counts = np.bincount(got, minlength=n)
                assert counts.min() >= 1, (length, n)
                assert counts.max() - counts.min() <= 1, (length, n)


@pytest.mark.parametrize(("z_range", "n", "z"), [((24, 93), 23, 63), ((0, 22), 22, 11)])
def test_where_floats_are_wrong(z_range, n, z):
    assert quantize_z_local(z, z_range, n) == oracle(z, *z_range, n)


def test_float_arithmetic_really_is_wrong_there():
    assert int((63 - 24) / (93 - 24) * 23) != oracle(63, 24, 93, 23)


def test_seed_table_of_24_to_93():
    local, whole = ZBinning((24, 93), 10), ZBinning((24, 93), 10, "global")
    assert local.ranges() == [(24 + 7 * k, 30 + 7 * k) for k in range(10)]
    assert [k for k in range(10) if whole.slices(k)] == [1, 2, 3, 4, 5, 6, 7]
    counts = [len(whole.slices(k)) for k in range(1, 8)]
    assert (min(counts), max(counts)) == (2, 13)


def test_seed_table_of_50_to_100():
    ranges = ZBinning((50, 100), 10).ranges()
    assert ranges[0] == (50, 54)
    assert ranges[1] == (55, 59)
    assert ranges[9] == (95, 100)
    assert [k for k in range(10) if ZBinning((50, 100), 10, "global").slices(k)] == [3, 4, 5, 6, 7]


@given(ranges(), st.integers(1, 60), st.sampled_from(["local", "global", "local-inclusive"]))
def test_bins_partition_the_range_and_representatives_come_back(z_range, n, scheme):
    binning = ZBinning(z_range, n, scheme, n_slices=300, allow_empty_bins=True)
    members = [z for k in range(n) for z in binning.slices(k)]
    assert members == list(range(z_range[0], z_range[1] + 1))
    for k in range(n):
        assert all(binning.index(z) == k for z in binning.slices(k))
        if binning.slices(k):
            assert binning.index(binning.representative(k)) == k


def test_inclusive_rule():
    assert [ZBinning((0, 3), 2, "local-inclusive", 4).index(z) for z in range(4)] == [0, 0, 1, 1]
    assert Counter(ZBinning((34, 115), 30, "local-inclusive", 160).index(np.arange(34, 116)).tolist())[0] == 3


@given(st.integers(1, 200), st.data())
def test_tokens_round_trip(n, data):
    condition = Condition(data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, 1)))
    assert Condition.from_token(condition.token(n), n) == condition


def test_token_is_vectorised_and_follows_the_condition():
    binning = ZBinning((24, 93), 10)
    z, pathology = np.array([24, 93, 40]), np.array([0, 1, 1])
    expected = [Condition(binning.index(int(a)), int(b)).token(10) for a, b in zip(z, pathology, strict=True)]
    assert binning.token(z, pathology).tolist() == expected
    assert binning.token(torch.tensor(z), torch.tensor(pathology)).tolist() == expected
    assert binning.null_token == 20


@pytest.mark.parametrize("kind", ["int8", "int16", "uint8", "int64"])
def test_a_token_is_wider_than_the_columns_it_comes_from(kind):
    """Of int8, lesions of 200 bins had the token -50, and the token of one NumPy integer raised OverflowError."""
    binning = ZBinning((0, 100), 200, n_slices=200, allow_empty_bins=True)
    z, pathology = np.array([0, 25, 99], kind), np.array([1, 1, 0], kind)
    expected = [200 + 0, 200 + 50, 198]  # pathology * 200 + z * 200 // 100
    assert binning.token(z, pathology).tolist() == expected
    assert binning.token(torch.tensor(z), torch.tensor(pathology)).tolist() == expected
    assert [binning.token(a, b) for a, b in zip(z, pathology, strict=True)] == expected
    assert compute_class_token(z[1], pathology[1], 200) == 200 + 25


@pytest.mark.parametrize("wrong", [2, -1, 1.0, "1", np.array([0, 2]), np.array([0.5]), torch.tensor([-1]), [0, 0.5]])
def test_a_pathology_that_would_be_another_class_is_refused(wrong):
    """Slice 31 of pathology 2 had the token 21, beyond the null token of ten bins."""
    with pytest.raises(JsddpmError, match="PATHOLOGY") as caught:
        ZBinning((24, 93), 10).token(31, wrong)
    assert caught.value.status is ExitStatus.USAGE


def test_numbers_of_numpy_make_the_binning_of_plain_ones():
    """Its fingerprint raised TypeError."""
    made = ZBinning(tuple(np.array([24, 93])), np.int64(10), n_slices=np.uint8(128))
    assert (made, made.fingerprint) == (ZBinning((24, 93), 10), ZBinning((24, 93), 10).fingerprint)
    assert {type(v) for v in (made.n_bins, made.n_slices, *made.z_range)} == {int}


@pytest.mark.parametrize("scheme", ["local", "global", "local-inclusive"])
def test_a_list_is_the_numbers_in_it(scheme):
    binning = ZBinning(np.array([24, 93]), 10, scheme)
    bins = [binning.index(z) for z in (24, 31, 93)]
    assert binning.index([24, 31, 93]) == bins
    assert binning.index((24, np.int64(31), 93)) == tuple(bins)
    assert binning.token([24, 31, 93], [True, 0, np.True_]) == [bins[0] + 10, bins[1], bins[2] + 10]
    assert binning.token(31, True) == binning.token(31, 1)
    assert binning.token(torch.tensor([24, 31]), torch.tensor([True, False])).tolist() == [bins[0] + 10, bins[1]]
    assert binning.index([]) == []


@pytest.mark.parametrize(
    "z",
    [True, 3.0, float("nan"), "10", None, np.array([1.0]), np.array([True]), torch.tensor([1.0]), [1.0, 2], [True, 1]],
)
def test_refuses_what_is_no_position(z):
    with pytest.raises(JsddpmError, match="Z_TYPE") as caught:
        quantize_z_local(z, (0, 20), 5)
    assert caught.value.status is ExitStatus.USAGE


@pytest.mark.parametrize("z", [23, 94, np.array([30, 94]), torch.tensor([30, 23])])
def test_refuses_what_lies_outside(z):
    with pytest.raises(JsddpmError, match="Z_OUTSIDE"):
        ZBinning((24, 93), 10).index(z)
    with pytest.raises(JsddpmError, match="Z_OUTSIDE"):
        ZBinning((24, 93), 10, "global").index(z)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (((93, 24), 10), "Z_RANGE"),
        (((-1, 24), 10), "Z_RANGE"),
        (((24, 128), 10), "Z_RANGE"),
        (((24.0, 93), 10), "Z_RANGE"),
        ((np.array([24.0, 93.0]), 10), "Z_RANGE"),
        ((np.array(24), 10), "Z_RANGE"),
        (((24, 93), 0), "N_BINS"),
        (((24, 93), -2), "N_BINS"),
        (((24, 93), True), "N_BINS"),
        (((24, 33), 11), "N_BINS"),
        (((24, 93), 10, "nearest"), "SCHEME"),
        (((0, 0), 1, "local", 0), "N_SLICES"),
    ],
)
def test_refuses_impossible_binnings(arguments, code):
    with pytest.raises(JsddpmError, match=code):
        ZBinning(*arguments)


@pytest.mark.parametrize(("z_bin", "pathology"), [(10, 0), (-1, 0), (35, 0), (0, 2), (0, -1), (1.0, 0), (True, 0)])
def test_refuses_conditions_that_would_alias_another(z_bin, pathology):
    with pytest.raises(JsddpmError, match=r"BIN|PATHOLOGY"):
        compute_class_token(z_bin, pathology, 10)


@pytest.mark.parametrize("token", [20, -1, 1.0])
def test_null_token_is_no_condition(token):
    with pytest.raises(JsddpmError, match="TOKEN"):
        Condition.from_token(token, 10)


def test_more_bins_than_slices_only_when_asked():
    binning = ZBinning((0, 4), 8, n_slices=5, allow_empty_bins=True)
    assert [len(binning.slices(k)) for k in range(8)].count(0) == 3
    empty = next(k for k in range(8) if not binning.slices(k))
    with pytest.raises(JsddpmError, match="EMPTY_BIN"):
        binning.representative(empty)


def test_travels_as_json_and_names_its_differences():
    a, b = ZBinning((24, 93), 10), ZBinning((24, 92), 12)
    assert ZBinning.from_dict(a.to_dict()) == a
    assert ZBinning.from_dict(a.to_dict()).fingerprint == a.fingerprint != b.fingerprint
    assert a.diff(b) == {"z_range": ((24, 93), (24, 92)), "n_bins": (10, 12)}
    with pytest.raises(JsddpmError, match=r"z_range: \(24, 93\) in A, \(24, 92\) in B, n_bins: 10 in A, 12 in B"):
        a.require_same(b, mine="A", others="B")
    a.require_same(ZBinning((24, 93), 10), mine="A", others="B")
    with pytest.raises(JsddpmError, match="BINNING"):
        ZBinning.from_dict(a.to_dict() | {"colour": 1})


def test_global_of_a_single_slice():
    assert quantize_z_global(0, 1, 3) == 0


@given(ranges(), st.integers(1, 20), st.integers(1, 6))
def test_finer_bins_refine_coarser_ones(z_range, n, k):
    z = np.arange(z_range[0], z_range[1] + 1)
    assert np.array_equal(quantize_z_local(z, z_range, k * n) // k, quantize_z_local(z, z_range, n))


def test_another_binning_of_a_store_touches_no_file(store):
    from jsddpm.slices.dataset import SliceDataset

    before = {p: p.stat().st_mtime_ns for p in store.path.rglob("*")}
    bins = {n: set(SliceDataset(store, ZBinning((5, 34), n, n_slices=40)).z_bin.tolist()) for n in (5, 10, 30)}
    assert bins == {n: set(range(n)) for n in bins}
    assert {p: p.stat().st_mtime_ns for p in store.path.rglob("*")} == before
