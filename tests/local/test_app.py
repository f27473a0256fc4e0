"""The server answers the vendor's call as the hosted service does, its errors included."""

from __future__ import annotations

import asyncio
import base64
import http.client
import io
import json
import wave
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.resources import files
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import openai
import orjson
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_pandas.local.app import create_app
from asr_pandas.local.background import launch
from asr_pandas.local.listening import in_thread
from asr_pandas.local.recogniser import Heard, Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from asr_pandas.local.recogniser import Recogniser

CHAT = "/compatible-mode/v1/chat/completions"
KEY = "a key of our own"
PATIENCE = 20.0  # seconds after which a test that hangs fails


@dataclass
class Parrot:
    """A recogniser that says fixed words, one segment each, whatever it hears."""

    words: tuple[str, ...] = ("Turbidity", " fell", " overnight.")
    language: str | None = "en"
    name: str = "parrot"
    identity: str = "parrot"
    said: list[str] = field(default_factory=list)
    heard: list[tuple[int, str | None, str | None]] = field(default_factory=list)
    may_go_on: Event = field(default_factory=Event)
    """Set: it does not pause after its first word."""
    closed: Event = field(default_factory=Event)

    def listen(
        self,
        samples: NDArray[np.float32],
        *,
        language: str | None = None,
        context: str | None = None,
    ) -> Heard:
        self.heard.append((len(samples), language, context))
        return Heard(language=language or self.language, segments=self._segments())

    def _segments(self) -> Iterator[Segment]:
        try:
            for at, word in enumerate(self.words):
                if at:
                    assert self.may_go_on.wait(PATIENCE)
                self.said.append(word)
                yield Segment(start=at, end=at + 1, text=word, tokens=at + 2)
        finally:
            self.closed.set()


class Mute(Parrot):
    """A recogniser that breaks."""

    def _segments(self) -> Iterator[Segment]:
        message = "out of memory"
        yield from ()
        raise RuntimeError(message)


def talkative(**traits: Any) -> Parrot:
    parrot = Parrot(**traits)
    parrot.may_go_on.set()
    return parrot


@dataclass(frozen=True)
class Server:
    """A server on a real port, and a plain HTTP connection to it."""

    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/compatible-mode/v1"

    @contextmanager
    def reply(
        self, method: str, path: str, body: bytes | None = None, *, key: str | None = KEY
    ) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            yield response
            response.close()
        finally:
            connection.close()

    def ask(self, body: object, *, key: str | None = KEY) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        with self.reply("POST", CHAT, content, key=key) as response:
            return response.status, orjson.loads(response.read())

    def chunks(self, **members: Any) -> list[dict[str, Any]]:
        with self.reply("POST", CHAT, orjson.dumps(request(stream=True, **members))) as response:
            events = response.read().decode().split("\n\n")
        *chunks, done, rest = [event.removeprefix("data: ") for event in events]
        assert (done, rest) == ("[DONE]", "")
        return [json.loads(chunk) for chunk in chunks]


def serve(recogniser: Recogniser, **options: Any) -> Server:
    return Server(launch(create_app(recogniser, key=KEY, **options)))


@pytest.fixture(scope="module")
def server() -> Server:
    return serve(talkative())


@pytest.fixture(scope="module")
def changing() -> tuple[Parrot, Server]:
    parrot = talkative()
    return parrot, serve(parrot)


def sound(duration: float, *, sample_rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(sample_rate)
        recording.writeframes(bytes(2 * round(duration * sample_rate)))
    return file.getvalue()


def data_url(content: bytes) -> str:
    return "data:audio/wav;base64," + base64.b64encode(content).decode()


def request(content: bytes | None = None, **members: object) -> dict[str, Any]:
    source = data_url(sound(1.68) if content is None else content)
    part = {"type": "input_audio", "input_audio": {"data": source}}
    message = {"role": "user", "content": [part]}
    return {"model": "qwen3-asr-flash", "messages": [message], **members}


@contextmanager
def client(server: Server, *, key: str = KEY) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=key, base_url=server.base_url, max_retries=0) as connected:
        yield connected


