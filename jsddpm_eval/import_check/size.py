"""Heads of another size or position: a wrong voxel size, or a crop that was not undone."""

from __future__ import annotations

from jsddpm.wording import counted
from jsddpm_eval.functional.appearance import OUTLINE
from jsddpm_eval.import_check.suspicion import RealReference, Suspicion, of_heads
from jsddpm_eval.slice_table import SliceTable

_SCALED = 0.05  # of the size; less is what generators and patients do
_PIXEL = 0.5  # pixels; a crop or padding moves heads by one at least
_FAR = 1.0  # standard deviations of real slices, of a place


def sizes(reference: RealReference, generated: SliceTable) -> list[Suspicion]:
    """A suspicion if heads are scaled, or else moved; slices without a head are left out."""
    ours, theirs = (of_heads(t, "outline") for t in (reference.real, generated))
    comparisons = {name: reference.compare(ours[:, i], generated, theirs[:, i]) for i, name in enumerate(OUTLINE)}
    sure = {name: t for name, t in comparisons.items() if t is not None and t.sure and t.real > 0}
    ratios = {name: sure[name].generated / sure[name].real for name in ("height", "width") if name in sure}
    scaled = {"high" if name == "height" else "wide": r for name, r in ratios.items() if abs(r - 1) >= _SCALED}
    if scaled:
        what = f"heads are {' and '.join(f'{r:.2f} times as {name}' for name, r in scaled.items())} as in real slices"
        cure = "check the voxel size that they were written with (--spacing for volumes), and how they were resized"
        return [Suspicion("size", what, cure)]
    words = {"row": ("higher", "lower"), "column": ("further left", "further right")}
    side = dict(zip(words, reference.real.size, strict=True))
    moved = {n: t.generated - t.real for n in words if (t := sure.get(n)) and abs(t.deviations) >= _FAR}
    moved = {n: d for n, d in moved.items() if abs(d) * side[n] >= _PIXEL}
    if not moved:
        return []
    far = {n: counted(max(1, round(abs(d) * side[n])), "pixel") for n, d in moved.items()}
    directions = " and ".join(f"{far[n]} {words[n][d > 0]}" for n, d in moved.items())
    return [Suspicion("place", f"heads lie {directions} than in real slices", "check how they were cropped or padded")]
