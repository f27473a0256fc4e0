"""The sync door to the async core: one loop on a thread of its own, and a caller that stays awake.

The caller polls, because it draws the progress meanwhile. It works inside a running event loop
(Jupyter) too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

_POLL: Final = 0.1  # seconds between two looks
_THREADS: Final = 64  # made as they are needed


class Call:
    """A coroutine under way on the loop thread.

    Parameters
    ----------
    work : callable
        Makes the coroutine, on that thread.
    stop : callable
        Called there when the work should come to an early end.
    """

    def __init__(
        self, work: Callable[[], Coroutine[Any, Any, object]], *, stop: Callable[[], object]
    ) -> None:
        self._loop = _loop(os.getpid())
        self._stop = stop
        self._task: asyncio.Task[object] | None = None

        async def cancellable() -> None:
            self._task = asyncio.ensure_future(work())
            await asyncio.wait([self._task])

        self._future = asyncio.run_coroutine_threadsafe(cancellable(), self._loop)

    def stop(self) -> None:
        """Let the work come to an early end."""
        self._loop.call_soon_threadsafe(self._stop)

    def cancel(self) -> None:
        """End the work at once."""
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())

    def wait(self, interrupts: Interrupts, *, draw: Callable[[], object] = lambda: None) -> None:
        """Wait for the end of the work, and stay interruptible.

        Parameters
        ----------
        interrupts : Interrupts
            The first stops the work, the second cancels it.
        draw : callable
            Called here, every tenth of a second and once at the end.
        """
        interrupts.tell(self._interrupted)
        try:
            while not self._future.done():
                wait([self._future], timeout=_POLL)
                draw()
        except BaseException:
            # Whatever ends the wait ends the work: nobody would know that it goes on, and pays.
            self.stop()
            self.cancel()
            raise
        if self._task is not None and not self._task.cancelled():
            self._task.result()

    def _interrupted(self, times: int) -> None:
        if times == 1:
            self.stop()
        else:
            self.cancel()


class Interrupts:
    """Presses of the stop button, while they are in hand."""

    def __init__(self) -> None:
        self.count = 0
        self._listener: Callable[[int], None] | None = None

    def press(self, *_: object) -> None:
        """Count one; it is the handler of a signal."""
        self.count += 1
        if self._listener is not None:
            self._listener(self.count)

    def tell(self, listener: Callable[[int], None]) -> None:
        """Name who is told of each, with its number; those that came before too."""
        self._listener = listener
        for number in range(1, self.count + 1):
            listener(number)


@contextmanager
def in_hand() -> Iterator[Interrupts]:
    """Take SIGINT in hand: as an exception it could strike between any two steps of ours."""
    interrupts = Interrupts()
    before = signal.getsignal(signal.SIGINT)
    # Signals are the main thread's; and who ignores them, or has none of Python's, keeps that.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield interrupts
        return
    signal.signal(signal.SIGINT, interrupts.press)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


@cache
def _loop(_process: int) -> asyncio.AbstractEventLoop:
    """Start the loop once in each process: a forked child has none of its parent's threads."""
    loop = asyncio.new_event_loop()
    # The usual handful of threads would let one run, whose disk or host hangs, stop all others.
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="asr-pandas"))
    threading.Thread(target=loop.run_forever, name="asr-pandas", daemon=True).start()
    return loop
