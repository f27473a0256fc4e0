"""One run over a call's rows: opened, worked through, shown and turned into columns."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

from asr_pandas import notebook, reach
from asr_pandas.addresses import is_loopback
from asr_pandas.columns import Sheet
from asr_pandas.errors import AsrWarning, Interrupted, JournalError, RowFailed, RunStopped
from asr_pandas.frame import snapshot
from asr_pandas.run.asking import Service
from asr_pandas.run.clock import RealClock
from asr_pandas.run.engine import Run
from asr_pandas.run.gate import Gate
from asr_pandas.run.journal.journal import Journal
from asr_pandas.run.journal.recorder import Recorder
from asr_pandas.run.pace.pacer import Pacer
from asr_pandas.run.pace.slots import shared
from asr_pandas.run.question import Identities
from asr_pandas.run.replay import Replay
from asr_pandas.run.shown.progress import Progress, expect, in_words
from asr_pandas.run.shown.tally import Tally
from asr_pandas.run.span import Span
from asr_pandas.usage import mixed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import pandas as pd

    from asr_pandas.call import Call
    from asr_pandas.model import Failure, Outcome
    from asr_pandas.reach import Reached
    from asr_pandas.run.asking import Sender
    from asr_pandas.run.pace.slots import Slots

_DRAW_EVERY: Final = 0.1  # seconds
_OURS: Final = "asr_pandas."


@dataclass(slots=True, kw_only=True)
class Transcribing:
    """A run, from its journal's opening to its columns.

    Parameters
    ----------
    call : Call
        What is asked for.
    background : bool
        Whether the caller goes on meanwhile.
    """

    call: Call
    background: bool = False
    progress: Progress = field(init=False)
    _tally: Tally = field(init=False)
    _sheet: Sheet = field(init=False)
    _span: Span = field(init=False, default_factory=Span)
    # Anybody may ask for the frame while its last form is made.
    _building: Lock = field(init=False, default_factory=Lock)
    _out: pd.DataFrame | None = field(init=False, default=None)
    _run: Run | Replay | None = field(init=False, default=None)
    _broken_by: JournalError | None = field(init=False, default=None)
    _stopped: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Start with every row pending."""
        rows = len(self.call.place.cells)
        self._sheet = Sheet(rows, level=self.call.settings.columns)
        self._tally = Tally(rows=rows, currency=self.call.endpoint.currency)
        self.progress = Progress(
            self._tally,
            wanted=self.call.settings.progress,
            new_bar=notebook.new_bar if notebook.in_notebook() else None,
            background=self.background,
        )

    async def work(self) -> None:
        """Run to the end, on an event loop."""
        if not self._tally.rows:
            return
        journal = await asyncio.to_thread(Journal, self.call.journal)
        try:
            identities = Identities(journal=journal)
            await (self._replay(identities) if self.call.replays else self._ask(identities))
        finally:
            await self._close(journal)

    def stop(self) -> None:
        """Send nothing new, and come to an early end; on the loop that works."""
        self._stopped = True
        if self._run is not None:
            self._run.stop()

    def draw(self) -> None:
        """Show how far it has come."""
        if isinstance(self._run, Run):
            self._run.service.report()
        self.progress.draw()

    async def keep_drawing(self) -> None:
        """Show how far it has come, again and again."""
        while True:
            self.draw()
            await asyncio.sleep(_DRAW_EVERY)

    def frame(self) -> pd.DataFrame:
        """Return the frame, or the result columns, as far as they are."""
        with self._building:
            if self._out is None:
                return self._built(last=False)
            return snapshot(self._out)

    def _built(self, *, last: bool) -> pd.DataFrame:
        place, prefix = self.call.place, self.call.settings.prefix
        return place.finish(self._sheet.frame(place.cells.index, prefix=prefix, last=last))

    def interrupted(self) -> Interrupted:
        """Say that somebody pressed the stop button."""
        message = (
            f"stopped by you: {self._tally.done:,} of {self._tally.rows:,} rows are finished. "
            "Run it again to go on; asr_pandas.last_run().frame(), or .partial, has them now."
        )
        return Interrupted(message, partial=self._finished())

    def result(self) -> pd.DataFrame:
        """Return what came out.

        Raises
        ------
        RunStopped, RowFailed, JournalError
            Each with what is finished in `.partial`.
        """
        out, run = self._finished(), self._run
        broken_by = (isinstance(run, Run) and run.broken_by) or self._broken_by
        if broken_by:
            broken_by.partial = out
            raise broken_by
        if isinstance(run, Run) and run.stopped_by is not None:
            raise self._failed(*run.stopped_by, partial=out)
        for sentence in self._remarks():
            warnings.warn(sentence, AsrWarning, stacklevel=_to_the_user())
        return out

    def __setitem__(self, position: int, outcome: Outcome) -> None:
        """Take a row's outcome: into its columns, and into what they have in common."""
        self._sheet[position] = outcome
        self._span.add(outcome)

    async def _close(self, journal: Journal) -> None:
        try:
            await asyncio.to_thread(journal.close)
        except JournalError as error:
            # What it could not write last is lost; what came out is still handed back.
            self._broken_by = error

    def _finished(self) -> pd.DataFrame:
        """Build the frame once, when nothing is written any more."""
        with self._building:
            if self._out is None:
                self._out = self._built(last=True)
            return snapshot(self._out)

    async def _ask(self, identities: Identities) -> None:
        call = self.call
        expected = await asyncio.to_thread(expect, call.place.cells)
        self._announce(expected)
        reached = await asyncio.to_thread(reach.reached, call.endpoint)
        self._tally.all_seconds = expected
        recorder = Recorder(identities.journal)
        try:
            async with _way_to(reached, connections=call.concurrency) as sender:
                run = self._run = self._new_run(reached, sender, identities, recorder)
                if not self._stopped:
                    await run.finish()
        finally:
            await recorder.close()
            self._count_saved(identities.journal)

    async def _replay(self, identities: Identities) -> None:
        call = self.call
        run = self._run = Replay(
            rows=call.rows(),
            asked=call.asked(service=call.endpoint.identity, model=call.endpoint.model),
            identities=identities,
            results=self,
            tally=self._tally,
            exactly=not (call.endpoint.is_journal or call.endpoint.is_local),
            endpoint=None if call.endpoint.is_journal else call.endpoint.host,
            model=call.endpoint.model or None,
            since=call.since,
            row_name=call.place.row_name,
        )
        if not self._stopped:
            await run.finish()

    def _new_run(
        self, reached: Reached, sender: Sender, identities: Identities, recorder: Recorder
    ) -> Run:
        call, clock = self.call, RealClock()
        service = Service(
            host=call.endpoint.host,
            model=call.endpoint.model,
            price=call.endpoint.price_per_second,
            sender=sender,
            pacer=Pacer(call.rpm, clock=clock, slots=_slots(call)),
            gate=Gate(clock=clock, patience=call.patience),
            budget=call.new_budget(),
            tally=self._tally,
            clock=clock,
        )
        return Run(
            rows=call.rows(),
            asked=call.asked(service=reached.identity, model=reached.endpoint.model),
            service=service,
            identities=identities,
            recorder=recorder,
            results=self,
            concurrency=call.concurrency,
            since=call.since,
            fetch=call.settings.fetch,
            stop_on_failure=call.settings.errors == "raise",
        )

    def _announce(self, seconds: float) -> None:
        endpoint = self.call.endpoint
        if not self.call.endpoint_asked:
            self.progress.say("no DASHSCOPE_API_KEY: the embedded recogniser is used")
        stays = endpoint.is_local or is_loopback(endpoint.host)
        self.progress.say(
            f"asr-pandas → {endpoint.host}: {in_words(seconds)} of audio "
            f"{'stay on' if stays else 'leave'} this machine"
        )

    def _count_saved(self, journal: Journal) -> None:
        tally = self._tally
        if tally.saved_rows:
            journal.saved(
                rows=tally.saved_rows,
                seconds=tally.saved_seconds,
                cost=tally.saved_cost,
                endpoint=self.call.endpoint.host,
            )

    def _failed(
        self, position: int, failure: Failure, *, partial: pd.DataFrame
    ) -> RunStopped | RowFailed:
        if failure.retry == "stop":
            message = f"{self.call.endpoint.host}: {failure.message}\n\n{self._tally.summary()}."
            return RunStopped(message, kind=failure.kind, partial=partial)
        name = self.call.place.row_name(position)
        return RowFailed(f"{name}: {failure.message}", kind=failure.kind, partial=partial)

    def _remarks(self) -> Iterator[str]:
        """Yield what should be known about a result that is there."""
        if isinstance(self._run, Run):
            yield from self._run.service.remarks()
        if sentence := mixed(self._span.frame()):
            yield sentence


def _to_the_user() -> int:
    """Count the frames between a warning and the line that it is about."""
    frame, count = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OURS):
        frame, count = frame.f_back, count + 1
    return count


def _slots(call: Call) -> Slots | None:
    """Share the pace with the machine's other processes, wherever there is a limit to share."""
    endpoint = call.endpoint
    if call.rpm is None and (endpoint.is_local or is_loopback(endpoint.host)):
        return None
    return shared(host=endpoint.host, model=endpoint.model, api_key=endpoint.key())


@asynccontextmanager
async def _way_to(reached: Reached, *, connections: int) -> AsyncIterator[Sender]:
    # Late: the SDK takes longer to import than pandas.
    from asr_pandas.endpoint.transport import Transport

    transport = Transport(reached.endpoint, connections=connections)
    try:
        yield transport
    finally:
        await transport.close()
