"""What all tests share: a real HTTP server that answers as it is told, and an empty environment."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

import asr_pandas

BUNDLED = Path(asr_pandas.__file__).parent / "files" / "bundled"

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class Service:
    """A server at a real port of this machine, which stands in for the hosted one."""

    answer: Answer
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    url: str = ""

    @property
    def endpoint(self) -> asr_pandas.Endpoint:
        return asr_pandas.Endpoint(self.url, model="qwen3-asr-flash", api_key="sk-test-0123456789")

    async def respond(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            body = orjson.loads(await request.read())
            self.asked.append(body)
            self.headers.append(dict(request.headers))
            return await self.answer(request, body)
        finally:
            self.in_flight -= 1


def completion(text: str = "Good morning.", **changes: Any) -> dict[str, Any]:
    """The vendor's reply, with another text and other changes."""
    return {
        "id": "chatcmpl-487abe5f",
        "choices": [
            {
                "finish_reason": "stop",
                "index": 0,
                "message": {
                    "annotations": [{"emotion": "neutral", "language": "en", "type": "audio_info"}],
                    "content": text,
                    "role": "assistant",
                },
            }
        ],
        "created": 1767683986,
        "model": "qwen3-asr-flash",
        "object": "chat.completion",
        "usage": {
            "completion_tokens": 12,
            "completion_tokens_details": {"text_tokens": 12},
            "prompt_tokens": 42,
            "prompt_tokens_details": {"audio_tokens": 42, "text_tokens": 0},
            "seconds": 1,
            "total_tokens": 54,
        },
        **changes,
    }


def refusal(message: str, *, code: str = "invalid_parameter_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": "x", "param": None, "code": code}, "id": "r-1"}


def always(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    async def answer(_request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """The first answer to the first request, and so on; the last one to all further ones."""
    left = list(answers)

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request, body)

    return answer


def streamed(*events: str) -> Answer:
    async def answer(request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            await response.write(f"data: {event}\n\n".encode())
        return response

    return answer


@pytest.fixture
def service() -> Iterator[Callable[[Answer], Service]]:
    """Start servers that answer as told; they end with the test."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runners: list[web.AppRunner] = []

    async def begin(started: Service) -> None:
        app = web.Application(client_max_size=2**25)
        app.router.add_post("/v1/chat/completions", started.respond)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        started.url = f"http://127.0.0.1:{port}/v1"

    def start(answer: Answer) -> Service:
        started = Service(answer)
        asyncio.run_coroutine_threadsafe(begin(started), loop).result(10)
        return started

    yield start
    for runner in runners:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def pytest_configure() -> None:
    """Keep the examples in docstrings, which no fixture reaches, out of the user's folders too."""
    os.environ["ASR_PANDAS_JOURNAL"] = f"{tempfile.mkdtemp(prefix='asr-pandas-')}/journal.sqlite"


@pytest.fixture(autouse=True)
def _alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """No test may reach the hosted service, nor read or leave anything in the user's folders."""
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)
    monkeypatch.delenv("DASHSCOPE_BASE_URL", raising=False)
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("ASR_PANDAS_JOURNAL", str(folder / "journal.sqlite"))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    yield
    asr_pandas.use(None)


@pytest.fixture
def wav() -> bytes:
    """About five seconds of speech."""
    return (BUNDLED / "order_8k.wav").read_bytes()


def distinct(wav: bytes, count: int) -> list[bytes]:
    """Make recordings that sound alike and are not equal: each is asked about on its own."""
    return [wav[:-4] + number.to_bytes(4, "little") for number in range(1, count + 1)]
