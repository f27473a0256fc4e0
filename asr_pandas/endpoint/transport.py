"""The one module that owns the HTTP client: a request in, a transcription or a failure out.

The service is spoken to as the `openai` SDK would: its address, key and headers come from there.
The SDK's request path is not taken. Its models, its copies of every header and the two HTTP layers
below cost three times as much CPU a row as aiohttp, on which its cheaper transport stands too, and
which is driven directly here. TLS and proxies are settled as the SDK's client settles them.
"""

from __future__ import annotations

import asyncio
import math
import re
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies

import aiohttp
import httpx2
import openai
from yarl import URL

from asr_pandas.addresses import is_loopback
from asr_pandas.endpoint import qwen_chat
from asr_pandas.endpoint.bodies import Body, Reading, UnreadableError, body_of
from asr_pandas.endpoint.deadlines import deadline, longest_pause
from asr_pandas.endpoint.proxies import proxy_for
from asr_pandas.endpoint.replies import Reply, StalledError
from asr_pandas.model import Failure, Transcription

if TYPE_CHECKING:
    from asr_pandas.endpoint.endpoint import Endpoint
    from asr_pandas.model import Request

_CONNECT_TIMEOUT: Final = 30.0  # with many connections opening at once, 5 s were too few
_KEY_START: Final = 8  # characters; as many are the key, and no word that stands there by chance
_NO_KEY: Final = "none"  # the SDK insists on one; servers without keys ignore it
_LATE: Final = "no reply in time"
_REACH: Final = "Check the endpoint's address and the network"
_TRUST: Final = (
    "Its certificate is not trusted on this machine; where your own network signs what passes, "
    "SSL_CERT_FILE names the file with its certificate"
)
# What ends an attempt before the service can have seen it.
_NEVER_SENT: Final = (
    aiohttp.ClientConnectorError,  # no such name, refused, TLS
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)


class Transport:
    """A pool of connections to one endpoint, for one event loop.

    Parameters
    ----------
    endpoint : Endpoint
        An address that answers; the embedded recogniser has to run already.
    connections : int
        How many requests may be under way at once.
    timeout : float, optional
        Seconds that no attempt may exceed, however long its audio is.
    stall : float, optional
        Seconds that a streamed reply may send nothing once it has begun; by default as long as the
        kind of endpoint deserves.

    Raises
    ------
    OptionError
        The environment names a proxy of a kind that cannot be used.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        connections: int,
        timeout: float | None = None,
        stall: float | None = None,
    ) -> None:
        self._key = endpoint.key()
        self._nearby = is_loopback(endpoint.host)
        self._timeout = timeout or math.inf
        self._stall = stall or longest_pause(nearby=self._nearby)
        self._connections = connections
        self._tls = httpx2.create_ssl_context()
        self._sdk = openai.AsyncOpenAI(
            api_key=self._key or _NO_KEY,
            base_url=endpoint.url,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(verify=self._tls, trust_env=False),
        )
        # OPENAI_ORG_ID and OPENAI_PROJECT_ID are OpenAI's alone to know.
        self._sdk.organization = self._sdk.project = None
        self._address = URL(f"{str(self._sdk.base_url).rstrip('/')}{qwen_chat.PATH}")
        # A proxy cannot reach this machine's loopback.
        proxy = None if self._nearby else proxy_for(endpoint.url, getproxies())
        self._proxy = URL(proxy).with_user(None) if proxy else None
        self._to_proxy = _sign_in(URL(proxy)) if proxy else {}
        headers = {**self._sdk.default_headers, **self._sdk.auth_headers}
        # What the SDK omits is no text.
        self._headers = {name: said for name, said in headers.items() if isinstance(said, str)}
        if self._address.scheme == "http":
            # There is no tunnel: the proxy reads the request's own headers.
            self._headers |= self._to_proxy
        self._opened: aiohttp.ClientSession | None = None

    async def send(
        self, request: Request, *, duration: float | None = None
    ) -> Transcription | Failure:
        """Send one request, once. Whatever happens is a transcription or a failure.

        Parameters
        ----------
        request : Request
            What is asked.
        duration : float, optional
            Seconds of audio, which decide how long the reply is waited for.
        """
        limit = min(self._timeout, deadline(duration, nearby=self._nearby))
        file = request.payload.file
        reading = Reading(file) if file is not None else None
        body: Body | None = None
        reply: Reply | None = None
        try:
            async with asyncio.timeout(limit):
                body = await body_of(request, reading)
                reply = await self._post(body)
                answer = await reply.read(streamed=request.stream)
        except Exception as error:  # noqa: BLE001 - one bad reply must not end the run
            broken_off = _broken_off(error, began=body is not None)
            answer = reply.refusal() if reply and reply.refused else broken_off
        finally:
            if reply is not None:
                reply.close()
            if reading is not None:
                reading.close()
        return self._without_key(answer)

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()
        await self._sdk.close()

    @property
    def _session(self) -> aiohttp.ClientSession:
        # At first use, since it belongs to the loop that runs then.
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> aiohttp.ClientSession:
        # No headers here: aiohttp would show them, and the key among them, to a proxy as well.
        return aiohttp.ClientSession(
            # No other limit is safe: aiohttp's own is 100.
            connector=aiohttp.TCPConnector(limit=self._connections, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=_CONNECT_TIMEOUT, sock_connect=_CONNECT_TIMEOUT
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def _post(self, body: Body) -> Reply:
        response = await self._session.post(
            self._address,
            data=body.content,
            headers={**self._headers, "Content-Length": str(body.size)},
            allow_redirects=False,  # neither audio nor key goes where nobody sent it
            proxy=self._proxy,
            proxy_headers=self._to_proxy,
        )
        return Reply(response, stall=self._stall)

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


def _sign_in(proxy: URL) -> dict[str, str]:
    if not proxy.user:
        return {}
    credentials = f"{proxy.user}:{proxy.password or ''}".encode()
    return {"Proxy-Authorization": f"Basic {b64encode(credentials).decode()}"}


def _broken_off(error: BaseException, *, began: bool) -> Failure:
    """Say what ended an attempt without a readable reply, and whether it may have been billed."""
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    unread = next((link for link in chain if isinstance(link, UnreadableError)), None)
    if unread is not None:
        # The service got a part at most, which is no request.
        return Failure(kind="unreadable", message=str(unread))
    unanswered = began and not isinstance(error, _NEVER_SENT)
    if unanswered and any(isinstance(link, TimeoutError) for link in chain):
        what = "the reply stopped before its end" if isinstance(error, StalledError) else _LATE
        message = f"{what}. Try the row again later; stream=True helps with long audio."
        return Failure(kind="timeout", message=message, retry="again", unanswered=True)
    what = "broke off" if unanswered else "could not be reached"
    untrusted = isinstance(error, aiohttp.ClientConnectorCertificateError)
    message = f"the service {what} ({type(chain[-1]).__name__}). {_TRUST if untrusted else _REACH}."
    return Failure(kind="network", message=message, retry="again", unanswered=unanswered)
