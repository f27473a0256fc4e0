"""What a server tells of an address identifies its audio, and never stalls or leads astray."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Semaphore, Thread
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.audio.remote import (
    MAX_REDIRECTS,
    fetch_http,
    fetch_http_async,
    head,
    head_async,
    heads,
    identity_of_address,
)
from asr_pandas.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

AUDIO = b"audio" * 1_000
URL = "https://example.org/a.wav"
SIGNED = f"{URL}?X-Amz-Credential=AKIA&X-Amz-Signature=s3cr3t"


class Shop(ThreadingHTTPServer):
    """A web server whose paths say how it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.waiting = Semaphore(0)
        self.closing = Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Shop

    def do_HEAD(self) -> None:
        self._noted()
        _, what, *rest = self.path.partition("?")[0].split("/", 2)
        if what in {"get-only", "ranges", "unknown-size"}:
            self._say(int(rest[0].partition(".")[0]))
        else:
            self._answer(what, rest)

    def do_GET(self) -> None:
        self._noted()
        _, what, *rest = self.path.partition("?")[0].split("/", 2)
        self._answer(what, rest)

    def _noted(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})

    def _answer(self, what: str, rest: list[str]) -> None:
        if what == "status":
            self._say(int(rest[0]))
        elif what == "to":
            self._say(302, location=rest[0])
        elif what == "hops":
            left = int(rest[0])
            self._say(302, location=f"/hops/{left - 1}") if left else self._say(200)
        elif what == "never":
            self.server.waiting.release()
            self.server.closing.wait(30)
        elif what == "ranges":
            self._say(206, **{"content-range": f"bytes 0-0/{len(AUDIO)}", "content-length": "1"})
        elif what == "unknown-size":
            self._say(206, **{"content-range": "bytes 0-0/*", "content-length": "1"})
        elif what == "endless":
            self._say(200, **{"transfer-encoding": "chunked"})
        elif what == "cut":
            self._say(200, **{"content-length": str(len(AUDIO) + 1)})
        elif what == "nothing-told":
            self._say(200, etag='""')
        else:
            self._say(200)

    def _say(self, status: int, **headers: str) -> None:
        endless = "transfer-encoding" in headers
        self.protocol_version = "HTTP/1.1" if endless else "HTTP/1.0"
        self.send_response(status)
        default = {} if endless else {"content-length": str(len(AUDIO))}
        for name, value in {"etag": '"5d41"', **default, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            with suppress(OSError):  # who asked has gone
                self.wfile.write(b"" if endless else AUDIO[: 1 if status == 206 else None])
                while endless and not self.server.closing.is_set():
                    self.wfile.write(b"1388\r\n" + AUDIO + b"\r\n")
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


def told(**headers: str) -> str | None:
    return identity_of_address(
        SIGNED, lambda _: {name.replace("_", "-"): value for name, value in headers.items()}
    )


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({"ETag": '"5d41"', "Content_Length": "9"}, 'etag="5d41"|size=9'),
        ({"etag": '"5d41"'}, 'etag="5d41"'),
        (
            {"etag": '"5d41"', "x_amz_version_id": "3HL4", "content_length": "9"},
            'etag="5d41"|size=9',
        ),
        ({"etag": 'W/"5d41"', "content_length": "9"}, 'etag=W/"5d41"|size=9'),
        ({"etag": '""', "x_goog_generation": "17", "content_length": "9"}, "version=17|size=9"),
        ({"x_oss_version_id": "CAEQ"}, "version=CAEQ"),
        (
            {"Last_Modified": "Sun, 22 Nov 2026 18:00:00 GMT", "content_length": "9"},
            "modified=Sun, 22 Nov 2026 18:00:00 GMT|size=9",
        ),
        (
            {"etag": 'W/"5d41"', "last_modified": "Sun", "content_length": "9"},
            'etag=W/"5d41"|modified=Sun|size=9',
        ),
    ],
)
def test_what_changes_with_the_content_identifies_it(headers: dict[str, str], known: str) -> None:
    assert told(**headers) == f"{URL}|{known}"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_length": "9", "content_type": "audio/wav"},
        {"etag": 'W/"5d41"'},
        {"last_modified": "Sun, 22 Nov 2026 18:00:00 GMT"},
        {"etag": '""', "x_amz_version_id": "null", "content_length": "9"},
    ],
)
def test_where_nothing_telling_is_said_nothing_is_known(headers: dict[str, str]) -> None:
    assert told(**headers) is None


