"""Work in several processes."""

from __future__ import annotations

import errno

import pytest

from jsddpm import parallel
from jsddpm.errors import JsddpmError


@pytest.mark.parametrize(("calls", "asked", "expected"), [(3, 1000, 3), (3, 2, 2), (1, 4, 1), (0, 4, 1)])
def test_there_are_no_more_processes_than_calls(monkeypatch, calls, asked, expected):
    """For 8 images, 1000 processes were started."""
    started = []

    def counted(n_jobs, **_):
        started.append(n_jobs)
        return lambda work: (task[0](*task[1]) for task in work)

    monkeypatch.setattr(parallel, "Parallel", counted)
    assert list(parallel.in_processes(abs, ((n,) for n in range(calls)), jobs=asked)) == list(range(calls))
    assert started == [expected]


@pytest.mark.parametrize(
    ("number", "raised"), [(errno.EMFILE, JsddpmError), (errno.ENFILE, JsddpmError), (errno.EIO, OSError)]
)
def test_too_many_open_files_are_an_error_of_the_system(monkeypatch, number, raised):
    def refused(**_):
        raise OSError(number, "refused")

    monkeypatch.setattr(parallel, "Parallel", refused)
    with pytest.raises(raised) as caught:
        list(parallel.in_processes(abs, [(1,), (2,)], jobs=2))
    if raised is JsddpmError:
        assert (caught.value.code, caught.value.status) == ("OPEN_FILES", 5)
