"""Server-sent events: the bytes of a reply in, however they are cut, the data of each event out."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


DONE: Final = b"[DONE]"
"""The data of the event that ends OpenAI's streams."""


class Events:
    """A stream that grows.

    Examples
    --------
    >>> events = Events()
    >>> list(events.add(b"data: one")), list(events.add(bytes([10, 10]))), list(events.end())
    ([], [b'one'], [])
    """

    def __init__(self) -> None:
        self._line = b""
        self._parts: list[bytes] = []

    def add(self, received: bytes) -> Iterator[bytes]:
        """Take in the next bytes; return the data of each event that they complete."""
        # At line feeds alone: a transcript may hold the other separators that Unicode knows.
        *lines, self._line = (self._line + received).split(b"\n")
        for line in lines:
            yield from self._event(line.removesuffix(b"\r"))

    def end(self) -> Iterator[bytes]:
        """Return the last event where the server left out the blank line after it."""
        for line in (self._line, b""):
            yield from self._event(line)

    def _event(self, line: bytes) -> Iterator[bytes]:
        line = line.removeprefix(codecs.BOM_UTF8)
        if line.startswith(b"data:"):
            self._parts.append(line.removeprefix(b"data:").strip())
        elif not line and self._parts:
            yield b"\n".join(self._parts)
            self._parts.clear()
