"""The sync door to the async core: one loop on a thread of its own, and a caller that stays awake.

The caller polls, because a main thread that blocks on a future cannot be interrupted everywhere,
and because it draws the progress meanwhile. It works inside a running event loop (Jupyter) too.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import wait
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_POLL: Final = 0.1  # seconds between two looks


def call(
    work: Coroutine[Any, Any, object],
    *,
    stop: Callable[[], object],
    draw: Callable[[], object] = lambda: None,
) -> bool:
    """Run a coroutine to its end and stay interruptible.

    Parameters
    ----------
    work : coroutine
        What to run, on the loop thread.
    stop : callable
        Called on that thread at the first interrupt: it should let `work` come to an early end. A
        second interrupt cancels `work`.
    draw : callable
        Called here, every tenth of a second and once at the end.

    Returns
    -------
    bool
        Whether there was an interrupt.
    """
    loop = _loop(os.getpid())
    future = asyncio.run_coroutine_threadsafe(work, loop)
    interrupted = False
    while not future.done():
        try:
            wait([future], timeout=_POLL)
            draw()
        except KeyboardInterrupt:
            if interrupted:
                future.cancel()
                return interrupted
            interrupted = True
            loop.call_soon_threadsafe(stop)
    future.result()
    draw()
    return interrupted


@cache
def _loop(_process: int) -> asyncio.AbstractEventLoop:
    """Start the loop once in each process: a forked child has none of its parent's threads."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="asr-pandas", daemon=True).start()
    return loop
