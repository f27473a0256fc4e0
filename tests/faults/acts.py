"""How the test server answers, and how it fails: a request and a clip's digest in, a reply out."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from socket import SO_LINGER, SOL_SOCKET
from typing import Final

from aiohttp import web

from tests.faults import replies
from tests.faults.kinds import Act, Fault

_TRICKLE: Final = 0.05  # seconds between two pieces of a reply that never ends
_NO_LINGER: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)

Failing = Callable[[web.Request, Fault, str], Awaitable[web.StreamResponse]]


async def answer(request: web.Request, audio: str, *, stream: bool) -> web.StreamResponse:
    """Answer with the clip's transcript."""
    if stream:
        return await _stream(request, [*replies.events(audio), b"[DONE]"])
    return _json(replies.completion(audio))


async def fail(
    request: web.Request, fault: Fault, audio: str, *, stream: bool
) -> web.StreamResponse:
    """Fail in the way of the fault, which may be another one inside a stream."""
    act = _IN_A_STREAM.get(fault.act) if stream else None
    return await (act or _ANYWHERE[fault.act])(request, fault, audio)


def is_gone(request: web.Request) -> bool:
    """Tell whether the sender has hung up."""
    return request.transport is None or request.transport.is_closing()


async def reset(request: web.Request, _fault: object = None, _audio: str = "") -> web.Response:
    """Break the connection off so that the other side is told of a reset."""
    if (transport := request.transport) is not None:
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _NO_LINGER)
        transport.abort()
    return web.Response()


async def _refuse(_: web.Request, fault: Fault, _audio: str) -> web.Response:
    headers = replies.headers(fault, now=datetime.now(UTC))
    return _json(replies.error(fault), status=fault.status, headers=headers)


async def _page(_: web.Request, fault: Fault, _audio: str) -> web.Response:
    page = "<html><h1>502 Bad Gateway</h1></html>"
    return web.Response(text=page, status=fault.status, content_type="text/html")


async def _error_object(_: web.Request, fault: Fault, _audio: str) -> web.Response:
    return _json(replies.error(fault))


async def _truncated(_: web.Request, _fault: Fault, audio: str) -> web.Response:
    reply = replies.completion(audio)
    return _json(reply[: len(reply) // 2])


async def _garbled(_: web.Request, _fault: Fault, audio: str) -> web.Response:
    return _json(replies.completion(audio).replace(b'"', b"\xff"))


async def _cut(request: web.Request, _fault: Fault, audio: str) -> web.StreamResponse:
    reply = replies.completion(audio)
    headers = {"content-type": "application/json", "content-length": str(len(reply))}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    await response.write(reply[: len(reply) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _never_ends(request: web.Request, _fault: Fault, _audio: str) -> web.StreamResponse:
    # Spaces before JSON mean nothing, so that it may still come.
    return await _trickle(request, "application/json", b" ")


async def _slow_headers(request: web.Request, _fault: Fault, _audio: str) -> web.Response:
    line = b"HTTP/1.1 200 OK\r\nX-Wait: "
    while (transport := request.transport) is not None and not transport.is_closing():
        transport.write(line)
        line = b"a"
        await asyncio.sleep(_TRICKLE)
    return web.Response()


async def _error_event(request: web.Request, fault: Fault, audio: str) -> web.StreamResponse:
    return await _stream(request, [*replies.events(audio)[:2], replies.error(fault)])


async def _truncated_stream(request: web.Request, _fault: Fault, audio: str) -> web.StreamResponse:
    return await _stream(request, replies.events(audio)[:2])


async def _garbled_event(request: web.Request, _fault: Fault, audio: str) -> web.StreamResponse:
    return await _stream(request, [*replies.events(audio)[:1], b'{"choices": [\xff{]', b"[DONE]"])


async def _silent_stream(request: web.Request, _fault: Fault, _audio: str) -> web.StreamResponse:
    # Comments keep a line open; they say nothing.
    return await _trickle(request, "text/event-stream", b": \n\n")


async def _trickle(request: web.Request, kind: str, filler: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": kind})
    await response.prepare(request)
    with suppress(ConnectionError):
        while not is_gone(request):
            await response.write(filler)
            await asyncio.sleep(_TRICKLE)
    return response


async def _stream(request: web.Request, told: list[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for event in told:
        await response.write(b"data: " + event + b"\n\n")
    return response


def _json(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


_ANYWHERE: Final[dict[Act, Failing]] = {
    "refuse": _refuse,
    "page": _page,
    "error_object": _error_object,
    "reset_before": reset,
    "reset_after": reset,
    "cut": _cut,
    "truncated": _truncated,
    "garbled": _garbled,
    "never_ends": _never_ends,
    "slow_headers": _slow_headers,
}
_IN_A_STREAM: Final[dict[Act, Failing]] = {
    "error_object": _error_event,
    "truncated": _truncated_stream,
    "garbled": _garbled_event,
    "never_ends": _silent_stream,
}
