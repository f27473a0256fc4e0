"""Addresses are fetched within bounds, and never from a network that callers could not reach."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.local.fetch import MAX_REDIRECTS, fetch, is_any, is_public
from asr_pandas.local.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

AUDIO = b"audio" * 1_000


class Shop(ThreadingHTTPServer):
    """A web server whose paths say how it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []
        self.closing = Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        _, what, *rest = self.path.split("/", 2)
        if what == "status":
            self._say(int(rest[0]))
        elif what == "to":
            self._say(302, location=rest[0])
        elif what == "hops":
            left = int(rest[0])
            self._say(302, location=f"/hops/{left - 1}") if left else self._say(200)
        elif what == "never":
            self.server.closing.wait(30)
        elif what == "cut":
            self._say(200, claimed=len(AUDIO) + 1)
        else:
            self._say(200)

    def _say(self, status: int, *, location: str | None = None, claimed: int = len(AUDIO)) -> None:
        self.send_response(status)
        if location is not None:
            self.send_header("location", location)
        self.send_header("content-length", str(claimed))
        self.end_headers()
        self.wfile.write(AUDIO)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Shop() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


def fetched(url: str, **options: Any) -> bytes:
    return asyncio.run(fetch(url, **{"allowed": is_any, **options}))


@contextmanager
def refused(said: str) -> Iterator[None]:
    with pytest.raises(Refusal, match=said) as caught:
        yield
    assert caught.value.status == 400


def test_an_address_gives_its_bytes(shop: Shop) -> None:
    content = fetched(f"{shop.url}/a.wav?signature=a%2Fb")

    assert content == AUDIO
    assert shop.asked[-1] == "/a.wav?signature=a%2Fb"


def test_redirects_are_followed_to_the_fifth(shop: Shop) -> None:
    content = fetched(f"{shop.url}/hops/{MAX_REDIRECTS}")

    assert content == AUDIO


def test_a_sixth_redirect_is_one_too_many(shop: Shop) -> None:
    with refused("Failed to download multimodal content: more than 5 redirects"):
        fetched(f"{shop.url}/hops/{MAX_REDIRECTS + 1}")


@pytest.mark.parametrize(
    "target", ["ftp://127.0.0.1/a.wav", "file:///etc/hosts", "ws://127.0.0.1/"]
)
def test_a_redirect_leads_nowhere_but_to_the_web(shop: Shop, target: str) -> None:
    with refused("The provided URL does not appear to be valid"):
        fetched(f"{shop.url}/to/{target}")


def test_a_redirect_into_a_network_that_is_not_allowed_is_not_followed(shop: Shop) -> None:
    elsewhere = f"http://127.0.0.2:{shop.server_port}/secret.wav"

    with refused("address that is not public"):
        fetched(f"{shop.url}/to/{elsewhere}", allowed=lambda address: address == "127.0.0.1")

    assert "/secret.wav" not in shop.asked


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254"]
)
def test_private_addresses_are_refused_unless_allowed(shop: Shop, host: str) -> None:
    before = list(shop.asked)

    with refused("The provided URL does not appear to be valid.*address that is not public"):
        fetched(f"http://{host}:{shop.server_port}/a.wav", allowed=is_public)

    assert shop.asked == before


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f.1", "0177.0.0.1"])
def test_odd_spellings_of_loopback_do_not_pass(shop: Shop, host: str) -> None:
    before = list(shop.asked)

    with pytest.raises(Refusal):
        fetched(f"http://{host}:{shop.server_port}/a.wav", allowed=is_public)

    assert shop.asked == before


@pytest.mark.parametrize("status", [201, 206, 403, 404, 500])
def test_anything_but_200_is_a_failed_download(shop: Shop, status: int) -> None:
    with refused(f"Failed to download multimodal content: HTTP status {status}"):
        fetched(f"{shop.url}/status/{status}")


def test_a_reply_that_breaks_off_is_a_failed_download(shop: Shop) -> None:
    with refused("Failed to download multimodal content: ClientPayloadError"):
        fetched(f"{shop.url}/cut")


def test_a_host_that_does_not_exist_is_a_failed_download() -> None:
    with refused("Failed to download multimodal content: ClientConnectorDNSError"):
        fetched("http://nobody.invalid/a.wav")


def test_a_download_ends_at_its_size_limit(shop: Shop) -> None:
    content = fetched(f"{shop.url}/a.wav", limit=len(AUDIO))
    with refused("Multimodal file size is too large"):
        fetched(f"{shop.url}/a.wav", limit=len(AUDIO) - 1)

    assert content == AUDIO


def test_a_download_ends_at_its_time_limit(shop: Shop) -> None:
    with refused("Download the media resource timed out"):
        fetched(f"{shop.url}/never", within=0.1)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - judged, not bound
        *("100.64.0.1", "172.16.0.1", "192.168.1.1", "198.18.0.1", "224.0.0.1"),
        *("240.0.0.1", "255.255.255.255", "::", "::127.0.0.1", "fc00::1", "fe80::1%eth0"),
        *("fec0::1", "ff02::1", "2001:db8::1", "64:ff9b::a00:1", "2002:7f00:1::", "2001::1"),
    ],
)
def test_an_address_of_no_public_network_is_told(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_is_told(address: str) -> None:
    assert is_public(address)


@given(number=st.integers(0, 2**32 - 1))
def test_an_ipv4_address_inside_ipv6_is_judged_as_itself(number: int) -> None:
    plain = IPv4Address(number)
    mapped = IPv6Address(0xFFFF_0000_0000 + number)

    assert is_public(str(mapped)) == is_public(str(plain))
