"""`retry`: again, for some rows, from the columns alone; all others stay as they are."""

from __future__ import annotations

import io
import os
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asr_pandas
from asr_pandas import columns
from asr_pandas.errors import ColumnError, Interrupted, JournalError, OptionError
from asr_pandas.retrying import retry
from tests.conftest import Answer, Service, always, completion, distinct, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

Start = Callable[[Answer], Service]

# A frame as a run left it: one row of each kind, with a duplicated index and a column of its own.
STATUSES = ["ok", "failed", "failed", "cancelled", "pending", "missing", "empty"]
ERRORS = [None, "rate_limit", "timeout", None, None, None, None]


def typed(values: list[Any], dtype: Any) -> Any:
    return pd.array(values, dtype=dtype)


def done(level: str = "full", *, prefix: str = "") -> pd.DataFrame:
    rows = len(STATUSES)
    frame = pd.DataFrame(
        {"audio": range(rows), "customer": list("abcdefg")}, index=[0, 0, 1, 2, 3, 3, 4]
    )
    cells: dict[str, Any] = {"status": STATUSES, "error": ERRORS}
    for column in columns.FULL if level == "full" else columns.BASIC:
        values = cells.get(column.name, [None] * rows)
        frame[prefix + column.name] = typed(values, column.dtype)
    frame[f"{prefix}transcript"] = pd.array(["old", *[None] * 5, ""], dtype=columns.TEXT)
    frame[f"{prefix}seconds"] = pd.array([1.5, *[None] * 5, 2], dtype="Float64")
    return frame


class Runs:
    """Stands where the run does: takes the part, and gives every row of it a new result."""

    def __init__(self) -> None:
        self.parts: list[pd.DataFrame] = []
        self.options: list[dict[str, Any]] = []

    def __call__(self, part: pd.DataFrame, options: dict[str, Any]) -> pd.DataFrame:
        self.parts.append(part)
        self.options.append(options)
        prefix, level = options.get("prefix", ""), options["columns"]
        out = part[["audio"]].copy()
        for column in columns.FULL if level == "full" else columns.BASIC:
            out[prefix + column.name] = typed([None] * len(part), column.dtype)
        out[f"{prefix}status"] = pd.array(["ok"] * len(part), dtype=columns.TEXT)
        out[f"{prefix}transcript"] = pd.array(["new"] * len(part), dtype=columns.TEXT)
        return out


@pytest.mark.parametrize(
    ("which", "positions"),
    [
        (None, [1, 2]),
        ("failed", [1, 2]),
        ("rate_limit", [1]),
        ("timeout", [2]),
        ("cancelled", [3]),
        ("pending", [4]),
        ([True, False, False, False, False, True, False], [0, 5]),
        (np.array([False] * 6 + [True]), [6]),
        (pd.Series([False, True, *[False] * 5], index=[0, 0, 1, 2, 3, 3, 4]), [1]),
    ],
)
def test_the_rows_that_are_meant_are_asked_again_and_no_others(
    which: Any, positions: list[int]
) -> None:
    frame, runs = done(), Runs()

    out = retry(frame, which, {}, runs)

    others = [position for position in range(len(frame)) if position not in positions]
    assert runs.parts[0]["audio"].tolist() == positions
    assert out["transcript"].iloc[positions].tolist() == ["new"] * len(positions)
    pd.testing.assert_frame_equal(out.iloc[others], frame.iloc[others])


def test_the_frame_itself_is_never_changed() -> None:
    frame = done()
    before = frame.copy(deep=True)

    out = retry(frame, None, {}, Runs())

    pd.testing.assert_frame_equal(frame, before)
    assert out.index.equals(frame.index)
    assert list(out.columns) == list(frame.columns)


@given(mask=st.lists(st.booleans(), min_size=len(STATUSES), max_size=len(STATUSES)))
@settings(deadline=None, max_examples=25)
def test_whatever_the_mask_new_results_are_in_their_places(mask: list[bool]) -> None:
    out = retry(done(), mask, {}, Runs())

    assert [str(text) == "new" for text in out["transcript"].tolist()] == mask


def test_where_no_row_is_meant_nobody_is_asked() -> None:
    frame, runs = done(), Runs()

    for which in ("auth", [False] * len(frame)):
        out = retry(frame, which, {}, runs)
        pd.testing.assert_frame_equal(out, frame)
        assert out is not frame
    assert runs.parts == []


def test_a_frame_without_rows_is_a_copy() -> None:
    assert retry(done().iloc[:0], None, {}, Runs()).empty


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("slow", "'slow' is no kind of error"),
        ([True], "7 truth values"),
        ([1, 0, 0, 0, 0, 0, 0], "7 truth values"),
        (pd.Series([True] * 7), "index is not the frame's"),
    ],
)
def test_what_names_no_rows_is_an_error_before_anything_is_sent(which: Any, said: str) -> None:
    runs = Runs()

    with pytest.raises(OptionError, match=said):
        retry(done(), which, {}, runs)

    assert runs.parts == []


