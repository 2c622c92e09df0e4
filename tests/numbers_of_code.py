"""Numbers of the docs that no table has: what the code defines, and what needs no source.

A phrase is as a reader sees it: without code, links and line breaks.
"""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path

from scipy.stats import binomtest

from benchmarks.validity.importing.faults import FAULTS
from benchmarks.validity.importing.forms import FORMS
from contract.case import Row
from hostile import FAMILIES, attempt
from jsddpm.cohort.nifti import MAX_VOLUME_BYTES
from jsddpm.cohort.preprocess import Preprocessing
from jsddpm.config import load_config
from jsddpm.diffusion.footprint import MOST_AT_ONCE
from jsddpm.quantization import quantize_z_global
from jsddpm.sections import MonitoringConfig
from jsddpm.training.samples import MIN_SAMPLES
from jsddpm_cli.commands.demo import CONTROLS, SUBJECTS
from jsddpm_cli.commands.sample import COHERENCE
from jsddpm_eval import through_plane
from jsddpm_eval.checks import causes, copied
from jsddpm_eval.checks.base import ShiftCheck
from jsddpm_eval.checks.unlike_real import relabellings_at
from jsddpm_eval.functional import lesion_copies
from jsddpm_eval.functional.lesion_matching import OVERLAP
from jsddpm_eval.functional.patterns import SIDE
from jsddpm_eval.import_check import parts
from jsddpm_eval.import_check.suspicion import CHANCE, PLAIN
from jsddpm_eval.membership import NOISE, SLICES
from jsddpm_eval.membership_statement import MARGIN as IDENTIFIES
from jsddpm_eval.membership_statement import RATES
from jsddpm_eval.metrics import copies, nearness
from jsddpm_eval.metrics.feature_distance import HALVINGS
from jsddpm_eval.monitoring import copies as monitored
from jsddpm_eval.selftest.fault import known_faults
from jsddpm_eval.selftest.run import CORE
from jsddpm_eval.stats.limits import ALPHA, MIN_PATIENTS, OBEYED, TAIL
from jsddpm_eval.stats.power import POWER
from jsddpm_eval.stats.scale import REACH
from jsddpm_eval.utility.comparison import GAIN, MARGIN

_SOAK = Path(__file__).parent / "soak"
_COUNTS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")
_DEMO = load_config("demo")
_HOSTILE, _GUARDS = (runpy.run_path(str(_SOAK / name)) for name in ("hostile.py", "guards.py"))
_WEAKEST, _WEAK, _FOUND, *_ = known_faults()["blur"].strengths


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


