"""The page of a run, finished or still training: its progress, its curves, its newest samples, the next commands."""

from __future__ import annotations

import base64
import json
import os
import shlex
from pathlib import Path
from typing import Any

from jsddpm.anonymise import local_name
from jsddpm.config import RunConfig
from jsddpm.files import read_bytes, write_bytes
from jsddpm.training.progress import RunProgress, store_place
from jsddpm.wording import agreeing, counted
from jsddpm_reports.document import inlined, rendered
from jsddpm_reports.figures import png, svg
from jsddpm_reports.outputs import write_output
from jsddpm_reports.training_curves import LATEST, training_figure
from jsddpm_reports.wording import plain

_GRIDS = 6


def write_run_page(run: str | Path, out: str | Path) -> Path:
    """Render the page of a run folder, which may be unfinished or being written.

    Raises:
        JsddpmError: ``MISSING``, ``NO_RUN``, ``CONFIG``, ``EXISTS`` (status 2), ``JSON`` (status 4).
    """
    write_output(out, render_run(RunProgress.read(run), beside=Path(out).parent))
    return Path(out)


def write_curves(run: str | Path, out: str | Path) -> Path:
    """Draw what a run has logged so far, as PNG; the run's own ``curves.png`` is replaced, whatever wrote it."""
    write = write_bytes if Path(out) == Path(run) / "curves.png" else write_output
    write(out, png(training_figure(RunProgress.read(run)), dpi=200))
    return Path(out)


def render_run(run: RunProgress, *, beside: Path) -> str:
    """The page's HTML.

    Args:
        run: The run.
        beside: Folder the page goes to; the report of an evaluation is linked where it lies in it or below.
    """
    config = run.config
    newest = sorted(run.pictures.items(), reverse=True)[:_GRIDS]
    evaluation = run.folder / "evaluation" / "report.html"
    link = os.path.relpath(evaluation, beside) if evaluation.is_file() else ""
    return rendered(
        "run.html",
        name=run.folder.resolve().name,
        state=run.state,
        sentence=_sentence(run),
        tiles=_tiles(run),
        curves=inlined(svg(training_figure(run), "curves", "What was logged, by step; the values are in metrics.csv")),
        logged=bool(run.metrics),
        choice=_choice(run),
        rule=run.choice.get("rule", ""),
        grids=[(steps, _picture(path)) for steps, path in newest],
        conditions=config.logging.grid,
        drawn=len(run.pictures),
        evaluation="" if link.startswith(os.pardir) else link,
        commands=_commands(run),
        settings=_settings(config),
        provenance=json.dumps(run.provenance | {"store": _store(run)}, indent=2, ensure_ascii=False),
    )


def _sentence(run: RunProgress) -> str:
    steps, written = run.config.trainer.max_steps, run.written
    words = {
        "finished": f"Finished: {agreeing(steps, 'the one step is', f'all {steps} steps are')} done.",
        "stopped early": f"Stopped at step {run.step} of {steps}: {run.choice.get('stopped')}.",
        "unfinished": f"Unfinished: {run.step} of {counted(steps, 'step')} {agreeing(run.step, 'is', 'are')} logged.",
    }[run.state]
    return words + (f" Last written {written:%Y-%m-%d %H:%M:%S} UTC." if written else " Nothing is written yet.")


def _choice(run: RunProgress) -> list[str]:
    """Which checkpoint is the best and why, in sentences."""
    choice = run.choice
    if choice.get("not_judged"):
        return [f"No checkpoint was chosen: {choice['not_judged']}. The last checkpoint is sampled and evaluated."]
    if choice.get("step") is None:
        return ["No checkpoint has been judged yet."]
    sentences = [f"Best checkpoint: step {choice['step']} ({choice['reason']}); it is sampled and evaluated."]
    if memorised := choice.get("memorisation"):
        sentences.append(f"First signs of memorisation at step {memorised['step']}: {'; '.join(memorised['signs'])}.")
    return sentences


def _tiles(run: RunProgress) -> list[tuple[str, str, str]]:
    tiles = [("steps", f"{run.step}", f"of {run.config.trainer.max_steps}")]
    for name, words in LATEST.items():
        if values := run.metrics.get(name):
            step, value = values[-1]
            tiles.append((words, plain(value, "dB" if name == "val/psnr" else ""), f"at step {step}"))
    return tiles


def _store(run: RunProgress) -> dict[str, Any]:
    """Facts on the training store, with a path that does not show the disk's folders."""
    return {**run.provenance["store"], "path": local_name(store_place(run.folder, run.provenance))}


def _commands(run: RunProgress) -> list[str]:
    store, folder = shlex.quote(_store(run)["path"]), shlex.quote(local_name(run.folder))
    if run.state == "unfinished":
        if any(p.name == "last.ckpt" for p in run.checkpoints):
            return [f"jsddpm train --resume --store {store} --out {folder}"]
        return []
    return [f"jsddpm eval {folder} --bin-aware"]


def _settings(config: RunConfig) -> list[tuple[str, str]]:
    sections = config.model_dump(mode="json")
    return [
        (section, ", ".join(f"{k} {v}" for k, v in values.items()) if isinstance(values, dict) else str(values))
        for section, values in sections.items()
    ]


def _picture(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(read_bytes(path)).decode()}"
