"""A service that answers as a test says, and a run over it without a network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asr_pandas.model import PENDING, Failure, Outcome, Request, Transcription, Usage
from asr_pandas.run.asking import Service
from asr_pandas.run.engine import GRACE, Run
from asr_pandas.run.gate import PATIENCE, Gate
from asr_pandas.run.journal.journal import Journal
from asr_pandas.run.journal.recorder import Recorder
from asr_pandas.run.pace.pacer import Pacer
from asr_pandas.run.question import Asked, Identities, Row
from asr_pandas.run.shown.tally import Tally
from tests.conftest import BUNDLED
from tests.run.clocks import Stepping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from asr_pandas.run.budget import Budget
    from asr_pandas.run.clock import Clock

CLIP = (BUNDLED / "silent_8k.wav").read_bytes()
OK = Transcription(text="ok", usage=Usage(seconds=2.0))
ASKED = Asked(service="test", model="m")

REFUSED = Failure(kind="network", message="refused", retry="again")
"""Nobody is there."""
TIMEOUT = Failure(kind="timeout", message="late", retry="again", unanswered=True)
BROKEN = Failure(kind="server", message="broken", retry="again")
FATAL = Failure(kind="auth", message="wrong key", retry="stop")
HOPELESS = Failure(kind="too_long", message="too long", retry="no")
LIMITED = Failure(kind="rate_limit", message="slower", retry="again", throttle="rate")


@dataclass
class Told:
    """A service that answers as the test says."""

    answer: Callable[[Request], Any]
    asked: list[Request] = field(default_factory=list)
    run: Run = field(init=False)
    """The run that asks."""

    async def send(
        self, request: Request, *, duration: float | None = None
    ) -> Transcription | Failure:
        del duration
        self.asked.append(request)
        await asyncio.sleep(0)
        said = self.answer(request)
        reply: Transcription | Failure = await said if asyncio.iscoroutine(said) else said
        return reply


def by_context(*replies: Any) -> Callable[[Request], Any]:
    """Answer each row with its own reply, whatever the order in which they come."""
    return lambda request: replies[int(request.context or 0)]


def in_turn(*replies: Any) -> Callable[[Request], Any]:
    """Answer with one after another, and go on with the last."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def never(_: Request) -> Any:
    raise AssertionError("somebody was asked")


class Patient(Stepping):
    """Ends no grace: whoever is in flight has all the time of the world."""

    async def sleep(self, seconds: float) -> None:
        if seconds == GRACE:
            await asyncio.Event().wait()
        await super().sleep(seconds)


def new_service(
    sender: Told,
    *,
    clock: Clock | None = None,
    rows: int = 1,
    patience: float = PATIENCE,
    price: float | None = None,
    budget: Budget | None = None,
    pacer: Any = None,
) -> Service:
    clock = clock or Stepping()
    return Service(
        host="h",
        model="m",
        price=price,
        sender=sender,
        pacer=pacer or Pacer(None, clock=clock),
        gate=Gate(clock=clock, patience=patience),
        budget=budget,
        tally=Tally(rows=rows),
        clock=clock,
        chance=lambda: 0.5,
    )


@dataclass(frozen=True)
class Ran:
    """A run that has ended, and what its rows got."""

    run: Run
    results: list[Outcome]

    @property
    def statuses(self) -> list[str]:
        return [outcome.status for outcome in self.results]

    @property
    def tally(self) -> Tally:
        return self.run.service.tally


def rows_of(cells: Iterable[object]) -> list[Row]:
    """Ask something else of each row, so that equal audio is asked about more than once."""
    return [
        Row(position=position, cell=cell, context=str(position))
        for position, cell in enumerate(cells)
    ]


async def finished(
    cells: Iterable[object],
    sender: Told,
    *,
    rows: list[Row] | None = None,
    journal: Path | None = None,
    new_recorder: type[Recorder] = Recorder,
    new_results: Callable[[Journal, int], Any] = lambda _, count: [PENDING] * count,
    concurrency: int = 4,
    since: datetime | None = None,
    stop_on_failure: bool = False,
    **of_service: Any,
) -> Ran:
    """Run over cells, to the end."""
    rows = rows_of(cells) if rows is None else rows
    with Journal(journal) as opened:
        recorder = new_recorder(opened)
        results = new_results(opened, len(rows))
        sender.run = Run(
            rows=rows,
            asked=ASKED,
            service=new_service(sender, rows=len(rows), **of_service),
            identities=Identities(journal=opened),
            recorder=recorder,
            results=results,
            concurrency=concurrency,
            since=since,
            stop_on_failure=stop_on_failure,
        )
        try:
            await sender.run.finish()
        finally:
            await recorder.close()
    return Ran(sender.run, list(results))


def over(cells: Iterable[object], sender: Told, **options: Any) -> Ran:
    """Run over cells on a loop of their own."""
    return asyncio.run(asyncio.wait_for(finished(cells, sender, **options), 20))
