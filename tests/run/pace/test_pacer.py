"""When requests leave, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_pandas.model import Failure, Throttle
from asr_pandas.run.pace.pacer import Pacer
from asr_pandas.run.pace.slots import Private, shared
from tests.run.clocks import Stepping
from tests.run.pace.limiters import Bucket, LoopClock, jump_through, simulate

if TYPE_CHECKING:
    from pathlib import Path


def refusal(throttle: Throttle | None = "rate") -> Failure:
    return Failure(kind="rate_limit", message="", retry="again", throttle=throttle)


def punctual(late: float = 0.0) -> LoopClock:
    return LoopClock(rng=random.Random(1), late=late)  # noqa: S311 - no secret


async def leave(pacer: Pacer, clock: LoopClock, requests: int, workers: int = 8) -> list[float]:
    """Let workers take turns; return when each request left."""
    queue, times = iter(range(requests)), []

    async def work() -> None:
        for _ in queue:
            await pacer.turn()
            times.append(clock.time())
            pacer.accepted()

    await asyncio.gather(*(work() for _ in range(workers)))
    return times


@settings(deadline=None)
@given(rpm=st.floats(1, 60_000), requests=st.integers(1, 50))
def test_requests_leave_evenly_and_never_faster_than_the_limit(rpm: float, requests: int) -> None:
    clock = Stepping()
    pacer = Pacer(rpm, clock=clock)

    async def times() -> list[float]:
        found = []
        for _ in range(requests):
            await pacer.turn()
            found.append(clock.time())
        return found

    left = asyncio.run(times())

    assert left[0] == 0.0
    assert all(later - earlier > 0.9 * 60 / rpm - 1e-3 for earlier, later in pairwise(left))
    assert left[-1] <= (requests + 5) * 60 / rpm * 1.01 + 1e-3


@settings(max_examples=20, deadline=None)
@given(rate=st.floats(0.5, 400.0), late=st.sampled_from([0.0, 0.002]))
def test_late_timers_lose_no_slot(rate: float, late: float) -> None:
    clock = punctual(late)
    requests = max(300, int(10 * rate))

    times = jump_through(leave(Pacer(rate * 60, clock=clock), clock, requests))

    assert (requests - 1) / rate / times[-1] > 0.93
    assert (requests - 1) / rate / times[-1] < 1.0


def test_nobody_leaves_close_behind_a_late_one() -> None:
    clock = punctual(0.01)

    times = jump_through(leave(Pacer(600, clock=clock), clock, 400))

    assert min(later - earlier for earlier, later in pairwise(times)) > 0.098


def test_a_known_limit_is_used_and_not_hit() -> None:
    result = simulate(Bucket(100 / 60, 2), seed=1, rpm=100.0, requests=600, late=0.002)

    assert result.share > 0.97
    assert result.refused == 0.0


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_keep_one_limit_together(processes: int) -> None:
    result = simulate(Bucket(20.0, 10), seed=2, rpm=1_200.0, processes=processes, late=0.002)

    assert result.share > 0.97
    assert result.refused == 0.0


def test_without_an_account_nobody_waits() -> None:
    clock = punctual()

    times = jump_through(leave(Pacer(None, clock=clock), clock, 500, workers=64))

    assert times[-1] == 0.0


def test_while_no_limit_is_known_requests_start_faster_and_faster() -> None:
    clock = punctual()
    pacer = Pacer(None, clock=clock, slots=Private())

    times = jump_through(leave(pacer, clock, 1_000, workers=64))

    assert times[9] > 0.1
    assert times[63] < 0.7
    assert times[-1] < 2.0
    assert pacer.rate is None
    assert pacer.limit is None


@pytest.mark.parametrize("throttle", ["rate", "burst", "quota", "capacity"])
def test_a_pause_holds_everybody_and_they_resume_apart(throttle: Throttle) -> None:
    clock = punctual()
    pacer = Pacer(None, clock=clock, slots=Private())

    async def times() -> list[float]:
        await pacer.turn()
        pacer.refused(refusal(throttle), 3_600.0)
        pacer.refused(refusal(throttle), 10.0)
        assert pacer.closed_for == pytest.approx(3_600.0)
        return await leave(pacer, clock, 8)

    left = jump_through(times())

    assert left[0] >= 3_600.0
    assert min(later - earlier for earlier, later in pairwise(left)) > 0.009
    assert pacer.closed_for == 0.0


def test_what_others_lack_room_for_does_not_lower_the_account_s_rate() -> None:
    clock = punctual()
    pacer = Pacer(600, clock=clock)

    async def after() -> float | None:
        await pacer.turn()
        pacer.refused(refusal("capacity"), 5.0)
        await pacer.turn()
        return pacer.rate

    assert jump_through(after()) == pytest.approx(597.0)
    assert pacer.limit == 600.0


def test_a_failure_that_is_no_limit_s_changes_nothing() -> None:
    clock = punctual()
    pacer = Pacer(600, clock=clock)

    async def after() -> float:
        await pacer.turn()
        pacer.refused(refusal(None), 5.0)
        return pacer.closed_for

    assert jump_through(after()) == 0.0


def test_a_refusal_lowers_the_pace_of_a_known_limit_and_it_recovers() -> None:
    clock = punctual()
    pacer = Pacer(600, clock=clock)

    async def rates() -> list[float]:
        found = []
        await leave(pacer, clock, 50)
        for _ in range(2):
            await pacer.turn()
            pacer.refused(refusal(), 0.0)
            found.append(pacer.rate or 0.0)
        await leave(pacer, clock, 400)
        return [*found, pacer.rate or 0.0]

    first, second, last = jump_through(rates())

    assert second <= first < 597.0
    assert last == pytest.approx(597.0)


def test_a_cancelled_turn_costs_no_slot() -> None:
    clock = punctual()
    pacer = Pacer(60, clock=clock)

    async def times() -> list[float]:
        await leave(pacer, clock, 20)
        began = clock.time()
        for _ in range(5):
            waiting = asyncio.create_task(pacer.turn())
            await asyncio.sleep(0.1)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        return [time - began for time in await leave(pacer, clock, 3)]

    assert jump_through(times())[0] < 1.1


def test_pacers_of_two_processes_take_turns_through_the_file(tmp_path: Path) -> None:
    clock = Stepping()

    async def times() -> list[float]:
        found = []
        stores = [shared(host="h", model="m", api_key="k", folder=tmp_path) for _ in range(2)]
        pacers = [Pacer(60, clock=clock, slots=slots) for slots in stores]
        for number in range(10):
            await pacers[number % 2].turn()
            found.append(clock.time())
        return found

    left = asyncio.run(times())

    assert all(later - earlier > 0.95 for earlier, later in pairwise(left))


def test_a_pause_is_shared_with_other_processes(tmp_path: Path) -> None:
    clock = Stepping()

    async def resumed() -> float:
        stores = [shared(host="h", model="m", api_key="k", folder=tmp_path) for _ in range(2)]
        first, second = (Pacer(None, clock=clock, slots=slots) for slots in stores)
        await first.turn()
        first.refused(refusal("quota"), 60.0)
        await first.turn()
        clock.seconds = 0.0
        await second.turn()
        return clock.time()

    assert asyncio.run(resumed()) >= 59.0


async def _outside_of_a_task(pacer: Pacer) -> None:
    """Run where the slot was taken by another task, as `asyncio.wait_for` does on Python 3.11."""
    await asyncio.create_task(pacer.turn())
    pacer.refused(refusal(), 0.0)


def test_a_slot_taken_by_another_task_is_the_newest() -> None:
    clock = punctual()
    pacer = Pacer(600, clock=clock)

    jump_through(_outside_of_a_task(pacer))

    assert (pacer.rate or 0.0) < 597.0
