"""How often an attack on losses accuses in vain, finds what is there, and covers its area: simulated, of known truth.

``python tests/soak/membership.py [REPEATS]`` prints the table; ``tests/jsddpm_eval/stats/test_membership.py`` runs a
short version. Patients differ in how hard they are, which network and reference both see, and otherwise; the log loss
of training patients is lower by the effect.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.stats import norm

from jsddpm_eval.stats.limits import TAIL
from jsddpm_eval.stats.membership import Losses, attack

HARD, OWN, NOISE, LEVELS = 0.3, 0.2, 0.1, 3
GROUPS = ((4, 4), (6, 6), (10, 10), (10, 20), (20, 20))
EFFECTS = (0.0, 0.2, 0.4)


def table(seed, n, m, *, effect=0.0, easier=0.0, levels=LEVELS):
    """Log losses of ``n`` training and ``m`` held-out patients, of whom the former are easier by so much."""
    rng, member = np.random.default_rng([seed, n, m]), np.arange(n + m) < n
    hard, own = (size * rng.standard_normal((n + m, 1)) for size in (HARD, OWN))
    network, reference = (hard + NOISE * rng.standard_normal((n + m, levels)) for _ in range(2))
    network += own - np.where(member, effect + easier, 0)[:, None]
    return Losses(network, reference - np.where(member, easier, 0)[:, None], member)


def repeated(count, n, m, **truth):
    """Attacks on so many tables."""
    return [attack(table(seed, n, m, **truth), seed=seed) for seed in range(count)]


def true_area(effect):
    """Area of one level: what the reference leaves of a loss is normal, with the variance that it does not explain."""
    left = OWN**2 + NOISE**2 + HARD**2 - HARD**4 / (HARD**2 + NOISE**2)
    return norm.cdf(effect / np.sqrt(2 * left))


def found(attacks):
    """Share of attacks below the level of the p-value."""
    return float(np.mean([a.p_value <= TAIL for a in attacks]))


def coverage(attacks, effect):
    """Share of intervals that hold the true area."""
    return float(np.mean([a.area.interval[0] <= true_area(effect) <= a.area.interval[1] for a in attacks]))


def main(repeats=2000):
    """Print accusations with three levels, and coverage with one, for which the area is known."""
    for n, m in GROUPS:
        for effect in EFFECTS:
            accused = found(repeated(repeats, n, m, effect=effect))
            held = coverage(repeated(repeats, n, m, effect=effect, levels=1), effect)
            print(f"{n} and {m} patients, area {true_area(effect):.2f}: accused {accused:.3f}, covered {held:.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