def test_where_nothing_is_answered_nothing_is_known() -> None:
    assert identity_of_address(URL, lambda _: None) is None


def test_a_tag_of_any_bytes_can_be_kept() -> None:
    known = told(etag=b'"\xff"'.decode(errors="surrogateescape"))

    assert known == rf'{URL}|etag="\udcff"'


@given(
    first=st.tuples(st.text("a|%7C=etag"), st.text("b|%7C=size", min_size=1)),
    second=st.tuples(st.text("a|%7C=etag"), st.text("b|%7C=size", min_size=1)),
)
def test_no_address_can_pass_for_another_with_another_tag(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    known = [
        identity_of_address(f"https://h/{path}", {f"https://h/{path}": {"etag": tag}}.get)
        for path, tag in (first, second)
    ]

    assert (known[0] == known[1]) == (first == second)


def test_a_server_is_asked_without_a_download(shop: Shop) -> None:
    found = head(f"{shop.url}/a.wav?X-Amz-Signature=a%2Fb")

    assert found is not None
    assert found["etag"] == '"5d41"'
    assert found["content-length"] == "5000"
    assert shop.asked == ["HEAD /a.wav?X-Amz-Signature=a%2Fb"]


def test_an_address_is_identified_with_its_server(shop: Shop) -> None:
    known = identity_of_address(f"{shop.url}/a.wav?X-Amz-Signature=s3cr3t", head)

    assert known == f'{shop.url}/a.wav|etag="5d41"|size=5000'


@pytest.mark.parametrize("status", [400, 403, 405, 501])
@pytest.mark.parametrize("kind", ["get-only", "ranges"])
def test_where_head_is_refused_one_byte_is_asked_for(shop: Shop, kind: str, status: int) -> None:
    found = head(f"{shop.url}/{kind}/{status}.wav")

    assert found is not None
    assert (found["etag"], found["content-length"]) == ('"5d41"', "5000")
    assert [asked.split()[0] for asked in shop.asked] == ["HEAD", "GET"]
    assert shop.headers[-1]["range"] == "bytes=0-0"


def test_a_size_that_is_not_told_is_not_made_up(shop: Shop) -> None:
    found = head(f"{shop.url}/unknown-size/405.wav")

    assert found is not None
    assert "content-length" not in found


@pytest.mark.parametrize("status", [201, 204, 304, 401, 403, 404, 429, 500, 503])
def test_any_other_status_tells_nothing(shop: Shop, status: int) -> None:
    assert head(f"{shop.url}/status/{status}") is None


def test_a_body_that_never_ends_is_not_read(shop: Shop) -> None:
    known = identity_of_address(f"{shop.url}/get-only/405.wav", head)
    endless = head(f"{shop.url}/endless/a.wav")

    assert known is not None
    assert endless is not None
    assert "content-length" not in endless


@pytest.mark.parametrize(
    "url",
    [
        "http://nobody.invalid/a.wav",
        "http://127.0.0.1:1/a.wav",
        "ftp://127.0.0.1/a.wav",
        "http://",
        "http://[::1/a.wav",
        "http://h:99999/a.wav",
        "http://" + "a" * 70 + ".ü/a.wav",
    ],
)
def test_what_is_not_reached_tells_nothing(url: str) -> None:
    assert head(url) is None


def test_a_server_that_does_not_answer_is_not_waited_for(shop: Shop) -> None:
    assert head(f"{shop.url}/never", timeout=0.05) is None


def test_redirects_are_followed_to_the_fifth(shop: Shop) -> None:
    found = head(f"{shop.url}/hops/{MAX_REDIRECTS}")
    lost = head(f"{shop.url}/hops/{MAX_REDIRECTS + 1}")

    assert found is not None
    assert lost is None
    assert all(asked.startswith("HEAD") for asked in shop.asked)


@pytest.mark.parametrize("target", ["file:///etc/hosts", "ftp://127.0.0.1/a", "data:,x"])
def test_a_redirect_leads_nowhere_but_to_the_web(shop: Shop, target: str) -> None:
    assert head(f"{shop.url}/to/{target}") is None
    with pytest.raises(AudioError, match="leads to an address that is not http or https"):
        fetch_http(f"{shop.url}/to/{target}", largest=9_999)


def test_a_password_goes_to_its_own_host_alone(shop: Shop) -> None:
    elsewhere = f"http://localhost:{shop.server_port}/a.wav"
    address = shop.url.replace("//", "//me:secret@")

    fetch_http(f"{address}/to/{elsewhere}", largest=9_999)

    basic = base64.b64encode(b"me:secret").decode()
    assert shop.headers[0]["authorization"] == f"Basic {basic}"
    assert "authorization" not in shop.headers[1]


def test_nothing_is_sent_but_what_the_address_says(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    head(f"{shop.url}/a.wav")

    assert set(shop.headers[0]) == {"host", "user-agent", "accept", "accept-encoding"}
    assert shop.headers[0]["user-agent"] == "asr-pandas"


def test_a_proxy_is_asked_for_hosts_that_are_not_this_machine(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", shop.url)
    monkeypatch.delenv("no_proxy", raising=False)

    found = head("http://nobody.invalid/a.wav")
    head(f"{shop.url}/b.wav")

    assert found is not None
    assert shop.asked == ["HEAD http://nobody.invalid/a.wav", "HEAD /b.wav"]


def test_an_address_is_asked_about_once_in_a_run(shop: Shop) -> None:
    ask = heads()

    found = [ask(f"{shop.url}/a.wav") for _ in range(3)]

    assert found[0] is found[1] is found[2]
    assert len(shop.asked) == 1


def test_a_run_that_is_stopped_need_not_wait_for_a_server(shop: Shop) -> None:
    async def stopped() -> bool:
        asking = [
            asyncio.create_task(head_async(f"{shop.url}/never", within=60)),
            asyncio.create_task(fetch_http_async(f"{shop.url}/never", largest=1, within=60)),
        ]
        await asyncio.to_thread(shop.waiting.acquire)
        await asyncio.to_thread(shop.waiting.acquire)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        return all(task.cancelled() for task in asking)

    assert asyncio.run(stopped())


def test_an_address_gives_its_bytes(shop: Shop) -> None:
    content = fetch_http(f"{shop.url}/a.wav?X-Amz-Signature=a%2Fb", largest=len(AUDIO))

    assert content == AUDIO
    assert shop.asked == ["GET /a.wav?X-Amz-Signature=a%2Fb"]


@pytest.mark.parametrize("path", ["a.wav", "endless/a.wav"])
def test_more_than_is_wanted_is_not_downloaded(shop: Shop, path: str) -> None:
    with pytest.raises(AudioError, match="is larger than 4,999 bytes") as caught:
        fetch_http(f"{shop.url}/{path}?token=s3cr3t", largest=len(AUDIO) - 1)

    assert caught.value.kind == "too_large"
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("status/403", "HTTP status 403"),
        ("status/206", "HTTP status 206"),
        ("hops/6", "more than 5 redirects"),
        ("cut", "ClientPayloadError"),
        ("never", "it takes longer than 0.2 s"),
    ],
)
def test_a_failed_download_says_why_and_shows_no_signature(
    shop: Shop, path: str, reason: str
) -> None:
    url = shop.url.replace("//", "//me:s3cr3t@")
    with pytest.raises(AudioError, match=f"cannot be downloaded: {reason}") as caught:
        fetch_http(
            f"{url}/{path}?sig=s3cr3t&se=1", largest=9_999, timeout=0.2 if path == "never" else 60
        )

    assert caught.value.kind == "download"
    assert "s3cr3t" not in repr([caught.value, caught.value.__cause__, caught.value.__context__])


@pytest.mark.parametrize("url", ["http://nobody.invalid/a?sig=s3cr3t", "http://[s3cr3t", "http://"])
def test_what_is_not_an_address_of_anybody_is_a_failed_download(url: str) -> None:
    with pytest.raises(AudioError, match="cannot be downloaded: ") as caught:
        fetch_http(url, largest=1)

    assert "s3cr3t" not in str(caught.value)


def test_what_a_server_says_is_read_whatever_the_case_of_its_headers() -> None:
    said: Mapping[str, str] = {"ETAG": ' "5d41" ', "CONTENT-LENGTH": "7"}

    assert identity_of_address(URL, lambda _: said) == f'{URL}|etag="5d41"|size=7'