def the_vendors_call(connected: openai.OpenAI, audio: str, *, stream_enabled: bool) -> Any:
    """Make the vendor's example call; `stream_options` as its comment says."""
    streaming: dict[str, Any] = (
        {"stream_options": {"include_usage": True}} if stream_enabled else {}
    )
    return connected.chat.completions.create(
        model="qwen3-asr-flash",
        messages=[
            {  # type: ignore[list-item, misc]  # its types want a format; the vendor's page has none
                "content": [{"type": "input_audio", "input_audio": {"data": audio}}],
                "role": "user",
            }
        ],
        stream=stream_enabled,
        **streaming,
        extra_body={
            "asr_options": {
                "enable_itn": False,
            }
        },
    )


def test_the_vendors_call_is_answered_with_every_field_of_the_vendor(server: Server) -> None:
    with client(server) as connected:
        completion = the_vendors_call(connected, data_url(sound(1.68)), stream_enabled=False)

    reply = completion.model_dump(exclude_unset=True)
    assert reply.pop("id").startswith("chatcmpl-")
    assert reply.pop("created") > 1_700_000_000
    assert reply == {
        "object": "chat.completion",
        "model": "parrot",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": "Turbidity fell overnight.",
                    "annotations": [{"type": "audio_info", "language": "en"}],
                },
            }
        ],
        "usage": {
            "prompt_tokens": 42,
            "prompt_tokens_details": {"audio_tokens": 42, "text_tokens": 0},
            "completion_tokens": 9,
            "completion_tokens_details": {"text_tokens": 9},
            "total_tokens": 51,
            "seconds": 1,
        },
    }


def test_the_vendors_call_streams_with_the_usage_in_a_chunk_without_choices(server: Server) -> None:
    full_content, usage = "", None

    with client(server) as connected:
        for chunk in the_vendors_call(connected, data_url(sound(1.68)), stream_enabled=True):
            if chunk.choices and chunk.choices[0].delta.content:
                full_content += chunk.choices[0].delta.content
            usage = chunk.usage

    assert full_content == "Turbidity fell overnight."
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.seconds) == (42, 9, 1)


def test_the_vendors_call_takes_an_address_where_private_ones_are_allowed() -> None:
    recogniser = talkative()
    server = serve(recogniser, allow_private=True)

    with client(server) as connected, shop(sound(1.5)) as url:
        completion = the_vendors_call(connected, url, stream_enabled=False)

    assert completion.choices[0].message.content == "Turbidity fell overnight."
    assert recogniser.heard == [(24_000, None, None)]


def test_a_stream_has_the_services_chunks_in_the_services_order(server: Server) -> None:
    chunks = server.chunks(stream_options={"include_usage": True})

    annotations = [{"type": "audio_info", "language": "en"}]
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    assert [chunk["choices"] for chunk in chunks] == [
        [
            {
                "index": 0,
                "logprobs": None,
                "finish_reason": None,
                "delta": {"role": "assistant", "content": ""},
            }
        ],
        *(
            [
                {
                    "index": 0,
                    "finish_reason": None,
                    "delta": {"annotations": annotations, "content": word, "role": None},
                }
            ]
            for word in ("Turbidity", " fell", " overnight.")
        ),
        [{"index": 0, "finish_reason": "stop", "delta": {"role": None}}],
        [],
    ]
    assert [chunk["usage"] is None for chunk in chunks] == [True] * 5 + [False]


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
def test_a_stream_tells_its_usage_only_when_asked(server: Server, options: object) -> None:
    chunks = server.chunks(stream_options=options)

    assert len(chunks) == 5
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in chunks)


def test_a_chunk_arrives_before_the_next_segment_is_recognised() -> None:
    recogniser = Parrot()
    server = serve(recogniser)

    with server.reply("POST", CHAT, orjson.dumps(request(stream=True))) as response:
        lines = iter(response.readline, b"")
        first = next(line for line in lines if b"Turbidity" in line)
        said_by_then = list(recogniser.said)
        recogniser.may_go_on.set()
        rest = b"".join(lines)

    assert orjson.loads(first.removeprefix(b"data: "))["choices"][0]["finish_reason"] is None
    assert said_by_then == ["Turbidity"]
    assert rest.endswith(b"data: [DONE]\n\n")