def test_the_words_that_are_known_are_named() -> None:
    with pytest.raises(OptionError, match=r"'rate_limit'.*'cancelled', 'pending'"):
        retry(done(), "slow", {}, Runs())


@pytest.mark.parametrize("dtype", ["boolean", None])
def test_a_mask_in_which_nothing_is_known_of_a_row_leaves_it_out(dtype: str | None) -> None:
    frame = done()
    mask: Any = frame["error"].astype("string") == "timeout"  # <NA> where there is no error
    assert mask.isna().any()

    out = retry(frame, mask.astype(dtype) if dtype else mask, {}, Runs())

    assert [str(text) for text in out["transcript"]].index("new") == 2
    assert [str(text) for text in out["transcript"]].count("new") == 1


def test_without_results_there_is_nothing_to_be_repeated() -> None:
    with pytest.raises(ColumnError, match="'status'"):
        retry(pd.DataFrame({"audio": ["a.wav"]}), None, {}, Runs())
    with pytest.raises(ColumnError, match="'other_status'"):
        retry(done(), None, {"prefix": "other_"}, Runs())


@pytest.mark.parametrize("level", ["basic", "full"])
@pytest.mark.parametrize("prefix", ["", "asr_"])
def test_results_of_each_level_and_prefix_are_replaced_at_their_level(
    level: str, prefix: str
) -> None:
    frame, runs = done(level, prefix=prefix), Runs()

    out = retry(frame, None, {"prefix": prefix} if prefix else {}, runs)

    assert runs.options[0]["columns"] == level
    assert list(out.columns) == list(frame.columns)
    assert out[f"{prefix}transcript"].tolist()[1:3] == ["new", "new"]


def test_a_column_that_is_gone_stays_gone() -> None:
    frame = done().drop(columns=["emotion", "message"])

    assert list(retry(frame, None, {}, Runs()).columns) == list(frame.columns)


def test_options_with_a_value_for_each_row_are_cut_to_the_rows() -> None:
    frame, runs = done(), Runs()
    tags = pd.Series(list("abcdefg"), index=frame.index)

    retry(frame, None, {"language_from": tags, "context_from": "customer"}, runs)
    retry(frame, None, {"language_from": tags.iloc[:3]}, runs)

    assert runs.options[0]["language_from"].tolist() == ["b", "c"]
    assert runs.options[0]["context_from"] == "customer"
    assert len(runs.options[1]["language_from"]) == 3  # `transcribe` says what is wrong with it


def ended(word: str, partial: pd.DataFrame) -> BaseException:
    match word:
        case "stopped":
            return asr_pandas.RunStopped("x", kind="auth", partial=partial)
        case "failed":
            return asr_pandas.RowFailed("x", kind="timeout", partial=partial)
        case "interrupted":
            return Interrupted("x", partial=partial)
    broken = JournalError("x")
    broken.partial = partial
    return broken


@pytest.mark.parametrize("word", ["stopped", "failed", "interrupted", "broken"])
def test_what_ends_it_early_has_the_whole_frame(word: str) -> None:
    frame = done()

    def run(part: pd.DataFrame, options: dict[str, Any]) -> pd.DataFrame:
        partial = Runs()(part, options)
        partial["status"] = pd.array(["ok", "pending"], dtype=columns.TEXT)
        raise ended(word, partial)

    with pytest.raises(BaseException, match="x") as caught:
        retry(frame, None, {}, run)

    whole = caught.value.partial  # type: ignore[attr-defined]
    expected = ["ok", "ok", "pending", "cancelled", "pending", "missing", "empty"]
    assert whole["status"].tolist() == expected
    assert whole["customer"].tolist() == frame["customer"].tolist()


def test_a_journal_that_could_not_even_be_opened_has_no_frame() -> None:
    def run(_: pd.DataFrame, __: dict[str, Any]) -> pd.DataFrame:
        raise JournalError("x")

    with pytest.raises(JournalError) as caught:
        retry(done(), None, {}, run)

    assert caught.value.partial is None


# Against a real server, and after what people do to frames.


def busy(*bodies: str) -> Answer:
    """Refuse whatever has one of these contexts, and answer the rest."""
    left = list(bodies)

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        text = str(body)
        refuses = [each for each in left if each in text]
        say = always(refusal("The audio is too long"), status=400) if refuses else _answer
        return await say(request, body)

    return answer


_answer = always(completion())


def failed_at_two(service: Start, wav: bytes, folder: Path, level: str = "full") -> pd.DataFrame:
    paths = [folder / f"{number}.wav" for number in range(4)]
    for path, content in zip(paths, distinct(wav, 4), strict=True):
        path.write_bytes(content)
    frame = pd.DataFrame(
        {
            "audio": [*map(str, paths), None],
            "names": ["call 0", "call 1", "call 2", "call 3", ""],
            "locale": ["de", "en", "fr", "de", None],
        },
        index=["a", "b", "b", "c", "d"],
    )
    out: pd.DataFrame = frame.asr.transcribe(
        "audio",
        endpoint=service(busy("call 1", "call 2")).endpoint,
        context_from="names",
        columns=level,
        progress=False,
    )
    assert out["status"].tolist() == ["ok", "failed", "failed", "ok", "missing"]
    return out


