"""A run that is under way: to be waited for, looked at and stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asr_pandas.run.portal import Call as Portal
from asr_pandas.run.portal import in_hand

if TYPE_CHECKING:
    import pandas as pd

    from asr_pandas.run.portal import Interrupts
    from asr_pandas.run.shown.progress import Progress
    from asr_pandas.transcribing import Transcribing

_newest: list[Running] = []


class Running:
    """A run that goes on while you do, as `df.asr.start` returns it.

    Examples
    --------
    >>> import asr_pandas
    >>> clips = asr_pandas.samples().head(1)
    >>> run = clips.asr.start("audio", endpoint="local", progress=False)
    >>> run.wait()["status"].tolist()
    ['ok']
    """

    def __init__(self, transcribing: Transcribing) -> None:
        self._transcribing = transcribing
        self._portal: Portal | None = None
        self._closed = False
        _newest[:] = [self]

    def __repr__(self) -> str:
        """Say how far it has come."""
        return self.progress.line()

    @property
    def progress(self) -> Progress:
        """How far it has come; its `line()` says it in one line."""
        return self._transcribing.progress

    def frame(self) -> pd.DataFrame:
        """Return what `wait` will return, as far as it is: rows without a result are `pending`."""
        return self._transcribing.frame()

    def stop(self) -> None:
        """Send nothing new; what is in flight gets 5 seconds. Returns at once."""
        if self._portal is not None:
            self._portal.stop()
        else:
            self._transcribing.stop()

    def wait(self) -> pd.DataFrame:
        """Wait for the end; the stop button then stops the run.

        Returns
        -------
        pandas.DataFrame
            The frame, or the result columns.

        Raises
        ------
        RunStopped, RowFailed, Interrupted, JournalError
            Each with what is finished in `.partial`.
        """
        with in_hand() as interrupts:
            self._wait(interrupts)
        return self._result(interrupts)

    def here(self) -> pd.DataFrame:
        """Run to the end while the caller waits; as `begin` and `wait`, without a gap between."""
        with in_hand() as interrupts:
            self.begin()
            self._wait(interrupts)
        return self._result(interrupts)

    def begin(self) -> Running:
        """Let it run on the loop thread."""
        self._portal = Portal(self._drawn, stop=self._transcribing.stop)
        return self

    async def there(self) -> pd.DataFrame:
        """Run to the end on the caller's own event loop; a cancelled call stops as `stop` does."""
        working = asyncio.ensure_future(self._transcribing.work())
        drawing = asyncio.create_task(self._transcribing.keep_drawing())
        try:
            await self._patiently(working)
        finally:
            drawing.cancel()
            self._close()
        return self._transcribing.result()

    async def _patiently(self, working: asyncio.Future[None]) -> None:
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            self._transcribing.stop()
            try:
                await asyncio.shield(working)
            except asyncio.CancelledError:
                working.cancel()  # a second time: at once
                await asyncio.wait([working])
            raise

    async def _drawn(self) -> None:
        """Run to the end, and draw where nobody waits and draws."""
        if not self._transcribing.background:
            await self._transcribing.work()
            return
        drawing = asyncio.create_task(self._transcribing.keep_drawing())
        try:
            await self._transcribing.work()
        finally:
            drawing.cancel()
            self._close()

    def _wait(self, interrupts: Interrupts) -> None:
        if self._portal is None:
            raise RuntimeError("this run is awaited elsewhere: await transcribe_async(...) there")
        self._portal.wait(interrupts, draw=self._transcribing.draw)
        self._close()

    def _result(self, interrupts: Interrupts) -> pd.DataFrame:
        if interrupts.count and self._transcribing.call.settings.on_interrupt == "raise":
            raise self._transcribing.interrupted()
        return self._transcribing.result()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._transcribing.progress.close()


def newest() -> Running | None:
    """Return the newest run of this process, whichever way it was begun."""
    return next(iter(_newest), None)
