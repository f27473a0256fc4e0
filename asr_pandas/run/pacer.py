"""When may the next request leave? One pacer is shared by all workers of a run."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time as the run sees it, so that tests need not wait."""

    def time(self) -> float:
        """Return seconds from an arbitrary start; never goes back."""

    def now(self) -> datetime:
        """Return the date and time, in UTC."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""


class RealClock:
    """The machine's clock."""

    def time(self) -> float:
        """Return the monotonic time in seconds."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait without holding the event loop."""
        await asyncio.sleep(seconds)


class Pacer:
    """Spread requests evenly, and hold all of them back when the service says so.

    Even spacing, no burst at the start: DashScope enforces its limit per second (vendor's docs).

    Parameters
    ----------
    rpm : float or None
        Requests per minute; None for no limit.
    clock : Clock
        The time.
    """

    def __init__(self, rpm: float | None, *, clock: Clock) -> None:
        self._gap = 60.0 / rpm if rpm else 0.0
        self._clock = clock
        self._next_slot = clock.time()
        self._closed_until = clock.time()

    async def turn(self) -> None:
        """Wait for the next free slot."""
        slot = max(self._next_slot, self._clock.time())
        self._next_slot = slot + self._gap
        await self._clock.sleep(slot - self._clock.time())
        # A pause may have been called, or prolonged, while this worker slept.
        while (pause := self._closed_until - self._clock.time()) > 0:
            await self._clock.sleep(pause)

    def pause(self, seconds: float) -> None:
        """Let nobody start for so many seconds: the limit is the account's, not one row's."""
        self._closed_until = max(self._closed_until, self._clock.time() + seconds)