CODE: dict[str, tuple[str, ...]] = {
    "README.md": (f"in at most {_percent(ALPHA)} of evaluations",),
    "docs/explanation/binning.md": (
        f"that an evaluation detects with {_percent(POWER)} power",
        f"Global binning uses {len({quantize_z_global(z, 88, 10) for z in range(14, 54)})} of 10 bins there",
        f"global binning uses {len({quantize_z_global(z, 128, 10) for z in range(50, 101)})} of 10 bins.",
    ),
    "docs/explanation/choosing.md": (
        f"one-sided test at {_percent(ALPHA)}",
        f"costs {_percent(MonitoringConfig().share)} of the training steps",
        f"in at most {MonitoringConfig().steps} steps",
        f"at least {MIN_SAMPLES} samples",
        f"at most {monitored._SEARCHED} are searched",
    ),
    "docs/explanation/copying.md": (
        f"above {nearness.THRESHOLD} (1 + {nearness.FEW:g} / patients)",
        f"up to {nearness._PROBES} real slices of each bin",
        f"at least {lesion_copies.LEAST} pixels (of {SIDE} x {SIDE})",
        f"({100 * binomtest(0, 22).proportion_ci(0.9).high:.0f} % with 22 patients of whom none exceeds",
        f"is tested too, against {_percent(copies._CHANCE)}",
        f"by {copied._NEARER} upper spreads in the mean",
    ),
    "docs/explanation/few-samples.md": (
        f"into two halves, {HALVINGS} times",
        f"The allowed rate of false alarms, {_percent(ALPHA)} over all tests",
        f"detected in {_percent(POWER)} of cohorts",
    ),
    "docs/explanation/hostile-input.md": (
        f"at most {Row.seconds:g} s of computing time",
        f"takes more than {inspect.signature(attempt).parameters['seconds'].default:g} s",
        f"a limit of {_HOSTILE['MEMORY'] >> 30} GiB of address space",
        f"The limit is {_HOSTILE['PEAK']} times the peak memory",
        f"{30 * len(FAMILIES)} hostile calls",
        f"{_COUNTS[len(_GUARDS['GUARDS']) - 54]} guards were added since",
    ),
    "docs/explanation/importing.md": (
        f"There are {len(FAULTS)} faults and {len(FORMS)} forms",
        f"needs p < {PLAIN:g} if",
        f"p < {CHANCE:g} otherwise",
        f"{parts._FAR:g} standard deviations from the median",
        f"at least {parts._PEOPLE} real patients",
        f"{parts._BEYOND_SLICES} times as far as the most extreme slice",
    ),
    "docs/explanation/membership.md": (
        f"up to {SLICES} evenly spread slices",
        f"standard deviations {min(NOISE)} to {max(NOISE):g}",
        f"p is at most {TAIL}",
        f"lie below {IDENTIFIES} and the filter",
        f"rate at {_percent(RATES[-1])} false positives needs {1 / RATES[-1]:.0f} held-out patients",
    ),
    "docs/explanation/utility.md": (f"its p-value is at most {ALPHA}",),
    "docs/explanation/verdict.md": (
        f"so {ShiftCheck.margin} SD has the same meaning",
        f"limited to {REACH:g} SD",
        f"The margin is {ShiftCheck.margin} SD",
        f"At most {_percent(ALPHA)} of perfect generators",
        f"off by {causes._SEVERAL:g} SD or more",
        f"in {100 * POWER:.0f} of 100 such cohorts",
    ),
    "docs/how-to/many-processes.md": (f"{MOST_AT_ONCE:,} at most",),
    "docs/how-to/own-cohort.md": (
        "the {} and {} percentiles".format(*Preprocessing().window),
        f"more than {MAX_VOLUME_BYTES >> 30} GiB as float32 ({int((MAX_VOLUME_BYTES / 4) ** (1 / 3))} voxels a side)",
    ),
    "docs/how-to/selftest.md": (
        f"By default {len(CORE)} faults are tested",
        f"which takes {sum(len(known_faults()[name].strengths) for name in CORE)} evaluations",
        f"needs {4 * MIN_PATIENTS} patients with slices in the bins",
        f"from {_FOUND:g} px on and would miss it at {_WEAKEST} and {_WEAK} px",
    ),
    "docs/how-to/utility.md": (
        f"lies within the margin, {MARGIN} unless",
        f"a gain of {GAIN} would be detected",
        f"a gain of {GAIN} in Dice",
        f"intersection over union of at least {OVERLAP}",
    ),
    "docs/how-to/volumes.md": (
        f"{1.25 * (93 - 24 + 1) / 10} mm for ten bins of slices 24 to 93 of 1.25 mm",
        f"is *off* if the difference is {through_plane.MARGIN} or more and its p-value is at most {ALPHA}, "
        f"*fine* if the whole interval lies within -{through_plane.MARGIN} to {through_plane.MARGIN}",
        f"reach a little beyond {through_plane.MARGIN}",
        f"At {COHERENCE}, the default",
    ),
    "docs/reference/metrics.md": (
        f"above 500 patients and samples 1.5 / level, which is {relabellings_at((None, None), 501)}.",
    ),
    "docs/tutorial/first-hour.md": (
        f"creates {SUBJECTS} subjects from the MNI152 template as a BIDS folder: {SUBJECTS - CONTROLS} subjects with",
        f"lesion and {CONTROLS} controls",
        f"generates {_DEMO.sampling.per_condition} samples of each of the 20 conditions",
        f"After {_DEMO.trainer.max_steps} training steps",
    ),
    "docs/tutorial/read-your-report.md": (
        f"Less than {_percent(OBEYED)} of the masks",
        f"would see in {100 * POWER:.0f} of 100 cohorts",
    ),
}
"""Phrases with numbers that the code, its tests or arithmetic define."""

NO_SOURCE: dict[str, tuple[str, ...]] = {
    "*": ("95 %", "Python 3.11"),
    "docs/explanation/binning.md": (
        "slices 14 to 53 of 88", "slices 24 to 93 of 155",
    ),
    "docs/explanation/copying.md": ("had memorised 37 % of the patient data", "arXiv:2402.01054"),
    "docs/explanation/few-samples.md": ("At 5 % each, thirty tests",),
    "docs/explanation/importing.md": ("lie 1.75 mm away",),
    "docs/explanation/membership.md": ("0.5 is chance",),
    "docs/explanation/resumption.md": ("for a step of 50 ms",),
    "docs/explanation/rivals.md": ("20 minutes", "20 CPU minutes", "0 of 144 samples", "up to 2.5 %"),
    "docs/explanation/utility.md": ("lies beyond 0.5 or below -0.5",),
    "docs/explanation/validity.md": ("varies by 0 instead of 6 %", "where 0.95 is required"),
    "docs/explanation/verdict.md": ("finer detail -1.2 SD (95%: -1.4 to -1.0), in 14 of 20 conditions",),
    "docs/explanation/verdict-measured.md": ("5 % too large or too small",),
    "docs/how-to/many-processes.md": ("Xeon at 2.5 GHz, torch 2.15",),
    "docs/how-to/offline.md": ("buildah 1.28",),
    "docs/how-to/own-metric.md": ("arXiv 2605.06797",),
    "docs/how-to/volumes.md": ("trained for 20 minutes of one core", "ten bins of 13.8 mm"),
    "docs/tutorial/first-hour.md": ("up to 7.5 dB closer",),  # the largest copy gap of the committed report
    "docs/tutorial/read-your-report.md": (
        "scatters by 10 %", "is 5 % off",
        "finer detail -1.2 SD (95%: -1.4 to -1.0), in 14 of 20 conditions",
        "The difference is 1.2 standard deviations", "lies between 1.0 and 1.4", "in 14 of 20 *conditions*",
        "2.1 SD for a condition and 1.0 SD for all",
    ),
}  # fmt: skip
"""Levels, versions, settings, published numbers, rules of other works and examples of what a report may say."""
