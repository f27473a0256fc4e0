"""What a person sees of a run: one line while it goes on, and one when it is over."""

from __future__ import annotations

import sys
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final

from asr_pandas.audio.cells import total_duration
from asr_pandas.run.clock import RealClock
from asr_pandas.run.shown import figures
from asr_pandas.run.shown.figures import in_words as in_words  # noqa: PLC0414  (ours to give away)
from asr_pandas.run.shown.speed import Speed
from asr_pandas.run.shown.views import Log, TerminalBar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    import pandas as pd

    from asr_pandas.run.clock import Clock
    from asr_pandas.run.shown.tally import Tally
    from asr_pandas.run.shown.views import View

# Headers that are read to know how much audio there is; the rest is extrapolated.
_HEADERS: Final = 2_000


class Progress:
    """Show a tally while it grows.

    Any thread may draw: the caller's while it waits, or the loop's.

    Parameters
    ----------
    tally : Tally
        What is shown. Nothing is drawn before its `all_seconds` is known.
    wanted : bool or None
        None: a bar where somebody can see it (a terminal, a notebook), a line now and then
        elsewhere, and the last line anywhere. True: a bar. False: nothing.
    new_bar : callable, optional
        Makes another bar than the terminal's: a notebook's.
    clock : Clock, optional
        The time.
    background : bool
        Whether the prompt is the user's while the run goes on. Then only a notebook's bar is shown,
        from now on and under this cell, and nothing is said at the end.
    """

    def __init__(
        self,
        tally: Tally,
        *,
        wanted: bool | None,
        new_bar: Callable[[], View] | None = None,
        clock: Clock | None = None,
        background: bool = False,
    ) -> None:
        self._tally = tally
        self._clock = clock or RealClock()
        self._silent = wanted is False
        self._background = background
        # Beside the results in a notebook, where stderr is red; apart from them elsewhere. A
        # program without a console has neither.
        self._stream = sys.stdout if new_bar else sys.stderr
        self._new_view = new_bar or (None if background else self._outside_notebooks(wanted))
        self._view: View | None = None
        self._speed = Speed(self._clock.time())
        self._due = 0.0
        self._ended = False
        self._lock = Lock()
        if background:
            self._show(self._speed.began)

    def draw(self) -> None:
        """Bring what is shown up to date, when it is time."""
        now = self._clock.time()
        with self._lock:
            self._speed.look(self._tally, now)
            if now >= self._due and self._tally.all_seconds is not None:
                self._show(now)

    def line(self) -> str:
        """Say how far the run is; once it is over, what became of the rows."""
        with self._lock:
            now = self._clock.time()
            self._speed.look(self._tally, now)
            over = self._ended or self._tally.done >= self._tally.rows
            return self._tally.summary() if over else self._line(now)

    def close(self) -> None:
        """Leave the last picture, and say what became of the rows."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            if self._view is not None or self._tally.all_seconds is not None:
                self._show(self._clock.time())
        if not self._background:
            self.say(self._tally.summary())

    def say(self, line: str) -> None:
        """Print a line."""
        with self._lock:
            if self._silent or self._stream is None:
                return
            with suppress(OSError, ValueError):
                if self._view is not None and not self._ended:
                    self._view.clear()
                print(line, file=self._stream)

    def _outside_notebooks(self, wanted: bool | None) -> Callable[[], View]:  # noqa: FBT001
        watched = wanted or (self._stream is not None and self._stream.isatty())
        return TerminalBar if watched else Log

    def _show(self, now: float) -> None:
        if self._silent or self._new_view is None:
            return
        try:
            self._draw(self._new_view, now)
        except Exception:  # noqa: BLE001 - what cannot be drawn must not cost a run
            self._new_view = self._view = None

    def _draw(self, new_view: Callable[[], View], now: float) -> None:
        if self._view is None:
            self._view = new_view()
            self._due = self._speed.began + self._view.quiet
        view, share = self._view, figures.share(self._tally)
        if self._ended:
            view.end(self._line(now, view.width), share)
        elif now >= self._due:
            view.show(self._line(now, view.width), share)
            self._due = now + view.pause(now - self._speed.began)

    def _line(self, now: float, width: int | None = None) -> str:
        moment = figures.Moment(
            elapsed=now - self._speed.began,
            per_minute=self._speed.per_minute,
            left=self._speed.left(self._tally),
            ended=self._ended,
        )
        return figures.line(self._tally, moment, width=width)


def expect(cells: Sequence[object] | pd.Series[Any]) -> float:
    """Estimate the seconds of audio in all cells from at most 2,000 headers."""
    step = max(1, -(-len(cells) // _HEADERS))
    part = list(cells[::step])
    return total_duration(part) * len(cells) / max(1, len(part))
