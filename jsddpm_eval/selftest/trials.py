"""Trials: evaluations of perfect samples, and of samples with a planted fault.

A trial depends only on the seed and its fault, so trials can run in any process and order. Rows are written as trials
end, so an interrupted selftest continues, and gives the same table.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from jsddpm.checksums import read_recorded, write_recorded
from jsddpm.errors import JsddpmError, integrity_error, usage_error
from jsddpm.files import make_directory
from jsddpm.parallel import in_processes
from jsddpm.progress import Progress
from jsddpm.publish import exclusive_lock
from jsddpm_eval.plan_file import begun_otherwise
from jsddpm_eval.real_slices import GeneratedArrays
from jsddpm_eval.results.results import Results
from jsddpm_eval.selftest.cohort import Cohort
from jsddpm_eval.selftest.fault import Fault, known_faults
from jsddpm_eval.selftest.world import Uniform, World

PERFECT = "perfect"
Row = dict[str, Any]
Opener = Callable[..., Cohort]


@dataclass(frozen=True)
class Trial:
    """One evaluation.

    Attributes:
        fault: Name of the fault; :data:`PERFECT` for none.
        strength: Its strength; None for none.
        repeat: Number of the draw.
        uniform: What the perfect generator draws uniformly.
    """

    fault: str
    strength: float | None
    repeat: int
    uniform: Uniform = "patient"

    @property
    def key(self) -> str:
        """Its unique name, which also seeds its draws."""
        return f"{self.fault} {self.strength} {self.repeat} {self.uniform}"


def grid(faults: Iterable[Fault], *, perfect: int, repeats: int = 1, quick: bool = False) -> list[Trial]:
    """All trials: perfect draws, uniform over patients and over slices in turn, and every fault at every strength.

    Args:
        faults: Faults.
        perfect: Perfect draws.
        repeats: Draws of each fault at each strength.
        quick: Each fault at its middle strength alone.
    """
    ways: tuple[Uniform, Uniform] = ("patient", "slice")
    perfect_draws = [Trial(PERFECT, None, n // 2, ways[n % 2]) for n in range(perfect)]
    strengths = [(f, f.strengths[len(f.strengths) // 2 :][:1] if quick else f.strengths) for f in faults]
    return perfect_draws + [Trial(f.name, s, n) for n in range(repeats) for f, values in strengths for s in values]


def run_trials(
    out: str | Path,
    trials: Sequence[Trial],
    opener: Opener,
    arguments: tuple[Any, ...],
    *,
    samples: int,
    seed: int,
    plan: dict[str, Any],
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Row]:
    """Run the trials that ``trials.jsonl`` of a folder does not hold yet, and add them to it one by one.

    Args:
        out: Folder.
        trials: Trials.
        opener: Module-level function that opens the cohort; every process calls it once.
        arguments: Its arguments, hashable.
        samples: Samples of each condition.
        seed: Seed of the draws.
        plan: Further settings that the rows depend on; a folder of another plan is refused.
        jobs: Processes.
        progress: Called with (done, total) after each trial.

    Returns:
        Rows of all ``trials``, in their order.

    Raises:
        JsddpmError: ``SELFTEST`` (status 2) when the folder is of another plan, ``LOCKED`` (status 5) when another
            process works there, ``TRIALS`` (status 4) when ``trials.jsonl`` is damaged.
    """
    out = make_directory(out)
    whole = {**plan, "samples": samples, "seed": seed}
    with exclusive_lock(out / ".lock"):
        if begun_otherwise(out, whole):
            raise usage_error("SELFTEST", "was started with other settings", fix="choose another --out", file=out)
        rows = _read(out / "trials.jsonl")
        left = [trial for trial in trials if trial.key not in rows]
        calls = [(trial, opener, arguments, samples, seed) for trial in left]
        for number, row in enumerate(in_processes(run_trial, calls, jobs=jobs)):
            rows[row["key"]] = row
            lines = "".join(json.dumps(r, allow_nan=False) + "\n" for r in rows.values())
            write_recorded(out / "trials.jsonl", lines.encode())
            if progress is not None:
                progress(len(trials) - len(left) + number + 1, len(trials))
    return [rows[trial.key] for trial in trials]


def run_trial(trial: Trial, opener: Opener, arguments: tuple[Any, ...], samples: int, seed: int) -> Row:
    """Draw samples, plant a fault, evaluate them, and return the answers as plain values.

    The row holds the values of :func:`answers_of`, the trial itself, and its CPU seconds.
    """
    import torch

    from jsddpm_eval.checks.verdict import scores_read
    from jsddpm_eval.evaluation import evaluate

    start, threads = time.process_time(), torch.get_num_threads()
    cohort = _opened(opener, arguments)
    rng = np.random.default_rng([seed, zlib.crc32(trial.key.encode())])
    world = cohort.world(samples, rng, uniform=trial.uniform)
    fault = known_faults().get(trial.fault)
    planted = world.perfect if fault is None else fault.generate(world, float(trial.strength or 0), rng)
    torch.set_num_threads(1)
    try:
        results = evaluate(cohort.table, cohort.generated(planted), metrics=scores_read(), seed=seed)
    finally:
        torch.set_num_threads(threads)
    touched = set() if fault is None else changed_conditions(planted, world)
    seconds = round(time.process_time() - start, 2)
    return {"key": trial.key, **asdict(trial), **answers_of(results, fault, touched), "seconds": seconds}


def changed_conditions(samples: GeneratedArrays, world: World) -> set[tuple[int, int]]:
    """Conditions in which a fault changed any sample."""
    perfect = world.perfect
    differs = (samples.images != perfect.images).any((1, 2)) | (samples.masks != perfect.masks).any((1, 2))
    return set(zip(world.z_bin[differs].tolist(), world.pathology[differs].tolist(), strict=True))


def answers_of(results: Results, fault: Fault | None, touched: set[tuple[int, int]]) -> Row:
    """Answers of an evaluation of samples with a fault in some conditions.

    A finding of a bin, a pathology or the whole generator concerns all conditions in it. The row holds: ``off``, every
    finding that is off as [check, kind, z_bin, pathology]; ``found`` and ``named``, whether a finding, and one with an
    expected name, concerns an affected condition; and numbers of conditions. A condition is judged when one of the
    expected checks (for perfect samples, any check) could answer for it, and flagged when any check says off there.
    """
    expected = set() if fault is None else set(fault.expected)
    off = [f for f in results.findings if f.answer == "off"]
    conditions = {(f.z_bin, f.pathology) for f in results.findings if None not in (f.z_bin, f.pathology)}

    def there(predicate: Callable[[Any], bool]) -> set[tuple[int | None, int | None]]:
        return {(f.z_bin, f.pathology) for f in results.findings if predicate(f)} & conditions

    flagged = there(lambda f: f.answer == "off")
    decided = there(lambda f: f.answer != "unknown" and (fault is None or f.check in expected))
    concerned = [f for f in off if fault is not None and _reaches((f.z_bin, f.pathology), touched)]
    return {
        "off": [[f.check, getattr(f, "kind", ""), f.z_bin, f.pathology] for f in off],
        "found": bool(concerned),
        "named": any(f.check in expected for f in concerned),
        "affected": len(touched),
        "affected_judged": len(decided & touched),
        "affected_flagged": len(flagged & touched),
        "affected_named": len(there(lambda f: f.answer == "off" and f.check in expected) & touched),
        "unaffected_judged": len(decided - touched),
        "unaffected_flagged": len(flagged - touched),
        "false_alarm": bool(off) if fault is None else None,
    }


def _reaches(place: tuple[int | None, int | None], touched: set[tuple[int, int]]) -> bool:
    return any(place[0] in (None, k) and place[1] in (None, p) for k, p in touched)


@cache
def _opened(opener: Opener, arguments: tuple[Any, ...]) -> Cohort:
    return opener(*arguments)


def _read(path: Path) -> dict[str, Row]:
    if not path.is_file():
        return {}
    try:
        rows = [json.loads(line) for line in read_recorded(path, "TRIALS", "remove it").decode().splitlines()]
        return {row["key"]: row for row in rows}
    except JsddpmError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise integrity_error("TRIALS", f"cannot be read ({error})", fix="remove it", file=path) from error
