"""The fan-out: rows in, one outcome each.

A few feeders look rows up, read and claim them; a fixed pool of workers asks for those that are
left. Between them stands a short queue, so that no worker waits for a disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from asr_pandas.audio.cells import Reading
from asr_pandas.errors import JournalError
from asr_pandas.model import Failure, Outcome
from asr_pandas.run.asking import NO_PATIENCE, Asking
from asr_pandas.run.journal.journal import Record
from asr_pandas.run.preparing import Ready, Sendable, fitted, glance, identify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from asr_pandas.run.asking import Service
    from asr_pandas.run.journal.claims import Claimed
    from asr_pandas.run.question import Asked, Identities, Row

GRACE: Final = 5.0  # seconds for requests in flight when a run is stopped: they are paid already

_GLANCE: Final = 256  # rows that are looked up in the journal at once
_FEEDERS: Final = 4
_TOGETHER: Final = 8  # rows that one feeder reads and claims at once, at most
_HELD: Final = 32 * 2**20  # bytes of audio that a run may hold; larger files are read twice
_REMEMBERED: Final = 1024  # rows back; feeders are never so far apart
_ELSEWHERE: Final = 0.25  # seconds until another process is asked after first
_LONGEST_ELSEWHERE: Final = 2.0  # seconds


class Unreadable(NamedTuple):
    """A row that is settled without being asked about, when it is its turn."""

    position: int
    outcome: Outcome


Queue = asyncio.Queue["Ready | Unreadable | None"]


class Sink(Protocol):
    """Where outcomes go."""

    def __setitem__(self, position: int, outcome: Outcome) -> None:
        """Take a row's outcome; a later one replaces it."""