def as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def through_csv(frame: pd.DataFrame) -> pd.DataFrame:
    text = io.StringIO(frame.to_csv())
    return pd.read_csv(text, index_col=0)


def through_parquet(frame: pd.DataFrame) -> pd.DataFrame:
    kept = io.BytesIO()
    frame.to_parquet(kept)
    kept.seek(0)
    return pd.read_parquet(kept)


def through_a_merge(frame: pd.DataFrame) -> pd.DataFrame:
    prices = pd.DataFrame(
        {"names": ["call 0", "call 1", "call 2", "call 3", ""], "price": range(5)}
    )
    merged = frame.merge(prices, on="names")
    return merged.set_index(frame.index)


@pytest.mark.parametrize("level", ["basic", "full"])
@pytest.mark.parametrize("through", [as_it_is, through_csv, through_parquet, through_a_merge])
def test_the_columns_alone_are_enough_whatever_became_of_the_frame(
    service: Start,
    wav: bytes,
    tmp_path: Path,
    through: Callable[[pd.DataFrame], pd.DataFrame],
    level: str,
) -> None:
    out = failed_at_two(service, wav, tmp_path, level)
    stand_in = service(_answer)

    again = through(out).asr.retry("audio", endpoint=stand_in.endpoint, progress=False)

    names = columns.names(level)
    assert len(stand_in.asked) == 2
    assert again["status"].tolist() == ["ok", "ok", "ok", "ok", "missing"]
    assert again["error"].isna().all()
    assert again["message"].isna().all()
    assert again[names].dtypes.tolist() == out[names].dtypes.tolist()
    untouched = [0, 3, 4]
    pd.testing.assert_frame_equal(
        again[names].iloc[untouched], out[names].iloc[untouched], check_index_type=False
    )


def test_options_may_be_others_than_before(service: Start, wav: bytes, tmp_path: Path) -> None:
    out = failed_at_two(service, wav, tmp_path)
    stand_in = service(_answer)

    again = out.asr.retry(
        "audio",
        "too_long",
        endpoint=stand_in.endpoint,
        language_from=out["locale"],
        itn=True,
        progress=False,
    )

    asked = [body["asr_options"] for body in stand_in.asked]
    assert sorted(options["language"] for options in asked) == ["en", "fr"]
    assert all(options["enable_itn"] for options in asked)
    assert again["language_detected"].tolist()[1:3] == [False, False]


def test_rows_that_fail_again_say_so_and_those_that_do_not_are_replaced(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    out = failed_at_two(service, wav, tmp_path)
    answer = busy("call 2")

    again = out.asr.retry(
        "audio", endpoint=service(answer).endpoint, context_from="names", progress=False
    )
    none = again.asr.retry("audio", "timeout", endpoint="dashscope-intl")

    assert again["status"].tolist() == ["ok", "ok", "failed", "ok", "missing"]
    pd.testing.assert_frame_equal(none, again)


def test_one_of_two_services_results_is_retried_by_its_prefix(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    out = failed_at_two(service, wav, tmp_path, "basic")
    both = out.asr.transcribe(
        "audio", endpoint=service(busy("call 1")).endpoint, context_from="names", prefix="b_",
        progress=False,
    )  # fmt: skip
    stand_in = service(_answer)

    again = both.asr.retry("audio", endpoint=stand_in.endpoint, prefix="b_", progress=False)

    assert len(stand_in.asked) == 1
    assert again["b_status"].tolist() == ["ok", "ok", "ok", "ok", "missing"]
    assert again["status"].tolist() == out["status"].tolist()


def test_after_a_retry_running_the_cell_again_still_replaces_what_it_wrote(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    out = failed_at_two(service, wav, tmp_path, "basic")
    endpoint = service(_answer).endpoint
    again = out.asr.retry("audio", endpoint=endpoint, progress=False)

    cells = again.asr.transcribe("audio", endpoint=endpoint, progress=False)

    assert list(cells.columns) == list(again.columns)


@pytest.mark.skipif(os.name == "nt", reason="signals are sent to this very process")
def test_an_interrupted_retry_hands_the_whole_frame_back(
    service: Start, wav: bytes, tmp_path: Path
) -> None:
    out = failed_at_two(service, wav, tmp_path)
    asked = threading.Event()

    async def press(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if not asked.is_set():
            asked.set()
            os.kill(os.getpid(), signal.SIGINT)
        return await _answer(request, body)

    with pytest.raises(asr_pandas.Interrupted) as interrupted:
        out.asr.retry(
            "audio", endpoint=service(press).endpoint, rpm=60, concurrency=1, progress=False
        )

    partial = interrupted.value.partial
    assert partial.shape == out.shape
    assert partial["status"].tolist()[0::3] == ["ok", "ok"]
    assert partial["status"].tolist()[4] == "missing"
    assert sorted(partial["status"].tolist()[1:3]) == ["ok", "pending"]
