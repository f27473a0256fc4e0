"""Time as the run sees it, so that tests need not wait."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time."""

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
