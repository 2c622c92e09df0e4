"""The command line as a user calls it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from calls import call


@pytest.fixture
def jsddpm() -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process: exit status, stdout, stderr."""

    def run(*words):
        found = call(*words)
        return found.status, found.out, found.err

    return run
