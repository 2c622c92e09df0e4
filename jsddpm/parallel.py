"""Work in several processes: results in order, workers ended afterwards, an error for a killed worker."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from jsddpm.errors import environment_error

Result = TypeVar("Result")


def in_processes(work: Callable[..., Result], calls: Iterable[tuple[Any, ...]], *, jobs: int) -> Iterator[Result]:
    """Yield ``work(*call)`` for every call, in order.

    Args:
        work: A module-level function.
        calls: Its arguments, call by call.
        jobs: The most processes, of which there are no more than calls; 1 uses this one.

    Raises:
        JsddpmError: ``WORKER`` (status 5) when a process is killed, by the system's memory limit for instance;
            ``OPEN_FILES`` (status 5) when the system allows no more open files.

    >>> list(in_processes(divmod, [(7, 2), (9, 4)], jobs=1))
    [(3, 1), (2, 1)]
    """
    every = list(calls)
    jobs = max(1, min(jobs, len(every)))
    try:
        yield from Parallel(n_jobs=jobs, return_as="generator")(delayed(work)(*call) for call in every)
    except TerminatedWorkerError as error:
        cure = "use fewer --jobs, or a machine with more memory"
        raise environment_error("WORKER", "a worker process was killed", fix=cure) from error
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        cure = "raise the limit (ulimit -n), or use fewer --jobs"
        raise environment_error("OPEN_FILES", "too many files are open", fix=cure) from error
    except BaseException:  # nobody waits for the remaining work
        if jobs > 1:
            get_reusable_executor().shutdown(wait=False, kill_workers=True)
        raise
    finally:
        if jobs > 1:  # joblib would keep idle workers, and their memory, for minutes
            get_reusable_executor().shutdown(wait=False)
