"""``plan.json``: the settings of a folder of trials or trainings, which must be the same when it is continued."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsddpm.files import read_json, write_json

PLAN = "plan.json"
"""File of the settings of a folder."""


def begun_otherwise(out: Path, plan: dict[str, Any]) -> list[str]:
    """Names of settings that differ from those of a folder; a folder without a plan gets this one.

    Args:
        out: Folder, which the caller has locked.
        plan: Plain values by name.
    """
    if not (out / PLAN).exists():
        write_json(out / PLAN, plan)
        return []
    before, plan = read_json(out / PLAN), json.loads(json.dumps(plan))
    return [name for name in {**before, **plan} if before.get(name) != plan.get(name)]
