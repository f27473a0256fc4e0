"""An address in, its bytes out: a bounded download that cannot be led into private networks.

Every connection is checked where it is made, against the address that is really dialled. A name
that resolves anew between check and use, a redirect or an odd spelling of a number cannot pass.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from asr_pandas.audio.fit import LARGEST
from asr_pandas.local.refusals import (
    DOWNLOAD_TOO_SLOW,
    ILLEGAL_URL,
    NOT_DOWNLOADED,
    TOO_LARGE,
    invalid,
    undownloaded,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import AddrInfoType, ClientResponse, ClientSession

MAX_BYTES: Final = LARGEST  # the synchronous form takes files of up to 10 MB: vendor's docs
MAX_SECONDS: Final = 30.0  # for all hops together; the service's own patience is not documented
MAX_REDIRECTS: Final = 5

_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_READ_SIZE: Final = 65_536  # bytes
# NAT64 (RFC 6052): the last 32 bits are the IPv4 address that is reached.
_NAT64: Final = IPv6Network("64:ff9b::/96")
_6TO4: Final = IPv6Network("2002::/16")


class _NotPublic(OSError):
    """The address is not one that the public internet has."""


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public internet.

    Parameters
    ----------
    address : str
        IPv4 or IPv6, perhaps with a zone.

    Returns
    -------
    bool
        False for loopback, private, link-local, reserved and multicast addresses, and for IPv6
        forms that carry one of these.

    Examples
    --------
    >>> [is_public(ip) for ip in ("93.184.215.14", "10.0.0.1", "::ffff:127.0.0.1", "fe80::1%eth0")]
    [True, False, False, False]
    """
    ip = _carried(ip_address(address.partition("%")[0]))
    if isinstance(ip, IPv6Address) and (ip.is_site_local or ip in _6TO4):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def is_any(_address: str) -> bool:
    """Allow every address: for servers whose callers may read the private network anyway."""
    return True


def _carried(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Unwrap an IPv4 address that travels inside an IPv6 one."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(ip.packed[-4:])
    return ip.ipv4_mapped or ip


async def fetch(
    url: str,
    *,
    allowed: Callable[[str], bool] = is_public,
    limit: int = MAX_BYTES,
    within: float = MAX_SECONDS,
) -> bytes:
    """Download an address.

    Parameters
    ----------
    url : str
        http or https.
    allowed : callable, default is_public
        Whether an IP address may be connected to.
    limit : int
        Bytes.
    within : float
        Seconds, for everything together.

    Returns
    -------
    bytes
        The body of the reply, after at most 5 redirects.

    Raises
    ------
    Refusal
        In the service's words: no such address, not reached, too slow, too large, not allowed.
    """
    try:
        async with asyncio.timeout(within), _session(allowed) as session:
            return await _follow(session, _as_given(url), limit=limit)
    except TimeoutError:
        raise undownloaded(DOWNLOAD_TOO_SLOW) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if isinstance(getattr(error, "os_error", None), _NotPublic):
            raise invalid(f"{ILLEGAL_URL} It leads to an address that is not public.") from None
        # The kind of error alone: its text may hold addresses of the server's own network.
        raise undownloaded(f"{NOT_DOWNLOADED}: {type(error).__name__}") from None


def _session(allowed: Callable[[str], bool]) -> ClientSession:
    # No proxy from the environment: it would resolve names out of our sight.
    connector = aiohttp.TCPConnector(socket_factory=partial(_socket, allowed=allowed))
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"accept-encoding": "identity"},
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
    )


def _socket(target: AddrInfoType, *, allowed: Callable[[str], bool]) -> socket.socket:
    family, kind, protocol, _, address = target
    if not allowed(str(address[0])):
        raise _NotPublic
    return socket.socket(family=family, type=kind, proto=protocol)


async def _follow(session: ClientSession, url: URL, *, limit: int) -> bytes:
    for _ in range(MAX_REDIRECTS + 1):
        if url.scheme not in {"http", "https"}:
            raise invalid(ILLEGAL_URL)
        async with session.get(url, allow_redirects=False) as response:
            if response.status not in _REDIRECTS:
                return await _bounded(response, limit=limit)
            url = url.join(_as_given(response.headers.get("location", "")))
    raise undownloaded(f"{NOT_DOWNLOADED}: more than {MAX_REDIRECTS} redirects")


def _as_given(url: str) -> URL:
    # Quoting anew would break the signature of a presigned address.
    return URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)


async def _bounded(response: ClientResponse, *, limit: int) -> bytes:
    if response.status != _OK:
        raise undownloaded(f"{NOT_DOWNLOADED}: HTTP status {response.status}")
    content = bytearray()
    async for piece in response.content.iter_chunked(_READ_SIZE):
        content += piece
        if len(content) > limit:
            raise invalid(TOO_LARGE)
    return bytes(content)
