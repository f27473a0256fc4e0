"""The ways to transcribe a folder that throughput.py compares: paths in, transcripts out.

    python -m tests.benchmarks.clients ours --url http://127.0.0.1:1234 --concurrency 64 < paths

`usual`    what most people write: AsyncOpenAI, the standard library's Base64, a semaphore, gather.
`toolkit`  qwen3-asr-toolkit's call path, made again from its description, since it is not
           installed: in a pool of threads, each file is decoded, written to a temporary WAV and
           taken to DashScope's own form in three requests (policy, upload, recognition), none of
           which shares a connection with another.
`aiohttp`  aiohttp with a ready body and a pool of workers, and nothing else: no journal, digests,
           retries or time limits.
`floor`    a bare asyncio protocol, which only writes what it must.
`ours`     `df.asr.transcribe`, with journal and digests.

One line of JSON tells seconds, CPU seconds and peak memory; imports and a first row are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

MODEL: Final = "qwen3-asr-flash"
KEY: Final = "sk-benchmark"
BEFORE: Final = (
    b'{"model":"qwen3-asr-flash","messages":[{"role":"user","content":[{"type":"input_audio",'
    b'"input_audio":{"data":"data:audio/wav;base64,'
)
AFTER: Final = b'"}}]}],"stream":false,"asr_options":{"enable_itn":false}}'
JOURNAL_GONE: Final = "ours: there is no journal yet; measured without"

Client = Callable[[str, list[str], int], list[str]]


def ours(url: str, paths: list[str], concurrency: int) -> list[str]:
    import pandas as pd

    import asr_pandas

    endpoint = asr_pandas.Endpoint(f"{url}/v1", model=MODEL, api_key=KEY)
    df = pd.DataFrame({"audio": paths})
    options: dict[str, Any] = {"endpoint": endpoint, "concurrency": concurrency, "progress": False}
    with tempfile.TemporaryDirectory() as folder:
        try:
            out = df.asr.transcribe("audio", journal=str(Path(folder) / "journal.db"), **options)
        except NotImplementedError:
            print(JOURNAL_GONE, file=sys.stderr)
            out = df.asr.transcribe("audio", journal=False, **options)
    return list(out["transcript"])


def usual(url: str, paths: list[str], concurrency: int) -> list[str]:
    import openai

    async def run() -> list[str]:
        semaphore = asyncio.Semaphore(concurrency)

        async def one(path: str) -> str:
            async with semaphore:
                audio = base64.b64encode(Path(path).read_bytes()).decode()  # noqa: ASYNC240 (usual)
                part: Any = {"type": "input_audio"}
                part["input_audio"] = {"data": f"data:audio/wav;base64,{audio}"}
                reply = await client.chat.completions.create(
                    model=MODEL,
                    messages=[{"role": "user", "content": [part]}],
                    extra_body={"asr_options": {"enable_itn": False}},
                )
                return reply.choices[0].message.content or ""

        async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as client:
            return await asyncio.gather(*(one(path) for path in paths))

    return asyncio.run(run())


def toolkit(url: str, paths: list[str], concurrency: int) -> list[str]:
    import requests
    import soundfile

    signed = {"Authorization": f"Bearer {KEY}"}

    def one(path: str) -> str:
        samples, rate = soundfile.read(path, dtype="float32")
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder) / Path(path).name
            soundfile.write(clip, samples, rate)
            asked = {"action": "getPolicy", "model": MODEL}
            policy = requests.get(f"{url}/api/v1/uploads", params=asked, headers=signed, timeout=60)
            where = policy.json()["data"]["upload_dir"]
            with clip.open("rb") as audio:
                form = {"key": f"{where}/{clip.name}", "policy": policy.json()["data"]["policy"]}
                requests.post(f"{url}/oss", data=form, files={"file": audio}, timeout=60)
        content = [{"audio": f"oss://{where}/{clip.name}"}]
        body: Any = {"model": MODEL, "input": {"messages": [{"role": "user", "content": content}]}}
        route = f"{url}/api/v1/services/aigc/multimodal-generation/generation"
        reply = requests.post(route, json=body, headers=signed, timeout=300).json()
        text: str = reply["output"]["choices"][0]["message"]["content"][0]["text"]
        return text

    with ThreadPoolExecutor(concurrency) as threads:
        return list(threads.map(one, paths))


def bare_aiohttp(url: str, paths: list[str], concurrency: int) -> list[str]:
    import aiohttp
    import orjson

    async def run() -> list[str]:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        connector = aiohttp.TCPConnector(limit=concurrency)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

            async def one(path: str) -> str:
                route = f"{url}/v1/chat/completions"
                async with session.post(route, data=body_of(path)) as response:
                    return transcript(orjson.loads(await response.read()))

            return await in_turn(one, paths, concurrency)

    return asyncio.run(run())


def floor(url: str, paths: list[str], concurrency: int) -> list[str]:
    import orjson

    host, port = url.removeprefix("http://").split(":")
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: mock\r\nContent-Length: %d\r\n\r\n"

    class Line(asyncio.Protocol):
        answer: asyncio.Future[str]

        def data_received(self, data: bytes) -> None:
            # The mock's replies are short enough to come in one piece.
            self.answer.set_result(transcript(orjson.loads(data.partition(b"\r\n\r\n")[2])))

    async def run() -> list[str]:
        loop = asyncio.get_running_loop()
        lines = [
            await loop.create_connection(Line, host, int(port))
            for _ in range(min(concurrency, len(paths)))
        ]

        async def one(path: str) -> str:
            transport, line = lines.pop()
            body = body_of(path)
            line.answer = loop.create_future()
            transport.writelines((head % len(body), body))
            text = await line.answer
            lines.append((transport, line))
            return text

        try:
            return await in_turn(one, paths, concurrency)
        finally:
            for transport, _ in lines:
                transport.close()

    return asyncio.run(run())


def body_of(path: str) -> bytes:
    import pybase64

    return b"".join((BEFORE, pybase64.b64encode(Path(path).read_bytes()), AFTER))


def transcript(reply: dict[str, Any]) -> str:
    text: str = reply["choices"][0]["message"]["content"]
    return text


async def in_turn(one: Callable[[str], Any], paths: list[str], concurrency: int) -> list[str]:
    texts = [""] * len(paths)
    rows: Iterator[tuple[int, str]] = iter(enumerate(paths))

    async def work() -> None:
        for position, path in rows:
            texts[position] = await one(path)

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return texts


CLIENTS: Final[dict[str, Client]] = {
    "ours": ours,
    "usual": usual,
    "toolkit": toolkit,
    "aiohttp": bare_aiohttp,
    "floor": floor,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    arguments = parser.parse_args()
    first, *paths = sys.stdin.read().splitlines()
    client = CLIENTS[arguments.client]
    check([first], client(arguments.url, [first], 1))
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    texts = client(arguments.url, paths, arguments.concurrency)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    check(paths, texts)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print(json.dumps({"wall": wall, "cpu": cpu, "peak_mb": after.ru_maxrss / unit}))


def check(paths: list[str], texts: list[str]) -> None:
    """Every row has the mark of its own audio, which its file's name repeats."""
    assert texts == [Path(path).stem for path in paths], "a row has no, or another's, transcript"


if __name__ == "__main__":
    main()
