"""One row's question, asked until it is answered or given up: a request in, an outcome out."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from asr_pandas.endpoint.prices import cost_of
from asr_pandas.model import PENDING, Failure, Outcome
from asr_pandas.run.retry import wait_before_next
from asr_pandas.run.shown.figures import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asr_pandas.endpoint.prices import Cost
    from asr_pandas.model import Clip, Request, Status, Transcription
    from asr_pandas.run.budget import Budget, Reservation
    from asr_pandas.run.clock import Clock
    from asr_pandas.run.gate import Gate
    from asr_pandas.run.pace.pacer import Pacer
    from asr_pandas.run.shown.tally import Tally

OVER_BUDGET: Final = replace(
    PENDING, note="The budget does not reach this far. Run the cell again with a larger budget=."
)
NO_PATIENCE: Final = replace(
    PENDING, note="The service did not come back in time. Run the cell again later."
)
_CUT_OFF: Final = (
    "It was stopped while it was under way, and may have been billed. Run the cell again."
)


class Sender(Protocol):
    """Whoever takes a request to the service."""

    async def send(
        self, request: Request, *, duration: float | None = None
    ) -> Transcription | Failure:
        """Send one request, once."""


@dataclass(slots=True, kw_only=True)
class Service:
    """What stands between all rows of a run and the service that they ask.

    Parameters
    ----------
    host, model : str
        For the columns.
    price : float, optional
        Of a second of audio.
    sender : Sender
        The way there.
    pacer : Pacer
        When a request may leave.
    gate : Gate
        How many may be in flight.
    budget : Budget, optional
        What may be spent.
    tally : Tally
        Where requests are counted.
    clock : Clock
        The time.
    chance : callable
        Random numbers in [0, 1).
    """

    host: str
    model: str
    price: float | None = None
    sender: Sender
    pacer: Pacer
    gate: Gate
    budget: Budget | None = None
    tally: Tally
    clock: Clock
    chance: Callable[[], float] = random.random
    in_flight: set[asyncio.Task[Any] | None] = field(init=False, default_factory=set)
    """The tasks whose request has left, and is not answered yet."""
    elsewhere: int = field(init=False, default=0)
    """Questions that another process is asking."""
    notes: Counter[str] = field(init=False, default_factory=Counter)
    """Why rows ended without having been asked about."""

    def report(self) -> None:
        """Note what the run is waiting for, for those who look at the tally."""
        self.tally.rate, self.tally.limit = self.pacer.rate, self.pacer.limit
        self.tally.notice = self._notice()

    def _notice(self) -> str:
        if self.gate.is_down:
            tries = f"next try in {in_words(self.gate.next_try)}"
            return f"the service is down: {tries}, for {in_words(self.gate.gives_up)} more"
        if (closed := self.pacer.closed_for) >= 1:
            return f"the rate limit: {in_words(closed)} more"
        if self.elsewhere:
            return f"{self.elsewhere:,} rows wait for another process that asks the same"
        return ""

    def remarks(self) -> Iterator[str]:
        """Say why the run ended before its rows did."""
        if count := self.notes[OVER_BUDGET.note or ""]:
            yield f"the budget is spent: {count:,} {'row is' if count == 1 else 'rows are'} pending"
        if self.notes[NO_PATIENCE.note or ""]:
            yield (
                f"{self.host} has not answered for too long: the rest is pending. "
                "patience= is how long a run waits"
            )


@dataclass(slots=True, kw_only=True)
class Asking:
    """One row's way to its outcome.

    Parameters
    ----------
    service : Service
        Who is asked.
    request : Request
        What is asked.
    clip : Clip
        For its duration.
    """

    service: Service
    request: Request
    clip: Clip
    _attempts: int = field(init=False, default=0)
    _absent: int = field(init=False, default=0)  # attempts that found nobody there
    _throttled: int = field(init=False, default=0)
    _unanswered: int = field(init=False, default=0)
    _latency: float | None = field(init=False, default=None)
    _failure: Failure | None = field(init=False, default=None)
    _is_out: bool = field(init=False, default=False)
    _reservation: Reservation | None = field(init=False, default=None)

    async def outcome(self) -> Outcome:
        """Ask until there is a transcription, or no further attempt is worth it."""
        while True:
            if not await self._afford():
                return self._given_up(OVER_BUDGET)
            if not await self._enter():
                return self._given_up(PENDING if self.service.gate.is_closed else NO_PATIENCE)
            reply = await self._attempt()
            if reply is None:
                return self._given_up(PENDING)
            wait = self._wait_after(reply)
            if wait is None or self.service.gate.is_closed:
                return self._ended(reply)
            await self.service.clock.sleep(min(wait, self.service.gate.time_left))

    def cut_off(self) -> Outcome:
        """Tell what is known when the row is stopped here."""
        if not self._is_out:
            return self._given_up(PENDING)
        return replace(
            self._so_far("cancelled"), unanswered=self._unanswered + 1, note=_CUT_OFF, failure=None
        )

    async def _afford(self) -> bool:
        budget = self.service.budget
        if budget is None:
            return True
        amount = budget.amount(self.clip.duration, exact=self.clip.exact)
        self._reservation = await budget.reserved(amount)
        return self._reservation is not None

    async def _enter(self) -> bool:
        entered = False
        try:
            entered = await self.service.gate.enter()
        finally:
            if not entered:
                self._account(None)
        return entered

    async def _attempt(self) -> Transcription | Failure | None:
        """Send the request once; None where nothing may be sent any more when its turn comes."""
        reply: Transcription | Failure | None = None
        try:
            await self.service.pacer.turn()
            if not self.service.gate.is_closed:
                reply = await self._send()
        finally:
            self.service.gate.leave(reply)
            self._account(reply)
        return reply

    async def _send(self) -> Transcription | Failure:
        service, task = self.service, asyncio.current_task()
        service.in_flight.add(task)
        service.tally.sent += 1
        self._attempts += 1
        self._is_out = True
        began = service.clock.time()
        try:
            reply = await service.sender.send(self.request, duration=self.clip.duration)
            self._is_out = False
        finally:
            service.in_flight.discard(task)
        self._latency = service.clock.time() - began
        return reply

    def _wait_after(self, reply: Transcription | Failure) -> float | None:
        service = self.service
        if not isinstance(reply, Failure):
            service.pacer.accepted()
            return None
        self._failure = reply
        self._unanswered += reply.unanswered
        nobody_there = reply.kind == "network" and not reply.unanswered
        self._throttled += reply.throttle is not None
        self._absent += nobody_there
        wait = wait_before_next(
            reply,
            attempts=self._attempts - self._absent,
            throttled=self._throttled,
            chance=service.chance(),
        )
        if reply.throttle is not None:
            service.pacer.refused(reply, wait or 0.0)
        if reply.kind == "timeout":
            # What the vendor advises: bit by bit, the connection is never idle for long.
            self.request = replace(self.request, stream=True)
        # The gate waits for a service that is not there, and for all rows at once.
        return 0.0 if nobody_there else wait

    def _ended(self, reply: Transcription | Failure) -> Outcome:
        if isinstance(reply, Failure):
            return self._so_far("failed")
        cost = self._cost_of(reply)
        return replace(
            self._so_far("ok" if reply.text.strip() else "empty"),
            transcription=reply,
            failure=None,
            cost=cost.amount,
            cost_estimated=cost.estimated and cost.amount is not None,
        )

    def _given_up(self, otherwise: Outcome) -> Outcome:
        """Keep the last failure where there was an attempt that found somebody."""
        if self._attempts == self._absent:
            return replace(otherwise, duration=self.clip.duration)
        return self._so_far("failed")

    def _so_far(self, status: Status) -> Outcome:
        return Outcome(
            status=status,
            failure=self._failure,
            duration=self.clip.duration,
            language_given=self.request.language is not None,
            attempts=self._attempts,
            unanswered=self._unanswered,
            latency=self._latency,
            transcribed_at=self.service.clock.now(),
            endpoint=self.service.host,
            model=self.service.model,
        )

    def _account(self, reply: Transcription | Failure | None) -> None:
        """End what was reserved for an attempt: by what it cost, or may have cost."""
        budget, reserved = self.service.budget, self._reservation
        if budget is None or reserved is None:
            return
        self._reservation = None
        if self._is_out or (isinstance(reply, Failure) and reply.unanswered):
            budget.keep(reserved)
        elif reply is None or isinstance(reply, Failure):
            budget.release(reserved)
        else:
            budget.settle(reserved, self._cost_of(reply).amount)

    def _cost_of(self, reply: Transcription) -> Cost:
        return cost_of(reply.usage, duration=self.clip.duration, price=self.service.price)
