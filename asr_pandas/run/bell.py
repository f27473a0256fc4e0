"""Something to wait for that happens again and again."""

from __future__ import annotations

import asyncio


class Bell:
    """Wakes everybody who waits, each time it is rung."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Return when it is rung next."""
        await self._event.wait()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        self._event.set()
        self._event = asyncio.Event()
