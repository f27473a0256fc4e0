"""A run never pays more than its budget, and leaves none of it that a row would fit into."""

from __future__ import annotations

import asyncio
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.errors import OptionError
from asr_pandas.run.budget import Budget, Reservation, parse, price_for

if TYPE_CHECKING:
    from fractions import Fraction

# Prices as they are published: a few significant digits.
PRICES = st.builds(
    lambda digits, places: float(Decimal(digits).scaleb(-places)),
    st.integers(1, 99_999),
    st.integers(0, 9),
)
EXACT = st.floats(0, 300)
ENDINGS = st.sampled_from(["settle", "keep", "release"])


@given(price=PRICES, seconds=st.integers(1, 100_000))
def test_a_budget_of_n_seconds_lets_exactly_n_seconds_through(price: float, seconds: int) -> None:
    budget = Budget(limit=float(Decimal(repr(price)) * seconds), price=price)

    whole = budget.reserve(budget.amount(seconds, exact=True))

    assert whole is not None
    assert budget.fits(budget.amount(1, exact=True)) == "later"
    budget.settle(whole, whole.amount)
    assert budget.fits(budget.amount(1, exact=True)) == "never"
    assert budget.spent == budget.limit


def test_tenths_add_up_to_what_they_should() -> None:
    budget = Budget(limit=0.3, price=0.1)

    reserved = [budget.reserve(0.1) for _ in range(4)]

    assert [reservation is not None for reservation in reserved] == [True, True, True, False]


@given(
    price=PRICES,
    limit=st.floats(1e-6, 1e6),
    durations=st.lists(EXACT | st.none(), max_size=30),
    data=st.data(),
)
def test_in_any_order_of_events_no_more_is_spent_than_the_limit(
    price: float, limit: float, durations: list[float | None], data: st.DataObject
) -> None:
    budget = Budget(limit=limit, price=price)
    in_flight: list[Reservation] = []
    for duration in durations:
        exact: bool = data.draw(st.booleans())
        reservation = budget.reserve(budget.amount(duration, exact=exact))
        in_flight += [reservation] if reservation else []
        if len(in_flight) > 2:
            ended = in_flight.pop(data.draw(st.integers(0, 2)))
            match data.draw(ENDINGS):
                case "settle":
                    budget.settle(ended, data.draw(st.none() | st.floats(0, ended.amount)))
                case "keep":
                    budget.keep(ended)
                case _:
                    budget.release(ended)

        assert _left(budget) >= 0
        assert budget.held == pytest.approx(sum(each.amount for each in in_flight))


def _left(budget: Budget) -> Fraction:
    # The floats that people see are rounded; the promise holds for the amounts behind them.
    return budget._limit - budget._spent - budget._kept - budget._held  # noqa: SLF001 (exactness is what is tested)


@given(duration=EXACT)
def test_an_exact_duration_is_reserved_by_the_second_and_any_other_in_full(duration: float) -> None:
    budget = Budget(limit=1.0, price=0.5)

    assert budget.amount(duration, exact=True) == 0.5 * max(1, math.ceil(duration))
    assert budget.amount(duration, exact=False) == 150
    assert budget.amount(None, exact=True) == 150


def test_an_attempt_without_a_reply_stays_reserved_and_a_refused_one_does_not() -> None:
    budget = Budget(limit=10.0, price=1.0)
    first, second = budget.reserve(4.0), budget.reserve(4.0)
    assert first is not None
    assert second is not None

    budget.keep(first)
    budget.release(second)

    assert (budget.spent, budget.held, budget.kept) == (0.0, 0.0, 4.0)
    assert [budget.fits(amount) for amount in (6.0, 6.1)] == ["now", "never"]


def test_a_bill_above_the_reservation_counts_in_full() -> None:
    budget = Budget(limit=10.0, price=1.0)
    reservation = budget.reserve(4.0)
    assert reservation is not None

    budget.settle(reservation, 11.0)

    assert budget.spent == 11.0
    assert budget.fits(0.1) == "never"


def test_an_attempt_ends_once() -> None:
    budget = Budget(limit=10.0, price=1.0)
    reservation = budget.reserve(4.0)
    assert reservation is not None
    budget.settle(reservation, 4.0)

    with pytest.raises(KeyError):
        budget.settle(reservation, 4.0)

    assert (budget.spent, budget.held) == (4.0, 0.0)


def test_a_row_waits_for_what_is_in_flight_and_gives_up_when_that_cannot_help() -> None:
    async def both() -> tuple[bool, bool]:
        budget = Budget(limit=10.0, price=1.0)
        first, second = budget.reserve(4.0), budget.reserve(4.0)
        assert first is not None
        assert second is not None
        small = asyncio.create_task(budget.reserved(5.0))
        large = asyncio.create_task(budget.reserved(9.0))
        await asyncio.sleep(0)  # both wait now
        assert not small.done()
        assert not large.done()
        budget.settle(first, 3.0)
        await asyncio.sleep(0)
        budget.release(second)
        return await small is not None, await large is not None

    assert asyncio.run(both()) == (True, False)


@given(price=PRICES, count=st.integers(1, 20), concurrency=st.integers(1, 8))
def test_waiting_rows_use_the_budget_up(price: float, count: int, concurrency: int) -> None:
    async def run() -> Budget:
        budget = Budget(limit=float(Decimal(repr(price)) * count), price=price)
        rows = iter(range(count + 5))

        async def worker() -> None:
            for _ in rows:
                # Reserved for 2 seconds, billed 1: the last row fits only when others have settled.
                reservation = await budget.reserved(budget.amount(1.5, exact=True))
                await asyncio.sleep(0)
                if reservation:
                    budget.settle(reservation, reservation.amount / 2)

        await asyncio.gather(*(worker() for _ in range(concurrency)))
        return budget

    budget = asyncio.run(run())

    assert budget.spent == pytest.approx((count - 1) * price)
    assert budget.fits(2 * price) == "never"


@pytest.mark.parametrize(
    ("budget", "amount"),
    [
        *((50, 50.0), (0.5, 0.5), (np.int64(50), 50.0), ("50", 50.0)),
        *((text, 50.5) for text in ("50.5 USD", " 50.5usd ", "50.5 Usd")),
    ],
    ids=repr,
)
def test_a_budget_is_a_number_or_has_its_currency(budget: Any, amount: float) -> None:
    assert parse(budget, currency="USD") == amount


@pytest.mark.parametrize(
    "budget",
    [
        *(0, -1, 0.0, float("nan"), float("inf"), True, None, 10**400, b"50"),
        *("", "0 USD", "-1", "1e3", "nan", "$50", "50$", "USD 50", "1,000 USD", "50 dollars"),
        *("9" * 400, "5\N{ARABIC-INDIC DIGIT ZERO}"),
    ],
    ids=repr,
)
def test_what_is_no_amount_of_money_is_refused(budget: Any) -> None:
    with pytest.raises(OptionError, match="an amount above 0 is expected"):
        parse(budget, currency="USD")


@pytest.mark.parametrize(("currency", "named"), [("CNY", "CNY"), (None, "not known")])
def test_another_currency_is_an_error_that_names_both(currency: str | None, named: str) -> None:
    with pytest.raises(OptionError, match=rf"in USD, .*{named}"):
        parse("50 usd", currency=currency)


def test_a_budget_needs_a_price() -> None:
    assert price_for("dashscope-intl.aliyuncs.com", 0.000035) == 0.000035

    with pytest.raises(OptionError, match=r"of example\.org is not known"):
        price_for("example.org", None)
