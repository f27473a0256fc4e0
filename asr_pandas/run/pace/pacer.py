"""When may the next request leave? One pacer is shared by all workers of a run."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from asr_pandas.run.pace import account as accounts
from asr_pandas.run.pace.account import Account, Grant
from asr_pandas.run.pace.learning import Slot
from asr_pandas.run.pace.slots import Private

if TYPE_CHECKING:
    from collections.abc import Callable

    from asr_pandas.model import Failure
    from asr_pandas.run.clock import Clock
    from asr_pandas.run.pace.slots import Slots

# Nobody leaves closer to a late one than the limit itself allows, but for what timers are late.
_NEARLY: Final = 0.995
_TIMER: Final = 0.001  # seconds
# Below, timers are too coarse to keep a distance: what is late leaves at once.
_FINE: Final = 0.02  # seconds between two slots
_LOOK: Final = 1.0  # seconds between two looks at what other processes learned
_OFTEN: Final = 0.25  # seconds; while waiting, and to count what was accepted
_PATIENT: Final = 50.0  # a long wait is looked at again after this part of it
_NEVER: Final = float("-inf")


class Opening:
    """How fast requests follow each other until a limit is known, or clearly none is near.

    The more went out, the faster: every worker has started after half a second, and only a few
    requests, in proportion to the burst, leave before the first refusal is heard.
    """

    _FIRST: Final = 50.0  # requests per second
    _GROWTH: Final = 2.5  # more of them with each that left
    _FREE: Final = 400  # requests after which nobody is held back
    _LATE: Final = 0.01  # seconds
    _OVER = 4, 16  # requests over which the speed is measured

    def __init__(self, now: float, *, free: bool = False) -> None:
        self._left = self._FREE if free else 0
        self._next = now
        self._times: deque[float] = deque(maxlen=self._OVER[1])

    def wait(self, now: float) -> float:
        """Tell how many seconds it is until another may leave."""
        return max(0.0, self._next - now) if self._left < self._FREE else 0.0

    def leave(self, now: float) -> None:
        """Count one that left."""
        gap = 1.0 / (self._FIRST + self._GROWTH * self._left)
        self._next = max(self._next, now - self._LATE) + gap
        self._left += 1
        self._times.append(now)

    def speed(self, now: float) -> float:
        """Tell how many requests per second left of late."""
        last = enumerate(reversed(self._times), start=1)
        speeds = (n / max(0.02, now - left) for n, left in last if n >= self._OVER[0])
        return max(speeds, default=10.0)


class Pacer:
    """Spread requests evenly, and hold all of them back when the service says so.

    A worker calls `turn`, then `accepted` or `refused`, from one task. A pacer belongs to one
    event loop.

    Parameters
    ----------
    rpm : float or None
        Requests per minute that the account allows; None where nobody knows.
    clock : Clock
        The time.
    slots : Slots, optional
        Where the account's other processes see what is granted. By default there is no account
        to share, and without `rpm` nobody is held back until the first refusal.
    """

    def __init__(self, rpm: float | None, *, clock: Clock, slots: Slots | None = None) -> None:
        self._limit = rpm / 60.0 if rpm else None
        self._clock = clock
        self._slots = slots or Private()
        self._account = Account()  # as last seen
        self._news: list[Callable[[Account], Account]] = []  # for whoever looks next
        self._line = asyncio.Lock()  # first come, first served; its head alone looks
        self._looked = _NEVER
        self._block: deque[Slot] = deque()  # granted, and not used yet
        self._gap = 0.0
        self._last_due = self._last_left = _NEVER
        self._opening = Opening(clock.time(), free=slots is None)
        self._accepted = 0
        self._away: WeakKeyDictionary[asyncio.Task[Any], Slot] = WeakKeyDictionary()

    @property
    def limit(self) -> float | None:
        """Requests per minute that the account is known to allow."""
        return self._limit and self._limit * 60.0

    @property
    def rate(self) -> float | None:
        """Requests per minute at which they leave now; None where no limit is known."""
        pace = accounts.pace(self._account, self._limit)
        return pace and pace * 60.0

    @property
    def closed_for(self) -> float:
        """Seconds until anybody may leave again; 0 when open."""
        return max(0.0, self._account.closed_until - self._wall())

    async def turn(self) -> None:
        """Wait for the next free slot."""
        slot = self._at_once() or await self._in_line()
        task = asyncio.current_task()
        if task is not None:
            self._away[task] = slot

    def accepted(self) -> None:
        """Take note that the request went through."""
        slot, learned = self._slot(), self._account.learned
        self._accepted += 1
        searched = learned is not None and not learned.sure
        if searched or self._looked + _OFTEN < self._clock.time():
            accepted, self._accepted = self._accepted, 0
            self._tell(partial(accounts.accept, slot=slot, now=self._wall(), accepted=accepted))

    def refused(self, failure: Failure, wait: float) -> None:
        """Take note that a limit was hit.

        Parameters
        ----------
        failure : Failure
            Its `throttle` tells which: `rate` changes the pace, `burst` begins anew slowly, and
            `capacity` and `quota` only pause.
        wait : float
            Seconds for which nobody may leave.
        """
        slot, now, before = self._slot(), self._wall(), self._account
        if failure.throttle is None:
            return
        if failure.throttle == "rate":
            speed = self._opening.speed(self._clock.time())
            learn = partial(accounts.refuse, limit=self._limit, speed=speed, wait=wait)
            self._tell(partial(learn, slot=slot, now=now))
        if failure.throttle == "burst":
            self._tell(accounts.soften)
        if wait > 0:
            self._tell(partial(accounts.close, now=now, wait=wait))
        self._opening = Opening(self._clock.time() + wait)
        if (before.free, before.closed_until) != (self._account.free, self._account.closed_until):
            self._empty()

    def _at_once(self) -> Slot | None:
        """Leave where no limit is known, and nobody stands in line."""
        now = self._clock.time()
        if (
            now > self._looked + _LOOK
            or self._news
            or self._line.locked()
            or accounts.pace(self._account, self._limit) is not None
            or self.closed_for > 0
            or self._opening.wait(now) > 0
        ):
            return None
        return self._leave(0)

    async def _in_line(self) -> Slot:
        async with self._line:
            while True:
                if self._block:
                    slot = self._block[0]
                    await self._sleep(self._due(slot) - self._wall())
                    # A refusal may have taken it back meanwhile.
                    if self._block and self._block[0] is slot:
                        self._block.popleft()
                        self._last_due = slot.at
                        return self._leave(slot.number)
                elif (wait := await self._look()) > 0:
                    await self._sleep(min(wait, max(_OFTEN, wait / _PATIENT)))
                elif not self._block:
                    return self._leave(0)

    async def _look(self) -> float:
        """Take slots, or learn how many seconds to wait; 0 without slots: leave at once."""
        news, self._news = self._news, []
        change = partial(_changed, news=news, now=self._wall(), limit=self._limit)
        if self._slots.slow:
            self._account, grant = await asyncio.to_thread(self._slots.update, change)
        else:
            self._account, grant = self._slots.update(change)
        self._looked = self._clock.time()
        self._gap = grant.gap
        places = range(grant.slots)
        self._block.extend(Slot(grant.first + i, grant.at + i * grant.gap) for i in places)
        limited = grant.slots or grant.wait
        return grant.wait if limited else self._opening.wait(self._looked)

    def _due(self, slot: Slot) -> float:
        """Tell when a slot is used: never early, and not right behind one that was late."""
        if self._gap < _FINE:
            return slot.at
        gap = min(self._gap, slot.at - self._last_due)
        return max(slot.at, self._last_left + _NEARLY * gap - _TIMER)

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            await self._clock.sleep(seconds)

    def _leave(self, number: int) -> Slot:
        self._last_left = self._wall()
        if not number:
            self._opening.leave(self._clock.time())
        return Slot(number, self._last_left)

    def _empty(self) -> None:
        if self._block:
            self._tell(partial(accounts.drop, slots=len(self._block)))
            self._block.clear()

    def _tell(self, change: Callable[[Account], Account]) -> None:
        self._account = change(self._account)
        self._news.append(change)

    def _slot(self) -> Slot:
        """Tell which slot this worker's request left in."""
        task = asyncio.current_task()
        newest = Slot(self._account.granted, self._wall())
        return self._away.pop(task, newest) if task is not None else newest

    def _wall(self) -> float:
        return self._clock.now().timestamp()


def _changed(
    account: Account, *, news: list[Callable[[Account], Account]], now: float, limit: float | None
) -> tuple[Account, Grant]:
    for change in news:
        account = change(account)
    return accounts.take(account, now, limit=limit)
