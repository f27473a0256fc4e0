"""The fan-out: rows in, one outcome each. A fixed pool of workers pulls rows from an iterator."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from asr_pandas.audio.cells import is_missing, read
from asr_pandas.audio.convert import converted
from asr_pandas.audio.fit import fit
from asr_pandas.errors import AudioError
from asr_pandas.model import CANCELLED, MISSING, PENDING, Failure, Outcome, Request
from asr_pandas.run.retry import wait_before_next

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from asr_pandas.model import Clip, Payload, Status, Transcription
    from asr_pandas.run.pacer import Clock, Pacer
    from asr_pandas.run.tally import Tally

# Requests in flight until one succeeds, so that a wrong key costs two.
_UNTIL_FIRST_REPLY: Final = 2
GRACE: Final = 5.0  # seconds for requests in flight when a run is stopped: they are paid already


class Sender(Protocol):
    """Whoever takes a request to the service."""

    async def send(self, request: Request) -> Transcription | Failure:
        """Send one request, once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row's question."""

    position: int
    cell: object
    language: str | None = None
    context: str | None = None


@dataclass(slots=True, kw_only=True)
class Run:
    """One pass over the rows.

    Parameters
    ----------
    rows : iterable of Row
        What is asked; each is read, sent and forgotten on its own.
    model : str
        The model to ask for.
    sender : Sender
        The way to the service.
    pacer : Pacer
        When a request may leave.
    clock : Clock
        The time.
    tally : Tally
        Where progress is counted, and the number of rows.
    concurrency : int
        How many rows are under way at once.
    itn, stream : bool
        As in `transcribe`.
    stop_on_failure : bool
        Whether the first row that fails stops the run.
    chance : callable
        Random numbers in [0, 1).
    """

    rows: Iterable[Row]
    model: str
    sender: Sender
    pacer: Pacer
    clock: Clock
    tally: Tally
    concurrency: int
    itn: bool = False
    stream: bool = False
    stop_on_failure: bool = False
    chance: Callable[[], float] = random.random
    outcomes: list[Outcome] = field(init=False)
    """One for each row, `pending` until it is done."""
    stopped_by: tuple[int, Failure] | None = field(init=False, default=None)
    """The position and the failure that stopped the run before its end."""
    _queue: Iterator[Row] = field(init=False)
    _in_flight: set[asyncio.Task[Any] | None] = field(init=False, default_factory=set)
    _stopping: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _answered: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Start with every row pending."""
        self.outcomes = [PENDING] * self.tally.rows
        self._queue = iter(self.rows)

    async def finish(self) -> None:
        """Work through all rows, or until the run is stopped."""
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work(number)) for number in range(self.concurrency)]
            watch = group.create_task(self._watch(workers))
            await asyncio.wait(workers)
            watch.cancel()

    def stop(self) -> None:
        """Send nothing new, and give what is in flight a short grace."""
        self._stopping.set()

    async def _watch(self, workers: list[asyncio.Task[None]]) -> None:
        await self._stopping.wait()
        for worker in workers:
            if worker not in self._in_flight:
                worker.cancel()
        await self.clock.sleep(GRACE)
        for worker in workers:
            worker.cancel()

    async def _work(self, number: int) -> None:
        if number >= _UNTIL_FIRST_REPLY:
            await self._answered.wait()
        for row in self._queue:
            outcome = await self._answer(row)
            self.outcomes[row.position] = outcome
            self.tally.add(outcome)
            self._judge(row.position, outcome)
            if self._stopping.is_set():
                return
        # Whoever still waits for the first reply has nothing left to do.
        self._answered.set()

    def _judge(self, position: int, outcome: Outcome) -> None:
        if outcome.transcription is not None:
            self._answered.set()
        failure = outcome.failure
        if failure is not None and (failure.retry == "stop" or self.stop_on_failure):
            self.stopped_by = self.stopped_by or (position, failure)
            self.stop()

    async def _answer(self, row: Row) -> Outcome:
        if is_missing(row.cell):
            return MISSING
        try:
            clip, payload = await asyncio.to_thread(_prepare, row.cell)
        except AudioError as error:
            failure = Failure(kind=error.kind, message=str(error))
            return Outcome(status="failed", failure=failure)
        request = Request(
            payload=payload,
            model=self.model,
            language=row.language,
            itn=self.itn,
            context=row.context,
            stream=self.stream,
        )
        return await self._ask(row.position, clip, request)

    async def _ask(self, position: int, clip: Clip, request: Request) -> Outcome:
        attempts = 0
        while True:
            await self.pacer.turn()
            attempts += 1
            began = self.clock.time()
            reply = await self._send(position, request)
            outcome = Outcome(
                status=_status(reply),
                transcription=None if isinstance(reply, Failure) else reply,
                failure=reply if isinstance(reply, Failure) else None,
                duration=clip.duration,
                language_given=request.language is not None,
                attempts=attempts,
                latency=self.clock.time() - began,
                transcribed_at=self.clock.now(),
            )
            wait = self._wait_after(reply, attempts)
            if wait is None or self._stopping.is_set():
                return outcome
            self.outcomes[position] = outcome
            await self.clock.sleep(wait)

    async def _send(self, position: int, request: Request) -> Transcription | Failure:
        # If it is cancelled in flight, the service may have done, and billed, the work.
        self.outcomes[position] = CANCELLED
        worker = asyncio.current_task()
        self._in_flight.add(worker)
        try:
            return await self.sender.send(request)
        finally:
            self._in_flight.discard(worker)

    def _wait_after(self, reply: Transcription | Failure, attempts: int) -> float | None:
        if not isinstance(reply, Failure):
            return None
        wait = wait_before_next(reply, attempts=attempts, chance=self.chance())
        if wait is not None and reply.kind == "rate_limit":
            self.pacer.pause(wait)
        return wait


def _prepare(cell: object) -> tuple[Clip, Payload]:
    clip = read(cell)
    return clip, fit(converted(clip))


def _status(reply: Transcription | Failure) -> Status:
    if isinstance(reply, Failure):
        return "failed"
    return "ok" if reply.text.strip() else "empty"