def test_who_goes_away_in_the_middle_leaves_the_recogniser_free_for_the_next() -> None:
    recogniser = Parrot()
    server = serve(recogniser)

    with server.reply("POST", CHAT, orjson.dumps(request(stream=True))) as response:
        next(line for line in iter(response.readline, b"") if b"Turbidity" in line)
    recogniser.may_go_on.set()
    closed = recogniser.closed.wait(PATIENCE)
    status, _ = server.ask(request())

    assert closed
    assert status == 200


@pytest.mark.parametrize("stream", [True, False])
def test_silence_is_no_text_and_no_language(*, stream: bool) -> None:
    server = serve(talkative(words=()))

    if stream:
        said = [chunk["choices"][0]["delta"] for chunk in server.chunks()]
    else:
        said = [server.ask(request())[1]["choices"][0]["message"]]

    assert "".join(part.get("content", "") for part in said) == ""
    assert not any(part.get("annotations") for part in said)


def test_a_language_that_is_not_known_is_not_named() -> None:
    server = serve(talkative(language=None))

    _, reply = server.ask(request())

    assert reply["choices"][0]["message"]["annotations"] == []


def test_language_and_context_reach_the_recogniser() -> None:
    recogniser = talkative()
    server = serve(recogniser)
    system = {"role": "system", "content": [{"text": "Kvarnholm"}]}
    asked = request(asr_options={"language": "sv"})
    asked["messages"].insert(0, system)

    _, reply = server.ask(asked)

    assert recogniser.heard == [(26_880, "sv", "Kvarnholm")]
    assert reply["choices"][0]["message"]["annotations"][0]["language"] == "sv"


@pytest.mark.parametrize(
    ("duration", "audio_tokens", "seconds"),
    [(0.3, 25, 1), (1.0, 25, 1), (6.76, 169, 6), (59.99, 1_500, 59)],
)
def test_usage_is_counted_as_the_service_counts(
    server: Server, duration: float, audio_tokens: int, seconds: int
) -> None:
    _, reply = server.ask(request(sound(duration, sample_rate=8_000)))

    usage = reply["usage"]
    assert usage["prompt_tokens_details"] == {"audio_tokens": audio_tokens, "text_tokens": 0}
    assert usage["seconds"] == seconds
    assert usage["total_tokens"] == audio_tokens + usage["completion_tokens"]


@pytest.mark.parametrize(
    "model",
    ["qwen3-asr-flash", "qwen3-asr-flash-2026-02-10", "qwen3-asr-flash-us", "parrot"],
)
def test_each_name_of_the_model_is_served_and_the_true_one_told(server: Server, model: str) -> None:
    status, reply = server.ask(request(model=model))

    assert (status, reply["model"]) == (200, "parrot")


@pytest.mark.parametrize("prefix", ["/v1", "/compatible-mode/v1"])
def test_models_and_completions_stand_below_both_paths(server: Server, prefix: str) -> None:
    with server.reply("GET", f"{prefix}/models") as response:
        models = orjson.loads(response.read())
    with server.reply("POST", f"{prefix}/chat/completions", orjson.dumps(request())) as response:
        status = response.status

    assert {"qwen3-asr-flash", "parrot"} <= {model["id"] for model in models["data"]}
    assert status == 200


def test_health_is_told_without_a_key(server: Server) -> None:
    with server.reply("GET", "/health", key=None) as response:
        body = orjson.loads(response.read())

    assert body == {"status": "ok", "model": "parrot"}


def test_requests_at_once_are_each_answered_whole(server: Server) -> None:
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(server.ask, request()) for _ in range(24)]
        streamed = [pool.submit(server.chunks) for _ in range(24)]

    contents = {done.result()[1]["choices"][0]["message"]["content"] for done in asked}
    assert contents == {"Turbidity fell overnight."}
    assert {len(done.result()) for done in streamed} == {5}


def two_parts() -> dict[str, Any]:
    asked = request()
    asked["messages"][0]["content"] *= 2
    return asked


