"""An http(s) address in; what its server tells about it, or its bytes, out.

Only what the address itself says leaves this machine: no cookies, no `.netrc`. Each function is a
coroutine, which ends when it is cancelled, and a plain one for a thread without a loop.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from asr_pandas.addresses import is_loopback
from asr_pandas.audio.signatures import named, unsigned
from asr_pandas.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aiohttp import ClientResponse, ClientSession

HEAD_TIMEOUT: Final = 5.0  # seconds, for all requests about one address together
FETCH_TIMEOUT: Final = 120.0  # seconds; 10 MB at 0.7 Mbit/s
MAX_REDIRECTS: Final = 5

_REMEMBERED: Final = 1_024  # addresses; equal ones tend to stand close together
_READ_SIZE: Final = 65_536  # bytes
_OK: Final = 200
_PART: Final = 206
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# What servers say to HEAD where GET is welcome; a presigned address allows one method alone.
_HEAD_REFUSED: Final = frozenset({400, 403, 405, 501})
# Stores that keep versions: S3, Google, Azure, OSS. "null" is a file without a version.
_VERSIONS: Final = ("x-amz-version-id", "x-goog-generation", "x-ms-version-id", "x-oss-version-id")
_NOTHING: Final = frozenset({"", '""', 'W/""', "null"})


class _NotReachedError(Exception):
    """Why there is no reply to be read, in words that may be shown."""


def identity_of_address(url: str, head: Callable[[str], Mapping[str, str] | None]) -> str | None:
    """Tell what the journal knows an address by, from what its server says about the content.

    Parameters
    ----------
    url : str
        http or https, signed or not.
    head : callable
        The address in, the headers of the reply out; None where there was none.

    Returns
    -------
    str or None
        The unsigned address, what changes with its content, and its size. None where the server
        tells nothing that does.

    Examples
    --------
    >>> said = {"ETag": '"5d41"', "Content-Length": "160044"}
    >>> identity_of_address("https://example.org/a.wav?Expires=9&Signature=x", lambda _: said)
    'https://example.org/a.wav|etag="5d41"|size=160044'
    """
    headers = head(url)
    if headers is None:
        return None
    facts = _identifying({name.lower(): value.strip() for name, value in headers.items()})
    return identity(unsigned(url), facts) if facts else None


def identity(address: str, facts: Mapping[str, str]) -> str:
    """Write an address and what is known of its content as one text, which no address can forge."""
    parts = [address, *(f"{name}={value}" for name, value in facts.items())]
    known = "|".join(part.replace("%7C", "%257C").replace("|", "%7C") for part in parts)
    # A header's bytes may be no UTF-8; what is kept has to be.
    return known.encode(errors="backslashreplace").decode()


def _identifying(headers: Mapping[str, str]) -> dict[str, str]:
    """Choose what changes with the content; a strong ETag outlives a copy, a version does not."""
    told = {name: value for name, value in headers.items() if value not in _NOTHING}
    etag, modified = told.get("etag"), told.get("last-modified")
    size = {"size": told["content-length"]} if "content-length" in told else {}
    version = next((told[name] for name in _VERSIONS if name in told), None)
    if etag is not None and not etag.startswith("W/"):
        return {"etag": etag, **size}
    if version is not None:
        return {"version": version, **size}
    weak = {"etag": etag, "modified": modified}
    # A second is long, and weak is weak: without the size, neither is enough.
    known = {name: value for name, value in weak.items() if value is not None}
    return {**known, **size} if known and size else {}


def heads(*, timeout: float = HEAD_TIMEOUT) -> Callable[[str], Mapping[str, str] | None]:
    """Return a `head` that remembers the last replies; one for each run, shared by its threads."""
    return lru_cache(_REMEMBERED)(partial(head, timeout=timeout))


def head(url: str, *, timeout: float = HEAD_TIMEOUT) -> Mapping[str, str] | None:
    """Ask what is at an address, from a thread without an event loop; see `head_async`."""
    return asyncio.run(head_async(url, within=timeout))


async def head_async(url: str, *, within: float = HEAD_TIMEOUT) -> Mapping[str, str] | None:
    """Ask what is at an address without downloading it.

    Parameters
    ----------
    url : str
        http or https. After at most 5 redirects; where HEAD is refused, GET asks for one byte.
    within : float
        Seconds, for everything together.

    Returns
    -------
    mapping or None
        The reply's headers in lower case, `content-length` being the size of the whole file.
        None where nothing was learned, for whatever reason.
    """
    try:
        async with asyncio.timeout(within), _session() as session:
            return await _told(session, url)
    except (_NotReachedError, aiohttp.ClientError, OSError, ValueError):
        return None


def fetch_http(url: str, *, largest: int, timeout: float = FETCH_TIMEOUT) -> bytes:
    """Download an address, from a thread without an event loop; see `fetch_http_async`."""
    return asyncio.run(fetch_http_async(url, largest=largest, within=timeout))


async def fetch_http_async(url: str, *, largest: int, within: float = FETCH_TIMEOUT) -> bytes:
    """Download an address.

    Parameters
    ----------
    url : str
        http or https.
    largest : int
        Bytes; nothing beyond is read.
    within : float
        Seconds, for everything together.

    Raises
    ------
    AudioError
        Of kind `download` or `too_large`. The message holds no signature.
    """
    try:
        async with asyncio.timeout(within), _session() as session:
            return await _content(session, url, largest)
    except AudioError:
        raise
    except TimeoutError:
        reason = f"it takes longer than {within:g} s"
    except _NotReachedError as error:
        reason = str(error)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The kind of error alone: its text may hold the signature.
        reason = type(error).__name__
    message = (
        f"{named(url)}: cannot be downloaded: {reason}. "
        "Hint: open it in a browser on this machine; a signed address may have expired."
    )
    raise AudioError(message, kind="download")


def _session() -> ClientSession:
    # Without trust_env, which would send what is in .netrc, too: proxies are looked up below.
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"user-agent": "asr-pandas", "accept": "*/*", "accept-encoding": "identity"},
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
    )


async def _told(session: ClientSession, url: str) -> Mapping[str, str] | None:
    async with _reply(session, "HEAD", url) as response:
        if response.status not in _HEAD_REFUSED:
            return _facts(response)
    async with _reply(session, "GET", url, {"range": "bytes=0-0"}) as response:
        return _facts(response)


def _facts(response: ClientResponse) -> Mapping[str, str] | None:
    if response.status not in {_OK, _PART}:
        return None
    facts = {name.lower(): value for name, value in response.headers.items()}
    if response.status == _PART:
        # The length of the one byte is not the file's: "bytes 0-0/160044", or "/*".
        facts.pop("content-length", None)
        size = facts.get("content-range", "").rpartition("/")[2]
        if size.isdecimal():
            facts["content-length"] = size
    return facts


async def _content(session: ClientSession, url: str, largest: int) -> bytes:
    async with _reply(session, "GET", url) as response:
        if response.status != _OK:
            message = f"HTTP status {response.status}"
            raise _NotReachedError(message)
        refuse_larger(named(url), response.content_length, largest)
        content = bytearray()
        async for piece in response.content.iter_chunked(_READ_SIZE):
            content += piece
            refuse_larger(named(url), len(content), largest)
        return bytes(content)


def refuse_larger(name: str, size: int | None, largest: int) -> None:
    """Raise if there are more bytes than are wanted.

    Raises
    ------
    AudioError
        Of kind `too_large`.
    """
    if size is not None and size > largest:
        message = (
            f"{name}: is larger than {largest:,} bytes and was not downloaded. "
            "Hint: save it as FLAC, MP3 or Opus, or cut it into pieces."
        )
        raise AudioError(message, kind="too_large")


@asynccontextmanager
async def _reply(
    session: ClientSession, method: str, address: str, headers: Mapping[str, str] | None = None
) -> AsyncIterator[ClientResponse]:
    """Follow redirects by hand: a password in the address is then sent to its own host alone."""
    url = _as_given(address.strip())
    for _ in range(MAX_REDIRECTS + 1):
        if url.scheme not in {"http", "https"}:
            raise _NotReachedError("it leads to an address that is not http or https")
        async with session.request(
            method, url, headers=headers, proxy=await _proxy(url), allow_redirects=False
        ) as response:
            if response.status not in _REDIRECTS:
                yield response
                return
            url = url.join(_as_given(response.headers.get("location", "")))
    message = f"more than {MAX_REDIRECTS} redirects"
    raise _NotReachedError(message)


def _as_given(url: str) -> URL:
    # Quoting anew would break the signature of a presigned address.
    return URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)


async def _proxy(url: URL) -> str | None:
    proxy = getproxies().get(url.scheme)
    host = url.host or ""
    if proxy is None or is_loopback(host):
        return None
    # On Windows this may look the host's name up.
    return None if await asyncio.to_thread(proxy_bypass, host) else proxy
