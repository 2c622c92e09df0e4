"""``plan.json``: what a folder of trials or trainings was begun with, so that it only goes on as it began."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsddpm.files import read_json, write_json

PLAN = "plan.json"
"""What a folder was begun with."""


def begun_otherwise(out: Path, plan: dict[str, Any]) -> list[str]:
    """Names of what a folder was begun with differently; a folder that was not begun is begun with this plan.

    Args:
        out: Folder, which the caller has locked.
        plan: Plain values by name.
    """
    if not (out / PLAN).exists():
        write_json(out / PLAN, plan)
        return []
    before, plan = read_json(out / PLAN), json.loads(json.dumps(plan))
    return [name for name in {**before, **plan} if before.get(name) != plan.get(name)]
