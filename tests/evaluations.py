"""Made-up evaluations for the reports: every kind of score, several feature spaces, names that try to break out."""

from __future__ import annotations

import numpy as np

from jsddpm.binning import ZBinning
from jsddpm_eval.panels import Panels
from jsddpm_eval.results import Cell, Results, Score
from jsddpm_eval.utilization import bin_utilization
from jsddpm_reports.evaluation import Evaluation

HOSTILE = '</script><script>alert(1)</script>"\' onerror="x <b>&amp;'
SPACES = ("radiomics", "slice-encoder")
_COUNTS = {"n_real": 30, "n_generated": 8, "n_patients": 6}
_PLAIN = {
    "best_match_psnr": "dB", "best_match_psnr_train": "dB", "copy_gap": "dB", "exact_copies": "slices",
    "diversity_rmse": "intensity", "diversity_ssim": "1 - SSIM", "z_error_bins": "bins", "brain_shape": "",
}  # fmt: skip
_SPACED = ("kid", "fid", "diversity", "vendi", "precision", "coverage")
_LESION = ("lesion_area", "lesion_count", "lesion_mmd", "coupling_contrast")


def made_up(n_bins: int = 10, spaces: tuple[str, ...] = SPACES, *, size=(32, 24), seeds=8, noise=False) -> Evaluation:
    """An evaluation with scores above, below and like their yardsticks, undefined and unreliable ones."""
    rng = np.random.default_rng(0)
    cells = [Cell(z_bin=k, pathology=p, scores=_scores(rng, k, p, spaces)) for p in (0, 1) for k in range(n_bins)]
    pooled = Cell(scores=_scores(rng, 0, 1, spaces) | {
        "z_error_chance_bins": Score(value=3.3), "control_empty": Score(value=0.75, unit="share", n_generated=80),
        "lesion_present": Score(value=0.9, unit="share", n_generated=80),
    })  # fmt: skip
    reconstruction = [
        Cell(timestep=t, pathology=p, scores={
            "psnr": Score(value=30 - t / 100, unit="dB", interval=(20, 31)), "ssim": Score(value=0.7),
            "lesion_dice": Score(value=0.4) if p else Score.undefined("no slice with a lesion here"),
        })
        for t in (100, 500) for p in (None, 0, 1)
    ]  # fmt: skip
    binning = ZBinning((0, 7 * n_bins - 1), n_bins, n_slices=7 * n_bins)
    confusion = np.zeros((n_bins, n_bins), int)
    for k in range(n_bins):
        confusion[k, k], confusion[k, max(k - 1, 0)] = 12, 4
    results = Results(
        binning=binning.to_dict(),
        provenance={
            "real": {"store": HOSTILE, "patients": 12, "held_out_split": "test"}, "seed": 3,
            "generated": {"store": "abc", "slices": 160, "seed": 5, "provenance": {"weights": "raw"},
                          "sampling": {"sampler": "ddim", "steps": 20, "eta": 0.5, "guidance": 2.0,
                                       "per_condition": 8}},
            "checkpoint": {"step": 700, "training_store": "def"}, "features_asked": list(spaces),
        },
        utilization=bin_utilization(binning.z_range, n_bins, binning.n_slices),
        reconstruction=reconstruction, generation=[pooled, *cells], confusion=confusion.tolist(),
        verdict="Of 20 conditions 1 passes every check (bin 0 control). 19 differ from real slices.",
    )  # fmt: skip
    return Evaluation(results, panels(n_bins, size, seeds, noise=noise), lesions())


def _scores(rng, k: int, pathology: int, spaces: tuple[str, ...]) -> dict[str, Score]:
    names = _PLAIN | {f"{kind}_{space}": "" for kind in _SPACED for space in spaces}
    names |= dict.fromkeys(_LESION if pathology else (), "")
    found = {name: _score(unit, k + i) for i, (name, unit) in enumerate(names.items())}
    found[("control_empty", "lesion_present")[pathology]] = Score(value=float(rng.random()), unit="share", **_COUNTS)
    return found


def _score(unit: str, kind: int) -> Score:
    """Above with certainty, above, like, below, undefined, unreliable, without yardstick: in turn."""
    told = {"unit": unit, **_COUNTS}
    return (
        Score(value=9.0, interval=(8, 10), floor=5.0, floor_interval=(4, 6), **told),
        Score(value=7.0, interval=(5, 8), floor=5.0, floor_interval=(4, 6), **told),
        Score(value=5.5, interval=(5, 8), floor=5.0, floor_interval=(4, 6), **told),
        Score(value=1.0, interval=(0.5, 2), floor=5.0, **told),
        Score.undefined(f"too few patients {HOSTILE}", **told),
        Score(value=3.25, status="unreliable", reason="8 slices", interval=(1, 5), floor=2.0, **told),
        Score(value=4.0, **told),
    )[kind % 7]


def panels(n_bins: int, size: tuple[int, int], seeds: int, *, noise: bool = False) -> Panels:
    """A bright ellipse with a square lesion, or noise; the last lesion condition lacks a real slice."""
    rng = np.random.default_rng(1)
    height, width = size
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    brain = (180 * (x**2 + y**2 < 0.7)).astype(np.uint8)

    def images(count):
        shape = (2 * n_bins, count, height, width)
        if noise:
            return rng.integers(0, 256, shape).astype(np.uint8)
        return np.broadcast_to(brain, shape) + rng.integers(0, 40, shape).astype(np.uint8)

    mask = np.zeros((2 * n_bins, seeds, height, width), bool)
    mask[n_bins:, :, height // 2 : height // 2 + 5, width // 3 : width // 3 + 4] = True
    counts = np.full(2 * n_bins, 2)
    counts[-1] = 1
    pairs = images(12)[:2]
    return Panels(
        images(2), mask[:, :2], counts, images(seeds), mask, np.full(2 * n_bins, seeds), copies=pairs,
        real_name=np.full((2 * n_bins, 2), f"sub-01 {HOSTILE}"),
        generated_name=np.array([[f"made {t} {s}" for s in range(seeds)] for t in range(2 * n_bins)]),
        copies_name=np.array([[f"made {i}" for i in range(12)], [f"seen {i}" for i in range(12)]]),
        copies_psnr=np.array([np.inf, *np.linspace(30, 20, 11)]),
    )  # fmt: skip


def lesions() -> list[dict[str, str]]:
    """Five real lesions of two patients and three generated ones."""
    rows = [("real", "p0", 10), ("real", "p0", 20), ("real", "p0", 30), ("real", "p1", 40), ("real", "p1", 50)]
    rows += [("generated", "", 20), ("generated", "", 20), ("generated", "", 60)]
    return [
        {"origin": o, "slice": HOSTILE, "patient": p, "z_bin": "0", "area_mm2": str(a), "count": str(1 + i % 2),
         "eccentricity": "0.5", "solidity": "0.9", "row_mm": str(-a), "column_mm": "3"}
        for i, (o, p, a) in enumerate(rows)
    ]  # fmt: skip
