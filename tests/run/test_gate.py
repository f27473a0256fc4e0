"""How many may be in flight, and who is waited for: on a clock that moves by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_pandas.model import Failure, Transcription
from asr_pandas.run.gate import PATIENCE, Gate
from tests.run.clocks import Stepping
from tests.run.told import BROKEN, FATAL, HOPELESS, LIMITED, OK, REFUSED, TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asr_pandas.model import Throttle

Reply = Transcription | Failure | None


def tell(story: Callable[[Gate, Stepping], Awaitable[None]], *, patience: float = PATIENCE) -> None:
    async def told() -> None:
        clock = Stepping()
        await asyncio.wait_for(story(Gate(clock=clock, patience=patience), clock), 10)

    asyncio.run(told())


async def turns() -> None:
    """Let everybody go on who can."""
    for _ in range(5):
        await asyncio.sleep(0)


class Crowd:
    """So many who want to get in."""

    def __init__(self, gate: Gate, count: int) -> None:
        self._tasks = [asyncio.create_task(gate.enter()) for _ in range(count)]

    @property
    def inside(self) -> int:
        return sum(task.done() and task.result() for task in self._tasks)

    @property
    def sent_away(self) -> int:
        return sum(task.done() and not task.result() for task in self._tasks)

    def go_home(self) -> None:
        for task in self._tasks:
            task.cancel()


async def fail(gate: Gate, *replies: Reply) -> None:
    """Send one after another, each when the gate lets it in."""
    for reply in replies:
        assert await gate.enter()
        gate.leave(reply)


@pytest.mark.parametrize(
    ("reply", "inside"),
    [(OK, 20), (Transcription(text=""), 20), (HOPELESS, 3), (BROKEN, 3), (LIMITED, 3), (None, 3)],
)
def test_two_are_in_flight_until_one_succeeds(reply: Reply, inside: int) -> None:
    async def story(gate: Gate, _: Stepping) -> None:
        crowd = Crowd(gate, 20)
        await turns()
        assert crowd.inside == 2

        gate.leave(reply)
        await turns()

        assert crowd.inside == inside  # with the one that has left
        crowd.go_home()

    tell(story)


def test_a_cause_that_no_row_survives_closes_it_at_once_and_sends_away_who_waits() -> None:
    async def story(gate: Gate, _: Stepping) -> None:
        crowd = Crowd(gate, 20)
        await turns()

        gate.leave(FATAL)
        await turns()

        assert (crowd.inside, crowd.sent_away, gate.is_closed) == (2, 18, True)
        gate.leave(OK)
        assert not await gate.enter()

    tell(story)


def test_a_gate_that_is_closed_lets_nobody_in() -> None:
    async def story(gate: Gate, _: Stepping) -> None:
        crowd = Crowd(gate, 5)
        await turns()
        gate.close()
        await turns()

        assert (crowd.inside, crowd.sent_away) == (2, 3)
        assert not await gate.enter()

    tell(story)


def test_a_service_that_is_not_there_is_probed_after_growing_pauses_of_a_minute_at_most() -> None:
    async def story(gate: Gate, clock: Stepping) -> None:
        times: list[float] = []
        for _ in range(10):
            assert await gate.enter()
            times.append(clock.time())
            gate.leave(REFUSED)

        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert gate.is_down
        assert gate.next_try == 60

    tell(story)


def test_while_the_service_is_down_one_asks_whether_it_is_back_and_then_all_enter() -> None:
    async def story(gate: Gate, _: Stepping) -> None:
        await fail(gate, OK, REFUSED)
        crowd = Crowd(gate, 20)
        await turns()
        assert crowd.inside == 1

        gate.leave(OK)
        await turns()

        assert not gate.is_down
        assert crowd.inside == 20

    tell(story)


def test_what_left_before_the_service_went_down_tells_nothing_new() -> None:
    async def story(gate: Gate, clock: Stepping) -> None:
        await fail(gate, OK)
        for _ in range(9):
            assert await gate.enter()
        for _ in range(9):
            gate.leave(REFUSED)

        assert gate.next_try == 1
        assert await gate.enter()
        assert clock.time() == 1

    tell(story)


@pytest.mark.parametrize("failure", [BROKEN, TIMEOUT, replace(REFUSED, unanswered=True)])
def test_one_row_s_bad_luck_is_no_failure_of_the_service_but_eight_in_a_row_are(
    failure: Failure,
) -> None:
    async def story(gate: Gate, _: Stepping) -> None:
        await fail(gate, OK, *[failure] * 7, OK, *[failure] * 7)
        assert not gate.is_down

        await fail(gate, failure)

        assert gate.is_down

    tell(story)


def test_a_row_s_own_failure_shows_that_the_service_is_there() -> None:
    async def story(gate: Gate, _: Stepping) -> None:
        await fail(gate, *[BROKEN] * 7, HOPELESS, *[BROKEN] * 7)

        assert not gate.is_down

    tell(story)


@pytest.mark.parametrize("throttle", ["rate", "burst", "quota", "capacity"])
def test_a_service_at_its_limit_is_not_down(throttle: Throttle) -> None:
    limit = replace(LIMITED, throttle=throttle)

    async def story(gate: Gate, _: Stepping) -> None:
        await fail(gate, OK, *[limit] * 50)
        crowd = Crowd(gate, 20)
        await turns()

        assert not gate.is_down
        assert crowd.inside == 20

    tell(story)


def test_a_service_that_says_when_it_is_back_is_not_asked_before() -> None:
    async def story(gate: Gate, clock: Stepping) -> None:
        await fail(gate, replace(REFUSED, retry_after=90.0))

        assert await gate.enter()
        assert clock.time() == 90

    tell(story)


def test_after_the_patience_everybody_is_sent_away() -> None:
    async def story(gate: Gate, clock: Stepping) -> None:
        await fail(gate, OK, REFUSED)
        assert not gate.is_exhausted
        while await gate.enter():
            gate.leave(REFUSED)

        assert gate.is_exhausted
        assert clock.time() == 600  # and not when the next pause would have ended
        assert gate.gives_up == 0

    tell(story, patience=600)


def test_a_reply_gives_the_whole_patience_back() -> None:
    async def story(gate: Gate, clock: Stepping) -> None:
        await fail(gate, REFUSED, REFUSED, REFUSED)
        assert gate.gives_up < 100
        await fail(gate, OK)
        began = clock.time()
        await fail(gate, REFUSED)

        assert gate.gives_up == 100 - (clock.time() - began)

    tell(story, patience=100)


def test_before_any_failure_there_is_no_patience_to_lose() -> None:
    async def story(gate: Gate, clock: Stepping) -> None:
        await clock.sleep(1e6)

        assert not gate.is_exhausted
        assert gate.gives_up == 0
        assert await gate.enter()

    tell(story, patience=1)


Seconds = st.floats(0.0, 1e4)


@settings(deadline=None, max_examples=50)
@given(waits=st.lists(st.tuples(Seconds, Seconds), min_size=1, max_size=20))
def test_the_longest_wait_that_the_service_asked_for_does_not_use_up_the_patience(
    waits: list[tuple[float, float]],
) -> None:
    """Asked for as much again and again, the run would never end."""

    async def story(gate: Gate, clock: Stepping) -> None:
        longest, gives_up_at = 0.0, clock.time() + 1e6
        for passes, asked in waits:
            assert await gate.enter()
            gate.leave(replace(LIMITED, retry_after=asked))
            if asked > longest:
                longest, gives_up_at = asked, clock.time() + asked + 1e6
            assert gate.gives_up == pytest.approx(gives_up_at - clock.time())
            await clock.sleep(passes)

    tell(story, patience=1e6)


Replies = st.sampled_from([OK, HOPELESS, BROKEN, TIMEOUT, REFUSED, LIMITED, None])


@settings(deadline=None, max_examples=100)
@given(replies=st.lists(Replies, max_size=60), patience=st.floats(1, 1e4))
def test_whatever_comes_never_more_are_in_flight_than_may_be(
    replies: list[Reply], patience: float
) -> None:
    async def story(gate: Gate, clock: Stepping) -> None:
        crowd = Crowd(gate, len(replies))
        answered, silent_since = False, None
        for left, reply in enumerate(replies):
            for _ in range(40):
                await asyncio.sleep(0)
            in_flight = crowd.inside - left
            if not in_flight:
                break
            assert in_flight <= (len(replies) if answered else 2)
            gate.leave(reply)
            if isinstance(reply, Transcription) or reply == HOPELESS:
                silent_since = None
                answered = answered or reply == OK
            elif reply is not None:
                silent_since = clock.time() if silent_since is None else silent_since
        await turns()
        if crowd.sent_away:
            assert silent_since is not None
            assert clock.time() >= silent_since + patience
        crowd.go_home()

    tell(story, patience=patience)
