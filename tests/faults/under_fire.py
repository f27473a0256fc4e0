"""Rows against a service of which a share of all answers is wrong: who got what, and who paid."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from asr_pandas.endpoint.transport import Transport
from asr_pandas.model import PENDING
from asr_pandas.run.asking import Sender, Service
from asr_pandas.run.engine import Run
from asr_pandas.run.gate import Gate
from asr_pandas.run.journal.journal import Journal
from asr_pandas.run.journal.recorder import Recorder
from asr_pandas.run.pace.pacer import Pacer
from asr_pandas.run.question import Asked, Identities, Row
from asr_pandas.run.shown.tally import Tally
from tests.faults import kinds
from tests.faults.clips import clip, digest, heard_in
from tests.faults.serving import Server, serving

if TYPE_CHECKING:
    from asr_pandas.model import Outcome
    from tests.faults.ledger import Counts, Entry

SHARE: Final = 0.25
_CONCURRENCY: Final = 32
_START: Final = datetime(2026, 11, 22, tzinfo=UTC)
_PATIENCE: Final = 1e9  # seconds on the hurried clock: the service is never down for good
_DEADLINE: Final = 3.0  # seconds, instead of the minutes that a reply may really take


class Hurried:
    """A clock on which a run's pauses pass 20,000 times as fast; replies take their time."""

    speed: Final = 20_000.0

    def time(self) -> float:
        return time.monotonic() * self.speed

    def now(self) -> datetime:
        return _START + timedelta(seconds=self.time())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderFire:
    """What became of the rows: each list names those for which a promise was broken."""

    statuses: Counter[str]
    given: Counter[str]
    """How often each fault was given."""
    unfinished: list[int] = field(default_factory=list)
    """Neither `ok` nor `failed`."""
    strangers: list[int] = field(default_factory=list)
    """With another row's transcript."""
    wrong_kinds: list[str] = field(default_factory=list)
    """Failed with another kind than the last answer's."""
    unexplained: list[str] = field(default_factory=list)
    """Billed, or asked, more often than the faults that were given explain."""


def under_fire(*, rows: int, stream: bool, seed: int) -> UnderFire:
    """Send so many distinct clips to a service that fails by the seed."""
    cells = [clip(number) for number in range(rows)]
    with serving(share=SHARE, seed=seed) as server:
        outcomes = asyncio.run(_outcomes(server, cells, stream=stream))
        counts = server.counts()
    return judged(cells, outcomes, counts)


def judged(cells: list[bytes], outcomes: list[Outcome], counts: Counts) -> UnderFire:
    """Compare what the rows say with what the server did."""
    entries = counts.by_audio()
    result = UnderFire(
        statuses=Counter(outcome.status for outcome in outcomes),
        given=Counter(name for entry in counts.entries for name in entry.faults),
    )
    for position, (cell, outcome) in enumerate(zip(cells, outcomes, strict=True)):
        audio = digest(cell)
        entry = entries.get(audio)
        if outcome.status not in {"ok", "failed"}:
            result.unfinished.append(position)
        if outcome.transcription and outcome.transcription.text != heard_in(audio):
            result.strangers.append(position)
        if outcome.failure is not None and outcome.failure.kind not in _kinds_at_the_end(entry):
            result.wrong_kinds.append(f"{position}: {outcome.failure.kind}, {entry}")
        if entry is not None and not _explained(entry):
            result.unexplained.append(f"{position}: {entry}")
    return result


def _kinds_at_the_end(entry: Entry | None) -> set[str]:
    # A connection that is reset before it brought its audio is in nobody's entry.
    last = {kinds.BY_NAME[entry.faults[-1]].error} if entry and entry.faults else set()
    return {"network", *last}


def _explained(entry: Entry) -> bool:
    given = [kinds.BY_NAME[name] for name in entry.faults]
    asked_again = sum(fault.effect == "again" for fault in given) + entry.hung_up
    unanswered = sum(fault.billed for fault in given) + entry.hung_up
    return entry.asked <= 1 + asked_again and entry.billed <= 1 + unanswered


async def _outcomes(server: Server, cells: list[bytes], *, stream: bool) -> list[Outcome]:
    """Run over the cells, with a clock, a deadline and a patience that no caller can choose."""
    transport = Transport(server.endpoint, connections=_CONCURRENCY, timeout=_DEADLINE)
    outcomes = [PENDING] * len(cells)
    with Journal(None) as journal:
        recorder = Recorder(journal)
        try:
            await run_over(
                cells,
                sender=transport,
                journal=journal,
                recorder=recorder,
                results=outcomes,
                stream=stream,
            ).finish()
        finally:
            await transport.close()
            await recorder.close()
    return outcomes


def run_over(
    cells: list[bytes],
    *,
    sender: Sender,
    journal: Journal,
    recorder: Recorder,
    results: list[Outcome],
    stream: bool = False,
) -> Run:
    """Put a run together whose pauses pass quickly."""
    clock = Hurried()
    service = Service(
        host="127.0.0.1",
        model="m",
        sender=sender,
        pacer=Pacer(None, clock=clock),
        gate=Gate(clock=clock, patience=_PATIENCE),
        tally=Tally(rows=len(cells)),
        clock=clock,
    )
    return Run(
        rows=(Row(position=position, cell=cell) for position, cell in enumerate(cells)),
        asked=Asked(service="test", model="m", stream=stream),
        service=service,
        identities=Identities(journal=journal),
        recorder=recorder,
        results=results,
        concurrency=_CONCURRENCY,
    )
