"""Prices stand in one table; a cost is what was billed, else an estimate that says so."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.endpoint.prices import Cost, cost_of, price_of
from asr_pandas.model import Usage

DURATIONS = st.none() | st.floats(0, 300)
PRICES = st.none() | st.floats(0, 1)


@pytest.mark.parametrize(
    ("host", "price", "currency"),
    [
        ("dashscope-intl.aliyuncs.com", 0.000035, "USD"),
        ("dashscope-us.aliyuncs.com", 0.000035, "USD"),
        ("dashscope.aliyuncs.com", 0.00022, "CNY"),
        ("ws-1.ap-southeast-1.maas.aliyuncs.com", 0.000035, "USD"),
        ("ws-1.us-east-1.maas.aliyuncs.com", 0.000035, "USD"),
        ("ws-1.cn-beijing.maas.aliyuncs.com", 0.00022, "CNY"),
    ],
)
def test_every_region_has_its_price(host: str, price: float, currency: str) -> None:
    found = price_of(host)

    assert found is not None
    assert (found.per_second, found.currency) == (price, currency)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "local",
        "bucket.oss-cn-beijing.aliyuncs.com",
        "ws-1.eu-central-1.maas.aliyuncs.com",
        "cn-beijing.maas.aliyuncs.com",
        "ws-1.cn-beijing.maas.aliyuncs.com.example.org",
    ],
)
def test_a_host_that_is_not_listed_has_no_price(host: str) -> None:
    assert price_of(host) is None


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("qwen3-asr-flash", True),
        ("qwen3-asr-flash-2026-02-10", True),
        ("qwen3-asr-flash-us", True),
        ("qwen3-asr-flash-2025-09-08-us", True),
        ("qwen3-asr-flash-filetrans-2025-11-17", True),
        ("qwen3-asr-flash-realtime", False),
        ("qwen3-omni-flash", False),
    ],
)
def test_only_the_models_that_cost_this_much_have_this_price(model: str, known: bool) -> None:  # noqa: FBT001 (a table's column)
    assert (price_of("dashscope-intl.aliyuncs.com", model) is not None) is known


@given(seconds=st.floats(0, 10**6), tokens=st.none() | st.integers(0), duration=DURATIONS)
def test_what_the_reply_bills_goes_before_every_estimate(
    seconds: float, tokens: int | None, duration: float | None
) -> None:
    usage = Usage(seconds=seconds, audio_tokens=tokens)

    assert cost_of(usage, duration=duration, price=None) == Cost(None, seconds, estimated=False)


@given(tokens=st.integers(0, 10**6), duration=DURATIONS)
def test_audio_tokens_go_before_the_duration(tokens: int, duration: float | None) -> None:
    cost = cost_of(Usage(audio_tokens=tokens), duration=duration, price=1.0)

    assert cost == Cost(math.ceil(tokens / 25), math.ceil(tokens / 25), estimated=True)


@given(duration=DURATIONS, price=PRICES)
def test_an_estimate_is_never_below_the_duration_nor_a_second_above(
    duration: float | None, price: float | None
) -> None:
    cost = cost_of(Usage(), duration=duration, price=price)

    assert cost.estimated
    assert (cost.seconds is None) == (duration is None)
    assert (cost.amount is None) == (duration is None or price is None)
    if cost.seconds is not None and duration is not None:
        assert cost.seconds - 1 <= duration <= cost.seconds


def test_a_cost_has_no_more_digits_than_its_price() -> None:
    costs = [
        cost_of(Usage(seconds=seconds), duration=None, price=0.000035).amount
        for seconds in (1, 3, 7, 299)
    ]

    assert costs == [0.000035, 0.000105, 0.000245, 0.010465]
