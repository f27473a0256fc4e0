"""A request in, the bytes of its body out: at once, or slice by slice while they are sent."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

import orjson
import pybase64

from asr_pandas.endpoint import qwen_chat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asr_pandas.model import File, Request

# Bytes; a multiple of 3, so that Base64 pads the last one alone. What one becomes is as much as
# asyncio buffers for a connection before it makes the sender wait.
SLICE: Final = 49_152
_CHANGED: Final = (
    "the file changed while the run was reading it. Run the row again once it is whole."
)


class UnreadableError(Exception):
    """A file is not, or no longer, what the run found; its message is for the row."""


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent."""

    content: bytes | AsyncIterator[bytes]
    size: int
    """Bytes, for Content-Length."""


class Reading:
    """A file that is read slice by slice while it is sent, and never held as a whole.

    Parameters
    ----------
    file : File
        The file as the run found it.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._left = file.size
        self._handle: BinaryIO | None = None
        self._closed = False

    def start(self) -> bytes:
        """Open the file and return its first slice in Base64; for a thread, since it may block.

        Raises
        ------
        UnreadableError
            The file is gone, or has changed.
        """
        with _told():
            # Buffered: a short read of a raw file would put padding inside.
            self._handle = open(self._file.path, "rb")  # noqa: PTH123, SIM115 (`close` closes it)
            if self._closed:
                self._handle.close()
                return b""
            self._check(self._handle)
        return self.next()

    def next(self) -> bytes:
        """Return the next slice in Base64, or nothing after the last.

        It is read where it is needed: the run has just had the whole file in its hands, so that the
        system has it in memory, and a thread for each slice would cost twice the CPU of the rest.

        Raises
        ------
        UnreadableError
            The file has changed. Noticed before the last slice is handed out, so that no service
            ever gets a whole request with parts of two files in it.
        """
        if not self._left or self._handle is None:
            return b""
        wanted = min(SLICE, self._left)
        self._left -= wanted
        with _told():
            audio = self._handle.read(wanted)
            if not self._left:
                self._check(self._handle)
        if len(audio) < wanted:
            raise UnreadableError(_CHANGED)
        return pybase64.b64encode(audio)

    def close(self) -> None:
        """Let go of the file, also where it is only just being opened."""
        self._closed = True
        if self._handle is not None:
            self._handle.close()

    def _check(self, handle: BinaryIO) -> None:
        found = os.fstat(handle.fileno())
        if (found.st_size, found.st_mtime_ns) != (self._file.size, self._file.mtime_ns):
            raise UnreadableError(_CHANGED)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the system says of a file into words for its row."""
    try:
        yield
    except OSError as error:
        message = f"the file could not be read while it was sent: {error.strerror or error}."
        raise UnreadableError(f"{message} Check it, and run the row again.") from error


async def body_of(request: Request, reading: Reading | None) -> Body:
    """Build a request's body.

    Parameters
    ----------
    request : Request
        The options and the audio: bytes, or an address. A file comes as `reading`.
    reading : Reading or None
        The payload's file; its first slice is read here, before anything is sent.

    Returns
    -------
    Body
        Large audio is encoded while it is sent: neither the loop nor the memory holds it at once.

    Raises
    ------
    UnreadableError
        The file is gone, or has changed.
    """
    before, after = qwen_chat.encode(request)
    payload = request.payload
    if reading is None and payload.content is None:
        whole = before + orjson.dumps(payload.url)[1:-1] + after
        return Body(whole, len(whole))
    before += b"data:%b;base64," % (payload.media_type or "").encode()
    audio = payload.content or b""
    length = len(audio) if payload.file is None else payload.file.size
    size = len(before) + (length + 2) // 3 * 4 + len(after)
    if reading is not None:
        first = await asyncio.to_thread(reading.start)
        return Body(_from_file(before + first, reading, after), size)
    if length <= SLICE:
        return Body(b"".join((before, pybase64.b64encode(audio), after)), size)
    return Body(_from_memory(before, audio, after), size)


async def _from_memory(before: bytes, audio: bytes, after: bytes) -> AsyncIterator[bytes]:
    yield before
    for start in range(0, len(audio), SLICE):
        yield pybase64.b64encode(audio[start : start + SLICE])
    yield after


async def _from_file(before: bytes, reading: Reading, after: bytes) -> AsyncIterator[bytes]:
    yield before
    while encoded := reading.next():
        yield encoded
    yield after