class Recorder(Protocol):
    """Where outcomes become durable."""

    async def claim(self, key: bytes, *, since: datetime | None = None) -> Claimed | Outcome:
        """Ask to be the one who asks."""

    async def record(self, record: Record) -> None:
        """Return when an outcome is durable."""

    async def release(self, key: bytes) -> None:
        """Give a claim back without an outcome."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One pass over the rows.

    Parameters
    ----------
    rows : iterable of Row
        What is asked; each is read, sent and forgotten on its own.
    asked : Asked
        What is asked about each.
    service : Service
        Who is asked.
    identities : Identities
        What clips are known by, and the journal.
    recorder : Recorder
        Where outcomes become durable before they count.
    results : Sink
        Where they go.
    concurrency : int
        How many rows are under way at once.
    since : datetime, optional
        How old a recorded outcome may be that is taken instead of asking.
    fetch : bool
        As in `transcribe`.
    stop_on_failure : bool
        Whether the first row that fails stops the run.
    """

    rows: Iterable[Row]
    asked: Asked
    service: Service
    identities: Identities
    recorder: Recorder
    results: Sink
    concurrency: int
    since: datetime | None = None
    fetch: bool = False
    stop_on_failure: bool = False
    stopped_by: tuple[int, Failure] | None = field(init=False, default=None)
    """The position and the failure that stopped the run before its end."""
    broken_by: JournalError | None = field(init=False, default=None)
    """What kept the run from recording."""
    _reading: Reading = field(init=False)
    _source: Iterator[Row] = field(init=False)
    _seen: deque[Row] = field(init=False, default_factory=deque)
    _looking: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _stopping: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _settling: set[asyncio.Task[None] | None] = field(init=False, default_factory=set)
    _twins: dict[bytes, list[Row]] = field(init=False, default_factory=dict)
    _paid: dict[bytes, tuple[int, Outcome]] = field(init=False, default_factory=dict)
    _elsewhere: list[bytes] = field(init=False, default_factory=list)

    async def finish(self) -> None:
        """Work through all rows, or until the run is stopped."""
        self._reading = Reading(
            hold=_HELD // (self.concurrency + self._ahead),
            fetch=self.fetch,
            stores=self.identities.stores,
        )
        await self._round(self.rows)
        wait = _ELSEWHERE
        while self._elsewhere and not self._stopping.is_set():
            # Another process is asking for these at this moment: its answers are as good.
            self.service.elsewhere = len(self._elsewhere)
            await self._or_stopped(wait)
            wait = min(_LONGEST_ELSEWHERE, wait * 1.5)
            await self._round(await self._given_up_elsewhere())

    def stop(self) -> None:
        """Send nothing new, and give what is in flight a short grace."""
        self._stopping.set()
        self.service.gate.close()

    @property
    def _together(self) -> int:
        return max(1, min(_TOGETHER, self.concurrency // _FEEDERS))

    @property
    def _ahead(self) -> int:
        """Rows that may be read before a worker is free."""
        return _FEEDERS * self._together

    async def _or_stopped(self, seconds: float) -> None:
        sleeping = asyncio.ensure_future(self.service.clock.sleep(seconds))
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait([sleeping, stopping], return_when=asyncio.FIRST_COMPLETED)
        sleeping.cancel()
        stopping.cancel()

    async def _given_up_elsewhere(self) -> list[Row]:
        """Take what another process has answered, and the rows that it will not answer."""
        keys, self._elsewhere = self._elsewhere, []
        rows: list[Row] = []
        try:
            for key, claimed in zip(keys, await self._claims(keys), strict=True):
                if isinstance(claimed, Outcome):
                    self._settle_all(key, claimed.as_reused())
                elif claimed == "theirs":
                    self._elsewhere.append(key)
                else:
                    rows += self._twins.pop(key)
        except JournalError as error:
            self._break(error)
        return rows

    async def _claims(self, keys: list[bytes]) -> list[Claimed | Outcome]:
        claims = (self.recorder.claim(key, since=self.since) for key in keys)
        return await asyncio.gather(*claims)

    async def _round(self, rows: Iterable[Row]) -> None:
        self._source = iter(rows)
        queue: Queue = asyncio.Queue(maxsize=self._ahead)
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(self._feed_all(queue))
            workers = [group.create_task(self._work(queue)) for _ in range(self.concurrency)]
            watch = group.create_task(self._watch([feeding, *workers]))
            await asyncio.wait([feeding, *workers])
            watch.cancel()

    async def _watch(self, tasks: list[asyncio.Task[None]]) -> None:
        await self._stopping.wait()
        for task in tasks:
            if task not in self.service.in_flight and task not in self._settling:
                task.cancel()
        await self.service.clock.sleep(GRACE)
        for task in tasks:
            task.cancel()

    # From here on in the order in which a row meets them.

    async def _feed_all(self, queue: Queue) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_FEEDERS, self.concurrency)):
                group.create_task(self._feed(queue))
        await queue.put(None)

    async def _feed(self, queue: Queue) -> None:
        try:
            while rows := await self._next():
                for ready in await self._claimed(await self._identified(rows)):
                    await queue.put(ready)
        except JournalError as error:
            self._break(error)

    async def _next(self) -> list[Row]:
        """Return some rows whose answers are not seen at a glance."""
        async with self._looking:
            while not self._seen and (rows := list(islice(self._source, _GLANCE))):
                await self._glance(rows)
            count = min(len(self._seen), self._together)
            return [self._seen.popleft() for _ in range(count)]

    async def _glance(self, rows: list[Row]) -> None:
        """Deliver what is recorded already."""
        found = await asyncio.to_thread(
            glance, rows, asked=self.asked, identities=self.identities, since=self.since
        )
        for row, seen in zip(rows, found, strict=True):
            if not isinstance(seen, Outcome):
                self._seen.append(seen)
            else:
                self._deliver(row.position, seen)

    async def _identified(self, rows: list[Row]) -> list[Ready | Unreadable]:
        """Read rows, and leave those out that ask what another asks."""
        found = await asyncio.to_thread(
            identify, rows, asked=self.asked, identities=self.identities, reading=self._reading
        )
        leading: list[Ready | Unreadable] = []
        for row, ready in zip(rows, found, strict=True):
            if isinstance(ready, Outcome):
                leading.append(Unreadable(row.position, ready))
            elif row is not (twins := self._twins.setdefault(ready.key, [row]))[0]:
                twins.append(row)
            else:
                leading.append(ready)
        return leading

    async def _claimed(self, rows: list[Ready | Unreadable]) -> list[Ready | Unreadable]:
        """Leave out what is recorded after all, or what another process asks at this moment."""
        leading = [row for row in rows if isinstance(row, Ready)]
        claims = await self._claims([ready.key for ready in leading])
        for ready, claimed in zip(leading, claims, strict=True):
            if isinstance(claimed, Outcome):
                self._settle_all(ready.key, claimed.as_reused())
            elif claimed == "theirs":
                self._elsewhere.append(ready.key)
        ours = {ready.key for ready, claim in zip(leading, claims, strict=True) if claim == "ours"}
        return [row for row in rows if isinstance(row, Unreadable) or row.key in ours]

    async def _work(self, queue: Queue) -> None:
        try:
            while (ready := await queue.get()) is not None:
                if isinstance(ready, Unreadable):
                    self._settle(*ready)
                else:
                    await self._ask(ready)
                if self._stopping.is_set():
                    return
            queue.put_nowait(None)  # for the next worker
        except JournalError as error:
            self._break(error)

    async def _ask(self, ready: Ready) -> None:
        """Ask for all rows that ask the same, of this run and of every other process."""
        sent = await self._fitted(ready)
        if isinstance(sent, Outcome):
            await self.recorder.release(ready.key)
            self._settle_all(ready.key, sent)
            return
        asking = Asking(service=self.service, request=sent.request, clip=sent.clip)
        try:
            outcome = await asking.outcome()
        except asyncio.CancelledError:
            self._deliver(ready.row.position, asking.cut_off())
            raise
        try:
            await self._record(ready, outcome)
        except (asyncio.CancelledError, JournalError):
            # Not durable, so that it does not count; but it is here, and was paid for.
            self.results[ready.row.position] = outcome
            raise
        self._settle_all(ready.key, outcome)

    async def _fitted(self, ready: Ready) -> Sendable | Outcome:
        if ready.is_quick:
            return fitted(ready, asked=self.asked, reading=self._reading)
        return await asyncio.to_thread(fitted, ready, asked=self.asked, reading=self._reading)

    async def _record(self, ready: Ready, outcome: Outcome) -> None:
        worker = asyncio.current_task()
        self._settling.add(worker)
        try:
            if not outcome.attempts:
                await self.recorder.release(ready.key)
                return
            question = self.asked.question(ready.row, ready.identity)
            await self.recorder.record(
                Record(key=ready.key, question=question, audio=ready.identity, outcome=outcome)
            )
        finally:
            self._settling.discard(worker)

    def _settle_all(self, key: bytes, outcome: Outcome) -> None:
        """Settle the row that asked, and those that were waiting for the same answer."""
        first, *others = sorted(row.position for row in self._twins.pop(key))
        self._settle(first, outcome)
        self._first_pays(key, first, outcome)
        if outcome.failure is not None and outcome.failure.retry == "stop":
            return  # the others were not sent, and stay pending
        for position in others:
            self._settle(position, outcome.as_reused())

    def _first_pays(self, key: bytes, position: int, outcome: Outcome) -> None:
        """Let the first of equal rows be the one that paid, also where it was read later."""
        if not outcome.reused:
            self._paid[key] = (position, outcome)
            if len(self._paid) > _REMEMBERED:
                del self._paid[next(iter(self._paid))]
            return
        payer, paid = self._paid.get(key, (position, outcome))
        if position < payer:
            self._paid[key] = (position, paid)
            self.results[payer], self.results[position] = paid.as_reused(), paid

    def _settle(self, position: int, outcome: Outcome) -> None:
        self._deliver(position, outcome)
        if outcome.note is not None:
            self.service.notes[outcome.note] += 1
            if outcome.note == NO_PATIENCE.note:
                self.stop()
        failure = outcome.failure
        if failure is not None and (failure.retry == "stop" or self.stop_on_failure):
            self.stopped_by = self.stopped_by or (position, failure)
            self.stop()

    def _break(self, error: JournalError) -> None:
        self.broken_by = self.broken_by or error
        self.stop()

    def _deliver(self, position: int, outcome: Outcome) -> None:
        self.results[position] = outcome
        if outcome.status != "pending":
            self.service.tally.add(outcome)