def beside_text() -> dict[str, Any]:
    asked = request()
    asked["messages"][0]["content"].append({"type": "text", "text": "Transcribe this."})
    return asked


def audio_at(source: str) -> dict[str, Any]:
    asked = request()
    asked["messages"][0]["content"][0]["input_audio"]["data"] = source
    return asked


# The name of a refusal: what is sent, and what the service says to it.
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "bare base64": (
        lambda: audio_at("UklGRiQAAABXQVZF"),
        "The provided URL does not appear to be valid. Ensure it is correctly formatted.",
    ),
    "more than 10 MB": (
        lambda: request(bytes(7_864_320)),
        "Exceeded limit on max bytes per data-uri item : 10485760",
    ),
    "more than a request holds": (lambda: bytes(48 * 1024 * 1024), "file size is too large"),
    "more than 5 minutes": (
        lambda: request(sound(300.1, sample_rate=8_000)),
        "The audio is too long",
    ),
    "no audio": (lambda: request(b"text"), "The audio format is illegal and cannot be opened"),
    "no bytes": (lambda: request(b""), "The audio format is illegal and cannot be opened"),
    "two audio parts": (two_parts, "exactly one part, of type input_audio"),
    "text beside audio": (beside_text, "exactly one part, of type input_audio"),
    "no part": (lambda: request(messages=[{"role": "user", "content": []}]), "exactly one part"),
    "stream options alone": (
        lambda: request(stream_options={"include_usage": True}),
        "stream_options can be set only when stream is true",
    ),
    "unknown language": (lambda: request(asr_options={"language": "xx"}), "language must be one"),
    "no JSON": (lambda: b"model=qwen3-asr-flash", "not valid JSON"),
    "no object": (lambda: b"[1, 2]", "the request body must be an object"),
    "no list of messages": (lambda: request(messages="Hello"), "messages must be a list"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_service_refuses_is_refused_in_its_words(server: Server, case: str) -> None:
    body, said = REFUSED[case]

    status, reply = server.ask(body())

    assert status == 400
    assert set(reply) == {"error", "id", "request_id"}
    assert said in reply["error"].pop("message")
    assert reply["error"] == {
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_parameter_error",
    }


def test_five_minutes_are_not_too_long(server: Server) -> None:
    status, reply = server.ask(request(sound(300, sample_rate=8_000)))

    assert (status, reply["usage"]["seconds"]) == (200, 300)


def test_an_address_of_the_private_network_is_refused_unless_allowed(server: Server) -> None:
    with shop(sound(1)) as url:
        status, reply = server.ask(audio_at(url))

    assert status == 400
    assert "not public" in reply["error"]["message"]


def test_an_address_without_a_host_that_exists_is_a_failed_download(server: Server) -> None:
    status, reply = server.ask(audio_at("https://nobody.invalid/a.wav"))

    assert (status, reply["error"]["code"]) == (400, "InvalidParameter.DataInspection")
    assert "Failed to download multimodal content" in reply["error"]["message"]


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", "kéy\xff"])
def test_without_the_right_key_nothing_is_served(server: Server, key: str | None) -> None:
    status, reply = server.ask(request(), key=key)

    assert status == 401
    assert reply["error"]["code"] == "invalid_api_key"
    assert "Incorrect API key provided." in reply["error"]["message"]


def test_the_client_raises_what_it_raises_for_the_service(server: Server) -> None:
    with client(server, key="wrong") as connected, pytest.raises(openai.AuthenticationError):
        the_vendors_call(connected, "https://example.org/a.wav", stream_enabled=False)
    with client(server) as connected, pytest.raises(openai.BadRequestError) as refused:
        the_vendors_call(connected, "UklGRiQAAABXQVZF", stream_enabled=True)

    assert refused.value.code == "invalid_parameter_error"
    assert refused.value.request_id


def test_a_model_that_is_not_served_is_not_found(server: Server) -> None:
    status, reply = server.ask(request(model="qwen3-asr-flash-filetrans"))

    assert (status, reply["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", CHAT, 405), ("POST", "/v1/audio/transcriptions", 404)]
)
def test_other_doors_are_closed_in_the_services_form(
    server: Server, method: str, path: str, status: int
) -> None:
    with server.reply(method, path) as response:
        body = orjson.loads(response.read())

    assert response.status == status
    assert body["error"]["type"] == "invalid_request_error"


