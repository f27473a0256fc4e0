"""How many requests may be in flight: two until the first reply, one while the service is down."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from asr_pandas.model import Failure
from asr_pandas.run.bell import Bell

if TYPE_CHECKING:
    from asr_pandas.model import Transcription
    from asr_pandas.run.clock import Clock

PATIENCE: Final = 600.0  # seconds without any reply after which a run ends with what it has

# So many in flight until one succeeds, so that a wrong key costs two.
_UNTIL_FIRST_REPLY: Final = 2
_WHILE_DOWN: Final = 1
# So many failures of the service in a row are no longer one row's bad luck.
_DOWN_AFTER: Final = 8
_FIRST_PAUSE: Final = 1.0  # seconds; each further one is twice as long
_LONGEST_PAUSE: Final = 60.0  # seconds
_SERVICE_S_FAULT: Final = {"network", "timeout", "server", "bad_reply"}


class Gate:
    """A circuit breaker that also holds back until the first reply.

    A service that is down is waited for: one request at a time asks whether it is back, after
    growing pauses, until the patience is exhausted. The longest wait that the service itself asks
    for does not count against it.

    Parameters
    ----------
    clock : Clock
        The time.
    patience : float
        Seconds without any reply.
    """

    def __init__(self, *, clock: Clock, patience: float = PATIENCE) -> None:
        self._clock = clock
        self._patience = patience
        self._bell = Bell()
        self._in_flight = 0
        self._answered = False
        self._closed = False
        self._failures = 0  # in a row
        self._pauses = 0  # since the service went down
        self._probing = False
        self._next_try = 0.0
        self._gives_up_at: float | None = None
        self._longest_asked_for = 0.0  # seconds

    @property
    def is_closed(self) -> bool:
        """Whether nothing may be sent any more."""
        return self._closed

    @property
    def is_down(self) -> bool:
        """Whether the service is being waited for."""
        return self._pauses > 0

    @property
    def is_exhausted(self) -> bool:
        """Whether there has been no reply for longer than the patience lasts."""
        return self._gives_up_at is not None and self._clock.time() >= self._gives_up_at

    @property
    def next_try(self) -> float:
        """Seconds until the service that is down is asked again."""
        return max(0.0, self._next_try - self._clock.time())

    @property
    def time_left(self) -> float:
        """Seconds that are worth waiting for; infinitely many while there are replies."""
        return math.inf if self._gives_up_at is None else self.gives_up

    @property
    def gives_up(self) -> float:
        """Seconds until the patience is exhausted."""
        return max(0.0, (self._gives_up_at or self._clock.time()) - self._clock.time())

    async def enter(self) -> bool:
        """Wait until another request may be in flight; False where none may any more."""
        while not (self._closed or self.is_exhausted):
            if self._in_flight < self._room() and self.next_try <= 0:
                self._in_flight += 1
                self._probing = self.is_down
                return True
            await self._moment()
        return False

    def leave(self, reply: Transcription | Failure | None) -> None:
        """Take note of how a request ended; None where it was given up in flight."""
        self._in_flight -= 1
        if isinstance(reply, Failure) and reply.retry == "stop":
            self.close()  # at once: its row is only recorded later
        if isinstance(reply, Failure) and reply.throttle is not None:
            self._start_to_lose_patience()
            self._excuse(reply.retry_after or 0.0)
        elif isinstance(reply, Failure) and _is_service_s_fault(reply):
            self._suspect(reply)
        elif reply is not None:
            self._trust(answered=not isinstance(reply, Failure))
        self._bell.ring()

    def close(self) -> None:
        """Let nobody in any more."""
        self._closed = True
        self._bell.ring()

    def _room(self) -> float:
        if self.is_down:
            return _WHILE_DOWN
        return float("inf") if self._answered else _UNTIL_FIRST_REPLY

    async def _moment(self) -> None:
        if self._in_flight < self._room():
            await self._clock.sleep(min(self.next_try, self.gives_up))
        else:
            await self._bell.wait()

    def _suspect(self, failure: Failure) -> None:
        self._start_to_lose_patience()
        if self.is_down and not self._probing:
            return  # it left before, and tells nothing new
        self._failures += 1
        nobody_there = failure.kind == "network" and not failure.unanswered
        if nobody_there or self.is_down or self._failures >= _DOWN_AFTER:
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._pauses)
            self._pauses += 1
            self._next_try = self._clock.time() + max(pause, failure.retry_after or 0.0)

    def _trust(self, *, answered: bool) -> None:
        self._answered = self._answered or answered
        self._failures = self._pauses = 0
        self._next_try = 0.0
        self._longest_asked_for = 0.0
        self._gives_up_at = None

    def _start_to_lose_patience(self) -> None:
        if self._gives_up_at is None:
            self._gives_up_at = self._clock.time() + self._patience

    def _excuse(self, seconds: float) -> None:
        """Wait as long as the service asks for; not longer each time that it asks for as much."""
        if seconds > self._longest_asked_for:
            self._longest_asked_for = seconds
            self._gives_up_at = self._clock.time() + seconds + self._patience


def _is_service_s_fault(failure: Failure) -> bool:
    # A definite refusal is an answer, also where its words are not known.
    return failure.kind in _SERVICE_S_FAULT and failure.retry == "again"
