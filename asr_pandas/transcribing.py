"""One call of `transcribe`: checked, sent, shown and turned into columns. Every door comes here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import pandas as pd

from asr_pandas import columns, frame, notebook, reach
from asr_pandas.addresses import is_loopback
from asr_pandas.errors import Interrupted, RowFailed, RunStopped
from asr_pandas.model import PENDING
from asr_pandas.run import portal
from asr_pandas.run.engine import Row, Run
from asr_pandas.run.pacer import Pacer, RealClock
from asr_pandas.run.progress import Progress, expect, in_words
from asr_pandas.run.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from asr_pandas.endpoint import Endpoint
    from asr_pandas.endpoint.transport import Transport
    from asr_pandas.options import Settings

_DRAW_EVERY: Final = 0.1  # seconds
_NO_JOURNAL: Final = "there is no journal yet: running this again asks for every row again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the audio is, and where the results go."""

    cells: pd.Series[Any]
    frame: pd.DataFrame
    """Where `language_from` and `context_from` are looked up."""
    variable: str
    """How a message names the cells: `df["audio"]`."""
    finish: Callable[[pd.DataFrame], pd.DataFrame]
    """Turns the result columns into what the caller gets: the whole frame, or the columns alone."""


@dataclass(slots=True, kw_only=True)
class Transcribing:
    """A run over one column: checked when it is made, before anything is sent.

    Parameters
    ----------
    place : Place
        Where the audio is, and where the results go.
    settings : Settings
        The checked options.
    endpoint : Endpoint
        Where requests go.
    asked : bool
        Whether somebody chose the endpoint.

    Raises
    ------
    ColumnError, OptionError
        The call cannot be carried out.
    """

    place: Place
    settings: Settings
    endpoint: Endpoint
    asked: bool
    progress: Progress = field(init=False)
    _tally: Tally = field(init=False)
    _languages: list[str | None] | None = field(init=False, default=None)
    _contexts: list[str | None] | None = field(init=False, default=None)
    _run: Run | None = field(init=False, default=None)
    _stopped: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Check what is asked for."""
        reach.check(self.endpoint, asked=self.asked, cells=self.place.cells)
        frame.refuse_unsendable(self.settings.context, "context")
        if self.settings.language_from is not None:
            source = self.settings.language_from
            self._languages = frame.languages_per_row(self.place.frame, source)
        if self.settings.context_from is not None:
            source = self.settings.context_from
            self._contexts = frame.contexts_per_row(self.place.frame, source)
        self._tally = Tally(rows=len(self.place.cells))
        self.progress = Progress(
            self._tally,
            wanted=self.settings.progress,
            new_bar=notebook.new_bar if notebook.in_notebook() else None,
        )

    @classmethod
    def of_column(cls, df: pd.DataFrame, column: Hashable, settings: Settings) -> Self:
        """Check a call on a frame."""
        cells = frame.audio_column(df, column)
        endpoint, asked = reach.choose(settings.endpoint)
        record = frame.record_of(
            column, settings=settings, endpoint=endpoint.host, model=endpoint.model
        )
        replaced = frame.to_replace(df, record, overwrite=settings.overwrite)
        place = Place(
            cells=cells,
            frame=df,
            variable=f"df[{column!r}]",
            finish=lambda results: frame.attach(df, results, record=record, replaced=replaced),
        )
        return cls(place=place, settings=settings, endpoint=endpoint, asked=asked)

    @classmethod
    def of_series(cls, series: pd.Series[Any], settings: Settings) -> Self:
        """Check a call on a Series."""
        endpoint, asked = reach.choose(settings.endpoint)
        place = Place(
            cells=frame.refuse_numbers(series),
            frame=pd.DataFrame(index=series.index),
            variable="series",
            finish=lambda results: results,
        )
        return cls(place=place, settings=settings, endpoint=endpoint, asked=asked)

    def here(self) -> pd.DataFrame:
        """Run to the end while the caller waits.

        Returns
        -------
        pandas.DataFrame
            The frame, or the result columns.

        Raises
        ------
        RunStopped, RowFailed, Interrupted
            Each with what is finished in `.partial`.
        """
        interrupted = portal.call(self._work, stop=self._stop, draw=self.progress.draw)
        self.progress.close()
        if interrupted and self.settings.on_interrupt == "raise":
            message = f"stopped by you; .partial has what is finished. {self._tally.summary()}"
            raise Interrupted(message, partial=self._frame())
        return self._result()

    async def there(self) -> pd.DataFrame:
        """Run to the end on the caller's own event loop; as `here` otherwise."""
        drawing = asyncio.create_task(self._draw())
        try:
            await self._work()
        finally:
            drawing.cancel()
            self.progress.close()
        return self._result()

    async def _work(self) -> None:
        if not len(self.place.cells):
            return
        cells = list(self.place.cells)
        expected = await asyncio.to_thread(expect, cells)
        self._announce(expected)
        endpoint = await asyncio.to_thread(reach.open_local, self.endpoint)
        self._tally.all_seconds = expected
        # Late: the SDK takes longer to import than pandas.
        from asr_pandas.endpoint.transport import Transport

        concurrency = self.settings.concurrency or reach.usual_concurrency(self.endpoint)
        transport = Transport(endpoint, connections=concurrency)
        try:
            self._run = self._new_run(
                transport, model=endpoint.model, concurrency=concurrency, cells=cells
            )
            if not self._stopped:
                await self._run.finish()
        finally:
            await transport.close()

    def _new_run(
        self, transport: Transport, *, model: str, concurrency: int, cells: list[object]
    ) -> Run:
        clock = RealClock()
        return Run(
            rows=self._rows(cells),
            model=model,
            sender=transport,
            pacer=Pacer(self.settings.rpm or self.endpoint.rpm, clock=clock),
            clock=clock,
            tally=self._tally,
            concurrency=min(concurrency, len(cells)),
            itn=self.settings.itn,
            stream=self.settings.stream,
            stop_on_failure=self.settings.errors == "raise",
        )

    def _rows(self, cells: list[object]) -> Iterator[Row]:
        for position, cell in enumerate(cells):
            yield Row(
                position=position,
                cell=cell,
                language=self._languages[position] if self._languages else self.settings.language,
                context=self._contexts[position] if self._contexts else self.settings.context,
            )

    def _announce(self, seconds: float) -> None:
        if not self.asked:
            self.progress.say("no DASHSCOPE_API_KEY: the embedded recogniser is used")
        stays = self.endpoint.is_local or is_loopback(self.endpoint.host)
        self.progress.say(
            f"asr-pandas → {self.endpoint.host}: {in_words(seconds)} of audio "
            f"{'stay on' if stays else 'leave'} this machine; {_NO_JOURNAL}"
        )

    def _stop(self) -> None:
        self._stopped = True
        if self._run is not None:
            self._run.stop()

    async def _draw(self) -> None:
        while True:
            self.progress.draw()
            await asyncio.sleep(_DRAW_EVERY)

    def _frame(self) -> pd.DataFrame:
        source = columns.Source(
            self.endpoint.host, self.endpoint.model, self.endpoint.price_per_second
        )
        outcomes = self._run.outcomes if self._run else [PENDING] * len(self.place.cells)
        results = columns.build(
            outcomes,
            source=source,
            index=self.place.cells.index,
            level=self.settings.columns,
            prefix=self.settings.prefix,
        )
        return self.place.finish(results)

    def _result(self) -> pd.DataFrame:
        result = self._frame()
        if self._run is None or self._run.stopped_by is None:
            return result
        position, failure = self._run.stopped_by
        if failure.retry == "stop":
            message = f"{self.endpoint.host}: {failure.message}\n\n{self._tally.summary()}."
            raise RunStopped(message, kind=failure.kind, partial=result)
        name = frame.row_name(self.place.cells.index, self.place.variable, position)
        raise RowFailed(f"{name}: {failure.message}", kind=failure.kind, partial=result)
