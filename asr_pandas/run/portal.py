"""The sync door to the async core: one loop on a thread of its own, and a caller that stays awake.

The caller polls, because it draws the progress meanwhile. It works inside a running event loop
(Jupyter) too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures import wait
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

_POLL: Final = 0.1  # seconds between two looks


def call(
    work: Callable[[], Coroutine[Any, Any, object]],
    *,
    stop: Callable[[], object],
    draw: Callable[[], object] = lambda: None,
) -> bool:
    """Run a coroutine to its end and stay interruptible.

    Parameters
    ----------
    work : callable
        Makes the coroutine that is run, on the loop thread.
    stop : callable
        Called on that thread at the first interrupt: it should let the work come to an early end. A
        second interrupt cancels the work.
    draw : callable
        Called here, every tenth of a second and once at the end.

    Returns
    -------
    bool
        Whether there was an interrupt.
    """
    loop = _loop(os.getpid())
    running: list[asyncio.Task[object]] = []
    interrupts: list[int] = []

    async def cancellable() -> None:
        running.append(asyncio.ensure_future(work()))
        await asyncio.wait(running)

    def cancel() -> None:
        running[0].cancel()

    def interrupt(*_: object) -> None:
        interrupts.append(1)
        loop.call_soon_threadsafe(stop if len(interrupts) == 1 else cancel)

    with _told_of_interrupts(interrupt):
        future = asyncio.run_coroutine_threadsafe(cancellable(), loop)
        try:
            while not future.done():
                wait([future], timeout=_POLL)
                draw()
        except BaseException:
            # Whatever ends the wait ends the work: nobody would know that it goes on, and pays.
            loop.call_soon_threadsafe(stop)
            loop.call_soon_threadsafe(cancel)
            raise
    if not running[0].cancelled():
        running[0].result()
    return bool(interrupts)


@contextmanager
def _told_of_interrupts(interrupt: Callable[..., None]) -> Iterator[None]:
    """Take SIGINT in hand: as an exception it could strike between any two steps of ours."""
    before = signal.getsignal(signal.SIGINT)
    # Signals are the main thread's; and who ignores them, or has none of Python's, keeps that.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@cache
def _loop(_process: int) -> asyncio.AbstractEventLoop:
    """Start the loop once in each process: a forked child has none of its parent's threads."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="asr-pandas", daemon=True).start()
    return loop
