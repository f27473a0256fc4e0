"""The one module that owns the HTTP client: a request in, a transcription or a failure out.

The client is the `openai` SDK: its addresses, keys, proxies, time limits and error classes. The
bodies are built beforehand and the replies are read here, because the SDK's own models cost several
times as much CPU as all the rest of a row; its retries are off, because ours see the rate limit.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

import httpx2
import openai
import orjson
import pybase64

from asr_pandas.addresses import is_loopback
from asr_pandas.endpoint import qwen_chat
from asr_pandas.endpoint.failures import classify, retry_after
from asr_pandas.model import Failure, Transcription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from asr_pandas.endpoint.endpoint import Endpoint
    from asr_pandas.model import Request

_CONNECT_TIMEOUT: Final = 30.0  # with many connections opening at once, 5 s were too few
_HOSTED_TIMEOUT: Final = 330.0  # the service itself gives up after 300 s
_LOCAL_TIMEOUT: Final = 3_600.0  # a small machine works through its queue in its own time
_JSON: Final[Mapping[str, str]] = {"content-type": "application/json"}
_LARGEST_WHOLE: Final = 2**20  # bytes; aiohttp warns of larger bodies in one piece
_SLICE: Final = 196_608  # bytes; a multiple of 3, so that Base64 pads the last one alone
_KEY_START: Final = 8  # characters; as many are the key, and no word that stands there by chance
_NO_KEY: Final = "none"  # the SDK insists on one; servers without keys ignore it


class Transport:
    """A pool of connections to one endpoint.

    Parameters
    ----------
    endpoint : Endpoint
        An address that answers; the embedded recogniser has to run already.
    connections : int
        How many requests may be under way at once.
    timeout : float, optional
        Seconds that one attempt may take in all; the endpoint's own by default.
    """

    def __init__(
        self, endpoint: Endpoint, *, connections: int, timeout: float | None = None
    ) -> None:
        self._key = endpoint.key()
        nearby = is_loopback(endpoint.host)
        self._timeout = timeout or (_LOCAL_TIMEOUT if nearby else _HOSTED_TIMEOUT)
        self._client = openai.AsyncOpenAI(
            api_key=self._key or _NO_KEY,
            base_url=endpoint.url,
            max_retries=0,
            timeout=httpx2.Timeout(self._timeout, connect=_CONNECT_TIMEOUT),
            http_client=openai.DefaultAioHttpClient(
                limits=httpx2.Limits(
                    max_connections=connections, max_keepalive_connections=connections
                ),
                follow_redirects=False,  # neither audio nor key goes where nobody sent it
                trust_env=not nearby,  # a proxy cannot reach this machine's loopback
            ),
        )
        # OPENAI_ORG_ID and OPENAI_PROJECT_ID are OpenAI's alone to know.
        self._client.organization = self._client.project = None

    async def send(self, request: Request) -> Transcription | Failure:
        """Send one request, once. Whatever happens is a transcription or a failure."""
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._answer(request)
        except openai.APIStatusError as error:
            wait = retry_after(error.response.headers, now=datetime.now(UTC))
            reply = classify(error.status_code, error.response.content, retry_after=wait)
        except Exception as error:  # noqa: BLE001 - one bad reply must not end the run
            reply = _unreached(error)
        return self._without_key(reply)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _answer(self, request: Request) -> Transcription | Failure:
        content, size = _body(request)
        response = await self._client.post(
            qwen_chat.PATH,
            cast_to=httpx2.Response,
            content=content,
            options={"headers": {**_JSON, "content-length": str(size)}},
            stream=request.stream,
            stream_cls=openai.AsyncStream[object],
        )
        # With this `cast_to` it is the response, although the SDK's types promise a stream.
        return await _read(cast("httpx2.Response", response), streamed=request.stream)

    def _without_key(self, reply: Transcription | Failure) -> Transcription | Failure:
        """Black out the key, which some servers repeat in part or whole."""
        if not self._key or isinstance(reply, Transcription):
            return reply
        start = re.escape(self._key[:_KEY_START])
        # What is shorter than that could be part of any word, and is blacked out as a word alone.
        short = len(self._key) < _KEY_START
        shown = re.compile(rf"(?<!\w){start}(?!\w)" if short else rf"{start}[^\s\"']*")
        return replace(
            reply,
            message=shown.sub("[key]", reply.message),
            request_id=shown.sub("[key]", reply.request_id) if reply.request_id else None,
        )


def _body(request: Request) -> tuple[bytes | AsyncIterator[bytes], int]:
    """Build the request's body and count its bytes."""
    before, after = qwen_chat.encode(request)
    audio = request.payload.content
    if audio is None:
        body = before + orjson.dumps(request.payload.url)[1:-1] + after
        return body, len(body)
    before += b"data:%b;base64," % (request.payload.media_type or "").encode()
    size = len(before) + (len(audio) + 2) // 3 * 4 + len(after)
    if size <= _LARGEST_WHOLE:
        return b"".join((before, pybase64.b64encode(audio), after)), size
    return _in_slices(before, audio, after), size


async def _in_slices(before: bytes, audio: bytes, after: bytes) -> AsyncIterator[bytes]:
    """Encode while it is sent: neither the loop nor the memory holds a large body at once."""
    yield before
    for start in range(0, len(audio), _SLICE):
        yield pybase64.b64encode(audio[start : start + _SLICE])
    yield after


async def _read(response: httpx2.Response, *, streamed: bool) -> Transcription | Failure:
    try:
        # Some servers do not stream although they were asked to.
        if streamed and not _is_json(response):
            return await _read_stream(response)
        return qwen_chat.decode(await response.aread())
    finally:
        await response.aclose()


def _is_json(response: httpx2.Response) -> bool:
    kind: str = response.headers.get("content-type", "")
    return kind.startswith("application/json")


async def _read_stream(response: httpx2.Response) -> Transcription | Failure:
    chunks = qwen_chat.Chunks()
    async for event in _events(response):
        failure = chunks.add(event)
        if failure is not None:
            return failure
    return chunks.transcription(streamed=True)


async def _events(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Yield the data of each server-sent event up to `[DONE]`."""
    parts: list[bytes] = []
    async for raw in _lines(response):
        line = raw.removeprefix(codecs.BOM_UTF8)
        if line.startswith(b"data:"):
            parts.append(line.removeprefix(b"data:").strip())
        elif not line and parts:
            event = b"\n".join(parts)
            if event == b"[DONE]":
                return
            yield event
            parts.clear()


async def _lines(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Split at line feeds alone: a transcript may hold the other separators that Unicode knows."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")
    # Some servers leave out the blank line after the last event.
    for line in (rest, b""):
        yield line


def _unreached(error: BaseException) -> Failure:
    """Tell a time-out from a lost connection, which the SDK's aiohttp transport calls alike."""
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    if any(isinstance(link, TimeoutError) for link in chain):
        message = "no reply in time. Try the row again later; stream=True helps with long audio."
        return Failure(kind="timeout", message=message, retry="again")
    message = (
        f"the service could not be reached, or broke off ({type(chain[-1]).__name__}). "
        "Check the endpoint's address and the network."
    )
    return Failure(kind="network", message=message, retry="again")
