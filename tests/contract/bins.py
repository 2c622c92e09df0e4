"""Group D: binning. Every wrong range, number and type is a usage error; every right one follows the five-line rule."""

from __future__ import annotations

from calls import Found, refusal
from conftest import TINY
from contract.case import Row, World
from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm.quantization import quantize_z_local

REPORT = ("bins", "report", "--z-range")


def _oracle(z: int, lo: int, hi: int, bins: int) -> int:
    """The seed's formula, in whole numbers."""
    return 0 if hi == lo else min((z - lo) * bins // (hi - lo), bins - 1)


def every_small_binning(world: World) -> Found:
    """Ranges of up to 40 slices at three places with -1 to 45 bins: as the formula says, each slice in one bin."""
    tried = refused = 0
    for lo in (0, 3, 11):
        for length in range(1, 41):
            for bins in range(-1, 46):
                hi = lo + length - 1
                try:
                    binning = ZBinning((lo, hi), bins, n_slices=64)
                except JsddpmError:
                    refused += bins < 1 or bins > length
                    continue
                found = [binning.index(z) for z in range(lo, hi + 1)]
                assert found == [_oracle(z, lo, hi, bins) for z in range(lo, hi + 1)]
                assert found == sorted(found)
                assert set(found) == set(range(bins))
                assert [z for k in range(bins) for z in binning.slices(k)] == list(range(lo, hi + 1))
                assert all(binning.index(binning.representative(k)) == k for k in range(bins))
                tried += 1
    assert (tried, tried + refused) == (3 * 40 * 41 // 2, 3 * 40 * 47)
    return Found(0)


def _position(value: object) -> Row:
    return Row("57", f"slice position {value!r}", lambda _: refusal(lambda: quantize_z_local(value, (5, 34), 5)), 2,
               "Z_TYPE")  # fmt: skip


def _outside(z: int) -> Row:
    return Row("58", f"slice {z} of a range 5 to 34", lambda _: refusal(lambda: quantize_z_local(z, (5, 34), 5)), 2,
               "Z_OUTSIDE", (str(z),))  # fmt: skip


def _trained(*words: str) -> tuple[object, ...]:
    settings = [part for s in (*TINY, *words) for part in ("--set", s)]
    return ("train", "--preset", "demo", "--store", "{store}", "--out", "{tmp}/new", *settings)


ROWS = (
    Row("53", "range reversed", (*REPORT, "93", "24"), 2, "Z_RANGE", ("--z-range 93 24 is reversed",)),
    Row("54", "range beyond the volume", (*REPORT, "24", "128"), 2, "Z_RANGE"),
    Row("54", "range below zero", (*REPORT, "-3", "20"), 2, "Z_RANGE"),
    Row("54", "range beyond the store", _trained("binning.z_range=[5,60]"), 2, "Z_RANGE"),
    Row("55", "no bins", (*REPORT, "24", "93", "--bins", "0"), 2, "N_BINS", ("--bins 0 is not",)),
    Row("55", "minus three bins", (*REPORT, "24", "93", "--bins", "-3"), 2, "N_BINS"),
    Row("56", "more bins than slices", (*REPORT, "24", "33", "--bins", "11"), 2, "N_BINS"),
    _position(True), _position(5.0), _position("10"), _position(float("nan")),
    _outside(4), _outside(35),
    Row("59", "5640 small binnings against the formula", every_small_binning),
    Row("60", "bins without a slice", _trained("binning.z_range=[5,12]", "binning.n_bins=12"), 2, "N_BINS"),
)  # fmt: skip
