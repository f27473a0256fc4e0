"""A service that fails in every way there is: each row ends well or says why, and nothing mixes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import asr_pandas
from asr_pandas.endpoint.transport import Transport
from asr_pandas.model import PENDING, Failure, Payload, Request, Transcription
from asr_pandas.run.journal.journal import Journal, Record
from asr_pandas.run.journal.recorder import Recorder
from tests.faults import kinds
from tests.faults.clips import clip, digest
from tests.faults.serving import Server, serving
from tests.faults.under_fire import run_over, under_fire

if TYPE_CHECKING:
    from pathlib import Path

    from asr_pandas.errors import ErrorKind

Reply = Transcription | Failure

DEADLINE = 1.0  # seconds
CONNECTIONS = 32


@pytest.mark.parametrize(("stream", "rows"), [(False, 1_000), (True, 300)])
def test_under_faults_every_row_ends_with_its_own_transcript_or_the_right_kind(
    *, stream: bool, rows: int
) -> None:
    result = under_fire(rows=rows, stream=stream, seed=13)

    assert result.unfinished == []
    assert result.strangers == []
    assert result.wrong_kinds == []
    assert result.unexplained == []
    assert result.statuses["ok"] > rows * 0.9
    assert len(result.given) > 15


@pytest.mark.parametrize("stream", [False, True])
def test_each_fault_is_told_for_what_it_is(*, stream: bool) -> None:
    faults = {f.name: f for f in (*kinds.PASSING, *kinds.HOPELESS) if f.act != "reset_before"}
    cells = [clip(number) for number in range(12 * len(faults))]

    with serving(share=1.0, faults=list(faults)) as server:
        replies = asyncio.run(ask(server, cells, stream=stream))
        entries = server.counts().by_audio()

    given = [faults[entries[digest(cell)].faults[0]] for cell in cells]
    assert {fault.name for fault in given} == faults.keys()
    for fault, reply in zip(given, replies, strict=True):
        assert isinstance(reply, Failure)
        assert (reply.kind, reply.retry) == (fault.error, fault.effect), fault
        assert reply.unanswered == fault.billed, fault


def test_a_connection_that_is_reset_before_the_audio_has_arrived_may_be_tried_again() -> None:
    with serving(share=1.0, faults=["reset_before"]) as server:
        (reply,) = asyncio.run(ask(server, [clip(1)], stream=False))
        totals = server.totals()

    assert isinstance(reply, Failure)
    assert (reply.kind, reply.retry, totals.arrived) == ("network", "again", 0)


@pytest.mark.parametrize("fault", kinds.HOPELESS, ids=lambda fault: fault.name)
def test_a_cause_that_no_row_survives_costs_two_requests(
    fault: kinds.Fault, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"audio": [clip(number) for number in range(50)]})

    with serving(share=1.0, faults=[fault.name], latency=0.01) as server:
        with pytest.raises(asr_pandas.RunStopped) as stopped:
            frame.asr.transcribe(
                "audio", endpoint=server.endpoint, journal=tmp_path / "j", progress=False
            )
        totals = server.totals()

    kind: ErrorKind = stopped.value.kind
    assert (kind, totals.billed) == (fault.error, 0)
    assert totals.arrived <= 2
    assert set(stopped.value.partial["status"]) <= {"failed", "pending", "cancelled"}


class Slow(Recorder):
    """A journal that is long in writing, on a disk that is busy."""

    def __init__(self, journal: Journal, *, rows: int) -> None:
        super().__init__(journal)
        self._coming = rows
        self.all_have_come = asyncio.Event()

    async def claim(self, key: bytes, **options: Any) -> Any:
        self._coming -= 1
        if not self._coming:
            self.all_have_come.set()
        return await super().claim(key, **options)

    async def record(self, record: Record) -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        await super().record(record)


@dataclass
class Refusing:
    """A service that lets nobody in, once everybody is at its door."""

    all_have_come: asyncio.Event
    asked: int = 0

    async def send(self, _: Request, *, duration: float | None = None) -> Failure:
        assert duration is not None
        self.asked += 1
        await self.all_have_come.wait()
        return Failure(kind="auth", message="", retry="stop")


def test_while_a_fatal_answer_is_written_down_nothing_more_is_sent() -> None:
    cells = [clip(number) for number in range(20)]

    async def asked() -> int:
        with Journal(None) as journal:
            recorder = Slow(journal, rows=len(cells))
            sender = Refusing(recorder.all_have_come)
            results = [PENDING] * len(cells)
            await run_over(
                cells, sender=sender, journal=journal, recorder=recorder, results=results
            ).finish()
            await recorder.close()
        return sender.asked

    assert asyncio.run(asked()) <= 2


async def ask(server: Server, cells: list[bytes], *, stream: bool) -> list[Reply]:
    transport = Transport(server.endpoint, connections=CONNECTIONS, timeout=DEADLINE)
    turns = asyncio.Semaphore(CONNECTIONS)

    async def send(cell: bytes) -> Reply:
        payload = Payload(content=cell, media_type="audio/wav")
        async with turns:
            return await transport.send(Request(payload=payload, model="m", stream=stream))

    try:
        return await asyncio.gather(*(send(cell) for cell in cells))
    finally:
        await transport.close()
