"""What results took and cost is told from their columns alone, whatever became of these."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_pandas.errors import AsrWarning, ColumnError
from asr_pandas.usage import mixed, usage

if TYPE_CHECKING:
    from collections.abc import Callable

INTL = "dashscope-intl.aliyuncs.com"
CN = "dashscope.aliyuncs.com"
PRICE = 0.000035
NOW = "2026-11-22T12:00:00Z"


def row(status: str = "ok", **cells: Any) -> dict[str, Any]:
    """Write a row of the full columns; 10 billed seconds where it is done."""
    done = status in {"ok", "empty"}
    asked = status in {"ok", "empty", "failed"}
    return {
        "audio": "a.wav",
        "customer": "ann",
        "duration": 9.5,
        "seconds": 10.0 if done else None,
        "prompt_tokens": 250 if done else None,
        "audio_tokens": 240 if done else None,
        "completion_tokens": 20 if done else None,
        "total_tokens": 270 if done else None,
        "status": status,
        "error": "server" if status == "failed" else None,
        "model": "qwen3-asr-flash" if done else None,
        "endpoint": INTL if asked else None,
        "transcribed_at": pd.Timestamp(NOW) if done else None,
        "reused": False if done else None,
        "cost": 10 * PRICE if done else None,
        "unanswered": 0,
        **cells,
    }


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    dtypes = {
        **dict.fromkeys(["duration", "seconds", "cost"], "Float64"),
        **dict.fromkeys([name for name in row() if name.endswith("tokens")], "Int64"),
        "reused": "boolean",
        "unanswered": "Int64",
        "transcribed_at": "datetime64[us, UTC]",
    }
    return pd.DataFrame(list(rows), columns=list(row())).astype(dtypes)


EVERY = frame(
    row(),
    row(reused=True, customer="bob"),
    row("empty", customer="bob", seconds=None, cost=None),
    row("failed", error="timeout", unanswered=2),
    row("failed", customer=None),
    row("cancelled", unanswered=1),
    row("pending"),
    row("missing", duration=None),
)
BASIC = EVERY.loc[:, "audio":"error"]


def line(summed: pd.DataFrame, label: Any = "total") -> dict[str, Any]:
    """Take one line, None where something is not known."""
    found = summed.loc[[label]].iloc[0]
    return {str(name): None if pd.isna(value) else value for name, value in found.items()}


def test_rows_seconds_and_tokens_are_summed() -> None:
    told = line(usage(EVERY))

    assert [told[name] for name in ("rows", "ok", "empty", "missing")] == [8, 2, 1, 1]
    assert [told[name] for name in ("failed", "cancelled", "pending")] == [2, 1, 1]
    assert told["duration"] == 7 * 9.5
    assert told["seconds"] == 30  # the empty row's are estimated from 240 tokens
    assert (told["prompt_tokens"], told["total_tokens"]) == (750, 810)


def test_paid_saved_and_possibly_paid_are_told_apart() -> None:
    told = line(usage(EVERY))

    assert told["cost"] == pytest.approx(30 * PRICE)
    assert told["paid"] == pytest.approx(20 * PRICE)
    assert told["saved"] == pytest.approx(10 * PRICE)
    assert told["possibly_paid"] == pytest.approx(3 * 10 * PRICE)
    assert told["currency"] == "USD"


def test_each_group_has_a_line_and_so_have_rows_without_one() -> None:
    summed = usage(EVERY, by="customer")

    assert summed.index.name == "customer"
    assert summed.index[:2].tolist() == ["ann", "bob"]
    assert pd.isna(summed.index[2])
    assert summed.index[3] == "total"
    assert summed["rows"].tolist() == [5, 2, 1, 8]
    assert (line(summed, "bob")["paid"], line(summed, "bob")["saved"]) == (0.00035, 0.00035)
    assert line(summed.iloc[[2]].set_axis(["none"]), "none")["cost"] == 0.0


def test_several_columns_group_together() -> None:
    summed = usage(EVERY, by=["customer", "status"])

    assert summed.index.names == ["customer", "status"]
    assert summed.index[-1] == ("total", "")
    assert summed["rows"].to_dict()["bob", "empty"] == 1
    assert summed["rows"].iloc[:-1].sum() == summed["rows"].iloc[-1] == 8


@pytest.mark.parametrize(
    "keys",
    [[1, 2, 1], [1, "x", None], pd.Categorical(["b", "a", "b"], categories=["a", "b", "c"])],
    ids=["numbers", "mixed", "categories"],
)
def test_groups_may_be_of_any_kind(keys: Any) -> None:
    done = frame(row(), row(), row()).assign(kind=keys)

    summed = usage(done, by="kind")

    assert summed["rows"].iloc[:-1].sum() == 3
    assert 0 not in summed["rows"].tolist()


def through_csv(results: pd.DataFrame, **options: Any) -> pd.DataFrame:
    arrived: pd.DataFrame = pd.read_csv(io.StringIO(results.to_csv(index=False)), **options)
    return arrived


def through_parquet(results: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(results.to_parquet()), **options)


@pytest.mark.parametrize(
    "journey",
    [
        through_csv,
        lambda results: through_csv(results, dtype=str),
        lambda results: through_csv(results, dtype=str, keep_default_na=False, na_values=[""]),
        lambda results: through_csv(results, dtype_backend="pyarrow"),
        through_parquet,
        lambda results: through_parquet(results, dtype_backend="pyarrow"),
        lambda results: results.astype(object),
        lambda results: results.astype(object).where(results.notna(), np.nan),
        lambda results: pd.concat([results.iloc[:3], results.iloc[3:]]),
        lambda results: results.set_index(pd.Index([0] * len(results))),
        lambda results: results.merge(pd.DataFrame({"customer": ["ann"], "x": [1]}), how="left"),
    ],
    ids=[
        *("csv", "csv of text", "csv read by the shell", "csv in arrow", "parquet", "arrow"),
        *("objects", "nan", "concat", "equal labels", "merge"),
    ],
)
@pytest.mark.parametrize("results", [EVERY, BASIC], ids=["full", "basic"])
def test_the_sums_survive_every_journey(
    journey: Callable[[pd.DataFrame], pd.DataFrame], results: pd.DataFrame
) -> None:
    arrived = journey(results)

    pd.testing.assert_frame_equal(
        usage(arrived, by="customer"), usage(results, by="customer"), check_names=False
    )


def test_the_basic_columns_tell_rows_seconds_and_tokens_and_no_price() -> None:
    told = line(usage(BASIC))

    assert (told["rows"], told["seconds"], told["audio_tokens"]) == (8, 30, 720)
    assert [told[name] for name in ("cost", "paid", "saved", "possibly_paid", "currency")] == [
        None
    ] * 5


def recorded(results: pd.DataFrame, **record: Any) -> pd.DataFrame:
    noted = {"audio": "audio", "prefix": "", "endpoint": INTL, "model": "qwen3-asr-flash"}
    out = results.copy()
    out.attrs["asr_pandas"] = ["mine", {**noted, "columns": "basic", **record}]
    return out


def test_where_the_frame_remembers_its_endpoint_the_basic_columns_have_a_price() -> None:
    told = line(usage(recorded(BASIC)))

    assert told["cost"] == pytest.approx(30 * PRICE)
    assert (told["paid"], told["saved"]) == (None, None)
    assert told["possibly_paid"] == pytest.approx(2 * 10 * PRICE)  # the time-out, the cancelled row
    assert told["currency"] == "USD"


def test_a_model_that_is_not_in_the_table_has_no_price() -> None:
    assert line(usage(recorded(BASIC, model="qwen3-omni-flash")))["cost"] is None


@pytest.mark.parametrize("attrs", ["mine", [1], [{"prefix": "b_", "endpoint": INTL}], None])
def test_attrs_that_are_not_ours_are_left_alone(attrs: Any) -> None:
    results = BASIC.copy()
    results.attrs["asr_pandas"] = attrs

    assert line(usage(results))["cost"] is None


def test_a_frame_s_own_cost_and_model_are_not_taken_for_ours() -> None:
    own = BASIC.assign(cost=1_000.0, model=[f"T{n}" for n in range(len(BASIC))])

    assert mixed(own) is None
    assert line(usage(own))["cost"] is None
    assert line(usage(recorded(EVERY.assign(cost=9.0))))["cost"] == pytest.approx(30 * PRICE)


def test_a_prefix_names_the_result_set() -> None:
    both = BASIC.join(EVERY.drop(columns=["audio", "customer"]).add_prefix("b_"))

    assert line(usage(both, prefix="b_", by="customer"))["currency"] == "USD"
    assert line(usage(both))["cost"] is None


def test_currencies_are_never_summed_over() -> None:
    chinese: dict[str, Any] = {"endpoint": CN, "cost": 10 * 0.00022}
    both = frame(row(), row(**chinese), row(customer="bob", **chinese), row("pending"))

    summed = usage(both, by="customer")

    lines = zip(summed.index, summed["currency"].fillna("none"), summed["cost"], strict=True)
    assert list(lines) == [
        ("ann", "CNY", 0.0022),
        ("ann", "USD", 0.00035),
        ("ann", "none", 0.0),
        ("bob", "CNY", 0.0022),
        ("total", "CNY", 0.0044),
        ("total", "USD", 0.00035),
        ("total", "none", 0.0),
    ]


def test_the_host_stands_for_a_currency_that_is_not_known() -> None:
    ours: dict[str, Any] = {"endpoint": "asr.example.org", "cost": 1.0}

    alone = usage(frame(row(**ours)))
    beside = usage(frame(row(**ours), row()))

    assert line(alone)["currency"] == "asr.example.org"
    assert beside["currency"].tolist() == ["USD", "asr.example.org"]
    assert beside["cost"].tolist() == [0.00035, 1.0]


def test_what_rows_of_a_host_cost_is_its_price() -> None:
    ours: dict[str, Any] = {"endpoint": "asr.example.org"}
    results = frame(row(**ours, cost=1.0), row("failed", **ours, unanswered=1))

    assert line(usage(results))["possibly_paid"] == 1.0


def test_a_row_without_an_endpoint_has_the_price_of_all_others_only_while_it_has_no_reply() -> None:
    results = frame(row(), row("cancelled"), row(endpoint=None, cost=None))

    told = line(usage(results))

    assert told["cost"] == told["possibly_paid"] == pytest.approx(10 * PRICE)


def test_where_nothing_has_a_price_only_what_is_nothing_is_told() -> None:
    results = frame(row(endpoint="local", cost=None), row("failed", endpoint="local"))

    told = line(usage(results))

    assert (told["cost"], told["paid"]) == (None, None)
    assert (told["saved"], told["possibly_paid"], told["currency"]) == (0.0, 0.0, None)


@pytest.mark.parametrize("error", ["timeout", "network", "bad_reply"])
def test_a_reply_that_never_came_was_possibly_paid(error: str) -> None:
    results = frame(row(), row("failed", error=error)).drop(columns="unanswered")

    assert line(usage(results))["possibly_paid"] == pytest.approx(10 * PRICE)


def test_without_a_duration_nobody_knows_what_was_possibly_paid() -> None:
    results = frame(row(), row("failed", duration=None, unanswered=1))

    assert line(usage(results))["possibly_paid"] is None


def test_what_a_reused_row_s_first_run_did_not_learn_is_not_counted_again() -> None:
    results = frame(row(unanswered=1), row(reused=True, unanswered=1))

    assert line(usage(results))["possibly_paid"] == pytest.approx(10 * PRICE)


def test_no_rows_are_a_total_of_nothing() -> None:
    summed = usage(EVERY.iloc[:0], by="customer")

    assert summed.index.tolist() == ["total"]
    assert [line(summed)[name] for name in ("rows", "ok", "cost", "paid")] == [0, 0, 0.0, 0.0]


ROWS = st.builds(
    row,
    st.sampled_from(["ok", "empty", "failed", "cancelled", "pending", "missing"]),
    customer=st.sampled_from(["ann", "bob", None]),
    duration=st.none() | st.floats(0, 300),
    seconds=st.none() | st.integers(0, 300),
    audio_tokens=st.none() | st.integers(0, 7_500),
    error=st.sampled_from([None, "timeout", "server"]),
    endpoint=st.sampled_from([INTL, CN, "local", None]),
    reused=st.none() | st.booleans(),
    cost=st.none(),
    unanswered=st.none() | st.integers(0, 3),
)


@settings(max_examples=30)  # a group-by takes its time
@given(rows=st.lists(ROWS, min_size=1, max_size=6))
def test_groups_add_up_to_the_total(rows: list[dict[str, Any]]) -> None:
    summed = usage(frame(*rows), by="customer")

    numbers = summed.drop(columns="currency").astype("Float64")
    is_total = summed.index == "total"
    for currency in summed["currency"].unique():
        same = summed["currency"].isin([currency])
        parts, total = numbers[same & ~is_total].sum(), numbers[same & is_total].sum()
        pd.testing.assert_series_equal(parts, total)
    assert numbers.loc[is_total, "rows"].sum() == len(rows)


def test_several_models_are_said_and_warned_of() -> None:
    results = frame(row(), *(row(model=f"m{n}") for n in range(3)), row("failed", model="other"))

    with pytest.warns(AsrWarning, match="4 models") as caught:
        usage(results)

    assert str(caught[0].message) == "the results come from 4 models ('m0', 'm1', 'm2', …)"


def test_more_than_30_days_are_said() -> None:
    old = pd.Timestamp("2026-10-01T12:00:00Z")

    assert mixed(frame(row(), row(transcribed_at=old))) == (
        "the results come from 52 days (2026-10-01 to 2026-11-22)"
    )
    assert mixed(frame(row(), row(transcribed_at=old, model="m"))) == (
        "the results come from 2 models ('m', 'qwen3-asr-flash') "
        "and from 52 days (2026-10-01 to 2026-11-22)"
    )
    assert mixed(frame(row(), row(transcribed_at=pd.Timestamp("2026-10-23T12:00:00Z")))) is None


def test_one_model_within_30_days_is_nothing_to_speak_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        usage(EVERY)

    assert mixed(EVERY.iloc[:0]) is None
    assert mixed(BASIC) is None


def test_a_frame_without_results_is_told_about_prefix() -> None:
    with pytest.raises(ColumnError, match=r"(?s)no 'b_status'.*prefix=.*'audio', 'customer'"):
        usage(EVERY, prefix="b_")
    with pytest.raises(ColumnError, match="none at all"):
        usage(pd.DataFrame())


@pytest.mark.parametrize("by", ["nobody", ["customer", "nobody"], [["customer"]]])
def test_a_column_to_group_by_must_be_there(by: Any) -> None:
    with pytest.raises(ColumnError, match=r"(?s)there is no column .*'customer'"):
        usage(EVERY, by=by)


def test_two_columns_of_one_name_are_an_error() -> None:
    with pytest.raises(ColumnError, match="'status' names 2 columns"):
        usage(pd.concat([BASIC, BASIC[["status"]]], axis=1))
