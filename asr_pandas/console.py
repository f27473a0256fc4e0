"""The shell's standard streams, which may be narrow, closed, or not there at all."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any

from asr_pandas.files.render import for_terminal


def settle() -> None:
    """Make the standard streams take any text; a closed one becomes None, as if not there."""
    sys.stdout, sys.stderr = _settled(sys.stdout), _settled(sys.stderr)


def tell(line: str) -> None:
    """Say something on standard error, if anybody is there."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{for_terminal(line)}\n")
            sys.stderr.flush()


def let_go() -> None:
    """Let nothing that cannot be written any more trouble Python's end."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        # Python's own recipe: https://docs.python.org/3/library/signal.html#note-on-sigpipe
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _settled(stream: Any) -> Any:  # noqa: ANN401  (whatever stands for a standard stream)
    if getattr(stream, "closed", True):
        return None
    if isinstance(stream, io.TextIOWrapper):
        # A pipe on Windows has an old code page, which many transcripts do not fit.
        encoding = stream.encoding if stream.isatty() else "utf-8"
        stream.reconfigure(encoding=encoding, errors="backslashreplace")
    return stream
