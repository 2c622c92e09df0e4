"""Made-up evaluations for the reports: every score of the registry, several feature spaces, names that break out."""

from __future__ import annotations

import numpy as np

from jsddpm.binning import ZBinning
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.checks.verdict import checks
from jsddpm_eval.metrics import reconstruction
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.results.panels import Panels
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Score
from jsddpm_eval.results.specs import Finding, ScoreSpec
from jsddpm_reports.evaluation import Evaluation

HOSTILE = '</script><script>alert(1)</script>"\' onerror="x <b>&amp;'
SPACES = ("radiomics", "slice-encoder")
SPECS = tuple(spec for metric in metrics().values() for spec in metric.specs)
CHECKS = tuple(check.spec for check in checks())
_COUNTS = {"n_real": 30, "n_generated": 8, "n_patients": 6}


def made_up(
    n_bins: int = 10, spaces: tuple[str, ...] = SPACES, *, size=(32, 24), seeds=8, noise=False, more=()
) -> Evaluation:
    """An evaluation with scores above, below and like their baselines, undefined and unreliable ones.

    Args:
        n_bins: Number of bins.
        spaces: Feature spaces.
        size: Size of the example slices.
        seeds: Generated examples of each condition.
        noise: Whether the examples are noise.
        more: Specs of scores beside those of the registry.
    """
    specs = (*SPECS, *more)
    conditions = [(k, p) for p in (0, 1) for k in range(n_bins)]
    levels = [(None, 0), (None, 1), *((k, None) for k in range(n_bins))]
    parts, cells = (
        [Cell(z_bin=k, pathology=p, **_COUNTS, scores=_scores(specs, k, p, spaces)) for k, p in places]
        for places in (levels, conditions)
    )
    pooled = _scores(specs, None, None, spaces) | {
        "z_error_chance_bins": Score(value=3.3), "control_empty": Score(value=0.75, unit="share", n_generated=80),
        "lesion_present": Score(value=0.9, unit="share", n_generated=80),
        "lesion_area": Score(value=3.25, unit="mm2", baseline=1.5),
    }  # fmt: skip
    exact = [
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
            "metrics_asked": ["kid", "position"],
        },
        utilization=bin_utilization(binning.z_range, n_bins, binning.n_slices),
        specs=(*specs, *reconstruction.SPECS), checks=CHECKS, findings=_findings(conditions),
        reconstruction=exact, generation=[Cell(scores=pooled), *parts, *cells], confusion=confusion.tolist(),
        verdict=("160 samples compared with slices of 12 patients: 1 of 9 checks is off.", "Unlike real slices."),
    )  # fmt: skip
    return Evaluation(results, panels(n_bins, size, seeds, noise=noise), lesions())


def _findings(conditions: list[tuple[int, int]]) -> tuple[Finding, ...]:
    """Every check is fine with bin 0 control; one cannot tell of bin 0 lesion; the last finds a fault in the others.

    Of the whole the first cannot tell, the last finds a fault, and the others are fine.
    """
    given = [
        Finding(check=CHECKS[0].name, answer="unknown", score="a", interval=(-1, 2), reason=f"too few seeds {HOSTILE}"),
        *(Finding(check=check.name, answer="fine", pathology=check.pathology) for check in CHECKS[1:-1]),
        Finding(check=CHECKS[-1].name, answer="off", kind="unlike real slices", score="b", reason="p = 0.01"),
    ]
    for k, p in conditions:
        for check in CHECKS:
            if check.pathology in (None, p):
                odd = k == 0 and p == 1 and check is CHECKS[0]
                answer = "unknown" if odd else "off" if k and check is CHECKS[-1] else "fine"
                reason = {"unknown": f"too few seeds {HOSTILE}", "off": "p = 0.01", "fine": ""}[answer]
                given.append(Finding(check=check.name, answer=answer, z_bin=k, pathology=p, reason=reason))
    return tuple(given)


def _scores(specs: tuple[ScoreSpec, ...], k: int | None, p: int | None, spaces: tuple[str, ...]) -> dict[str, Score]:
    named = [(spec, space) for spec in specs if spec.asked(k, p) for space in (spaces if spec.per_space else [""])]
    return {
        spec.named(space): _score((k or 0) + i, 0.1 if spec.unit == "share" else 1.0).placed(spec, space)
        for i, (spec, space) in enumerate(named)
    }


def _score(kind: int, scale: float) -> Score:
    """Above with certainty, above, like, below, undefined, unreliable, without baseline: in turn."""

    def scaled(*values: float) -> tuple[float, ...]:
        return tuple(scale * value for value in values)

    baseline, band = {"baseline": 5 * scale}, {"baseline_interval": scaled(4, 6)}
    return (
        Score(value=9 * scale, interval=scaled(8, 10), **baseline, **band, **_COUNTS),
        Score(value=7 * scale, interval=scaled(5, 8), **baseline, **band, **_COUNTS),
        Score(value=5.5 * scale, interval=scaled(5, 8), **baseline, **band, **_COUNTS),
        Score(value=scale, interval=scaled(0.5, 2), **baseline, **_COUNTS),
        Score.undefined(f"too few patients {HOSTILE}").model_copy(update=_COUNTS),
        Score(value=3.25 * scale, status="unreliable", reason="8 slices", interval=scaled(1, 5), **baseline, **_COUNTS),
        Score(value=4 * scale, **_COUNTS),
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
        copies_nearness=np.array([np.inf, *np.linspace(1.2, 0.4, 11)]),
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
