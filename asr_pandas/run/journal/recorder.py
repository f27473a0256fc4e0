"""The run's async door to the journal: whatever waits while a commit runs goes into the next one.

One thread writes. It starts as soon as there is something to write, so that a quiet run waits for
nobody, and a busy one shares its commits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from asr_pandas.run.journal.journal import Claim, Record
from asr_pandas.run.journal.place import unusable

if TYPE_CHECKING:
    from datetime import datetime

    from asr_pandas.model import Outcome
    from asr_pandas.run.journal.claims import Claimed
    from asr_pandas.run.journal.journal import Journal

_MOST: Final = 100  # wishes in one commit: the first of them should not wait for long

Wish = Record | Claim | bytes
"""To record, to claim, or to give the claim on a key back."""
_Waiting = tuple[Wish, "asyncio.Future[Any]"]


class Recorder:
    """Writes to a journal for the tasks of one event loop.

    What was handed in is committed, even when whoever waits for it is cancelled.

    Parameters
    ----------
    journal : Journal
        It stays open: whoever opened it closes it, after this.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self._busy = False
        self._closed = False
        # Its thread is waited for at the interpreter's exit, and so is what was handed in.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="asr-pandas-journal")

    async def claim(
        self, key: bytes, *, since: datetime | None = None, reuse: bool = True
    ) -> Claimed | Outcome:
        """Ask to be the one who asks.

        Parameters
        ----------
        key : bytes
            As `keys.key` makes it.
        since : datetime, optional
            An answer must not be older.
        reuse : bool
            Whether an answer that is there will do.

        Returns
        -------
        Outcome or {"ours", "theirs"}
            The answer; or it is ours to ask; or another process is asking, and is to be asked
            after.

        Raises
        ------
        JournalError
            The journal cannot be written.
        """
        answer: Claimed | Outcome = await self._hand_in(Claim(key=key, since=since, reuse=reuse))
        return answer

    async def record(self, record: Record) -> None:
        """Return when an outcome is durable; the claim on its key is given back.

        Raises
        ------
        JournalError
            It could not be recorded.
        """
        await self._hand_in(record)

    async def release(self, key: bytes) -> None:
        """Give a claim back without an outcome.

        Raises
        ------
        JournalError
            The journal cannot be written.
        """
        await self._hand_in(key)

    async def close(self) -> None:
        """Return when everything is committed that was handed in; nothing is taken after."""
        self._closed = True
        await asyncio.to_thread(self._writer.shutdown)

    def _hand_in(self, wish: Wish) -> asyncio.Future[Any]:
        if self._closed:
            raise unusable(self._journal.path, "the run that records in it has ended")
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.append((wish, future))
            idle, self._busy = not self._busy, True
        if idle:
            self._writer.submit(self._write)
        return future

    def _write(self) -> None:
        while batch := self._next():
            try:
                answers = self._commit([wish for wish, _ in batch])
            except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
                answers = [error] * len(batch)
            self._tell(batch, answers)

    def _next(self) -> list[_Waiting]:
        with self._lock:
            count = min(len(self._waiting), _MOST)
            self._busy = count > 0
            return [self._waiting.popleft() for _ in range(count)]

    def _commit(self, wishes: list[Wish]) -> list[Any]:
        claims = [wish for wish in wishes if isinstance(wish, Claim)]
        claimed = self._journal.commit(
            records=[wish for wish in wishes if isinstance(wish, Record)],
            releases=[wish for wish in wishes if isinstance(wish, bytes)],
            claims=claims,
        )
        answers = iter(claimed)
        return [next(answers) if isinstance(wish, Claim) else None for wish in wishes]

    def _tell(self, batch: list[_Waiting], answers: list[Any]) -> None:
        """Wake everybody of a commit with one call into their loop."""
        loop = batch[0][1].get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._wake, batch, answers)

    def _wake(self, batch: list[_Waiting], answers: list[Any]) -> None:
        for (wish, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
            elif isinstance(wish, Claim) and answer == "ours" and not self._closed:
                # Cancelled: nobody knows that the claim was granted.
                self._hand_in(wish.key).add_done_callback(asyncio.Future.exception)
