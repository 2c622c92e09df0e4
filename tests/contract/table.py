"""The whole table: every row of every group, in the order of the cases."""

from __future__ import annotations

from contract import bins, cohorts, commands, comparisons, images, ranks, runs, stores

GROUPS = {
    "A": ("NIfTI files", images.ROWS),
    "B": ("folders, manifests, configuration", cohorts.ROWS),
    "C": ("slice stores", stores.ROWS),
    "D": ("binning", bins.ROWS),
    "E": ("training and checkpoints", (*runs.TRAINING, *runs.CHECKPOINT)),
    "F": ("sampling", runs.SAMPLING),
    "G": ("evaluation", comparisons.ROWS),
    "H": ("command line and reports", commands.ROWS),
    "I": ("two processes", ranks.ROWS),
}
ROWS = tuple(row for _, rows in GROUPS.values() for row in rows)
ELSEWHERE = (*runs.ELSEWHERE, *ranks.ELSEWHERE)
