"""Atomic publication of folders, and the locks of the processes that fill them.

A folder is filled under another name beside its target and published by one rename, after its entries and those of the
folders in it are flushed to the disk.
"""

from __future__ import annotations

import glob
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from jsddpm.errors import ExitStatus, JsddpmError, environment_error, integrity_error
from jsddpm.files import (
    PARTIAL,
    fsync_directory,
    make_directory,
    partial_prefix,
    read_json,
    sweep,
    umask,
    write_json,
    write_text,
)
from jsddpm.places import refuse_existing, refuse_store
from jsddpm.refusals import unwritable, writing


@contextmanager
def published_directory(target: str | os.PathLike[str]) -> Iterator[Path]:
    """A new folder beside ``target`` that is renamed to it when the block ends without an exception.

    Leftovers of killed processes are removed.

    Raises:
        JsddpmError: ``EXISTS`` (status 2) when the target exists, or lies in a store; ``LOCKED`` (status 5)
            while another process fills it.
    """
    target = Path(target)
    refuse_existing(target)
    with exclusive_lock(lock_of(target)):
        sweep(target)
        with _published_directory(target) as temporary:
            yield temporary


@contextmanager
def _published_directory(target: Path) -> Iterator[Path]:
    with writing(target):
        temporary = Path(tempfile.mkdtemp(prefix=partial_prefix(target), suffix=PARTIAL, dir=target.parent))
    try:
        with writing(target, temporary):  # of other files, such as input, the block says what fails
            yield temporary
        with writing(target):
            os.chmod(temporary, 0o777 & ~umask())
            _flush(temporary)
            refuse_existing(target)
            os.rename(temporary, target)
            fsync_directory(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def resumable_directory(target: str | os.PathLike[str], plan: dict[str, Any], *, resume: bool) -> Iterator[Path]:
    """Like :func:`published_directory`, but an interrupted block leaves its folder, which a later call can finish.

    Args:
        target: The folder to publish.
        plan: Settings of the work; another plan is refused when the work is continued.
        resume: Continue an unfinished folder, if there is one.

    Raises:
        JsddpmError: ``EXISTS`` (status 2); ``LOCKED`` (status 5) while another process fills it; ``UNFINISHED``
            (status 4) when one exists and ``resume`` is off; ``PLAN_DIFFERS`` (status 4) naming the fields.
    """
    target = Path(target)
    refuse_existing(target)
    make_directory(target.parent)
    building = unfinished(target)
    with exclusive_lock(lock_of(target)):
        if not _filled(target):
            _discard(target)
        _begin(target, plan, resume=resume)
        _sweep(building)
        try:
            yield building
        except JsddpmError:
            if not _filled(target):
                _discard(target)
            raise
        _publish(target)


@contextmanager
def shared_directory(target: str | os.PathLike[str], plan: dict[str, Any], *, part: str) -> Iterator[Path]:
    """A folder of which several processes fill a part each; :func:`publish_shared` publishes it.

    The files of an interrupted process are kept, and its part continues when it is started again. An attempt without
    any part, and one that would fail again (an impossible request, a number that is not finite), is removed, unless
    another process works on it.

    Args:
        target: The folder to publish.
        plan: Settings of the work; all parts must have the same.
        part: Name of this process's part.

    Raises:
        JsddpmError: ``EXISTS`` (status 2); ``LOCKED`` (status 5) while another process fills this part;
            ``PLAN_DIFFERS`` (status 4).
    """
    target = Path(target)
    refuse_store(target.parent)
    make_directory(target.parent)
    own = target.parent / f".{target.name}.part-{part}.lock"
    with ExitStack() as held:
        with exclusive_lock(lock_of(target), wait=True):  # so that no part begins while another one looks for it
            held.enter_context(exclusive_lock(own))
            try:
                _begin(target, plan, resume=True)
            except JsddpmError as error:
                if error.code != "PLAN_DIFFERS" or _filled(target) or _others_work(target, own):
                    raise
                _discard(target)
                _begin(target, plan, resume=True)
        try:
            yield unfinished(target)
        except JsddpmError as error:
            if error.status in (ExitStatus.USAGE, ExitStatus.NON_FINITE):
                with exclusive_lock(lock_of(target), wait=True):
                    if not _others_work(target, own):
                        _discard(target)
            raise


def publish_shared(target: str | os.PathLike[str], finish: Callable[[Path], bool]) -> bool:
    """Publish a shared folder if all its parts are complete; return whether ``target`` exists now.

    Args:
        target: The folder to publish.
        finish: Function of the folder being filled that says whether it is complete, and may complete it. One process
            calls it at a time.
    """
    target = Path(target)
    with exclusive_lock(lock_of(target), wait=True):
        if not target.exists() and finish(unfinished(target)):
            _sweep(unfinished(target))
            _publish(target)
        return target.exists()


def _begin(target: Path, plan: dict[str, Any], *, resume: bool) -> None:
    refuse_existing(target)
    building = unfinished(target)
    sweep(_plan(target))
    if not building.is_dir():
        write_json(_plan(target), plan)  # before the folder: a folder without a plan cannot be continued
        make_directory(building)
    elif not resume:
        cure = f"finish it with --resume, or remove {building}"
        raise integrity_error("UNFINISHED", "an interrupted attempt exists here", fix=cure, file=target)
    else:
        _same_plan(target, plan)


def _filled(target: Path) -> bool:
    """Whether the folder contains any file of the work."""
    files = (path for path in unfinished(target).rglob("*") if path.is_file())
    return any(path.suffix != PARTIAL for path in files)


def _discard(target: Path) -> None:
    """Remove an attempt."""
    shutil.rmtree(unfinished(target), ignore_errors=True)
    _plan(target).unlink(missing_ok=True)


def _others_work(target: Path, own: Path) -> bool:
    """Whether another process holds the lock of its part; the caller holds that of the target."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.part-*.lock"):
        try:
            if path != own:
                with exclusive_lock(path):
                    pass
        except JsddpmError:
            return True
    return False


def _sweep(building: Path) -> None:
    """Remove partial files of a killed process."""
    for orphan in building.rglob(f"*{PARTIAL}"):
        orphan.unlink()


def _publish(target: Path) -> None:
    building = unfinished(target)
    with writing(target):
        _flush(building)
        os.rename(building, target)
        fsync_directory(target.parent)
        _plan(target).unlink()


def _flush(building: Path) -> None:
    """Flush the entries of a folder and of those in it, the deepest first; links to files are entries alone."""
    for folder, _, _ in os.walk(building, topdown=False):
        fsync_directory(Path(folder))


def beside(folder: str | os.PathLike[str], suffix: str) -> Path:
    """A file or folder beside a folder, named after it; the folder may be ``.``, or a link to another place.

    >>> beside("data/store", ".selftest").relative_to(Path.cwd()).as_posix()
    'data/store.selftest'
    """
    folder = Path(folder).resolve()
    return folder.with_name(f"{folder.name}{suffix}")


def lock_of(target: Path) -> Path:
    """Lock file, beside a folder, of the process that writes it."""
    return target.parent / f".{target.name}.lock"


def unfinished(target: str | os.PathLike[str]) -> Path:
    """The folder that :func:`resumable_directory` fills before it is published at ``target``."""
    return Path(target).parent / f".{Path(target).name}.building"


def _plan(target: Path) -> Path:
    """File of the plan while :func:`unfinished` is filled."""
    return unfinished(target).with_suffix(".json")


def _same_plan(target: Path, plan: dict[str, Any]) -> None:
    before, plan = read_json(_plan(target)), json.loads(json.dumps(plan))
    if differing := [k for k in {**before, **plan} if before.get(k) != plan.get(k)]:
        changes = "; ".join(f"{k}: {before.get(k)} then, {plan.get(k)} now" for k in differing)
        cure = f"repeat the command with the same settings, or remove {unfinished(target)} and start again"
        raise integrity_error("PLAN_DIFFERS", f"the interrupted attempt had other settings ({changes})", fix=cure)


@contextmanager
def exclusive_lock(path: str | os.PathLike[str], *, wait: bool = False) -> Iterator[None]:
    """Hold ``path`` as a lock file; a second holder is refused at once, and the lock of a dead process is free.

    Args:
        path: The lock file; it is removed at the end, like the file beside it that names its holder.
        wait: Wait for another holder instead of refusing.

    Raises:
        JsddpmError: ``LOCKED`` (status 5) naming the process that holds it, its machine and since when.
    """
    path = Path(path)
    make_directory(path.parent)
    lock, holder = FileLock(path), path.with_suffix(".holder")
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        name = "another process"
        with suppress(OSError):  # it may end, and remove the file, just now
            name = holder.read_text(encoding="utf-8")
        cure = "wait until it ends, or choose another folder"
        raise environment_error("LOCKED", f"{name} is working here", fix=cure, file=path) from None
    except OSError as error:  # a folder that cannot be written, a file system without locks
        raise unwritable(error, path) from error
    try:
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        sweep(holder)
        write_text(holder, f"process {os.getpid()} on {platform.node()}, since {now},")
        yield
    finally:
        # removed while it is held: a waiting process sees that it has no name any more, and opens the next one;
        # Windows removes no open file, and filelock does it there
        with suppress(OSError):
            holder.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        lock.release()
