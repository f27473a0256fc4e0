"""A service in a process of its own, which counts what it is asked and fails as a seed decides.

    python -m tests.faults.server '{"latency": 0.02, "share": 0.25}'

Its address is the first line on standard output; it ends when its standard input does, and so with
whoever started it. `GET /counts` tells everything, `GET /totals` the sums; `POST /hold` has it
answer nobody from so many requests on, until it is told otherwise.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
import pybase64
from aiohttp import web

from tests.faults import acts, kinds
from tests.faults.clips import digest
from tests.faults.ledger import Counts, Entry

_LARGEST: Final = 2**26  # bytes of a request


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the service does."""

    seed: int = 0
    share: float = 0.0
    """Of all requests, how many fail."""
    faults: tuple[str, ...] = tuple(fault.name for fault in kinds.PASSING)
    """Names of what may go wrong."""
    latency: float = 0.0
    """Seconds of work for each request."""


class Service:
    """Everything that the routes share."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        faults = [kinds.BY_NAME[name] for name in behaviour.faults]
        self._early = [fault for fault in faults if fault.act == "reset_before"]
        self._late = [fault for fault in faults if fault.act != "reset_before"]
        weights = sum(fault.weight for fault in faults) or 1.0
        self._early_share = behaviour.share * sum(f.weight for f in self._early) / weights
        self._counts = Counts()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._hold_from: int | None = None
        self._told = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self._serve),
            web.get("/counts", self._tell_counts),
            web.get("/totals", self._tell_totals),
            web.post("/hold", self._hold),
        ]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        totals = self._counts.totals
        self._counts.stamps.append(time.time())
        totals.in_flight += 1
        totals.most_in_flight = max(totals.most_in_flight, totals.in_flight)
        try:
            return await self._answer(request, serial=len(self._counts.stamps))
        finally:
            totals.in_flight -= 1

    async def _answer(self, request: web.Request, *, serial: int) -> web.StreamResponse:
        seed = self._behaviour.seed
        if kinds.draw(self._early, share=self._early_share, seed=f"{seed} early {serial}"):
            self._counts.totals.resets_before += 1
            return await acts.reset(request)
        asked = orjson.loads(await request.read())
        entry = self._entry(asked)
        entry.asked += 1
        self._counts.totals.arrived += 1
        fault = kinds.draw(
            self._late,
            share=self._behaviour.share - self._early_share,
            seed=f"{seed} {entry.audio} {entry.asked}",
        )
        await self._work()
        return await self._reply(request, entry, fault, stream=bool(asked.get("stream")))

    def _entry(self, asked: dict[str, Any]) -> Entry:
        audio, settings = _question(asked)
        if (audio, settings) not in self._entries:
            entry = self._entries[audio, settings] = Entry(audio, settings)
            self._counts.entries.append(entry)
        return self._entries[audio, settings]

    async def _work(self) -> None:
        await asyncio.sleep(self._behaviour.latency)
        while self._hold_from is not None and self._counts.totals.arrived >= self._hold_from:
            await self._told.wait()

    async def _reply(
        self, request: web.Request, entry: Entry, fault: kinds.Fault | None, *, stream: bool
    ) -> web.StreamResponse:
        if fault is None or fault.billed:
            entry.billed += 1
            self._counts.totals.billed += 1
        entry.hung_up += acts.is_gone(request)
        if fault is not None:
            entry.faults.append(fault.name)
            return await acts.fail(request, fault, entry.audio, stream=stream)
        entry.answered += 1
        return await acts.answer(request, entry.audio, stream=stream)

    async def _tell_counts(self, _: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self._counts.to_json()))

    async def _tell_totals(self, _: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(asdict(self._counts.totals)))

    async def _hold(self, request: web.Request) -> web.Response:
        self._hold_from = orjson.loads(await request.read())
        self._told.set()
        self._told = asyncio.Event()
        return web.Response()


def _question(asked: dict[str, Any]) -> tuple[str, str]:
    """Tell audio from settings; how the answer travels (`stream`) is neither."""
    *context, user = asked["messages"]
    url = user["content"][0]["input_audio"]["data"]
    audio = digest(pybase64.b64decode(url.partition(",")[2], validate=True))
    settings = [asked["model"], asked.get("asr_options"), [said["content"] for said in context]]
    return audio, orjson.dumps(settings, option=orjson.OPT_SORT_KEYS).decode()


async def _run(behaviour: Behaviour) -> None:
    app = web.Application(client_max_size=_LARGEST)
    app.add_routes(Service(behaviour).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    asked = orjson.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    threading.Thread(target=_end_with_input, daemon=True).start()
    asyncio.run(_run(Behaviour(**asked)))


if __name__ == "__main__":
    main()
