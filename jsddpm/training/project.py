"""``jsddpm.yaml``: defaults of the commands in a folder. Torch-free."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsddpm.config import RunConfig, combined_config, read_yaml, require_preset
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.files import write_text
from jsddpm.registry import PRESETS
from jsddpm.slices.store import SliceStore
from jsddpm.training.progress import RunProgress, is_run
from jsddpm.wording import first_names

PROJECT = "jsddpm.yaml"
RUNS = "runs"
"""Name of the folder of runs beside the file."""
Skipped = Callable[[JsddpmError], None]
"""Called with the error of a run that cannot be read."""

_TEXT = """\
# What jsddpm train and jsddpm eval take in this folder where no option says otherwise.

# The slices to train on: a store of jsddpm cache build, found from this file.
store: {store}

# The settings: a preset of the package ({presets}).
preset: {preset}

# Sections below change single keys of the preset, such as
#   trainer: {{max_steps: 2000}}
# Every key and its bounds: docs/reference/configuration.md, or config.yaml of any run.
"""
_RANGE = """
# The slices that the store proposes, and the bins they are divided into.
binning: {{z_range: [{lo}, {hi}], n_bins: {bins}}}
"""


@dataclass(frozen=True)
class Project:
    """A folder with a ``jsddpm.yaml``.

    Attributes:
        file: The file.
        store: Folder of its store.
        preset: Name of its preset; None for the defaults.
        sections: Its changes of the preset.
    """

    file: Path
    store: Path
    preset: str | None
    sections: dict[str, Any]

    @classmethod
    def read(cls, folder: str | Path = ".") -> Project | None:
        """The project of a folder; None without a ``jsddpm.yaml``.

        Raises:
            JsddpmError: ``CONFIG`` (status 2) when it cannot be read, lacks a store, or names an unknown preset.
        """
        file = Path(folder) / PROJECT
        if not file.is_file():
            return None
        values = read_yaml(file)
        store, preset = values.pop("store", None), values.pop("preset", None)
        if not isinstance(store, str) or not store:
            raise usage_error("CONFIG", "does not name a store", fix="add store: FOLDER", file=file)
        if preset is not None:
            require_preset(preset, file)
        return cls(file, file.parent / store, preset, values)

    def config(self, overrides: Sequence[str] = ()) -> RunConfig:
        """The configuration of a run.

        Args:
            overrides: See :func:`jsddpm.config.load_config`.

        Raises:
            JsddpmError: ``CONFIG`` (status 2).
        """
        return combined_config(self.preset, self.sections, overrides, str(self.file))

    @property
    def runs(self) -> Path:
        """Folder of its runs."""
        return self.file.parent / RUNS

    def next_run(self) -> Path:
        """The folder of the next run, ``runs/run-001`` onwards: one more than the highest number in use."""
        numbers = [p.name.removeprefix("run-") for p in self.runs.glob("run-*")]
        number = 1 + max((int(n) for n in numbers if n.isdecimal()), default=0)
        return self.runs / f"run-{number:03d}"

    def finished_run(self, skipped: Skipped = lambda _: None) -> Path:
        """The newest finished run.

        Args:
            skipped: Called with the error of each run that cannot be read; it is left out.

        Raises:
            JsddpmError: ``NO_RUN`` (status 2) when no run is finished.
        """
        runs = self._progress(skipped)
        done = [run for run in runs if run.state != "unfinished" and run.written]
        if not done:
            cure = "train one with jsddpm train"
            if runs:
                cure = "continue the unfinished one with jsddpm train --resume, or name it: jsddpm eval RUN"
            raise usage_error("NO_RUN", "contains no finished run", fix=cure, file=self.runs)
        return max(done, key=lambda run: (run.written, run.folder)).folder

    def unfinished_run(self, skipped: Skipped = lambda _: None) -> Path:
        """The only run that is not finished.

        Args:
            skipped: See :meth:`finished_run`.

        Raises:
            JsddpmError: ``NO_RUN`` (status 2) when there is none, or more than one.
        """
        open_ = [str(run.folder) for run in self._progress(skipped) if run.state == "unfinished"]
        if len(open_) != 1:
            what = f"{len(open_)} runs are unfinished" if open_ else "no run is unfinished"
            cure = f"give one of them: --out {open_[0]}" if open_ else "start a new one: jsddpm train"
            raise usage_error("NO_RUN", what, fix=cure, file=self.runs)
        return Path(open_[0])

    def _progress(self, skipped: Skipped) -> list[RunProgress]:
        runs = []
        for folder in sorted(self.runs.glob("*")):
            try:
                runs += [RunProgress.read(folder)] if is_run(folder) else []
            except JsddpmError as error:
                skipped(error)
        return runs


def write_project(folder: str | Path, store: str | Path, preset: str) -> Path:
    """Write a commented ``jsddpm.yaml``.

    Args:
        folder: Folder for the file.
        store: Real store, absolute or from the working directory.
        preset: Name of a preset.

    Raises:
        JsddpmError: ``EXISTS`` (status 2) when the file exists; ``CONFIG`` (status 2) for an unknown preset;
            ``KIND`` (status 2) for a generated store; errors of :class:`~jsddpm.slices.store.SliceStore`.
    """
    file = Path(folder) / PROJECT
    if os.path.lexists(file):
        raise usage_error("EXISTS", "already exists", fix="edit it, or remove it", file=file)
    require_preset(preset)
    opened = SliceStore(store).of_kind("real")
    place = os.path.relpath(store, folder) if not Path(store).is_absolute() else str(store)
    text = _TEXT.format(store=json.dumps(place, ensure_ascii=False), preset=preset, presets=", ".join(PRESETS.names()))
    if opened.z_range:
        (lo, hi), bins = opened.z_range, combined_config(preset, {}, (), None).binning.n_bins
        text += _RANGE.format(lo=lo, hi=hi, bins=bins)
    write_text(file, text)
    return file


def found_store(folder: str | Path = ".") -> Path:
    """The only real store inside a folder.

    Raises:
        JsddpmError: ``MISSING`` (status 2) when there is none, or more than one.
    """
    every = [p.parent for p in sorted(Path(folder).glob("*/store.json"))]
    stores = [place for place in every if SliceStore(place).kind == "real"]
    if len(stores) != 1:
        none = f"contains only generated stores: {first_names(list(map(str, every)))}" if every else "contains no store"
        what = f"contains {len(stores)} real stores: {first_names(list(map(str, stores)))}" if stores else none
        cure = f"choose one: --store {stores[0]}" if stores else "build one with jsddpm cache build, or give --store"
        raise usage_error("MISSING", what, fix=cure, file=Path(folder))
    return stores[0]
