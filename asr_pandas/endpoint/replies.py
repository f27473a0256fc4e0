"""A response in, while it comes; a transcription or a failure out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from asr_pandas.endpoint import qwen_chat
from asr_pandas.endpoint.events import DONE, Events
from asr_pandas.endpoint.failures import classify, retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientResponse

    from asr_pandas.model import Failure, Transcription

LARGEST: Final = 2**24  # bytes; no transcript comes near


class StalledError(TimeoutError):
    """A reply that had begun stopped coming."""


class Reply:
    """One response, read.

    Parameters
    ----------
    response : aiohttp.ClientResponse
        Its status and headers have come.
    stall : float
        Seconds that a stream may send nothing once it has begun.
    """

    def __init__(self, response: ClientResponse, *, stall: float) -> None:
        self._response = response
        self._stall = stall
        self._received = bytearray()
        self.refused = response.status // 100 != 2  # noqa: PLR2004 (success)

    async def read(self, *, streamed: bool) -> Transcription | Failure:
        """Read to the end; a reply that never ends is cut off and judged by what has come.

        Raises
        ------
        StalledError
            A stream has begun and stopped.
        """
        # Some servers do not stream although they were asked to.
        if streamed and not self.refused and self._response.content_type != "application/json":
            return await self._read_stream()
        async for part in self._response.content.iter_any():
            self._received += part
            if len(self._received) > LARGEST:
                break
        return self.refusal() if self.refused else qwen_chat.decode(bytes(self._received))

    def close(self) -> None:
        """Cut the connection, unless the reply has ended and others use it already."""
        self._response.close()

    def refusal(self) -> Failure:
        """Classify an error reply by what has come of it: its status alone says much."""
        wait = retry_after(self._response.headers, now=datetime.now(UTC))
        return classify(self._response.status, bytes(self._received), retry_after=wait)

    async def _read_stream(self) -> Transcription | Failure:
        chunks = qwen_chat.Chunks()
        async for event in self._events():
            failure = chunks.add(event)
            if failure is not None:
                return failure
        return chunks.transcription(streamed=True)

    async def _events(self) -> AsyncIterator[bytes]:
        events = Events()
        async for part in self._parts():
            for event in events.add(part):
                if event == DONE:
                    return
                yield event
        for event in events.end():
            if event != DONE:
                yield event

    async def _parts(self) -> AsyncIterator[bytes]:
        size, allowed = 0, None  # the first part may take as long as the whole attempt
        while size <= LARGEST:
            try:
                async with asyncio.timeout(allowed):
                    part = await self._response.content.readany()
            except TimeoutError as error:
                raise StalledError from error
            if not part:
                return
            yield part
            size, allowed = size + len(part), self._stall
