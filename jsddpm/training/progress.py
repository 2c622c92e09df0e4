"""The state of a run folder, which may be finished or still being written. Torch-free."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from jsddpm.checksums import read_recorded
from jsddpm.config import RunConfig, load_config
from jsddpm.errors import integrity_error, usage_error
from jsddpm.files import parse_json, read_json, require_directory
from jsddpm.refusals import unreadable

State = Literal["finished", "stopped early", "unfinished"]
CHOICE = "choice.json"
"""File of a run with the best check and the reason."""
_PICTURE = re.compile(r"step-(\d+)\.png")
"""Name of a sample grid; a folder may have copies of grids under other names."""
Which = Literal["best", "last"]
"""A checkpoint of a run."""


def read_metrics(path: str | Path) -> list[dict[str, str]]:
    """The complete rows of ``metrics.csv``, as text; a row that is still being written is skipped.

    A file that does not exist yet has no rows.
    """
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(error, path) from error
    whole, newline, _ = text.rpartition("\n")
    rows = csv.DictReader(io.StringIO(whole + newline))
    return [r for r in rows if None not in r and None not in r.values() and r.get("step", "").isdecimal()]


@dataclass(frozen=True)
class RunProgress:
    """The present state of a run folder.

    Attributes:
        folder: The folder.
        config: Its configuration.
        provenance: Its provenance.
        metrics: Per logged value, ``(steps done, value)`` in order; values that are not finite are left out.
        pictures: Sample grids by steps done, in order.
        checkpoints: Checkpoint files.
        choice: Content of ``choice.json``; empty without the file.
        written: Time of its last change, UTC; None for an empty run.
    """

    folder: Path
    config: RunConfig
    provenance: dict[str, Any]
    metrics: Mapping[str, list[tuple[int, float]]]
    pictures: Mapping[int, Path]
    checkpoints: tuple[Path, ...]
    choice: Mapping[str, Any]
    written: datetime | None

    @classmethod
    def read(cls, folder: str | Path) -> RunProgress:
        """Read a run folder; only its configuration and provenance are required.

        Raises:
            JsddpmError: ``MISSING``, ``NO_RUN``, ``CONFIG`` (status 2), ``JSON`` (status 4).
        """
        folder = require_run(folder)
        found = [(_PICTURE.fullmatch(p.name), p) for p in sorted((folder / "pictures").glob("step-*.png"))]
        grids = {int(match[1]): p for match, p in found if match}
        checkpoints = tuple(sorted((folder / "checkpoints").glob("*.ckpt")))
        files = [p for p in (folder / "metrics.csv", *grids.values(), *checkpoints) if p.is_file()]
        last = max((p.stat().st_mtime for p in files), default=None)
        return cls(
            folder,
            load_config(folder / "config.yaml"),
            read_provenance(folder),
            _series(read_metrics(folder / "metrics.csv")),
            grids,
            checkpoints,
            read_choice(folder),
            None if last is None else datetime.fromtimestamp(last, UTC),
        )

    @property
    def step(self) -> int:
        """Steps done: of a run whose training ended as recorded there, else those of the log and the sample grids."""
        logged = [steps for values in self.metrics.values() for steps, _ in values]
        return max([*logged, *self.pictures, int(self.provenance.get("steps", 0))])

    @property
    def state(self) -> State:
        """Whether all steps are done, samples of a check ended the run early, or the run is to be resumed.

        Training has ended if the provenance records its last step. The log is ahead of the last checkpoint during a
        check, so a run that was killed there is unfinished although its log is complete.
        """
        if "steps" not in self.provenance or not self.checkpoints:
            return "unfinished"
        if self.step >= self.config.trainer.max_steps:
            return "finished"
        return "stopped early" if self.choice.get("stopped") else "unfinished"


def is_run(folder: str | Path) -> bool:
    """Whether a folder is a run, finished or not."""
    return all((Path(folder) / name).is_file() for name in ("config.yaml", "provenance.json"))


def require_run(folder: str | Path) -> Path:
    """The folder of a run.

    Raises:
        JsddpmError: ``MISSING``, ``NO_RUN`` (status 2).
    """
    folder = require_directory(folder)
    if not is_run(folder):
        raise usage_error("NO_RUN", "is not a run folder", fix="give a folder of jsddpm train", file=folder)
    return folder


def read_provenance(run: str | Path) -> dict[str, Any]:
    """Content of ``provenance.json`` of a run.

    Raises:
        JsddpmError: ``MISSING`` (status 2); ``JSON`` (status 4) when it is damaged, or does not name a store.
    """
    path, cure = require_directory(run) / "provenance.json", "restore a copy of it"
    provenance = parse_json(read_recorded(path, "JSON", cure), path)
    store = provenance.get("store")
    if not isinstance(store, dict) or not isinstance(store.get("path"), str):
        raise integrity_error("JSON", "does not name the training store", fix=cure, file=path)
    if type(provenance.get("steps", 0)) is not int:
        raise integrity_error("JSON", "its number of steps is not a number", fix=cure, file=path)
    return provenance


def training_store(run: str | Path, option: str = "--real") -> Path:
    """Folder of the store that the run was trained on.

    Args:
        run: The run folder.
        option: Option of the command that takes another place of the store, for the error.

    Raises:
        JsddpmError: ``MISSING`` (status 2) when it is no longer there.
    """
    store = store_place(run, read_provenance(run))
    if not store.is_dir():
        raise usage_error(
            "MISSING", "the training store no longer exists here", fix=f"give its new place: {option} STORE", file=store
        )
    return store


def store_place(run: str | Path, provenance: Mapping[str, Any]) -> Path:
    """Path of the training store, which the provenance of a run gives relative to the run's folder."""
    return Path(os.path.normpath(Path(run).resolve() / provenance["store"]["path"]))


