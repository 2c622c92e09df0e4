"""Assert what a wheel puts into site-packages: our four packages, their data, and nothing else."""

from __future__ import annotations

import sys
import zipfile

EXPECTED = {"jsddpm", "jsddpm_eval", "jsddpm_cli", "jsddpm_reports"}
DATA = {
    "jsddpm/presets/demo.yaml",
    "jsddpm_reports/templates/report.html",
    "jsddpm_reports/templates/card.md",
    "jsddpm/py.typed",
}

names = set(zipfile.ZipFile(sys.argv[1]).namelist())
top = {n.split("/")[0] for n in names if ".dist-info/" not in n}
if top != EXPECTED or not names >= DATA:
    sys.exit(f"wheel holds {sorted(top)}, lacks {sorted(DATA - names)}")
print(f"wheel holds {', '.join(sorted(top))}")
