"""One row's way to its outcome: how often it asks, what it costs, what it says when given up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_pandas.model import Clip, Outcome, Payload, Request, Transcription, Usage
from asr_pandas.run.asking import Asking, Service
from asr_pandas.run.budget import Budget
from tests.run.clocks import START, Stepping
from tests.run.told import (
    BROKEN,
    FATAL,
    HOPELESS,
    LIMITED,
    OK,
    REFUSED,
    TIMEOUT,
    Told,
    in_turn,
    never,
    new_service,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from asr_pandas.model import Failure

REQUEST = Request(payload=Payload(content=b"RIFF", media_type="audio/wav"), model="m")
PRICE = 0.000035


def clip(seconds: float | None, *, exact: bool = True) -> Clip:
    return Clip(name="a.wav", content=b"RIFF", duration=seconds, exact=exact)


def asking(service: Service, *, seconds: float | None = 2.0, exact: bool = True) -> Asking:
    return Asking(service=service, request=REQUEST, clip=clip(seconds, exact=exact))


def outcome_of(service: Callable[[], Service], **of_clip: Any) -> tuple[Outcome, Service]:
    """Ask for one row, on a loop of its own."""

    async def asked() -> tuple[Outcome, Service]:
        started = service()
        return await asking(started, **of_clip).outcome(), started

    return asyncio.run(asyncio.wait_for(asked(), 10))


def asked_of(*replies: Any, **options: Any) -> tuple[Outcome, Told]:
    sender = Told(in_turn(*replies))
    outcome, _ = outcome_of(lambda: new_service(sender, **options))
    return outcome, sender


def test_an_answer_says_who_gave_it_when_how_fast_and_for_how_much() -> None:
    clock = Stepping()

    async def slowly() -> Transcription:
        await clock.sleep(3.0)
        return OK

    sender = Told(lambda _: slowly())

    outcome, service = outcome_of(lambda: new_service(sender, clock=clock, price=PRICE))

    assert outcome == Outcome(
        status="ok",
        transcription=OK,
        duration=2.0,
        attempts=1,
        latency=3.0,
        transcribed_at=service.clock.now(),
        endpoint="h",
        model="m",
        cost=2 * PRICE,
    )
    assert outcome.transcribed_at is not None
    assert outcome.transcribed_at > START
    assert service.tally.sent == 1
    assert not service.in_flight


def test_no_words_are_an_empty_outcome_and_a_language_that_was_given_is_noted() -> None:
    sender = Told(lambda _: Transcription(text=" \n"))

    async def asked() -> Outcome:
        request = replace(REQUEST, language="de")
        return await Asking(service=new_service(sender), request=request, clip=clip(2.0)).outcome()

    outcome = asyncio.run(asked())

    assert (outcome.status, outcome.language_given) == ("empty", True)


@pytest.mark.parametrize(
    ("usage", "seconds", "cost", "estimated"),
    [
        (Usage(seconds=3.0), 2.0, 3 * PRICE, False),
        (Usage(audio_tokens=100), 2.0, 4 * PRICE, True),
        (Usage(), 2.0, 2 * PRICE, True),
        (Usage(), None, None, False),
    ],
)
def test_the_cost_is_what_the_reply_bills_or_else_estimated(
    usage: Usage, seconds: float | None, cost: float | None, *, estimated: bool
) -> None:
    sender = Told(lambda _: Transcription(text="ok", usage=usage))

    outcome, _ = outcome_of(lambda: new_service(sender, price=PRICE), seconds=seconds)

    assert outcome.cost == (cost if cost is None else pytest.approx(cost))
    assert outcome.cost_estimated == estimated


# How often.


@pytest.mark.parametrize(
    ("reply", "attempts"),
    [(HOPELESS, 1), (FATAL, 1), (BROKEN, 5), (TIMEOUT, 5), (replace(REFUSED, unanswered=True), 5)],
)
def test_what_does_not_pass_is_given_up(reply: Failure, attempts: int) -> None:
    outcome, sender = asked_of(reply)

    assert (outcome.status, outcome.failure) == ("failed", reply)
    assert outcome.attempts == attempts == len(sender.asked)
    assert outcome.unanswered == (attempts if reply.unanswered else 0)


@settings(deadline=None, max_examples=50)
@given(
    replies=st.lists(st.sampled_from([LIMITED, BROKEN, TIMEOUT, REFUSED]), max_size=30).filter(
        lambda replies: sum(reply in {BROKEN, TIMEOUT} for reply in replies) < 5
    )
)
def test_neither_limits_nor_a_service_that_is_down_use_a_row_s_attempts_up(
    replies: list[Failure],
) -> None:
    outcome, _ = asked_of(*replies, OK, patience=1e9)

    assert (outcome.status, outcome.failure) == ("ok", None)
    assert outcome.attempts == len(replies) + 1
    assert outcome.unanswered == replies.count(TIMEOUT)


@pytest.mark.parametrize(("failure", "stream"), [(TIMEOUT, True), (BROKEN, False)])
def test_what_was_timed_out_is_asked_for_again_bit_by_bit(
    failure: Failure, *, stream: bool
) -> None:
    _, sender = asked_of(failure, BROKEN, OK)

    assert [request.stream for request in sender.asked] == [False, stream, stream]


def test_a_service_that_is_down_is_waited_for_with_growing_pauses() -> None:
    clock = Stepping()
    times: list[float] = []

    def answer(_: Request) -> Any:
        times.append(clock.time())
        return REFUSED if len(times) < 9 else OK

    outcome, _ = outcome_of(lambda: new_service(Told(answer), clock=clock, patience=1e9))

    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60], abs=1.0)
    assert outcome.status == "ok"


def test_a_limit_makes_the_row_wait_as_long_as_it_says() -> None:
    clock = Stepping()

    outcome, _ = outcome_of(
        lambda: new_service(
            Told(in_turn(replace(LIMITED, retry_after=45.0), OK)), clock=clock, patience=1
        )
    )

    assert outcome.status == "ok"
    assert 45.0 <= clock.time() < 60.0


@pytest.mark.parametrize(("reply", "status"), [(REFUSED, "pending"), (BROKEN, "failed")])
def test_after_the_patience_rows_that_found_somebody_say_why_and_the_others_are_pending(
    reply: Failure, status: str
) -> None:
    sender = Told(lambda _: reply)

    async def asked() -> tuple[Outcome, Outcome]:
        service = new_service(sender, patience=5)
        return await asking(service).outcome(), await asking(service).outcome()

    first, second = asyncio.run(asked())

    assert first.status == status
    assert first.failure == (reply if status == "failed" else None)
    assert (second.status, second.attempts, second.duration) == ("pending", 0, 2.0)
    assert second.note is not None
    assert "did not come back" in second.note


def test_where_nothing_may_be_sent_any_more_a_row_is_pending_and_says_nothing() -> None:
    async def asked() -> Outcome:
        service = new_service(Told(never))
        service.gate.close()
        return await asking(service).outcome()

    assert asyncio.run(asked()) == Outcome(status="pending", duration=2.0)


def test_a_run_that_is_stopped_meanwhile_gets_no_further_attempt() -> None:
    async def asked() -> Outcome:
        service = new_service(sender)
        sender.answer = lambda _: (service.gate.close(), BROKEN)[1]  # type: ignore[func-returns-value]
        return await asking(service).outcome()

    sender = Told(never)
    outcome = asyncio.run(asked())

    assert (outcome.failure, outcome.attempts) == (BROKEN, 1)


# What it costs.


def spending(budget: Budget, *replies: Any, **of_clip: Any) -> Outcome:
    sender = Told(in_turn(*replies) if replies else never)
    return outcome_of(lambda: new_service(sender, budget=budget, price=PRICE), **of_clip)[0]


@given(seconds=st.integers(1, 300), rows=st.integers(1, 30))
@settings(deadline=None, max_examples=30)
def test_a_budget_of_n_seconds_lets_exactly_the_rows_through_that_fit(
    seconds: int, rows: int
) -> None:
    budget = Budget(limit=float(f"{PRICE * seconds * rows:.12g}"), price=PRICE)
    bill = Transcription(text="ok", usage=Usage(seconds=seconds))

    outcomes = [spending(budget, bill, seconds=seconds - 0.5) for _ in range(rows)]
    beyond = spending(budget, seconds=0.1)

    assert {outcome.status for outcome in outcomes} == {"ok"}
    assert (beyond.status, beyond.attempts) == ("pending", 0)
    assert beyond.note is not None
    assert "budget" in beyond.note


@pytest.mark.parametrize("of_clip", [{"seconds": 2.0, "exact": False}, {"seconds": None}])
def test_what_is_not_exact_reserves_the_longest_that_the_service_takes(
    of_clip: dict[str, Any],
) -> None:
    just_enough = Budget(limit=300 * PRICE, price=PRICE)
    too_little = Budget(limit=299 * PRICE, price=PRICE)

    assert spending(just_enough, OK, **of_clip).status == "ok"
    assert just_enough.spent == pytest.approx(2 * PRICE)  # what the reply billed
    assert spending(too_little, **of_clip).status == "pending"


def test_a_reply_without_usage_is_settled_by_the_duration() -> None:
    budget = Budget(limit=1.0, price=PRICE)

    spending(budget, Transcription(text="ok"), seconds=2.0)

    assert budget.spent == pytest.approx(2 * PRICE)


@pytest.mark.parametrize("failure", [BROKEN, HOPELESS, FATAL, LIMITED, REFUSED])
def test_what_was_refused_frees_its_reservation(failure: Failure) -> None:
    budget = Budget(limit=2 * PRICE, price=PRICE)

    spending(budget, failure, HOPELESS)

    assert (budget.spent, budget.kept, budget.held) == (0, 0, 0)
    assert spending(budget, OK).status == "ok"


def test_what_was_timed_out_keeps_its_reservation_for_it_may_have_been_billed() -> None:
    budget = Budget(limit=6 * PRICE, price=PRICE)

    first = spending(budget, TIMEOUT, OK)
    second = spending(budget, OK)
    third = spending(budget)

    assert (first.status, first.unanswered) == ("ok", 1)
    assert (second.status, third.status) == ("ok", "pending")
    assert budget.kept == pytest.approx(2 * PRICE)
    assert budget.spent == pytest.approx(4 * PRICE)


def test_a_second_attempt_that_does_not_fit_leaves_the_failure_of_the_first() -> None:
    budget = Budget(limit=3 * PRICE, price=PRICE)
    sender = Told(in_turn(TIMEOUT, OK))

    outcome, _ = outcome_of(lambda: new_service(sender, budget=budget, price=PRICE))

    assert (outcome.status, outcome.failure, outcome.attempts) == ("failed", TIMEOUT, 1)
    assert len(sender.asked) == 1


Bills = st.sampled_from([OK, TIMEOUT, BROKEN, HOPELESS, LIMITED, REFUSED])


@settings(deadline=None, max_examples=40)
@given(replies=st.lists(Bills, min_size=1, max_size=40), seconds=st.integers(2, 40))
def test_whatever_the_service_says_no_more_is_spent_than_the_budget(
    replies: list[Any], seconds: int
) -> None:
    """The service bills every time-out, and what it answers; it never bills more than 2 s."""
    billed: list[Any] = []
    say = in_turn(*replies, OK)

    def answer(request: Request) -> Any:
        reply = say(request)
        if reply in (OK, TIMEOUT):
            billed.append(reply)
        return reply

    async def asked() -> Budget:
        budget = Budget(limit=float(f"{PRICE * seconds:.12g}"), price=PRICE)
        service = new_service(Told(answer), budget=budget, price=PRICE, patience=1e9)
        await asyncio.gather(*(asking(service).outcome() for _ in range(25)))
        return budget

    budget = asyncio.run(asyncio.wait_for(asked(), 20))

    assert len(billed) * 2 <= seconds
    assert budget.held == 0
    assert Fraction(budget.spent + budget.kept) <= Fraction(budget.limit) + Fraction(1, 10**12)


# Cut off.


def cut_off_while(
    answer: Callable[[asyncio.Task[Outcome]], Any],
) -> tuple[Outcome, Service, Budget]:
    """Cancel a row at some moment of its first request."""

    async def asked() -> tuple[Outcome, Service, Budget]:
        budget = Budget(limit=1.0, price=PRICE)
        sender = Told(never)
        service = new_service(sender, budget=budget, price=PRICE)
        one = asking(service)
        task = asyncio.ensure_future(one.outcome())
        sender.answer = lambda _: answer(task)
        with pytest.raises(asyncio.CancelledError):
            await task
        return one.cut_off(), service, budget

    return asyncio.run(asyncio.wait_for(asked(), 10))


def test_a_row_that_is_cut_off_in_flight_may_have_been_billed() -> None:
    async def hang(task: asyncio.Task[Outcome]) -> None:
        task.cancel()
        await asyncio.Event().wait()

    outcome, service, budget = cut_off_while(hang)

    assert (outcome.status, outcome.attempts, outcome.unanswered) == ("cancelled", 1, 1)
    assert outcome.failure is None
    assert outcome.note is not None
    assert "may have been billed" in outcome.note
    assert budget.kept == pytest.approx(2 * PRICE)
    assert not service.in_flight


@pytest.mark.parametrize("where", ["pacer", "gate", "budget"])
def test_a_row_that_is_cut_off_before_it_left_is_pending_and_costs_nothing(where: str) -> None:
    class Endless:
        async def turn(self) -> None:
            await asyncio.Event().wait()

    async def asked() -> tuple[Outcome, Budget, Service]:
        budget = Budget(limit=3 * PRICE, price=PRICE)
        pacer = Endless() if where == "pacer" else None
        service = new_service(Told(never), budget=budget, price=PRICE, pacer=pacer)
        if where == "gate":
            await asyncio.gather(service.gate.enter(), service.gate.enter())
        held = budget.reserve(2 * PRICE) if where == "budget" else None
        one = asking(service)
        task = asyncio.ensure_future(one.outcome())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if held is not None:
            budget.release(held)
        return one.cut_off(), budget, service

    outcome, budget, service = asyncio.run(asyncio.wait_for(asked(), 10))

    assert outcome == Outcome(status="pending", duration=2.0)
    assert (budget.held, budget.kept, budget.spent) == (0, 0, 0)
    assert service.tally.sent == 0


def test_a_defect_in_flight_keeps_the_reservation_and_leaves_the_gate() -> None:
    async def asked() -> tuple[Budget, Service]:
        budget = Budget(limit=1.0, price=PRICE)
        service = new_service(Told(never), budget=budget, price=PRICE)
        for _ in range(5):  # more than may be in flight at once
            with pytest.raises(AssertionError, match="somebody was asked"):
                await asking(service).outcome()
        return budget, service

    budget, service = asyncio.run(asyncio.wait_for(asked(), 10))

    assert budget.kept == pytest.approx(10 * PRICE)
    assert not service.in_flight


# What those who look on are told.


def test_the_tally_says_what_the_run_waits_for() -> None:
    async def told() -> list[str]:
        service = new_service(Told(never), patience=600)
        notices = [_notice(service)]
        service.pacer.refused(replace(LIMITED, retry_after=90.0), 90.0)
        notices.append(_notice(service))
        await service.gate.enter()
        service.gate.leave(REFUSED)
        notices.append(_notice(service))
        return notices

    open_, limited, down = asyncio.run(told())

    assert open_ == ""
    assert limited.startswith("the rate limit: ")
    assert down.startswith("the service is down: next try in ")


def _notice(service: Service) -> str:
    service.report()
    return service.tally.notice


def test_the_tally_knows_the_pace_and_the_limit() -> None:
    from asr_pandas.run.pace.pacer import Pacer

    async def told() -> tuple[float | None, float | None]:
        clock = Stepping()
        service = new_service(Told(never), clock=clock, pacer=Pacer(100, clock=clock))
        await service.pacer.turn()
        service.report()
        return service.tally.rate, service.tally.limit

    rate, limit = asyncio.run(told())

    assert limit == pytest.approx(100)
    assert rate is not None
    assert rate <= 100
