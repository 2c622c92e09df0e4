"""The fifteen designs of Raisa et al. (2025, 2505.22450): real and generated samples, by level and point.

Set-ups are those of the paper and of its code (github.com/DPBayes/position-fidelity-diversity-metrics-flawed). Grids
are coarser here: the pass rules look at the ends, a middle and the extremes, which are all kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

N = 1000
DIMS = (1, 8, 64)
Draw = Callable[[str | int, float, np.random.Generator, np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""Level, point, randomness of the real side, of the generated side -> ``(n, d)`` and ``(m, d)``."""


@dataclass(frozen=True)
class Design:
    """One design: what is varied (points) at which levels, and how both sides are drawn."""

    title: str
    levels: tuple[str | int, ...]
    points: dict[str | int, tuple[float, ...]]
    draw: Draw


def sides(name: str, level: str | int, repeat: int) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Point, real and generated samples of one level; the real side is the same at every point, unless redrawn."""
    design = DESIGNS[name]
    key = [zlib.crc32(f"{name} {level}".encode()), repeat]
    for i, point in enumerate(design.points[level], start=1):
        real = np.random.default_rng([*key, i * (name in REDRAWN)])
        yield point, *design.draw(level, point, real, np.random.default_rng([*key, i, 1]))


def _shifted(level, point, r, g):
    return r.normal(size=(N, level)), g.normal(point, 1, (N, level))


def _outlier(level, point, r, g):
    which, dim = str(level).split()
    real, generated = _shifted(int(dim), point, r, g)
    outlier = np.full((1, int(dim)), SHIFTS[int(dim)][-1])
    if which == "real":
        return np.concatenate([real, outlier]), generated
    return real, np.concatenate([generated, outlier])


def _scaled(level, point, r, g):
    return r.normal(size=(N, level)), g.normal(0, point, (N, level))


def _mixture(rng, shares, dim):
    mode = rng.choice(10, size=N, p=np.asarray(shares) / np.sum(shares))
    width = {1: 1 / 6, 8: 1 / 3, 64: 1.0}[dim]
    return np.linspace(0, 10, 10)[mode][:, None] + width * rng.normal(size=(N, dim))


def _simultaneous(level, point, r, g):
    return _mixture(r, [1] * 10, level), _mixture(g, [1, *[1 - point] * 9], level)


def _sequential(level, point, r, g):
    kept = 10 - int(point)
    return _mixture(r, [1] * 10, level), _mixture(g, [1] * kept + [0] * (10 - kept), level)


MODES = np.array([
    [5.46794328, -4.08481523], [4.87211875, -13.64864684], [-16.39432073, 9.09802249], [-2.15447941, 12.46200019],
    [11.55784483, -4.96049923], [-24.60558474, 14.18020818], [16.84215967, -3.18710751], [-5.47807206, -6.77247129],
    [9.46726546, 1.05922347], [-5.40346201, -17.29490131],
])  # fmt: skip


def _invention(_level, point, r, g):
    def some(rng, count):
        return MODES[rng.integers(count, size=N)] + 0.25 * rng.normal(size=(N, 2))

    return some(r, 5), some(g, int(point))


def _sphere(rng, dim, radius):
    x = rng.normal(size=(N, dim))
    return radius * x / np.linalg.norm(x, axis=1, keepdims=True)


def _surface(level, point, r, g):
    return _sphere(r, level, 1), _sphere(g, level, point)


def _cubes(n, m, dim, r, g):
    start = 1 - 0.2 ** (1 / dim)  # a fifth of the volume is shared
    return r.uniform(size=(n, dim)), g.uniform(start, start + 1, (m, dim))


def _ball(rng, size):
    x = rng.normal(size=(size, 3))
    return 0.8 * x / np.linalg.norm(x, axis=1, keepdims=True) * rng.uniform(size=(size, 1)) ** (1 / 3)


def _torus(rng, size):
    around, inside, radius = rng.uniform(0, 2 * np.pi, size), rng.uniform(0, 2 * np.pi, size), rng.uniform(size=size)
    radius = 0.1 * radius**0.5
    ring = 1 + radius * np.cos(inside)
    return np.stack([ring * np.cos(around), ring * np.sin(around), radius * np.sin(inside)], axis=1)


def _shapes(level, point, r, g):
    real, generated = (_ball, _torus) if level == "real ball" else (_torus, _ball)
    return real(r, N), generated(g, int(point))


def _two_modes(level, point, r, g):
    side = r.choice([-0.5, 0.5], size=(N, 1))
    return point * side + r.normal(size=(N, level)), g.normal(0, (1 + point**2) ** 0.5, (N, level))


def _one_dimension(_level, point, r, g):
    scale = np.array([1, point])
    return scale * r.normal(size=(N, 2)), scale * g.normal((6, 0), 1, (N, 2))


def _pareto(_level, point, r, g):
    def drawn(rng, mean):
        return np.stack([rng.normal(mean, 1, N), (1 - rng.uniform(size=N)) ** (-1 / 1.01)], axis=1)

    return drawn(r, 0), drawn(g, point)


def _disjoint(_level, point, r, g):
    real, generated = r.normal(size=(N, int(point) + 1)), g.normal(size=(N, int(point) + 1))
    generated[:, 0] += 6
    return real, generated


def _discrete(level, point, r, g):
    real, generated = point * r.normal(size=(N, 1)), point * g.normal(size=(N, 1))
    return (np.round(real), generated) if level == "real discrete" else (real, np.round(generated))


def _design(title: str, levels: Sequence[str | int], points, draw: Draw) -> Design:
    by_level = points if isinstance(points, dict) else dict.fromkeys(levels, points)
    return Design(title, tuple(levels), {k: tuple(round(float(x), 12) for x in v) for k, v in by_level.items()}, draw)


SHIFTS = {1: np.linspace(-6, 6, 9), 8: np.linspace(-3, 3, 9), 64: np.linspace(-1, 1, 9)}
SPREADS = {1: np.logspace(-3, 3, 9), 8: np.logspace(-1, 1, 9), 64: np.logspace(-0.5, 0.5, 9)}
SIZES = (100, 335, 885, 1128, 2976, 10000)  # of the paper's twenty; 1128 is its first above the median
ONLY = ("all",)
REDRAWN = {"size", "collapse", "scaling", "disjoint", "discrete"}  # the real side has another shape at every point
DESIGNS: dict[str, Design] = {
    "mean": _design("Gaussian mean difference", DIMS, SHIFTS, _shifted),
    "outlier": _design(
        "Gaussian mean difference + outlier",
        [f"{side} {dim}" for side in ("real", "generated") for dim in DIMS],
        {f"{side} {dim}": SHIFTS[dim] for side in ("real", "generated") for dim in DIMS},
        _outlier,
    ),
    "spread": _design("Gaussian standard deviation difference", DIMS, SPREADS, _scaled),
    "simultaneous": _design(
        "Simultaneous mode dropping", DIMS, np.array([0, 10, 20, 30, 40, 44, 47, 49]) / 49, _simultaneous
    ),
    "sequential": _design("Sequential mode dropping", DIMS, range(10), _sequential),
    "invention": _design("Mode dropping + invention", ONLY, range(1, 11), _invention),
    "surface": _design("Hypersphere surface", (2, 16, 128), np.linspace(0.1, 1.9, 9), _surface),
    "size": _design(
        "Hypercube, varying sample size", DIMS, SIZES, lambda dim, n, r, g: _cubes(int(n), int(n), dim, r, g)
    ),
    "generated size": _design(
        "Hypercube, varying generated size", DIMS, SIZES, lambda dim, m, r, g: _cubes(N, int(m), dim, r, g)
    ),
    "shapes": _design("Sphere against torus", ("real ball", "real torus"), SIZES, _shapes),
    "collapse": _design("Mode collapse", DIMS, np.linspace(0, 5, 7), _two_modes),
    "scaling": _design("Scaling one dimension", ONLY, np.logspace(-3, 3, 7), _one_dimension),
    "pareto": _design("Gaussian mean difference + Pareto", ONLY, SHIFTS[1], _pareto),
    "disjoint": _design("One disjoint dimension + many identical", ONLY, np.logspace(0, 3, 7).astype(int), _disjoint),
    "discrete": _design(
        "Discrete against continuous", ("real discrete", "real continuous"), np.logspace(0, 3, 7), _discrete
    ),
}
