"""Robust standard output and standard error: any encoding, full disks, closed streams, and pipes without a reader.

Inside :func:`guarded` all output passes through this module, also that of libraries. Characters that the encoding lacks
are replaced. A stream that cannot be written ends the command: with exit status 141 if the reader has ended, as with
``| head``, otherwise with an error of jsddpm (status 5).
"""

from __future__ import annotations

import faulthandler
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from jsddpm.errors import JsddpmError, environment_error, printable
from jsddpm.refusals import unwritable

BROKEN_PIPE = 141
"""Exit status when nobody reads the output any more: 128 and the number of SIGPIPE."""

_PLAIN = str.maketrans({"█": "#", "–": "-", "…": "~", "×": "x", "▲": "^", "▼": "v", "✓": "+", "─": "-", "│": "|"})
"""Replacements of the characters of tables, for encodings without them."""


class _Stream:
    """A text stream whose failures are errors of jsddpm; after a failure it discards all output.

    Args:
        stream: The stream; None if it does not exist.
        name: Its name in messages.
        needed: Whether a stream that was closed from the start is a failure.
    """

    def __init__(self, stream: TextIO | None, name: str, *, needed: bool) -> None:
        self._stream, self._name = stream or io.StringIO(), name
        self._missing, self._lost = stream is None and needed, False

    def write(self, text: str) -> int:
        if self._missing and not self._lost:
            self._lost = True
            raise environment_error("NOT_WRITABLE", "is closed", fix="open it, or redirect it", file=self._name)
        if not self._lost:
            with self._explained():
                self._stream.write(_encodable(text, self._stream.encoding or "utf-8"))
        return len(text)

    def flush(self) -> None:
        if not self._lost:
            with self._explained():
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            self._lost = True
            self._discard()
            if isinstance(error, BrokenPipeError):
                raise SystemExit(BROKEN_PIPE) from None
            if isinstance(error, ValueError):  # Python raises it for a closed file
                raise environment_error("NOT_WRITABLE", str(error), fix="keep it open", file=self._name) from error
            raise unwritable(error, self._name) from error

    def _discard(self) -> None:
        """Discard buffered output, which would fail again when the interpreter ends."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def guarded() -> Iterator[None]:
    """Guard both streams within the block.

    Raises:
        SystemExit: 141 when a reader has gone, 5 when standard error cannot take an error's message.
    """
    before = sys.stdout, sys.stderr
    if None in (sys.stdin, *before):
        _occupy()
    else:
        with suppress(OSError, ValueError):  # of a stream that is no file
            faulthandler.enable()  # a store cut short while it is mapped ends the process: where, is said
    sys.stdout = cast(TextIO, _Stream(before[0], "standard output", needed=True))
    sys.stderr = cast(TextIO, _Stream(before[1], "standard error", needed=False))
    try:
        yield
        sys.stderr.flush()
    except JsddpmError as error:
        sys.exit(error.status)
    finally:
        sys.stdout, sys.stderr = before


def strict_json(value: object) -> str:
    r"""JSON that any terminal may be shown: no NaN, no control or bidirectional character, ASCII where it must be.

    >>> strict_json(["\xe9t\xe9 \x9b"])
    '[\n  "\xe9t\xe9 \\u009b"\n]'
    """
    unicode = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("_", "-").startswith("utf")
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=not unicode)
    return re.sub(
        r"[^\n\x20-\x7e]", lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text
    )


def lines(text: str) -> str:
    r"""Text of several lines with everything else that is not printable escaped.

    >>> lines("a\x1b\nb")
    'a\\x1b\nb'
    """
    return "\n".join(map(printable, text.split("\n")))


def _encodable(text: str, encoding: str) -> str:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        return text.encode("ascii", "backslashreplace").decode()
    return text


def _occupy() -> None:
    """Occupy file numbers 0 to 2, so that output of a library cannot be written into files opened later."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
