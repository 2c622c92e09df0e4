"""Cost of a training step by slice size, width and batch, measured like `jsddpm train --dry-run`.

One setting is changed at a time from the `zbins` preset's network; every step runs in its own process.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from measure import alone

BASE: dict[str, Any] = {"size": 128, "channels": [64, 128, 256], "batch": 4, "patch": 1}
CHANGES: tuple[dict[str, Any], ...] = (
    {"size": 64}, {"size": 96}, {}, {"size": 160},
    {"channels": [32, 64, 128]}, {"batch": 2}, {"batch": 8}, {"patch": 2},
)  # fmt: skip


def one_step(settings: dict[str, Any]) -> dict[str, float]:
    """Seconds of the second of two steps, peak memory in MiB, weights in millions."""
    from training import small_store

    from jsddpm.config import load_config
    from jsddpm.training.plan import make_plan

    values = {
        "model.channels": settings["channels"], "model.patch_size": settings["patch"],
        "data.batch_size": settings["batch"],
    }  # fmt: skip
    config = load_config("zbins", [f"{key}={json.dumps(value)}" for key, value in values.items()])
    with tempfile.TemporaryDirectory() as name:
        plan = make_plan(config, small_store(Path(name), settings["size"]), Path(name) / "run")
    return {"seconds": plan.step_seconds, "memory": plan.memory / 2**20, "parameters": plan.parameters / 1e6}


def main() -> None:
    """Print the table as markdown."""
    print("| slice | channels | batch | patch | weights [M] | seconds a step | µs a pixel | peak memory [MiB] |")
    print("|---" * 8 + "|")
    for change in CHANGES:
        s = BASE | change
        found = alone(f"import cost; found |= cost.one_step({s!r})")
        each = found["seconds"] / (s["batch"] * s["size"] ** 2) * 1e6
        print(
            f"| {s['size']} x {s['size']} | {', '.join(map(str, s['channels']))} | {s['batch']} | {s['patch']} "
            f"| {found['parameters']:.1f} | {found['seconds']:.2f} | {each:.0f} | {found['memory']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
