"""What somebody asked for, checked: a column and options in, all that a run needs out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from asr_pandas import frame, reach
from asr_pandas.ages import seconds_of
from asr_pandas.errors import OptionError
from asr_pandas.run.budget import Budget, parse, price_for
from asr_pandas.run.gate import PATIENCE
from asr_pandas.run.journal.place import place as place_of
from asr_pandas.run.question import Asked, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from pathlib import Path

    from asr_pandas.endpoint import Endpoint
    from asr_pandas.options import Settings


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

    def row_name(self, position: int) -> str:
        """Name a row in a message."""
        return frame.row_name(self.cells.index, self.variable, position)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, checked before anything is sent."""

    place: Place
    settings: Settings
    endpoint: Endpoint
    """Where requests go; or whose recorded answers are taken, where nothing is sent."""
    endpoint_asked: bool
    """Whether somebody chose the endpoint."""
    replays: bool
    """Whether the journal alone answers."""
    languages: list[str | None] | None
    contexts: list[str | None] | None
    journal: Path | None
    """None for one that ends with the run."""
    budget: float | None
    """In the endpoint's currency."""
    patience: float
    """Seconds without any reply."""
    since: datetime | None
    """How old a recorded answer may be."""

    @classmethod
    def of_column(
        cls,
        df: pd.DataFrame,
        column: Hashable,
        settings: Settings,
        *,
        replays: bool = False,
        plans: bool = False,
    ) -> Self:
        """Check a call on a frame.

        Parameters
        ----------
        df, column, settings
            What is asked for.
        replays : bool
            Whether the journal alone answers.
        plans : bool
            Whether nobody answers, so that no key is wanted.

        Raises
        ------
        ColumnError, OptionError, JournalError
            It cannot be carried out.
        """
        # A run may be long, and the frame is its owner's to change meanwhile.
        df = frame.snapshot(df)
        cells = frame.audio_column(df, column)
        endpoint, asked = _endpoint(settings, replays=replays)
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
        call = cls._checked(place, settings, endpoint, asked=asked, replays=replays)
        return call if plans else call.reachable()

    @classmethod
    def of_series(
        cls,
        series: pd.Series[Any],
        settings: Settings,
        *,
        replays: bool = False,
        plans: bool = False,
    ) -> Self:
        """Check a call on a Series; takes and raises what `of_column` does."""
        endpoint, asked = _endpoint(settings, replays=replays)
        place = Place(
            cells=frame.refuse_numbers(series.copy()),
            frame=pd.DataFrame(index=series.index),
            variable="series",
            finish=lambda results: results,
        )
        call = cls._checked(place, settings, endpoint, asked=asked, replays=replays)
        return call if plans else call.reachable()

    @classmethod
    def _checked(
        cls, place: Place, settings: Settings, endpoint: Endpoint, *, asked: bool, replays: bool
    ) -> Self:
        frame.refuse_unsendable(settings.context, "context")
        if endpoint.is_journal and settings.journal is False:
            message = "endpoint='journal' takes results from the journal: leave out journal=False"
            raise OptionError(message)
        return cls(
            place=place,
            settings=settings,
            endpoint=endpoint,
            endpoint_asked=asked,
            replays=replays or endpoint.is_journal,
            languages=frame.languages_per_row(place.frame, settings.language_from),
            contexts=frame.contexts_per_row(place.frame, settings.context_from),
            journal=place_of(settings.journal),
            budget=_budget(settings, endpoint),
            patience=PATIENCE if settings.patience is None else seconds_of(settings.patience),
            since=_since(settings.reuse, now=datetime.now(UTC)),
        )

    def reachable(self) -> Self:
        """Return the call itself, unless nobody can be asked.

        Raises
        ------
        OptionError
            As `reach.check` does.
        """
        if not self.replays:
            reach.check(self.endpoint, asked=self.endpoint_asked, cells=self.place.cells)
        return self

    def rows(self) -> Iterator[Row]:
        """Yield each row's question."""
        for position, cell in enumerate(self.place.cells):
            yield Row(
                position=position,
                cell=cell,
                language=self.languages[position] if self.languages else self.settings.language,
                context=self.contexts[position] if self.contexts else self.settings.context,
            )

    def asked(self, *, service: str = "", model: str = "") -> Asked:
        """Say what is asked about every row."""
        return Asked(
            service=service, model=model, itn=self.settings.itn, stream=self.settings.stream
        )

    def new_budget(self) -> Budget | None:
        """Open an account of what the run may spend."""
        if self.budget is None:
            return None
        price = price_for(self.endpoint.host, self.endpoint.price_per_second)
        return Budget(limit=self.budget, price=price)

    @property
    def rpm(self) -> float | None:
        """Requests per minute, as far as a limit is known."""
        return self.settings.rpm or self.endpoint.rpm

    @property
    def concurrency(self) -> int:
        """How many rows are under way at once."""
        wanted = self.settings.concurrency or reach.usual_concurrency(self.endpoint)
        return max(1, min(wanted, len(self.place.cells)))


def _endpoint(settings: Settings, *, replays: bool) -> tuple[Endpoint, bool]:
    # Whoever collects without naming a service means whichever answered.
    chosen = "journal" if replays and settings.endpoint is None else settings.endpoint
    return reach.choose(chosen)


def _budget(settings: Settings, endpoint: Endpoint) -> float | None:
    if settings.budget is None:
        return None
    price_for(endpoint.host, endpoint.price_per_second)
    return parse(settings.budget, currency=endpoint.currency)


def _since(reuse: bool | str, *, now: datetime) -> datetime | None:  # noqa: FBT001 - the option
    """Turn `reuse` into the time from which on recorded answers count."""
    if reuse is True:
        return None
    age = 0.0 if reuse is False else seconds_of(reuse)
    try:
        return now - timedelta(seconds=age)
    except OverflowError:
        return None  # older than the calendar: any age
