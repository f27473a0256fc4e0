"""How fast a run goes: counts and the clock in, requests per minute and the time left out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import exp
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asr_pandas.run.shown.tally import Tally

_LOOK_EVERY: Final = 1.0  # seconds
_WINDOW: Final = 60.0  # seconds over which requests per minute are counted
_ENOUGH_FOR_RATE: Final = 10.0  # seconds; in less, the first few requests look like thousands
_ENOUGH_FOR_REST: Final = 5.0  # seconds
# Seconds after which what was counted weighs e times less, so that a pause is forgotten. Half of
# the run if that is longer: an hour's recording may take half an hour to come back.
_MEMORY: Final = 300.0
_LONGEST: Final = 365 * 24 * 3600.0  # seconds; what takes longer stands still


@dataclass(slots=True)
class Speed:
    """Measure a run by looking at its tally now and then.

    Only what requests brought counts: a run that takes nine rows of ten from the journal at once
    does not get the tenth as fast. Memory is constant: one number for each second of a minute.
    """

    began: float
    """The clock's time when the run began."""
    per_minute: float | None = None
    """Requests that left in the last minute; None until that can be told."""
    _looked: float = field(init=False)
    _sent: deque[tuple[float, int]] = field(init=False, default_factory=deque)
    _asked: bool = field(init=False, default=False)
    _rows_seen: int = field(init=False, default=0)
    _seconds_seen: float = field(init=False, default=0.0)
    _time: float = field(init=False, default=0.0)
    _rows: float = field(init=False, default=0.0)
    _seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        """Look for the first time when the run begins."""
        self._looked = self.began

    def look(self, tally: Tally, now: float) -> None:
        """Take in what is counted; cheap when the last look was less than a second ago."""
        step = now - self._looked
        if step < _LOOK_EVERY:
            return
        self._looked = now
        if not (tally.sent or tally.asked_rows):
            return
        self._measure_rate(tally.sent, now)
        # What came before the first request was the journal's, and tells nothing of the service.
        if self._asked:
            self._weigh(tally, step, memory=max(_MEMORY, (now - self.began) / 2))
        self._asked = True
        self._rows_seen, self._seconds_seen = tally.asked_rows, tally.asked_seconds

    def left(self, tally: Tally) -> float | None:
        """Estimate the seconds to the end, as if nothing more came from the journal.

        Returns
        -------
        float or None
            None where there is nothing to judge by.
        """
        if self._time < _ENOUGH_FOR_REST:
            return None
        rests = [_rest(tally.rows - tally.done, self._rows)]
        if tally.all_seconds:
            rests.append(_rest(tally.all_seconds - tally.seconds, self._seconds))
        # Either may be what holds a run: a limit counts requests, a recogniser hears seconds.
        longest = max(rests) * self._time
        return longest if 0 < longest < _LONGEST else None

    def _measure_rate(self, sent: int, now: float) -> None:
        self._sent.append((now, sent))
        while now - self._sent[0][0] > _WINDOW:
            self._sent.popleft()
        since, before = self._sent[0]
        if now - since >= _ENOUGH_FOR_RATE:
            self.per_minute = (sent - before) / (now - since) * 60

    def _weigh(self, tally: Tally, step: float, *, memory: float) -> None:
        kept = exp(-step / memory)
        self._time = self._time * kept + step
        self._rows = self._rows * kept + tally.asked_rows - self._rows_seen
        self._seconds = self._seconds * kept + tally.asked_seconds - self._seconds_seen


def _rest(rest: float, brought: float) -> float:
    return rest / brought if brought > 0 else 0.0
