"""The whole table: every row of every group, in the order of the cases."""

from __future__ import annotations

from contract import bins, cohorts, commands, images

GROUPS = {
    "A": ("NIfTI files", images.ROWS),
    "B": ("folders, manifests, configuration", cohorts.ROWS),
    "D": ("binning", bins.ROWS),
    "H": ("command line and reports", commands.ROWS),
}
ROWS = tuple(row for _, rows in GROUPS.values() for row in rows)
