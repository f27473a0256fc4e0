"""What comes back from a real server, however badly it behaves, is a transcription or a failure."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from asr_pandas.endpoint import Endpoint
from asr_pandas.endpoint.transport import Transport
from asr_pandas.model import Failure, Payload, Request, Transcription
from tests.conftest import Answer, Service, always, completion, refusal, streamed

Start = Callable[[Answer], Service]
WAV = Payload(content=b"RIFF...", media_type="audio/wav")


def send(
    endpoint: Endpoint, *, timeout: float | None = None, **options: Any
) -> Transcription | Failure:
    request = Request(**{"payload": WAV, "model": "m", **options})

    async def once() -> Transcription | Failure:
        transport = Transport(endpoint, connections=1, timeout=timeout)
        try:
            return await transport.send(request)
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


@pytest.mark.parametrize("size", [0, 1, 2, 3, 196_608, 786_000, 786_432, 1_000_000, 1_000_001])
def test_audio_of_any_size_arrives_whole(service: Start, size: int) -> None:
    stand_in = service(always(completion()))
    audio = bytes(range(256)) * (size // 256 + 1)

    reply = send(stand_in.endpoint, payload=Payload(content=audio[:size], media_type="audio/wav"))

    sent = stand_in.asked[0]["messages"][0]["content"][0]["input_audio"]["data"]
    assert isinstance(reply, Transcription)
    assert base64.b64decode(sent.partition(",")[2], validate=True) == audio[:size]


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


def test_nobody_there_is_a_network_failure() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    reply = failure(send(Endpoint(f"http://127.0.0.1:{port}/v1")))

    assert (reply.kind, reply.retry) == ("network", "again")
    assert "Check the endpoint's address" in reply.message


def test_a_lost_connection_is_a_network_failure_and_not_a_time_out(service: Start) -> None:
    async def drop(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    assert failure(send(service(drop).endpoint)).kind == "network"


def test_a_reply_that_does_not_come_is_a_time_out(service: Start) -> None:
    async def never(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(3_600)
        return web.Response()

    reply = failure(send(service(never).endpoint, timeout=0.05))

    assert (reply.kind, reply.retry) == ("timeout", "again")


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

    assert (reply.kind, reply.retry) == ("network", "again")


def test_a_stream_that_stalls_is_a_time_out(service: Start) -> None:
    async def stall(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
        await asyncio.sleep(3_600)
        return response

    assert failure(send(service(stall).endpoint, stream=True, timeout=0.05)).kind == "timeout"


def test_an_error_inside_a_stream_keeps_its_kind(service: Start) -> None:
    wrong = streamed('{"choices":[]}', '{"error":{"message":"The audio is too long"}}')

    assert failure(send(service(wrong).endpoint, stream=True)).kind == "too_long"


def test_a_stream_without_an_end_is_a_bad_reply(service: Start) -> None:
    early = streamed('{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}')

    assert failure(send(service(early).endpoint, stream=True)).kind == "bad_reply"


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

    assert failure(send(service(answer).endpoint)).kind == "bad_reply"


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
