"""Rate limiters of services, and a run against one of them on a clock that jumps."""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from asr_pandas.model import Failure
from asr_pandas.run.pace.pacer import Pacer
from asr_pandas.run.pace.slots import Private

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")
START = datetime(2026, 11, 22, tzinfo=UTC)


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: it moves the time instead."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everybody waits for somebody else"
        self.seconds += max(0.0, timeout)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers take no time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.seconds


def jump_through(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop whose timers take no time."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)


@dataclass(slots=True, kw_only=True)
class LoopClock:
    """The loop's time; timers are late by up to `late` seconds, and now and then by far more."""

    rng: random.Random
    late: float = 0.0
    offset: float = 0.0
    """Seconds from a full minute at which the run begins."""
    _last: float = 0.0

    def time(self) -> float:
        with suppress(RuntimeError):  # before the loop runs, and after it
            self._last = asyncio.get_running_loop().time()
        return self._last

    def now(self) -> datetime:
        return START + timedelta(seconds=self.time() + self.offset)

    async def sleep(self, seconds: float) -> None:
        spike = 50.0 if self.rng.random() < 0.005 else 1.0
        await asyncio.sleep(max(0.0, seconds) + self.rng.random() * self.late * spike)


class Limiter(Protocol):
    """Lets requests through, or refuses them."""

    rate: float
    offset: float

    def admits(self, now: float) -> bool: ...

    def ideal(self, requests: int) -> float:
        """Tell the least seconds in which so many can be admitted."""


class Bucket:
    """Tokens that come at a rate, up to a burst."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst, self.offset = rate, burst, 0.0
        self._tokens, self._at = float(burst), 0.0

    def __str__(self) -> str:
        return f"bucket {self.rate:.2f}/s, burst {self.burst}"

    def admits(self, now: float) -> bool:
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        admitted = self._tokens >= 1.0 - 1e-9
        self._tokens -= admitted
        return admitted

    def ideal(self, requests: int) -> float:
        return max(0.0, (requests - self.burst) / self.rate)


class Window:
    """So many in each window of time, counted from zero at its start."""

    def __init__(self, most: int, size: float, offset: float = 0.0) -> None:
        self.most, self.size, self.offset, self.rate = most, size, offset, most / size
        self._current, self._used = -1, 0

    def __str__(self) -> str:
        return f"window {self.most} per {self.size:.0f} s"

    def admits(self, now: float) -> bool:
        current = int((now + self.offset) // self.size)
        if current != self._current:
            self._current, self._used = current, 0
        self._used += 1
        return self._used <= self.most

    def ideal(self, requests: int) -> float:
        return max(0.0, (math.ceil(requests / self.most) - 1) * self.size - self.offset)


class Sliding:
    """So many in any stretch of time."""

    def __init__(self, most: int, size: float) -> None:
        self.most, self.size, self.offset, self.rate = most, size, 0.0, most / size
        self._admitted: deque[float] = deque()

    def __str__(self) -> str:
        return f"sliding {self.most} per {self.size:.0f} s"

    def admits(self, now: float) -> bool:
        while self._admitted and self._admitted[0] <= now - self.size:
            self._admitted.popleft()
        admitted = len(self._admitted) < self.most
        if admitted:
            self._admitted.append(now)
        return admitted

    def ideal(self, requests: int) -> float:
        return (math.ceil(requests / self.most) - 1) * self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run made of a limit."""

    seconds: float
    share: float
    """Of what the rate allows until the last request is admitted; 1 at most, bursts left aside."""
    ideal: float
    """The fastest run there could be, bursts used as well, until the last reply."""
    refused: float
    """Share of the answers that were 429."""


def simulate(
    limiter: Limiter,
    *,
    seed: int,
    requests: int = 1_500,
    rpm: float | None = None,
    processes: int = 1,
    retry_after: float | None = None,
    late: float = 0.0,
) -> Result:
    """Send requests as the engine does: two until the first reply, then all workers."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    latency, network = rng.uniform(0.2, 1.0), rng.uniform(0.003, 0.04)
    workers = max(64, math.ceil(2.0 * limiter.rate * latency))
    clock = LoopClock(rng=rng, late=late, offset=limiter.offset or rng.uniform(0.0, 60.0))
    refusal = Failure(
        kind="rate_limit", message="", retry="again", throttle="rate", retry_after=retry_after
    )
    queue, refused, slots, last = iter(range(requests)), 0, Private(), 0.0

    async def ask() -> bool:
        await asyncio.sleep(network * rng.uniform(0.9, 1.1))
        nonlocal last
        admitted = limiter.admits(clock.time())
        last = clock.time() if admitted else last
        work = latency * math.exp(rng.gauss(0.0, 0.3) - 0.045) if admitted else 0.0
        await asyncio.sleep(network + work)
        return admitted

    async def work(number: int, pacer: Pacer, answered: asyncio.Event) -> None:
        nonlocal refused
        if number >= 2:
            await answered.wait()
        for _ in queue:
            await pacer.turn()
            while not await ask():
                refused += 1
                pacer.refused(refusal, retry_after or 0.0)
                await pacer.turn()
            pacer.accepted()
            answered.set()
        answered.set()

    async def run() -> float:
        async with asyncio.TaskGroup() as group:
            for _ in range(processes):
                pacer, answered = Pacer(rpm, clock=clock, slots=slots), asyncio.Event()
                for number in range(max(2, workers // processes)):
                    group.create_task(work(number, pacer, answered))
        return clock.time()

    seconds = jump_through(run())
    fastest = max(limiter.ideal(requests) + latency, requests * latency / workers)
    return Result(
        seconds=seconds,
        share=min(1.0, requests / limiter.rate / last),
        ideal=fastest / seconds,
        refused=refused / (requests + refused),
    )
