"""The mock that throughput.py sends to: a bare protocol, so that it costs little beside a client.

    python -m tests.benchmarks.mock --latency 0.05

It prints its port, answers each request after the latency with the mark that the audio carries, and
tells what it counted at `GET /stats`. The routes are chat completions, and the three that
DashScope's own SDK asks for a local file: a policy, an upload, the recognition (vendor's docs).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import sys
from dataclasses import asdict, dataclass
from typing import Final

AUDIO_STARTS: Final = b"base64,"
MARK: Final = slice(44, 52)  # of the decoded audio: eight digits behind a WAV header
_SEEN: Final = 4_096  # bytes of a body that are looked at; the mark stands among the first
_BUFFER: Final = 2**18
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_UPLOADED: Final = re.compile(rb"oss://\S*?/(\d{8})\.wav")


@dataclass
class Counts:
    """What the mock saw."""

    requests: int = 0
    recognised: int = 0
    connections: int = 0
    in_flight: int = 0
    most_in_flight: int = 0


class Connection(asyncio.BufferedProtocol):
    """One connection; requests come one after the other."""

    def __init__(self, counts: Counts, latency: float) -> None:
        self._counts = counts
        self._latency = latency
        self._buffer = memoryview(bytearray(_BUFFER))
        self._head = b""
        self._start = b""
        self._left = -1  # bytes of the body that are still to come; -1 before its head is read
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._counts.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._transport = None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's signature)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._left < 0:
            self._take_head(bytes(self._buffer[:nbytes]))
        else:
            self._take_body(self._buffer[:nbytes])

    def _take_head(self, part: bytes) -> None:
        self._head += part
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        self._head = head
        length = _LENGTH.search(head)
        self._left = int(length[1]) if length else 0
        self._start = b""
        self._take_body(memoryview(body))

    def _take_body(self, part: memoryview) -> None:
        if len(self._start) < _SEEN:
            self._start += bytes(part[:_SEEN])
        self._left -= len(part)
        if self._left == 0:
            self._answer()

    def _answer(self) -> None:
        head, start = self._head, self._start
        self._head, self._left = b"", -1
        path = head.split(b" ", 2)[1]
        if path == b"/stats":
            self._reply(asdict(self._counts))
            return
        self._counts.requests += 1
        if b"/uploads" in path:
            self._reply(_policy(path))
        elif path.endswith(b"/oss"):
            self._reply({})
        else:
            self._recognise(start)

    def _recognise(self, start: bytes) -> None:
        counts = self._counts
        counts.recognised += 1
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        loop = asyncio.get_running_loop()
        loop.call_later(self._latency, self._recognised, mark_in(start))

    def _recognised(self, mark: str) -> None:
        self._counts.in_flight -= 1
        self._reply(completion(mark))

    def _reply(self, body: object) -> None:
        if self._transport is None:
            return
        content = json.dumps(body).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(content) + content)


def mark_in(start: bytes) -> str:
    """Read the mark from the start of a request's body."""
    uploaded = _UPLOADED.search(start)
    if uploaded:
        return uploaded[1].decode()
    audio = start.partition(AUDIO_STARTS)[2]
    return base64.b64decode(audio[: MARK.stop // 3 * 4 + 4])[MARK].decode()


def completion(text: str) -> dict[str, object]:
    """The vendor's reply; DashScope's own form stands beside it, for the SDK that wants that."""
    said = {"annotations": [{"emotion": "neutral", "language": "en", "type": "audio_info"}]}
    choice = {"finish_reason": "stop", "index": 0}
    message = {"role": "assistant", **said}
    return {
        "id": "chatcmpl-487abe5f",
        "choices": [{**choice, "message": {**message, "content": text}}],
        "created": 1767683986,
        "model": "qwen3-asr-flash",
        "object": "chat.completion",
        "usage": {"completion_tokens": 12, "prompt_tokens": 125, "total_tokens": 137, "seconds": 5},
        "output": {"choices": [{**choice, "message": {**message, "content": [{"text": text}]}}]},
    }


def _policy(path: bytes) -> dict[str, object]:
    return {"data": {"upload_dir": "instant/50", "policy": "p" * 400, "asked": path.decode()}}


async def serve(latency: float) -> None:
    counts = Counts()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(counts, latency), "127.0.0.1", 0, backlog=1_024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # Whoever started it closes its standard input in the end, or dies.
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, required=True)
    asyncio.run(serve(parser.parse_args().latency))
