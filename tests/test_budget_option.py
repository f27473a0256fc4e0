"""`budget=`: what this call may newly pay, and not a second more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import asr_pandas
from tests.conftest import (
    BUNDLED,
    Answer,
    Service,
    always,
    completion,
    distinct,
    in_turn,
    refusal,
)

if TYPE_CHECKING:
    from aiohttp import web

Start = Callable[[Answer], Service]
PRICE = 0.00025  # per second
SECONDS = 5  # that `wav` has, rounded up


def billed(seconds: float) -> dict[str, Any]:
    body = completion()
    return {**body, "usage": {**body["usage"], "seconds": seconds}}


def transcribe(service: Service, cells: list[Any], **options: Any) -> pd.DataFrame:
    endpoint = replace(service.endpoint, price_per_second=PRICE)
    out: pd.DataFrame = pd.DataFrame({"audio": cells}).asr.transcribe(
        "audio", **{"endpoint": endpoint, "progress": False, "columns": "full", **options}
    )
    return out


def spent_on(service: Service, cells: list[Any], **options: Any) -> pd.DataFrame:
    """Transcribe with a budget that does not reach to the end."""
    with pytest.warns(asr_pandas.AsrWarning, match="the budget is spent"):
        return transcribe(service, cells, **options)


@pytest.mark.parametrize("rows", [1, 3, 7])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_price_of_n_seconds_lets_exactly_the_rows_through_that_fit(
    service: Start, wav: bytes, rows: int, concurrency: int
) -> None:
    stand_in = service(always(billed(SECONDS)))
    budget = round(rows * SECONDS * PRICE, 6)

    out = spent_on(stand_in, distinct(wav, 9), budget=budget, concurrency=concurrency)

    assert out["status"].value_counts().to_dict() == {"ok": rows, "pending": 9 - rows}
    assert len(stand_in.asked) == rows
    assert out["cost"].sum() == pytest.approx(budget)


def test_a_second_less_lets_one_row_less_through(service: Start, wav: bytes) -> None:
    stand_in = service(always(billed(SECONDS)))

    out = spent_on(stand_in, distinct(wav, 5), budget=(5 * SECONDS - 1) * PRICE)

    assert out["status"].value_counts().to_dict() == {"ok": 4, "pending": 1}


def test_a_row_that_was_not_paid_for_says_why_and_is_asked_next_time(
    service: Start, wav: bytes
) -> None:
    stand_in = service(always(billed(SECONDS)))
    cells = distinct(wav, 4)

    with pytest.warns(asr_pandas.AsrWarning, match="2 rows are pending"):
        first = transcribe(stand_in, cells, budget=2 * SECONDS * PRICE)
    second = transcribe(stand_in, cells, budget=2 * SECONDS * PRICE)

    unpaid = first[first["status"] == "pending"]
    assert unpaid["message"].str.contains("larger budget=").all()
    assert unpaid["duration"].notna().all()
    assert second["status"].tolist() == ["ok"] * 4  # what the journal has costs nothing
    assert len(stand_in.asked) == 4


def test_a_budget_that_reaches_says_nothing(service: Start, wav: bytes) -> None:
    out = transcribe(service(always(billed(SECONDS))), distinct(wav, 3), budget=3 * SECONDS * PRICE)

    assert out["status"].tolist() == ["ok"] * 3


def test_equal_rows_cost_once(service: Start, wav: bytes) -> None:
    out = transcribe(service(always(billed(SECONDS))), [wav] * 5, budget=SECONDS * PRICE)

    assert out["status"].tolist() == ["ok"] * 5


@pytest.mark.parametrize("cell", [BUNDLED / "podcast.mp3", "https://example.org/a.wav"])
def test_what_is_not_exact_reserves_what_the_service_takes_at_most(
    service: Start, cell: object
) -> None:
    enough, too_little = service(always(billed(30))), service(always(billed(30)))

    done = transcribe(enough, [cell], budget=300 * PRICE)
    undone = spent_on(too_little, [cell], budget=299 * PRICE, journal=False)

    assert (done["status"][0], undone["status"][0]) == ("ok", "pending")
    assert too_little.asked == []


def test_what_is_reserved_is_settled_by_what_the_reply_bills(service: Start) -> None:
    stand_in = service(always(billed(30)))
    urls = [f"https://example.org/{number}.wav" for number in range(20)]

    out = spent_on(stand_in, urls, budget=600 * PRICE)

    # Each reserves 300 s and is billed 30: an eleventh fits beside ten, a twelfth does not.
    assert out["status"].value_counts().to_dict() == {"ok": 11, "pending": 9}


def test_a_refusal_costs_nothing(service: Start, wav: bytes) -> None:
    too_long = always(refusal("The audio is too long"), status=400)
    busy = always(refusal("x"), status=503, headers={"retry-after-ms": "1"})
    stand_in = service(in_turn(too_long, busy, busy, always(billed(SECONDS))))

    out = spent_on(stand_in, distinct(wav, 4), budget=2 * SECONDS * PRICE, concurrency=1)

    assert out["status"].tolist() == ["failed", "ok", "ok", "pending"]


def test_a_reply_that_never_came_may_have_been_billed_and_keeps_its_money(
    service: Start, wav: bytes
) -> None:
    async def hang_up(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        raise asyncio.CancelledError

    stand_in = service(in_turn(hang_up, always(billed(SECONDS))))

    out = spent_on(stand_in, distinct(wav, 4), budget=3 * SECONDS * PRICE, concurrency=1)

    assert out["status"].tolist() == ["ok", "ok", "pending", "pending"]
    assert out["attempts"].tolist()[:2] == [2, 1]
    assert len(stand_in.asked) == 3


# What is refused before anything is sent.


@pytest.mark.parametrize("budget", [0, -1, "much", "50 dollars", float("nan"), True])
def test_what_is_no_amount_of_money_is_an_error(service: Start, wav: bytes, budget: Any) -> None:
    stand_in = service(always(completion()))

    with pytest.raises(asr_pandas.OptionError, match="amount above 0"):
        transcribe(stand_in, [wav], budget=budget)

    assert stand_in.asked == []


def test_a_budget_in_another_currency_is_an_error(
    wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-test-0123456789")
    frame = pd.DataFrame({"audio": [wav]})

    with pytest.raises(asr_pandas.OptionError, match=r"'50 USD' is in USD.* paid in CNY"):
        frame.asr.transcribe("audio", endpoint="dashscope-cn", budget="50 USD")


def test_a_budget_where_the_price_is_not_known_is_an_error(service: Start, wav: bytes) -> None:
    stand_in = service(always(completion()))

    with pytest.raises(asr_pandas.OptionError, match="price_per_second="):
        transcribe(stand_in, [wav], endpoint=stand_in.endpoint, budget=1)

    assert stand_in.asked == []


# The warning.


def test_a_warning_names_the_line_that_asked(service: Start, wav: bytes) -> None:
    endpoint = replace(service(always(billed(SECONDS))).endpoint, price_per_second=PRICE)
    frame = pd.DataFrame({"audio": distinct(wav, 3)})
    options: dict[str, Any] = {
        "endpoint": endpoint,
        "progress": False,
        "budget": PRICE,
        "journal": False,
    }

    async def awaited() -> None:
        await frame.asr.transcribe_async("audio", **options)

    def waited() -> None:
        frame.asr.start("audio", **options).wait()

    def retried() -> None:
        done = pd.DataFrame({"audio": [wav], "status": ["failed"]})
        done.asr.retry("audio", **options)

    ways: list[Callable[[], object]] = [
        lambda: frame.asr.transcribe("audio", **options),
        lambda: frame["audio"].asr.transcribe(**options),
        lambda: asyncio.run(awaited()),
        waited,
        retried,
    ]
    for number, way in enumerate(ways):
        with pytest.warns(asr_pandas.AsrWarning, match="budget") as caught:
            way()
        assert caught[0].filename.endswith("test_budget_option.py"), number