def test_every_reply_carries_its_request_id(server: Server) -> None:
    with server.reply("POST", CHAT, b"{}") as response:
        body = orjson.loads(response.read())
        sent = response.headers["x-request-id"]

    assert sent == body["request_id"]
    assert body["id"] == f"chatcmpl-{sent}"


def test_a_recogniser_that_breaks_is_a_failure_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = serve(Mute())

    status, reply = server.ask(request())

    assert status == 500
    assert reply["error"]["code"] == "InternalError.Algo"
    assert "out of memory" not in reply["error"]["message"]
    assert "out of memory" in caplog.text


def test_a_recogniser_that_breaks_in_a_stream_is_told_inside_the_stream() -> None:
    server = serve(Mute())

    with client(server) as connected, pytest.raises(openai.APIError, match="Please retry"):
        list(the_vendors_call(connected, data_url(sound(1)), stream_enabled=True))


def test_a_server_that_is_stopped_has_answered_and_freed_the_recogniser() -> None:
    recogniser = talkative(name="passing")
    app = create_app(recogniser, key=KEY)

    async def live() -> tuple[int, Any]:
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server = Server(runner.addresses[0][1])
        answered = await asyncio.to_thread(server.ask, request())
        await runner.cleanup()
        return answered

    status, _ = asyncio.run(live())

    assert status == 200
    assert recogniser.closed.is_set()


def test_work_that_an_ending_interpreter_refuses_is_cancelled_quietly() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(in_thread(pool, lambda: 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
MEMBERS = ("model", "messages", "stream", "stream_options", "asr_options")


@settings(max_examples=60, deadline=None)
@given(members=st.dictionaries(st.sampled_from(MEMBERS), JSON), anything=JSON, whole=st.booleans())
def test_no_json_makes_the_server_fail(
    server: Server, members: dict[str, object], anything: object, *, whole: bool
) -> None:
    body = {**request(sound(0.1)), **members} if whole else anything

    with server.reply("POST", CHAT, json.dumps(body).encode()) as response:
        status = response.status

    assert status in {200, 400, 404}


@settings(max_examples=30, deadline=None)
@given(words=st.lists(st.text(min_size=1), max_size=6).map(tuple))
def test_any_text_comes_through_the_same_streamed_or_whole(
    changing: tuple[Parrot, Server], words: tuple[str, ...]
) -> None:
    parrot, server = changing
    parrot.words = words

    whole = server.ask(request(sound(0.1)))[1]["choices"][0]["message"]["content"]
    chunks = server.chunks()

    increments = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(increments) == whole == "".join(words)
    assert len(chunks) == len(words) + 2


@contextmanager
def shop(content: bytes) -> Iterator[str]:
    """Serve one file at a loopback address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as shelf:
        thread = Thread(target=shelf.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{shelf.server_port}/a.wav"
        shelf.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def whisper(recogniser: Recogniser) -> Server:
    return serve(recogniser)


def bundled(name: str) -> bytes:
    return (files("asr_pandas.files") / "bundled" / name).read_bytes()


def test_the_vendors_call_hears_real_speech(whisper: Server) -> None:
    with client(whisper) as connected:
        whole = the_vendors_call(connected, data_url(bundled("order_8k.wav")), stream_enabled=False)
        chunks = list(
            the_vendors_call(connected, data_url(bundled("order_8k.wav")), stream_enabled=True)
        )

    heard = whole.choices[0].message
    increments = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "Your order" in heard.content
    assert "".join(increments) == heard.content == heard.content.strip()
    assert [(note.type, note.language) for note in heard.annotations] == [("audio_info", "en")]
    assert chunks[-1].usage == whole.usage
    assert whole.usage.completion_tokens > 5


def test_real_silence_is_no_text_and_no_language(whisper: Server) -> None:
    _, reply = whisper.ask(request(bundled("silent_8k.wav")))

    message = reply["choices"][0]["message"]
    assert (message["content"], message["annotations"]) == ("", [])
