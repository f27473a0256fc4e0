"""The one module that owns the HTTP client: a request in, a transcription or a failure out.

The client is the `openai` SDK: its addresses, keys, proxies, time limits and error classes. The
bodies are built beforehand and the replies are read here, because the SDK's own models cost several
times as much CPU as all the rest of a row; its retries are off, because ours see the rate limit.
"""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, cast

import httpx2
import openai
import orjson
import pybase64

from asr_pandas.endpoint import qwen_chat
from asr_pandas.endpoint.failures import classify, retry_after
from asr_pandas.model import Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from asr_pandas.endpoint.endpoint import Endpoint
    from asr_pandas.model import Payload, Request, Transcription

_CONNECT_TIMEOUT: Final = 30.0  # with many connections opening at once, 5 s were too few
_HOSTED_TIMEOUT: Final = 330.0  # the service itself gives up after 300 s
_LOCAL_TIMEOUT: Final = 3_600.0  # a small machine works through its queue in its own time
_JSON: Final[Mapping[str, str]] = {"content-type": "application/json"}
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
        Seconds without a byte after which a reply is given up; the endpoint's own by default.
    """

    def __init__(
        self, endpoint: Endpoint, *, connections: int, timeout: float | None = None
    ) -> None:
        self._key = endpoint.key()
        nearby = is_loopback(endpoint.host)
        patience = timeout or (_LOCAL_TIMEOUT if nearby else _HOSTED_TIMEOUT)
        self._client = openai.AsyncOpenAI(
            api_key=self._key or _NO_KEY,
            base_url=endpoint.url,
            max_retries=0,
            timeout=httpx2.Timeout(patience, connect=_CONNECT_TIMEOUT),
            http_client=openai.DefaultAioHttpClient(
                limits=httpx2.Limits(
                    max_connections=connections, max_keepalive_connections=connections
                ),
                trust_env=not nearby,  # a proxy cannot reach this machine's loopback
            ),
        )

    async def send(self, request: Request) -> Transcription | Failure:
        """Send one request, once."""
        before, after = qwen_chat.encode(request)
        content = b"".join((before, _data(request.payload), after))
        try:
            response = await self._client.post(
                qwen_chat.PATH,
                cast_to=httpx2.Response,
                content=content,
                options={"headers": _JSON},
                stream=request.stream,
                stream_cls=openai.AsyncStream[object],
            )
            # With this `cast_to` it is the response, although the SDK's types promise a stream.
            return await _read(cast("httpx2.Response", response), streamed=request.stream)
        except openai.APIStatusError as error:
            return self._refused(error.response)
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            return _unreached(error)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _refused(self, response: httpx2.Response) -> Failure:
        wait = retry_after(response.headers, now=datetime.now(UTC))
        body = response.content
        if self._key:
            body = body.replace(self._key.encode(), b"[key]")
        return classify(response.status_code, body, retry_after=wait)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("example.org")
    (True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _data(payload: Payload) -> bytes:
    """Write the audio as it stands inside a JSON string: an address, or a data URL."""
    if payload.content is None:
        return orjson.dumps(payload.url)[1:-1]
    return b"data:%b;base64,%b" % (
        (payload.media_type or "").encode(),
        pybase64.b64encode(payload.content),
    )


async def _read(response: httpx2.Response, *, streamed: bool) -> Transcription | Failure:
    if not streamed:
        return qwen_chat.decode(response.content)
    try:
        return await _read_stream(response)
    finally:
        await response.aclose()


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
    async for line in _lines(response):
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
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    if isinstance(root, TimeoutError):
        message = "no reply in time. Try the row again later; stream=True helps with long audio."
        return Failure(kind="timeout", message=message, retry="again")
    message = (
        f"the service could not be reached ({type(root).__name__}). "
        "Check the endpoint's address and the network."
    )
    return Failure(kind="network", message=message, retry="again")
