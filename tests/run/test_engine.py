"""The fan-out on a clock that the test moves: who is asked, how often, and when it ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.model import Failure, Request, Transcription
from asr_pandas.run.engine import Row, Run
from asr_pandas.run.pacer import Pacer
from asr_pandas.run.tally import Tally
from tests.conftest import BUNDLED
from tests.run.test_pacer import Stepping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIP = (BUNDLED / "silent_8k.wav").read_bytes()
OK = Transcription(text="ok")


@dataclass
class Told:
    """A service that answers as the test says."""

    answer: Callable[[Request], Any]
    asked: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> Transcription | Failure:
        self.asked.append(request)
        await asyncio.sleep(0)
        said = self.answer(request)
        reply: Transcription | Failure = await said if asyncio.iscoroutine(said) else said
        return reply


def run_over(cells: list[object], sender: Told, **changes: Any) -> Run:
    clock = changes.pop("clock", Stepping())
    rows: Iterator[Row] = (
        Row(position=position, cell=cell, context=str(position))
        for position, cell in enumerate(cells)
    )
    defaults: dict[str, Any] = {
        "model": "m",
        "sender": sender,
        "pacer": Pacer(None, clock=clock),
        "clock": clock,
        "tally": Tally(rows=len(cells)),
        "concurrency": 4,
        "chance": lambda: 0.5,
    }
    return Run(rows=rows, **{**defaults, **changes})


def by_context(*replies: Any) -> Callable[[Request], Any]:
    """Answer each row with its own reply, whatever the order in which they come."""
    return lambda request: replies[int(request.context or 0)]


REPLIES = st.sampled_from(
    [OK, Transcription(text=""), Failure(kind="too_long", message="", retry="no")]
)


@given(replies=st.lists(REPLIES, max_size=30), concurrency=st.integers(1, 9))
def test_every_row_gets_its_own_outcome_once(replies: list[Any], concurrency: int) -> None:
    sender = Told(by_context(*replies))
    run = run_over([CLIP] * len(replies), sender, concurrency=concurrency)

    asyncio.run(run.finish())

    found = [outcome.transcription or outcome.failure for outcome in run.outcomes]
    assert found == replies
    assert len(sender.asked) == len(replies) == run.tally.done


@given(failures=st.integers(0, 4))
def test_what_passes_is_asked_again_until_it_has_passed(failures: int) -> None:
    broken = Failure(kind="server", message="", retry="again", retry_after=10.0)
    left = [broken] * failures
    clock = Stepping()
    run = run_over([CLIP], Told(lambda _: left.pop() if left else OK), clock=clock)

    asyncio.run(run.finish())

    assert run.outcomes[0].attempts == failures + 1
    assert run.outcomes[0].transcription == OK
    assert clock.time() >= 10.0 * failures


def test_a_rate_limit_holds_back_all_rows_and_not_only_its_own() -> None:
    clock = Stepping()
    limit = Failure(kind="rate_limit", message="", retry="again", retry_after=60.0)
    left = [limit]
    times: list[float] = []

    def answer(_: Request) -> Transcription | Failure:
        times.append(clock.time())
        return left.pop() if left else OK

    run = run_over([CLIP] * 3, Told(answer), clock=clock, concurrency=1)

    asyncio.run(run.finish())

    assert times[0] == 0.0
    assert min(times[1:]) >= 60.0


def test_a_hopeless_cause_stops_the_run_and_leaves_the_rest_pending() -> None:
    wrong = Failure(kind="auth", message="", retry="stop")
    sender = Told(lambda _: wrong)
    run = run_over([CLIP] * 100, sender)

    asyncio.run(run.finish())

    assert run.stopped_by is not None
    assert run.stopped_by[1] == wrong
    assert len(sender.asked) <= 2
    assert [outcome.status for outcome in run.outcomes[2:]] == ["pending"] * 98


def test_a_stop_lets_what_is_in_flight_finish_and_sends_nothing_new() -> None:
    async def answer_after_stop() -> Transcription:
        run.stop()
        return OK

    class Patient(Stepping):
        async def sleep(self, seconds: float) -> None:
            for _ in range(int(seconds * 100)):
                await asyncio.sleep(0)

    sender = Told(lambda _: answer_after_stop())
    run = run_over([CLIP] * 100, sender, clock=Patient())

    asyncio.run(run.finish())

    statuses = [outcome.status for outcome in run.outcomes]
    assert statuses.count("ok") == len(sender.asked) <= 2
    assert statuses.count("pending") == 100 - len(sender.asked)
    assert run.stopped_by is None


def test_after_the_grace_what_is_still_in_flight_is_cancelled() -> None:
    async def hang_after_stop() -> Transcription:
        run.stop()
        await asyncio.Event().wait()
        return OK

    run = run_over([CLIP] * 3, Told(lambda _: hang_after_stop()), concurrency=1)

    asyncio.run(run.finish())

    assert [outcome.status for outcome in run.outcomes] == ["cancelled", "pending", "pending"]


def test_a_row_that_waits_for_its_next_attempt_keeps_its_last_failure_when_stopped() -> None:
    class Hanging(Stepping):
        async def sleep(self, seconds: float) -> None:
            if 0 < seconds < 5:
                run.stop()
                await asyncio.Event().wait()

    broken = Failure(kind="server", message="", retry="again")
    run = run_over([CLIP], Told(lambda _: broken), clock=Hanging())

    asyncio.run(run.finish())

    assert (run.outcomes[0].status, run.outcomes[0].failure) == ("failed", broken)


def test_without_any_reply_the_rows_still_end() -> None:
    sender = Told(lambda _: pytest.fail("somebody was asked"))
    run = run_over([None, b"no audio", None], sender, concurrency=8)

    asyncio.run(run.finish())

    assert [outcome.status for outcome in run.outcomes] == ["missing", "failed", "missing"]
    assert run.outcomes[1].failure is not None
    assert run.outcomes[1].failure.message.startswith("8 bytes: ")


def test_a_defect_of_ours_is_not_swallowed() -> None:
    def answer(_: Request) -> Transcription:
        raise ZeroDivisionError

    run = run_over([CLIP] * 3, Told(answer))

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(run.finish())

    assert caught.group_contains(ZeroDivisionError)
