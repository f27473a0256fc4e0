"""One request's way through the server: read, fetched, decoded, heard, answered."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from asr_pandas.audio.decode import SAMPLE_RATE, TooLong, decode
from asr_pandas.audio.fit import LONGEST
from asr_pandas.errors import AudioError
from asr_pandas.local import replies, wire
from asr_pandas.local.fetch import fetch, is_any, is_public
from asr_pandas.local.listening import Listener, in_thread
from asr_pandas.local.refusals import ILLEGAL_FORMAT, TOO_LONG, failed, invalid

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import numpy as np
    from numpy.typing import NDArray

    from asr_pandas.local.recogniser import Recogniser
    from asr_pandas.local.wire import Ask

# Clips in memory as samples, 19 MB each at most; further requests wait as they were sent.
_DECODED_AT_ONCE: Final = 4
_log = logging.getLogger(__name__)


class Desk:
    """Answers requests, whole or segment by segment.

    Parameters
    ----------
    recogniser : Recogniser
        Listens.
    allow_private : bool
        Whether audio may be fetched from private and loopback addresses.
    """

    def __init__(self, recogniser: Recogniser, *, allow_private: bool) -> None:
        self._name = recogniser.name
        self._models = tuple(dict.fromkeys((*wire.SERVED_AS, recogniser.name)))
        self._allowed = is_any if allow_private else is_public
        self._listener = Listener(recogniser)
        self._decoders = ThreadPoolExecutor(
            _DECODED_AT_ONCE, thread_name_prefix="asr-pandas-decode"
        )
        self._room = asyncio.Semaphore(_DECODED_AT_ONCE)
        self._started = int(time.time())

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Transcribe."""
        ask = wire.read(await request.read(), models=self._models)
        content = await self._content(ask)
        async with self._room:
            samples = await self._samples(content)
            stamp = self._stamp()
            if ask.stream:
                return await self._streamed(request, samples, ask=ask, stamp=stamp)
            return await self._whole(samples, ask=ask, stamp=stamp)

    async def models(self, _request: web.Request) -> web.Response:
        """List the names that a request may use."""
        known = [
            {"id": name, "object": "model", "created": self._started, "owned_by": "asr-pandas"}
            for name in self._models
        ]
        return web.json_response({"object": "list", "data": known})

    async def health(self, _request: web.Request) -> web.Response:
        """Say that the server runs, and with which recogniser."""
        return web.json_response({"status": "ok", "model": self._name})

    async def shut(self, _app: web.Application) -> None:
        """Let the threads go."""
        self._listener.shut()
        self._decoders.shutdown(wait=False)

    async def _content(self, ask: Ask) -> bytes:
        if ask.url is not None:
            return await fetch(ask.url, allowed=self._allowed)
        return ask.content or b""

    async def _samples(self, content: bytes) -> NDArray[np.float32]:
        try:
            return await in_thread(self._decoders, partial(decode, content, limit=LONGEST))
        except TooLong:
            raise invalid(TOO_LONG) from None
        except AudioError:
            raise invalid(ILLEGAL_FORMAT) from None

    def _stamp(self) -> replies.Stamp:
        return replies.Stamp(
            request_id=str(uuid.uuid4()), created=int(time.time()), model=self._name
        )

    async def _whole(
        self, samples: NDArray[np.float32], *, ask: Ask, stamp: replies.Stamp
    ) -> web.Response:
        async with self._listener.listen(
            samples, language=ask.language, context=ask.context
        ) as hearing:
            segments = [segment async for segment in hearing.segments]
        reply = replies.completion(
            "".join(segment.text for segment in segments),
            language=hearing.language,
            usage=_usage(samples, text_tokens=sum(segment.tokens for segment in segments)),
            stamp=stamp,
        )
        return web.json_response(reply, headers={"x-request-id": stamp.request_id})

    async def _streamed(
        self, request: web.Request, samples: NDArray[np.float32], *, ask: Ask, stamp: replies.Stamp
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "content-type": "text/event-stream; charset=utf-8",
                "cache-control": "no-cache",
                "x-request-id": stamp.request_id,
            }
        )
        await response.prepare(request)
        # Whoever goes away in the middle has ended the request; the block frees the recogniser.
        with suppress(ConnectionError):
            async with aclosing(self._events(samples, ask=ask, stamp=stamp)) as events:
                async for event in events:
                    await response.write(event)
        return response

    async def _events(
        self, samples: NDArray[np.float32], *, ask: Ask, stamp: replies.Stamp
    ) -> AsyncGenerator[bytes, None]:
        yield replies.event(replies.opening(stamp))
        tokens = 0
        try:
            async with self._listener.listen(
                samples, language=ask.language, context=ask.context
            ) as hearing:
                async for segment in hearing.segments:
                    tokens += segment.tokens
                    yield replies.event(
                        replies.increment(segment.text, language=hearing.language, stamp=stamp)
                    )
        except Exception:  # noqa: BLE001 - logged; the caller is told in the service's form
            # The status is sent already; clients look for an error inside the stream.
            _log.exception("request %s failed", stamp.request_id)
            yield replies.event(failed().body(request_id=stamp.request_id))
            return
        yield replies.event(replies.ending(stamp))
        if ask.include_usage:
            usage = _usage(samples, text_tokens=tokens)
            yield replies.event(replies.accounting(usage, stamp=stamp))
        yield replies.LAST_EVENT


def _usage(samples: NDArray[np.float32], *, text_tokens: int) -> dict[str, object]:
    return replies.count(len(samples) / SAMPLE_RATE, text_tokens=text_tokens)
