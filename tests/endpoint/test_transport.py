"""What comes back from a real server, however badly it behaves, is a transcription or a failure."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from asr_pandas.endpoint import Endpoint
from asr_pandas.endpoint.transport import Transport
from asr_pandas.errors import OptionError
from asr_pandas.model import Failure, File, Payload, Request, Transcription
from tests.conftest import Answer, Service, always, completion, refusal, streamed

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[[Answer], Service]
WAV = Payload(content=b"RIFF...", media_type="audio/wav")


def send(
    endpoint: Endpoint,
    *,
    timeout: float | None = None,
    stall: float | None = None,
    duration: float | None = None,
    **options: Any,
) -> Transcription | Failure:
    request = Request(**{"payload": WAV, "model": "m", **options})

    async def once() -> Transcription | Failure:
        transport = Transport(endpoint, connections=1, timeout=timeout, stall=stall)
        try:
            return await transport.send(request, duration=duration)
        finally:
            await transport.close()

    return asyncio.run(once())


def failure(reply: Transcription | Failure) -> Failure:
    assert isinstance(reply, Failure)
    return reply


def test_audio_travels_as_a_data_url_with_its_media_type(service: Start) -> None:
    stand_in = service(always(completion()))

    send(stand_in.endpoint)

    sent = stand_in.asked[0]["messages"][0]["content"][0]["input_audio"]["data"]
    assert sent == "data:audio/wav;base64," + base64.b64encode(b"RIFF...").decode()
    assert stand_in.headers[0]["Content-Type"] == "application/json"


SIZES = [0, 1, 2, 3, 49_151, 49_152, 49_153, 98_304, 786_000, 1_000_001]


@pytest.mark.parametrize("size", SIZES)
def test_audio_of_any_size_arrives_whole(service: Start, size: int) -> None:
    stand_in = service(always(completion()))
    audio = bytes(range(256)) * (size // 256 + 1)

    reply = send(stand_in.endpoint, payload=Payload(content=audio[:size], media_type="audio/wav"))

    sent = stand_in.asked[0]["messages"][0]["content"][0]["input_audio"]["data"]
    assert isinstance(reply, Transcription)
    assert base64.b64decode(sent.partition(",")[2], validate=True) == audio[:size]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_of_any_size_is_read_while_it_is_sent(
    service: Start, tmp_path: Path, size: int
) -> None:
    stand_in = service(always(completion()))
    audio = (bytes(range(256)) * (size // 256 + 1))[:size]
    path = tmp_path / "clip.wav"
    path.write_bytes(audio)

    reply = send(stand_in.endpoint, payload=Payload(file=found(path), media_type="audio/wav"))

    sent = stand_in.asked[0]["messages"][0]["content"][0]["input_audio"]["data"]
    assert isinstance(reply, Transcription)
    assert base64.b64decode(sent.partition(",")[2], validate=True) == audio


def found(path: Path) -> File:
    stat = path.stat()
    return File(path=str(path), size=stat.st_size, mtime_ns=stat.st_mtime_ns)


def test_a_file_that_changed_since_it_was_found_is_not_sent(service: Start, tmp_path: Path) -> None:
    stand_in = service(always(completion()))
    path = tmp_path / "clip.wav"
    path.write_bytes(b"RIFF")
    file = found(path)
    path.write_bytes(b"RIFF and more")

    reply = failure(send(stand_in.endpoint, payload=Payload(file=file, media_type="audio/wav")))

    assert (reply.kind, reply.retry, reply.unanswered) == ("unreadable", "no", False)
    assert "changed while the run was reading it" in reply.message
    assert stand_in.asked == []


def test_a_file_that_is_gone_is_not_sent(service: Start, tmp_path: Path) -> None:
    file = File(path=str(tmp_path / "gone.wav"), size=1, mtime_ns=1)

    reply = failure(send(service(always({})).endpoint, payload=Payload(file=file)))

    assert (reply.kind, reply.retry, reply.unanswered) == ("unreadable", "no", False)


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_no_service_gets_a_whole_request_with_parts_of_two_files(
    service: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    stand_in = service(always(completion()))
    path = tmp_path / "clip.wav"
    path.write_bytes(bytes(4_000_000))
    file = found(path)
    post = aiohttp.ClientSession.post

    def change_and_post(*arguments: Any, **options: Any) -> Any:
        os.truncate(path, size)
        return post(*arguments, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "post", change_and_post)

    reply = failure(send(stand_in.endpoint, payload=Payload(file=file, media_type="audio/wav")))

    assert (reply.kind, reply.unanswered) == ("unreadable", False)
    assert stand_in.asked == []


@pytest.mark.parametrize("url", ["https://example.org/ä b.mp3?x=1&y=2", 'https://x/"quoted"\\'])
def test_an_address_travels_as_it_is(service: Start, url: str) -> None:
    stand_in = service(always(completion()))

    send(stand_in.endpoint, payload=Payload(url=url))

    assert stand_in.asked[0]["messages"][0]["content"][0]["input_audio"]["data"] == url


def test_without_a_key_a_server_that_wants_none_is_asked_all_the_same(service: Start) -> None:
    stand_in = service(always(completion()))

    reply = send(Endpoint(stand_in.url))

    assert isinstance(reply, Transcription)


def test_a_refusal_keeps_its_kind_and_how_long_to_wait(service: Start) -> None:
    busy = always(refusal("x", code="limit_requests"), status=429, headers={"retry-after": "7"})

    reply = failure(send(service(busy).endpoint))

    assert (reply.kind, reply.retry, reply.retry_after) == ("rate_limit", "again", 7.0)
    assert not reply.unanswered


def test_nobody_there_is_a_network_failure() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    reply = failure(send(Endpoint(f"http://127.0.0.1:{port}/v1")))

    assert (reply.kind, reply.retry, reply.unanswered) == ("network", "again", False)
    assert "could not be reached" in reply.message
    assert "Check the endpoint's address" in reply.message


def test_a_lost_connection_is_a_network_failure_and_not_a_time_out(service: Start) -> None:
    async def drop(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    reply = failure(send(service(drop).endpoint))

    assert (reply.kind, reply.unanswered) == ("network", True)


def test_a_reply_that_does_not_come_is_a_time_out(service: Start) -> None:
    async def never(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(3_600)
        return web.Response()

    reply = failure(send(service(never).endpoint, timeout=0.05))

    assert (reply.kind, reply.retry, reply.unanswered) == ("timeout", "again", True)


@pytest.mark.parametrize("stream", [False, True])
def test_a_body_that_breaks_off_is_asked_for_again(service: Start, stream: bool) -> None:  # noqa: FBT001
    async def half(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "1000"})
        await response.prepare(request)
        await response.write(b'data: {"choices":[{"delta":{"content":"half')
        assert request.transport is not None
        request.transport.abort()
        return response

    reply = failure(send(service(half).endpoint, stream=stream))

    assert (reply.kind, reply.retry, reply.unanswered) == ("network", "again", True)


def test_a_stream_that_stalls_is_a_time_out(service: Start) -> None:
    async def stall(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
        await asyncio.sleep(3_600)
        return response

    reply = failure(send(service(stall).endpoint, stream=True, stall=0.05))

    assert (reply.kind, reply.retry, reply.unanswered) == ("timeout", "again", True)
    assert "stopped before its end" in reply.message


def test_a_stream_s_last_event_may_lack_its_blank_line(service: Start) -> None:
    async def cut(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(
            b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}'
        )
        return response

    reply = send(service(cut).endpoint, stream=True)

    assert isinstance(reply, Transcription)
    assert reply.text == "a"


def test_a_short_clip_is_not_waited_for_as_long_as_an_unknown_one(
    service: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(3_600)
        return web.Response()

    monkeypatch.setattr("asr_pandas.endpoint.deadlines._LOCAL_LEAST", 0.05)

    assert failure(send(service(never).endpoint, duration=0.001)).kind == "timeout"


def test_an_error_inside_a_stream_keeps_its_kind(service: Start) -> None:
    wrong = streamed('{"choices":[]}', '{"error":{"message":"The audio is too long"}}')

    reply = failure(send(service(wrong).endpoint, stream=True))

    assert (reply.kind, reply.unanswered) == ("too_long", False)


def test_a_stream_without_an_end_is_a_bad_reply(service: Start) -> None:
    early = streamed('{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}')

    reply = failure(send(service(early).endpoint, stream=True))

    assert (reply.kind, reply.unanswered) == ("bad_reply", True)


def test_line_ends_comments_and_spaces_of_a_stream_do_not_matter(service: Start) -> None:
    async def odd(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(
            b": keep alive\r\n\r\n"
            b'event: message\r\nid: 1\r\ndata:{"choices":[{"delta":{"content":"gr'
        )
        await response.write("ü".encode()[:1])
        await response.write(
            "ü".encode()[1:] + b'n\xe2\x80\xa8\\u2028"},"finish_reason":"stop"}]}\r\n\r\n'
            b"data: [DONE]\r\n\r\n"
        )
        return response

    reply = send(service(odd).endpoint, stream=True)

    assert isinstance(reply, Transcription)
    assert reply.text == "grün\u2028\u2028"


@pytest.mark.parametrize("body", ["", "<html>Bad gateway</html>", "null", "[]"])
def test_a_reply_that_is_no_json_object_is_a_bad_reply(service: Start, body: str) -> None:
    async def answer(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text=body)

    reply = failure(send(service(answer).endpoint))

    assert (reply.kind, reply.unanswered) == ("bad_reply", True)


@pytest.mark.parametrize(
    "answer",
    [
        always({"error": {"message": "bad hunter2secretxyz"}, "request_id": "hunter2secretxyz"}),
        always({"message": "bad hunter2secretxyz", "code": "x"}, status=400),
        always({"message": "bad hunter2secret****", "code": "x"}, status=400),
        streamed('{"error":{"message":"bad hunter2secretxyz"}}'),
    ],
    ids=["inside 200", "refused", "masked in part", "inside a stream"],
)  # fmt: skip
def test_the_key_is_blacked_out_wherever_a_server_repeats_it(
    service: Start, answer: Answer
) -> None:
    endpoint = Endpoint(service(answer).url, api_key="hunter2secretxyz")

    replies = [send(endpoint, stream=stream) for stream in (False, True)]

    assert "hunter2" not in repr(replies)


def test_a_key_of_one_letter_does_not_black_out_every_word_that_holds_it(service: Start) -> None:
    answer = always({"message": "the task k is unknown"}, status=400)

    reply = failure(send(Endpoint(service(answer).url, api_key="k")))

    assert reply.message.startswith("the task [key] is unknown.")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(service: Start, status: int) -> None:
    elsewhere = service(always(completion()))
    here = service(always({}, status=status, headers={"location": elsewhere.url}))

    reply = failure(send(here.endpoint))

    assert (reply.kind, reply.retry) == ("wrong_endpoint", "stop")
    assert elsewhere.asked == []


def test_openai_s_own_settings_go_to_nobody_else(
    service: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    stand_in = service(always(completion()))

    send(stand_in.endpoint)

    assert "secret" not in str(stand_in.headers)


def test_a_stream_that_only_keeps_alive_is_a_time_out(service: Start) -> None:
    async def drip(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b": still here\n\n")
            await asyncio.sleep(0.01)

    assert failure(send(service(drip).endpoint, stream=True, timeout=0.2)).kind == "timeout"


def test_a_whole_reply_to_a_streamed_request_is_read_all_the_same(service: Start) -> None:
    reply = send(service(always(completion("hello"))).endpoint, stream=True)

    assert isinstance(reply, Transcription)
    assert reply.text == "hello"


def test_a_byte_order_mark_costs_no_text(service: Start) -> None:
    async def marked(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'\xef\xbb\xbfdata: {"choices":[{"delta":{"content":"hel"}}]}\n\n')
        await response.write(
            b'data: {"choices":[{"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
        )
        return response

    reply = send(service(marked).endpoint, stream=True)

    assert isinstance(reply, Transcription)
    assert reply.text == "hello"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"code":"DataInspectionFailed","message":"bad content"}', "content"),
        ('{"code":"Arrearage","message":"Access denied"}', "billing"),
    ],
)
def test_dashscope_s_own_error_under_status_200_keeps_its_kind(
    service: Start, body: str, kind: str
) -> None:
    async def answer(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text=body)

    assert failure(send(service(answer).endpoint)).kind == kind
    assert failure(send(service(streamed(body)).endpoint, stream=True)).kind == kind


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"",
    ],
    ids=["another protocol", "bad chunk", "garbled gzip", "huge header", "nothing"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_whatever_stands_at_the_other_end_it_is_a_failure(raw: bytes, stream: bool) -> None:  # noqa: FBT001
    async def once() -> Transcription | Failure:
        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(raw)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport = Transport(
            Endpoint(f"http://127.0.0.1:{port}/v1", api_key="hunter2secretxyz"), connections=1
        )
        try:
            return await transport.send(Request(payload=WAV, model="m", stream=stream))
        finally:
            await transport.close()
            server.close()

    reply = failure(asyncio.run(once()))

    assert reply.retry == "again"
    assert "hunter2" not in repr(reply)


def test_a_refusal_whose_text_never_ends_is_a_refusal(service: Start) -> None:
    async def endless(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(status=429, headers={"retry-after": "3"})
        await response.prepare(request)
        await response.write(b"Requests rate limit exceeded")
        await asyncio.sleep(3_600)
        return response

    reply = failure(send(service(endless).endpoint, timeout=0.2))

    assert (reply.kind, reply.retry_after, reply.unanswered) == ("rate_limit", 3.0, False)


@pytest.mark.parametrize("stream", [False, True])
def test_a_reply_without_end_does_not_fill_the_memory(
    service: Start,
    monkeypatch: pytest.MonkeyPatch,
    stream: bool,  # noqa: FBT001
) -> None:
    async def flood(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(2**16))

    monkeypatch.setattr("asr_pandas.endpoint.replies.LARGEST", 2**20)

    reply = failure(send(service(flood).endpoint, stream=stream))

    assert (reply.kind, reply.unanswered) == ("bad_reply", True)


def test_an_address_that_does_not_speak_tls_was_never_asked(service: Start) -> None:
    stand_in = service(always(completion()))

    reply = failure(send(Endpoint(stand_in.url.replace("http:", "https:"), api_key="k")))

    assert (reply.kind, reply.unanswered) == ("network", False)
    assert stand_in.asked == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_certificate_is_trusted_where_ssl_cert_file_names_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    options = (
        "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=x -addext subjectAltName=IP:127.0.0.1"
    )
    made = ["openssl", *options.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)  # noqa: S603 (nothing of it comes from outside)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    async def once() -> Transcription | Failure:
        async def answer(_: web.BaseRequest) -> web.StreamResponse:
            return web.json_response(completion())

        server = await asyncio.get_running_loop().create_server(
            web.Server(answer), "127.0.0.1", 0, ssl=tls
        )
        port = server.sockets[0].getsockname()[1]
        transport = Transport(Endpoint(f"https://127.0.0.1:{port}/v1"), connections=1)
        try:
            return await transport.send(Request(payload=WAV, model="m"))
        finally:
            await transport.close()
            server.close()

    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    untrusted = failure(asyncio.run(once()))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    trusted = asyncio.run(once())

    assert (untrusted.kind, untrusted.unanswered) == ("network", False)
    assert "SSL_CERT_FILE" in untrusted.message
    assert isinstance(trusted, Transcription)


def test_a_name_that_nobody_knows_was_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)

    reply = failure(send(Endpoint("http://nobody.invalid/v1", api_key="k")))

    assert (reply.kind, reply.unanswered) == ("network", False)


PROXIES = (
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
)


def test_a_hosted_service_is_reached_through_the_proxy_that_the_environment_names(
    service: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = service(always(completion("through")))
    monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://ann:s%C3%A9cret@"))
    monkeypatch.setenv("no_proxy", "elsewhere.example")

    reply = send(Endpoint("http://asr.example/v1", api_key="k"))

    assert isinstance(reply, Transcription)
    assert proxy.headers[0]["Host"] == "asr.example"
    signed = base64.b64decode(proxy.headers[0]["Proxy-Authorization"].removeprefix("Basic "))
    assert signed == "ann:sécret".encode()


def test_a_tunnel_s_proxy_is_told_its_own_password_and_not_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = bytearray()

    async def once() -> Transcription | Failure:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.extend(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("https_proxy", f"http://ann:password@127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "elsewhere.example")
        endpoint = Endpoint("https://asr.example/v1", api_key="hunter2secretxyz")
        transport = Transport(endpoint, connections=1)
        try:
            return await transport.send(Request(payload=WAV, model="m"))
        finally:
            await transport.close()
            server.close()

    reply = failure(asyncio.run(once()))

    assert (reply.kind, reply.unanswered) == ("network", False)
    assert seen.startswith(b"CONNECT asr.example:443 ")
    assert base64.b64encode(b"ann:password") in seen
    assert b"hunter2" not in seen


def test_a_proxy_without_a_password_is_told_none(
    service: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = service(always(completion()))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "elsewhere.example")

    send(Endpoint("http://asr.example/v1", api_key="k"))

    assert "Proxy-Authorization" not in proxy.headers[0]


def test_this_machine_is_asked_directly_whatever_proxy_is_named(
    service: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")

    assert isinstance(send(service(always(completion())).endpoint), Transcription)


def test_a_proxy_that_cannot_be_used_is_an_error_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "socks5://ann:hunter2@proxy.lan")

    with pytest.raises(OptionError, match=r"NO_PROXY=asr\.example") as caught:
        Transport(Endpoint("https://asr.example/v1"), connections=1)

    assert "hunter2" not in str(caught.value)


def test_a_cancelled_row_is_cancelled_and_lets_its_file_go(service: Start, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(bytes(100))
    request = Request(payload=Payload(file=found(path), media_type="audio/wav"), model="m")

    async def cancel_once_asked() -> bool:
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def never(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
            loop.call_soon_threadsafe(asked.set)
            await asyncio.sleep(3_600)
            return web.Response()

        transport = Transport(service(never).endpoint, connections=1)
        sending = asyncio.create_task(transport.send(request))
        await asked.wait()
        sending.cancel()
        await asyncio.wait([sending])
        await transport.close()
        return sending.cancelled()

    assert asyncio.run(cancel_once_asked())


def test_as_many_requests_are_under_way_as_there_are_connections(service: Start) -> None:
    together = asyncio.Barrier(8)

    async def all_at_once(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        await together.wait()
        return web.json_response(completion())

    stand_in = service(all_at_once)

    async def ask() -> list[Transcription | Failure]:
        transport = Transport(stand_in.endpoint, connections=8)
        try:
            request = Request(payload=WAV, model="m")
            return await asyncio.gather(*(transport.send(request) for _ in range(16)))
        finally:
            await transport.close()

    replies = asyncio.run(ask())

    assert all(isinstance(reply, Transcription) for reply in replies)
    assert stand_in.most_in_flight == 8


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_an_address_with_any_path_or_none_keeps_its_host(path: str) -> None:
    transport = Transport(Endpoint(f"http://asr.example.co{path}", model="m"), connections=1)

    asked = str(transport._address)  # noqa: SLF001 - what no server can be asked about

    asyncio.run(transport.close())
    assert asked == f"http://asr.example.co{path.rstrip('/')}/chat/completions"
