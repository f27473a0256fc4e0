"""Lengths of time are read as people write them, and nothing else is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.ages import seconds_of
from asr_pandas.errors import OptionError

SECONDS_IN = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


@given(number=st.integers(0, 10_000), unit=st.sampled_from(list(SECONDS_IN)))
def test_a_number_and_its_unit_are_read(number: int, unit: str) -> None:
    assert seconds_of(f"{number}{unit}") == number * SECONDS_IN[unit]
    assert seconds_of(f" {number} {unit.upper()} ") == number * SECONDS_IN[unit]


@given(seconds=st.floats(0, 1e12))
def test_a_plain_number_counts_seconds(seconds: float) -> None:
    assert seconds_of(seconds) == seconds
    assert seconds_of(np.float64(seconds)) == seconds


def test_a_plain_number_may_be_text_and_a_unit_may_be_halved() -> None:
    assert seconds_of("90") == 90
    assert seconds_of("1.5h") == 5400


@pytest.mark.parametrize(
    "age",
    [
        *("", "d", "1 month", "3m", "-1d", "1e3s", "1.d", ".5h", "30dd", "٣d", "inf", "9" * 400),
        *(-1, float("nan"), float("inf"), 10**400, True, None, pd.NA, [], b"30"),
    ],
    ids=repr,
)
def test_anything_else_is_refused_with_what_is_read(age: Any) -> None:
    with pytest.raises(OptionError, match=r"(?s)no length of time.*'30d'") as refused:
        seconds_of(age)

    assert "\n\nHint: " in str(refused.value)
