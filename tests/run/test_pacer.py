"""When requests leave, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.run.pacer import Pacer, RealClock


class Stepping:
    """A clock that jumps to the end of each sleep."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def time(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        self.seconds += max(0.0, seconds)


@given(rpm=st.floats(1, 60_000), requests=st.integers(1, 50))
def test_requests_leave_evenly_and_never_faster_than_the_limit(rpm: float, requests: int) -> None:
    clock = Stepping()
    pacer = Pacer(rpm, clock=clock)

    async def leave() -> list[float]:
        times = []
        for _ in range(requests):
            await pacer.turn()
            times.append(clock.time())
        return times

    times = asyncio.run(leave())

    assert times[0] == 0.0
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(abs(gap - 60 / rpm) < 1e-6 for gap in gaps)


def test_without_a_limit_nobody_waits() -> None:
    clock = Stepping()
    pacer = Pacer(None, clock=clock)

    for _ in range(10):
        asyncio.run(pacer.turn())

    assert clock.seconds == 0.0


def test_a_pause_holds_everybody_and_the_longer_one_counts() -> None:
    clock = Stepping()
    pacer = Pacer(None, clock=clock)
    pacer.pause(30)
    pacer.pause(10)

    asyncio.run(pacer.turn())

    assert clock.seconds == 30.0


def test_the_real_clock_tells_the_time_in_utc() -> None:
    clock = RealClock()

    before = clock.time()
    asyncio.run(clock.sleep(0))

    assert clock.time() >= before
    assert clock.now().tzinfo is UTC
