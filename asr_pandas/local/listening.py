"""One request at a time listens: the recogniser's lazy segments, as an asynchronous iterator."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from asr_pandas.local.recogniser import Heard, Recogniser, Segment

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What is being heard, for as long as the turn lasts."""

    language: str | None
    segments: AsyncIterator[Segment]
    """Each is handed on before the next one is recognised."""


class Listener:
    """Gives requests their turn, first come first served, in the recogniser's own thread.

    Parameters
    ----------
    recogniser : Recogniser
        Its iterator is always exhausted or closed, also when the caller goes away in between.
    """

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self._turn = asyncio.Lock()
        # A single thread: what is submitted runs in order, so that closing comes after the last
        # step even where the caller was cancelled during it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asr-pandas-recogniser")

    @asynccontextmanager
    async def listen(
        self, samples: NDArray[np.float32], *, language: str | None, context: str | None
    ) -> AsyncIterator[Hearing]:
        """Wait for the turn and listen.

        Parameters
        ----------
        samples : ndarray of float32
            Mono, 16 kHz.
        language, context : str, optional
            As in the request.

        Yields
        ------
        Hearing
            Ends with the block.
        """
        begun: list[Heard] = []

        def begin() -> Heard:
            heard = self._recogniser.listen(samples, language=language, context=context)
            begun.append(heard)
            return heard

        async with self._turn:
            try:
                heard = await in_thread(self._thread, begin)
                yield Hearing(language=heard.language, segments=self._each(heard.segments))
            finally:
                # Not awaited: the next turn's first step queues behind it.
                with suppress(RuntimeError):
                    self._thread.submit(_close, begun)

    def shut(self) -> None:
        """Let the thread go, once what it does now is done."""
        self._thread.shutdown(wait=False, cancel_futures=False)

    async def _each(self, segments: Iterator[Segment]) -> AsyncIterator[Segment]:
        while (segment := await in_thread(self._thread, lambda: next(segments, None))) is not None:
            yield segment


async def in_thread(pool: Executor, step: Callable[[], T]) -> T:
    """Run a step in a pool's thread.

    Parameters
    ----------
    pool : Executor
        Where.
    step : callable
        What.

    Returns
    -------
    object
        What the step returns.
    """
    try:
        future = pool.submit(step)
    except RuntimeError:
        # An interpreter that exits takes no more work; its callers are about to end as well.
        raise asyncio.CancelledError from None
    return await asyncio.wrap_future(future)


def _close(begun: list[Heard]) -> None:
    for heard in begun:
        close = getattr(heard.segments, "close", None)
        if close is not None:
            close()