def _run_folder(run: str | Path) -> Path:
    """The folder; a checkpoint given in its place is refused with the run that it lies in."""
    path = Path(run)
    if path.suffix == ".ckpt" and path.is_file():
        cure = f"give the run{f': {path.parents[1]}' if is_run(path.parents[1]) else ' folder'}"
        raise usage_error("NO_RUN", "is a checkpoint", fix=cure, file=path)
    return require_directory(path)


def last_checkpoint(run: str | Path) -> Path:
    """The run's last checkpoint.

    Raises:
        JsddpmError: ``NO_CHECKPOINT`` (status 2) before the first validation; ``NO_RUN`` for another folder.
    """
    path = _run_folder(run) / "checkpoints" / "last.ckpt"
    if not path.is_file():
        require_run(run)
        cure = "train it, or wait for its first validation"
        raise usage_error("NO_CHECKPOINT", "the run has no checkpoint yet", fix=cure, file=run)
    return path


def chosen_checkpoint(run: str | Path, which: Which | None = None) -> Path:
    """The checkpoint for sampling and evaluation: the best check if samples chose one, else the last.

    Args:
        run: The run folder.
        which: ``best`` or ``last``; None applies the rule above.

    Raises:
        JsddpmError: ``NO_CHECKPOINT`` (status 2) when there is none; ``NO_RUN`` for another folder.
    """
    best = _run_folder(run) / "checkpoints" / "best.ckpt"
    if which == "best" and not best.is_file():
        raise usage_error("NO_CHECKPOINT", "the run has no best checkpoint", fix="use --checkpoint last", file=run)
    chosen = which == "best" or (which is None and best.is_file() and read_choice(run).get("step") is not None)
    return best if chosen else last_checkpoint(run)


def read_choice(run: str | Path) -> dict[str, Any]:
    """Content of ``choice.json`` of a run: the best check and the reason; empty without the file.

    Raises:
        JsddpmError: ``JSON`` (status 4) when it is damaged.
    """
    path = Path(run) / CHOICE
    return read_json(path) if path.is_file() else {}


def _series(rows: list[dict[str, str]]) -> dict[str, list[tuple[int, float]]]:
    series: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for name, text in row.items():
            if name not in ("step", "epoch") and _finite(text):
                series.setdefault(name, []).append((int(row["step"]) + 1, float(text)))
    return series


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
