"""The folder of a run: its lock, and whether the run has reached its first checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jsddpm.checksums import RECORD
from jsddpm.errors import usage_error
from jsddpm.files import PARTIAL, sweep
from jsddpm.places import refuse_existing, refuse_store
from jsddpm.publish import exclusive_lock, lock_of
from jsddpm.refusals import unwritable
from jsddpm.training.progress import CHOICE

_CHECKPOINTS, _PICTURES = "checkpoints", "pictures"
_REPLACED = {"config.yaml", "provenance.json", RECORD, "curves.png", CHOICE}
"""Files of a run's folder that are replaced repeatedly."""
_WRITTEN = _REPLACED | {"metrics.csv", "hparams.yaml", _CHECKPOINTS, _PICTURES, "tensorboard", "wandb"}
"""Files that a run writes into its folder before or during training."""


@contextmanager
def claimed(run: str | Path, *, new: bool) -> Iterator[None]:
    """Lock a run's folder against other processes.

    The lock file lies beside the folder (``.NAME.lock``), so that it is not a file of the run.

    Args:
        run: The folder; it need not exist.
        new: Whether a new run starts there; a folder with anything other than an unbegun run is then refused.

    Raises:
        JsddpmError: ``LOCKED`` (status 5) naming the process that writes there; ``EXISTS`` (status 2).
    """
    run = Path(run)
    if new:
        refuse_store(run)  # before the lock, which makes its folder
    with exclusive_lock(lock_of(run)):
        if new:
            refuse_begun(run)
        yield


def refuse_begun(run: str | Path) -> None:
    """Raise ``EXISTS`` (status 2) when a new run cannot start in a folder; of a run the cure is to resume it."""
    run = Path(run)
    if is_unbegun(run):
        return
    if (run / _CHECKPOINTS / "last.ckpt").is_file():
        cure = "continue it with --resume, or choose another path"
        raise usage_error("EXISTS", "is a run with a checkpoint and is not overwritten", fix=cure, file=run)
    refuse_existing(run)


def is_unbegun(run: str | Path) -> bool:
    """Whether a run failed or was killed here before its first ``last.ckpt``, and the folder has no other files.

    The first check writes ``best.ckpt``, then ``last.ckpt``, then ``choice.json``. A run that was killed in between may
    leave a best checkpoint without the other two, which cannot be resumed.
    """
    run = Path(run)
    if not (run / _CHECKPOINTS).is_dir() or not {path.name for path in run.iterdir()} <= _WRITTEN | _partial(run):
        return False
    first_check = set() if (run / CHOICE).exists() else {"best.ckpt"}
    return {path.name for path in (run / _CHECKPOINTS).iterdir()} <= _partial(run / _CHECKPOINTS) | first_check


def clear_unbegun(run: str | Path) -> None:
    """Remove the files of an unbegun run; any other folder is not changed."""
    run = Path(run)
    if not is_unbegun(run):
        return
    try:
        for path in run.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise unwritable(error, run) from error


def sweep_run(run: str | Path) -> None:
    """Remove partial files of a killed run, but none of other commands."""
    run = Path(run)
    for name in _REPLACED:
        sweep(run / name)
    for folder in (run / _CHECKPOINTS, run / _PICTURES):
        for name in _partial(folder):
            (folder / name).unlink()


def _partial(folder: Path) -> set[str]:
    """Files that a killed process was writing."""
    return {path.name for path in folder.glob(f".*{PARTIAL}")}
