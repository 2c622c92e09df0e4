"""What every metric must hold to, whatever it computes: cases that break metrics, and what must be true of each.

A metric of another package is tested alike: ``for case in CASES: exercise(METRIC, case)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

import torch
from torch import Tensor

from brief import brief_training
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.metrics.base import Metric
from jsddpm_eval.metrics.registry import metrics
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable

SIZE, BINS, PATIENTS, EACH = (16, 14), 2, 6, 4
MEANS = Extractor("means", lambda images: images.mean(2).double(), {}, standardize=True)
SEEN = Extractor("seen", lambda images: images.mean(1).double(), {}, standardize=True, saw_training=True)
SPACES = (MEANS, SEEN)
CONDITIONS = [(None, None), *((k, p) for k in range(BINS) for p in (0, 1))]

Arrays = dict[str, Tensor]


def slices(z_bin: Tensor, pathology: Tensor, seed: int) -> Arrays:
    """Slices of these conditions: textures that brighten with the bin, a bright rectangle for a lesion."""
    g = torch.Generator().manual_seed(seed)
    images = 0.5 * torch.rand((len(z_bin), *SIZE), generator=g) + 0.1 * z_bin[:, None, None]
    masks = torch.zeros((len(z_bin), *SIZE), dtype=torch.bool)
    for i in torch.nonzero(pathology)[:, 0].tolist():
        row, column, height = (
            int(torch.randint(low, high, (1,), generator=g)) for low, high in ((2, 9), (2, 8), (2, 5))
        )
        masks[i, row : row + height, column : column + 4] = True
    return {"images": images.masked_fill(masks, 0.9), "masks": masks, "z_bin": z_bin, "pathology": pathology}


@cache
def real_arrays() -> Arrays:
    """One slice of each patient and condition; the last two patients are held out."""
    patient = torch.arange(PATIENTS).repeat_interleave(2 * BINS)
    token = torch.arange(2 * BINS).repeat(PATIENTS)
    return slices(token % BINS, token // BINS, 0) | {"patient": patient, "held_out": patient >= PATIENTS - 2}


def generated_arrays(each: int = EACH, seed: int = 1) -> Arrays:
    """As many slices of every condition."""
    token = torch.arange(2 * BINS).repeat_interleave(each)
    return slices(token % BINS, token // BINS, seed)


def table(arrays: Arrays) -> SliceTable:
    """A table of arrays; without images it has the features as columns."""
    if "images" in arrays:
        return SliceTable.from_arrays(**arrays)
    return SliceTable.from_arrays(None, **arrays)


@cache
def real_table() -> SliceTable:
    """The real slices, in one table for all cases: networks are trained and baselines computed once."""
    return table(real_arrays())


def chosen(arrays: Arrays, rows: Tensor) -> Arrays:
    """Rows of every array."""
    return {name: values[rows] for name, values in arrays.items()}


def _images(value: Callable[[Tensor], Tensor]) -> Callable[[], tuple[SliceTable, SliceTable]]:
    def case() -> tuple[SliceTable, SliceTable]:
        arrays = generated_arrays()
        return real_table(), table(arrays | {"images": value(arrays["images"])})

    return case


def _masks(filled: float, *, real: bool = False) -> Callable[[], tuple[SliceTable, SliceTable]]:
    def case() -> tuple[SliceTable, SliceTable]:
        generated, before = generated_arrays(), real_arrays()
        sides = [a | {"masks": torch.full_like(a["masks"], bool(filled))} for a in (before, generated)]
        return (table(sides[0]) if real else real_table()), table(sides[1])

    return case


def _real(**changed: Tensor) -> Callable[[], tuple[SliceTable, SliceTable]]:
    return lambda: (table(real_arrays() | changed), table(generated_arrays()))


def _copies() -> tuple[SliceTable, SliceTable]:
    real = real_arrays()
    copied = chosen(real, ~real["held_out"])
    return real_table(), table({k: v for k, v in copied.items() if k not in ("patient", "held_out")})


def _repeated() -> tuple[SliceTable, SliceTable]:
    """Held-out slices, each three times, with masks of two parts, of which one is angular."""
    real = real_arrays()
    rows = torch.nonzero(real["held_out"])[:, 0].repeat(3)
    copied = {k: v for k, v in chosen(real, rows).items() if k not in ("patient", "held_out")}
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[2:11, 2:5] = mask[8:11, 2:9] = mask[13:15, 10:12] = True
    return real_table(), table(copied | {"masks": mask & (copied["pathology"] == 1)[:, None, None]})


def _unequal() -> tuple[SliceTable, SliceTable]:
    arrays = generated_arrays(7)
    kept = torch.tensor([i % 7 < n for n, i in zip([7] * 7 + [3] * 7 + [1] * 7 + [0] * 7, range(28), strict=True)])
    return real_table(), table(chosen(arrays, kept))


def _volumes(group: Callable[[Tensor], Tensor]) -> Callable[[], tuple[SliceTable, SliceTable]]:
    number = torch.arange(2 * BINS * EACH)
    return lambda: (real_table(), table(generated_arrays() | {"group": group(number)}))


def _volumes_of_unequal_size() -> tuple[SliceTable, SliceTable]:
    """A volume of copies of training slices, one that is noise in half of its slices, and single samples."""
    real, noisy, single = real_arrays(), generated_arrays(2, seed=2), generated_arrays(3, seed=3)
    copies = chosen(real, ~real["held_out"])
    noise = 20 * torch.rand(4, *SIZE, generator=torch.Generator().manual_seed(0))
    noisy["images"] = torch.cat([noisy["images"][:4], noise.clamp(0, 1)])
    parts = (copies, noisy, single)
    arrays = {name: torch.cat([part[name] for part in parts]) for name in single}
    sizes = [len(part["z_bin"]) for part in parts]
    return real_table(), table(arrays | {"group": torch.tensor([0] * sizes[0] + [1] * sizes[1] + [-1] * sizes[2])})


def _without_masks() -> tuple[SliceTable, SliceTable]:
    sides = [{k: v for k, v in a.items() if k != "masks"} for a in (real_arrays(), generated_arrays())]
    return table(sides[0]), table(sides[1])


def _without_images() -> tuple[SliceTable, SliceTable]:
    sides = []
    for arrays in (real_arrays(), generated_arrays()):
        labels = {k: v for k, v in arrays.items() if k not in ("images", "masks")}
        columns = {f"{e.name} {e.key}": e(arrays["images"]) for e in SPACES}
        sides.append(SliceTable.from_arrays(None, **labels, columns=columns))
    return sides[0], sides[1]


def _masks_alone() -> tuple[SliceTable, SliceTable]:
    sides = ({k: v for k, v in a.items() if k != "images"} for a in (real_arrays(), generated_arrays()))
    columns = [{f"{e.name} {e.key}": e(a["images"]) for e in SPACES} for a in (real_arrays(), generated_arrays())]
    real, generated = (SliceTable.from_arrays(None, **a, columns=c) for a, c in zip(sides, columns, strict=True))
    return real, generated


def _some_real(keep: Callable[[Arrays], Tensor]) -> Callable[[], tuple[SliceTable, SliceTable]]:
    return lambda: (table(chosen(real_arrays(), keep(real_arrays()))), table(generated_arrays()))


CASES: dict[str, Callable[[], tuple[SliceTable, SliceTable]]] = {
    "ordinary": lambda: (real_table(), table(generated_arrays())),
    **{f"{n} generated": (lambda n=n: (real_table(), table(generated_arrays(n)))) for n in (0, 1, 2)},
    "unequal numbers": _unequal,
    "volumes through all conditions": _volumes(lambda i: i % EACH),
    "two slices of a volume in a condition": _volumes(lambda i: i // 2),
    "some slices in a volume": _volumes(lambda i: torch.where(i % EACH < 3, i // EACH, -1)),
    "volumes of unequal size": _volumes_of_unequal_size,
    "one volume": _volumes(torch.zeros_like),
    "copies of training slices": _copies,
    "repeated copies of held-out slices with other masks": _repeated,
    "all zero": _images(torch.zeros_like),
    "all one half": _images(lambda x: torch.full_like(x, 0.5)),
    "all one": _images(torch.ones_like),
    "empty masks": _masks(0),
    "masks that fill the slice": _masks(1),
    "empty masks on both sides": _masks(0, real=True),
    "masks that fill the slice on both sides": _masks(1, real=True),
    "without masks": _without_masks,
    "without images": _without_images,
    "masks alone": _masks_alone,
    "constant real slices": _real(images=torch.full((4 * PATIENTS, *SIZE), 0.5)),
    "one patient": _real(
        patient=torch.zeros(4 * PATIENTS, dtype=torch.int64), held_out=torch.ones(4 * PATIENTS, dtype=torch.bool)
    ),
    "two patients": _some_real(lambda a: a["patient"] >= PATIENTS - 2),
    "no held-out patient": _real(held_out=torch.zeros(4 * PATIENTS, dtype=torch.bool)),
    "only held-out patients": _real(held_out=torch.ones(4 * PATIENTS, dtype=torch.bool)),
    "a bin without real slices": _some_real(lambda a: a["z_bin"] == 0),
    "no real lesion": _some_real(lambda a: a["pathology"] == 0),
    "no real slice": _some_real(lambda a: torch.zeros(len(a["z_bin"]), dtype=torch.bool)),
    "one real slice": _some_real(lambda a: torch.arange(len(a["z_bin"])) == 3),
}  # fmt: skip
"""Real and generated slices by what is odd of them."""


def named(metric: Metric) -> str:
    """Its name, for the names of tests."""
    return metric.name


EVERY = list(metrics().values())
"""Every metric of the registry."""

UNDEFINED = {
    "kid_held_out_seen", "kid_train_seen", "kid_seen_gap_seen",  # the features have learned from training slices
    "precision_seen", "recall_seen", "density_seen", "coverage_seen",  # of two patients none has three neighbours
    "diversity_ms_ssim",  # the slices are too small for five scales
}  # fmt: skip
"""Scores that are undefined in every condition of the ordinary case, each for its reason."""


def scores_of(metric: Metric | str, real: SliceTable, generated: SliceTable) -> Results:
    """An evaluation with one metric."""
    return evaluate(real, generated, metrics=[metric], features=SPACES)


@cache
def _together(case: str) -> Results | Exception:
    try:
        with brief_training():
            return evaluate(*CASES[case](), features=SPACES)
    except Exception as error:
        return error


def together(case: str) -> Results:
    """A case evaluated once with every metric, whose networks are trained briefly."""
    if isinstance(found := _together(case), Exception):
        raise found
    return found


def exercise(metric: Metric, case: str, *, alone: bool = True) -> Results:
    """Evaluate one case and check what every metric must hold to.

    Every score that is asked for is there, finite, or undefined with its reason; counts are those of the slices.
    (:class:`~jsddpm_eval.results.score.Score` itself refuses NaN, and a null without a reason.) In the ordinary case
    it has a value, except for :data:`UNDEFINED`. ``alone=False`` reads its scores from :func:`together`.
    """
    real, generated = CASES[case]()
    found = None if alone else _together(case)
    results = found if isinstance(found, Results) else scores_of(metric, real, generated)
    n_bins = results.z_binning.n_bins
    conditions = [(k, p) for k in (None, *range(n_bins)) for p in (None, 0, 1)]
    specs = {spec.name: spec for spec in metric.specs}
    assert [(c.z_bin, c.pathology) for c in results.generation] == conditions
    for cell in results.generation:
        z_bin, pathology = cell.z_bin, cell.pathology
        asked = {
            spec.named(space.name)
            for spec in metric.specs
            for space in (SPACES if spec.per_space else SPACES[:1])
            if spec.asked(z_bin, pathology)
        }
        scores = {name: score for name, score in cell.scores.items() if score.spec in specs}
        assert set(scores) == asked
        here = [
            (t.z_bin == t.z_bin if z_bin is None else t.z_bin == z_bin)
            & (t.pathology == t.pathology if pathology is None else t.pathology == pathology)
            for t in (real, generated)
        ]
        people = len(real.patient[here[0]].unique())
        assert (cell.n_real, cell.n_generated, cell.n_patients) == (int(here[0].sum()), int(here[1].sum()), people)
        for name, score in scores.items():
            assert (score.n_generated or 0) <= cell.n_generated, name
            assert (score.n_real or 0) <= len(real), name
            assert (score.n_patients or 0) <= real.n_patients, name
            assert score.p_value is None or 0 < score.p_value <= 1, name
            assert score.p_value is None or specs[score.spec].hypothesis, f"{name} has a p-value of no hypothesis"
            assert not score.interval or score.interval[0] <= score.value <= score.interval[1], name
            if case == "ordinary":
                known = name in UNDEFINED or (name, z_bin, pathology) == ("lesion_within", 0, 1)  # 2 patients
                assert (score.status == "undefined") == known, f"{name}: {score.reason}"
    return results


def values_of(spec: ScoreSpec, several: Iterable[Results]) -> set[float]:
    """The different values of a score over conditions, spaces and evaluations."""
    return {
        score.value
        for results in several
        for cell in results.generation
        for score in cell.scores.values()
        if score.spec == spec.name and score.value is not None
    }
