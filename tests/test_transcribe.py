"""`df.asr.transcribe` against a real server: what a data scientist may rely on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from aiohttp import web

import asr_pandas
from asr_pandas import columns
from tests.conftest import (
    Answer,
    Service,
    always,
    completion,
    distinct,
    in_turn,
    refusal,
    streamed,
)

Start = Callable[[Answer], Service]


def transcribe(frame: pd.DataFrame, service: Service, **options: Any) -> pd.DataFrame:
    options = {"endpoint": service.endpoint, "progress": False, **options}
    return frame.asr.transcribe("audio", **options)  # type: ignore[no-any-return]


def test_the_result_columns_stand_behind_the_frame_s_own_with_their_dtypes(
    service: Start, wav: bytes
) -> None:
    frame = pd.DataFrame({"audio": [wav], "customer": ["a"]}, index=["x"])

    out = transcribe(frame, service(always(completion())), columns="full")

    assert list(out.columns) == ["audio", "customer", *columns.names("full")]
    assert out.dtypes[columns.names("full")].astype(str).to_dict() == {
        column.name: column.dtype for column in columns.FULL
    }


def test_every_usage_field_of_the_vendor_lands_in_its_column(service: Start, wav: bytes) -> None:
    frame = pd.DataFrame({"audio": [wav]})

    row = transcribe(frame, service(always(completion()))).iloc[0]

    assert row["transcript"] == "Good morning."
    assert (row["language"], row["emotion"], row["status"]) == ("en", "neutral", "ok")
    assert row["seconds"] == 1.0
    assert row["duration"] == pytest.approx(len(wav) / 16_000, abs=0.02)
    tokens = ["prompt_tokens", "audio_tokens", "completion_tokens", "total_tokens"]
    assert row[tokens].tolist() == [42, 42, 12, 54]


def test_the_full_columns_say_who_answered_when_and_for_how_much(
    service: Start, wav: bytes
) -> None:
    stand_in = service(always(completion()))
    endpoint = asr_pandas.Endpoint(stand_in.url, api_key="k", price_per_second=0.5)

    frame = pd.DataFrame({"audio": [wav]})
    row = frame.asr.transcribe("audio", endpoint=endpoint, columns="full", progress=False).iloc[0]

    assert (row["model"], row["endpoint"]) == ("qwen3-asr-flash", "127.0.0.1")
    assert row["request_id"] == "chatcmpl-487abe5f"
    assert (row["attempts"], row["cost"], row["finish_reason"]) == (1, 0.5, "stop")
    assert row["language_detected"] is np.True_ or row["language_detected"] is True
    assert row["transcribed_at"].tzinfo is not None
    assert not row["reused"]


def test_what_the_service_did_not_say_is_missing_and_never_invented(
    service: Start, wav: bytes
) -> None:
    bare = {"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]}

    row = transcribe(pd.DataFrame({"audio": [wav]}), service(always(bare))).iloc[0]

    assert (row["transcript"], row["status"]) == ("Hi.", "ok")
    assert row[["language", "emotion", "seconds", "audio_tokens"]].isna().all()


def test_without_billed_seconds_the_cost_is_estimated_and_says_so(
    service: Start, wav: bytes
) -> None:
    stand_in = service(always(completion(usage={"prompt_tokens_details": {"audio_tokens": 169}})))
    endpoint = asr_pandas.Endpoint(stand_in.url, api_key="k", price_per_second=1.0)

    frame = pd.DataFrame({"audio": [wav]})
    row = frame.asr.transcribe("audio", endpoint=endpoint, columns="full", progress=False).iloc[0]

    assert (row["cost"], row["warning"]) == (7.0, "cost_estimated")


def test_silence_is_empty_and_its_transcript_is_an_empty_text(service: Start, wav: bytes) -> None:
    stand_in = service(always(completion("")))

    row = transcribe(pd.DataFrame({"audio": [wav]}), stand_in).iloc[0]

    assert (row["status"], row["transcript"]) == ("empty", "")


def test_a_reply_cut_off_at_its_length_is_marked(service: Start, wav: bytes) -> None:
    cut = completion()
    cut["choices"][0]["finish_reason"] = "length"

    row = transcribe(pd.DataFrame({"audio": [wav]}), service(always(cut))).iloc[0]

    assert (row["status"], row["warning"]) == ("ok", "truncated")


def test_a_bad_row_says_what_is_wrong_and_the_others_finish(
    service: Start, wav: bytes, tmp_path: Any
) -> None:
    (tmp_path / "empty.wav").touch()
    cells = [
        wav,
        str(tmp_path / "nowhere.wav"),
        str(tmp_path),
        str(tmp_path / "empty.wav"),
        b"this is no audio",
        None,
        float("nan"),
        42,
        wav,
    ]

    out = transcribe(pd.DataFrame({"audio": cells}), service(always(completion())))

    assert out["status"].tolist() == [
        "ok", "failed", "failed", "failed", "failed", "missing", "missing", "failed", "ok",
    ]  # fmt: skip
    failed = out[out["status"] == "failed"]
    assert set(failed["error"]) == {"unreadable"}
    assert failed["message"].str.contains("Hint: ").all()
    assert "nowhere.wav': cannot be read" in failed["message"].iloc[0]
    assert failed["transcript"].isna().all()


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(["same", "same", "same"]),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 2)], names=["caller", "take"]),
        pd.Index([2, 0, 1]),
    ],
    ids=["repeated labels", "several levels", "out of order"],
)
def test_rows_are_matched_by_position_whatever_the_index(
    service: Start, wav: bytes, index: pd.Index[Any]
) -> None:
    async def says_its_language(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(completion(body["asr_options"]["language"]))

    frame = pd.DataFrame({"audio": [wav] * 3, "locale": ["de_DE", "fr_FR", None]}, index=index)
    frame["locale"] = ["de_DE", "fr_FR", "sv"]

    out = transcribe(frame, service(says_its_language), language_from="locale")

    assert out["transcript"].tolist() == ["de", "fr", "sv"]
    assert out.index.equals(index)
    assert out.index.names == index.names


def test_an_empty_frame_comes_back_with_the_columns_and_asks_nobody(service: Start) -> None:
    stand_in = service(always(completion()))

    out = transcribe(pd.DataFrame({"audio": pd.Series([], dtype=object)}), stand_in)

    assert list(out.columns) == ["audio", *columns.names("basic")]
    assert (len(out), stand_in.asked) == (0, [])
    assert str(out["total_tokens"].dtype) == "Int64"


def test_a_column_without_any_audio_is_missing_row_for_row(service: Start) -> None:
    stand_in = service(always(completion()))

    out = transcribe(pd.DataFrame({"audio": [np.nan, np.nan]}), stand_in)

    assert out["status"].tolist() == ["missing", "missing"]
    assert stand_in.asked == []


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    frame = pd.DataFrame({"clip": ["a.wav"]})

    with pytest.raises(asr_pandas.ColumnError, match=r"no column 'audio'[^|]*'clip'"):
        frame.asr.transcribe("audio")


@pytest.mark.parametrize("cells", [[1, 2], [0.5, 1.5], [True, False], ["2026-11-22"]])
def test_a_column_of_numbers_or_dates_is_refused(cells: list[Any]) -> None:
    frame = pd.DataFrame({"audio": cells})
    if isinstance(cells[0], str):
        frame["audio"] = pd.to_datetime(frame["audio"])

    with pytest.raises(asr_pandas.ColumnError, match="not audio"):
        frame.asr.transcribe("audio")


def test_two_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame([["a.wav", "b.wav"]], columns=["audio", "audio"])

    with pytest.raises(asr_pandas.ColumnError, match="'audio' names 2 columns"):
        frame.asr.transcribe("audio")


def test_the_frame_that_is_passed_in_is_never_changed(service: Start, wav: bytes) -> None:
    frame = pd.DataFrame({"audio": [wav]})
    before = frame.copy(deep=True)

    out = transcribe(frame, service(always(completion())))
    out.loc[0, "audio"] = b"changed"

    pd.testing.assert_frame_equal(frame, before)
    assert frame.attrs == {}


def test_running_the_cell_again_replaces_what_it_wrote(service: Start, wav: bytes) -> None:
    stand_in = service(always(completion()))
    full = transcribe(pd.DataFrame({"audio": [wav]}), stand_in, columns="full")

    out = transcribe(full, stand_in)

    assert list(out.columns) == ["audio", *columns.names("basic")]


def test_columns_that_another_call_made_are_not_overwritten(service: Start, wav: bytes) -> None:
    stand_in = service(always(completion()))
    frame = pd.DataFrame({"audio": [wav], "language": ["mine"]})

    with pytest.raises(asr_pandas.ColumnError, match=r"language[^|]*prefix=.*overwrite=True"):
        transcribe(frame, stand_in)

    assert stand_in.asked == []
    assert transcribe(frame, stand_in, prefix="asr_")["language"].tolist() == ["mine"]
    assert transcribe(frame, stand_in, overwrite=True)["language"].tolist() == ["en"]


def test_the_audio_itself_is_never_overwritten(service: Start, wav: bytes) -> None:
    frame = pd.DataFrame({"transcript": [wav]})

    with pytest.raises(asr_pandas.ColumnError, match="transcript"):
        frame.asr.transcribe("transcript", endpoint=service(always({})).endpoint, overwrite=True)


def test_two_services_results_stand_side_by_side(service: Start, wav: bytes) -> None:
    first, second = service(always(completion("one"))), service(always(completion("two")))
    frame = pd.DataFrame({"audio": [wav]})

    out = transcribe(transcribe(frame, first, prefix="a_"), second, prefix="b_")
    again = transcribe(out, first, prefix="a_")

    assert (again["a_transcript"][0], again["b_transcript"][0]) == ("one", "two")


def test_a_series_gives_the_result_columns_alone(service: Start, wav: bytes) -> None:
    series: Any = pd.Series([wav], index=["x"], name="clip")

    out = series.asr.transcribe(endpoint=service(always(completion())).endpoint, progress=False)

    assert list(out.columns) == columns.names("basic")
    assert out.index.tolist() == ["x"]


def test_it_works_inside_a_running_event_loop_and_as_a_coroutine(
    service: Start, wav: bytes
) -> None:
    endpoint = service(always(completion())).endpoint
    frame = pd.DataFrame({"audio": [wav]})

    async def notebook() -> list[pd.DataFrame]:
        return [
            frame.asr.transcribe("audio", endpoint=endpoint, progress=False),
            await frame.asr.transcribe_async("audio", endpoint=endpoint, progress=False),
            await frame["audio"].asr.transcribe_async(endpoint=endpoint, progress=False),
        ]

    outs = asyncio.run(notebook())

    assert [out["transcript"].tolist() for out in outs] == [["Good morning."]] * 3


def test_a_wrong_key_stops_the_run_after_two_requests_and_says_where_to_look(
    service: Start, wav: bytes
) -> None:
    wrong = refusal("Incorrect API key provided: sk-test-0123456789.", code="invalid_api_key")
    stand_in = service(always(wrong, status=401))

    with pytest.raises(asr_pandas.RunStopped) as stopped:
        transcribe(pd.DataFrame({"audio": distinct(wav, 50)}), stand_in)

    assert len(stand_in.asked) <= 2
    assert stopped.value.kind == "auth"
    assert "DASHSCOPE_API_KEY" in str(stopped.value)
    assert "region" in str(stopped.value)
    assert "sk-test" not in str(stopped.value)
    assert set(stopped.value.partial["status"]) == {"failed", "pending"}


def test_with_errors_raise_the_first_failed_row_raises_with_what_is_finished(
    service: Start, wav: bytes
) -> None:
    frame = pd.DataFrame({"audio": [*distinct(wav, 1), b"no audio", wav]}, index=["a", "b", "c"])

    with pytest.raises(asr_pandas.RowFailed, match=r"df\['audio'\]\['b'\]") as failed:
        transcribe(frame, service(always(completion())), errors="raise", concurrency=1)

    assert failed.value.kind == "unreadable"
    assert failed.value.partial["status"].tolist() == ["ok", "failed", "pending"]


def test_what_passes_is_asked_again_and_what_does_not_is_not(service: Start, wav: bytes) -> None:
    busy = always(refusal("x"), status=503, headers={"retry-after-ms": "1"})
    too_long = always(refusal("The audio is too long"), status=400)
    passing = service(in_turn(busy, always(completion())))
    lasting = service(too_long)
    frame = pd.DataFrame({"audio": [wav]})

    first = transcribe(frame, passing, columns="full").iloc[0]
    second = transcribe(frame, lasting, columns="full").iloc[0]

    assert (first["status"], first["attempts"]) == ("ok", 2)
    assert (second["status"], second["error"], second["attempts"]) == ("failed", "too_long", 1)


def test_no_more_rows_are_under_way_than_asked_for(service: Start, wav: bytes) -> None:
    async def once_all_are_there(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        while 1 < len(stand_in.asked) < 40 and stand_in.in_flight < 7:  # noqa: ASYNC110 - a state
            await asyncio.sleep(0)
        return web.json_response(completion())

    stand_in = service(once_all_are_there)

    out = transcribe(pd.DataFrame({"audio": distinct(wav, 40)}), stand_in, concurrency=7)

    assert (out["status"] == "ok").all()
    assert stand_in.most_in_flight == 7


def test_until_the_first_reply_succeeds_at_most_two_requests_are_under_way(
    service: Start, wav: bytes
) -> None:
    waiting = asyncio.Event()

    async def first_two_wait(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        if len(stand_in.asked) == 2:
            waiting.set()
        await waiting.wait()
        most_before_a_reply.append(stand_in.most_in_flight)
        return web.json_response(completion())

    most_before_a_reply: list[int] = []
    stand_in = service(first_two_wait)

    transcribe(pd.DataFrame({"audio": distinct(wav, 20)}), stand_in, concurrency=8)

    assert most_before_a_reply[:2] == [2, 2]


def test_a_stream_is_put_together_with_its_usage(service: Start, wav: bytes) -> None:
    stand_in = service(
        streamed(
            '{"id":"c-1","model":"m","usage":null,"choices":[{"index":0,"finish_reason":null,'
            '"delta":{"role":"assistant","content":""}}]}',
            '{"id":"c-1","model":"m","choices":[{"index":0,"finish_reason":null,"delta":'
            '{"annotations":[{"language":"de","emotion":"happy"}],"content":"Guten","role":null}}]}',
            '{"id":"c-1","model":"m","choices":[{"index":0,"finish_reason":null,"delta":'
            '{"content":" Morgen.","role":null}}]}',
            '{"id":"c-1","choices":[{"index":0,"finish_reason":"stop","delta":{"role":null}}]}',
            '{"id":"c-1","choices":[],"usage":{"seconds":2,"total_tokens":60}}',
            "[DONE]",
        )
    )

    row = transcribe(pd.DataFrame({"audio": [wav]}), stand_in, stream=True).iloc[0]

    assert (row["transcript"], row["language"], row["emotion"]) == ("Guten Morgen.", "de", "happy")
    assert (row["seconds"], row["total_tokens"]) == (2.0, 60)
    assert stand_in.asked[0]["stream_options"] == {"include_usage": True}


def test_a_key_is_in_no_frame_repr_or_message(service: Start, wav: bytes) -> None:
    stand_in = service(always(refusal("no: sk-test-0123456789"), status=418))

    out = transcribe(pd.DataFrame({"audio": [wav]}), stand_in, columns="full")

    assert out["status"].tolist() == ["failed"]
    assert "sk-test" not in out.to_csv() + repr(out.attrs) + repr(stand_in.endpoint)


def test_a_dataframe_attribute_of_somebody_else_does_no_harm(service: Start, wav: bytes) -> None:
    frame = pd.DataFrame({"audio": [wav]})
    frame.attrs = {"asr_pandas": "mine", "source": "crm"}

    out = transcribe(frame, service(always(completion())))

    assert out.attrs["source"] == "crm"


def test_a_language_that_is_none_of_the_service_s_is_refused_before_anything_is_sent(
    service: Start, wav: bytes
) -> None:
    stand_in = service(always(completion()))
    frame = pd.DataFrame({"audio": [wav, wav], "locale": ["de", "xx"]})

    with pytest.raises(asr_pandas.OptionError, match=r"row 1.*'xx'"):
        transcribe(frame, stand_in, language_from="locale")

    assert stand_in.asked == []


def test_a_series_with_another_index_is_refused(service: Start, wav: bytes) -> None:
    frame = pd.DataFrame({"audio": [wav]}, index=["a"])

    with pytest.raises(ValueError, match="index"):
        transcribe(frame, service(always({})), context_from=pd.Series(["x"], index=["b"]))


def test_contexts_go_to_their_rows(service: Start, wav: bytes) -> None:
    async def says_its_context(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        system = [m["content"][0]["text"] for m in body["messages"] if m["role"] == "system"]
        return web.json_response(completion("".join(system) or "none"))

    frame = pd.DataFrame({"audio": distinct(wav, 3)})

    one = transcribe(frame, service(says_its_context), context="Kvarnholm {x} $y 'z'")
    each = transcribe(frame, service(says_its_context), context_from=pd.Series(["a", None, "b"]))

    assert one["transcript"].tolist() == ["Kvarnholm {x} $y 'z'"] * 3
    assert each["transcript"].tolist() == ["a", "none", "b"]


def test_a_user_s_own_columns_survive_a_re_run(service: Start, wav: bytes) -> None:
    stand_in = service(always(completion()))
    frame = pd.DataFrame({"audio": [wav], "model": ["iPhone 12"], "cost": [3.5]})

    again = transcribe(transcribe(frame, stand_in), stand_in)

    assert again[["model", "cost"]].to_numpy().tolist() == [["iPhone 12", 3.5]]
    with pytest.raises(asr_pandas.ColumnError, match="model, cost"):
        transcribe(again, stand_in, columns="full")


def test_an_audio_column_with_a_result_s_name_survives_a_re_run(service: Start, wav: bytes) -> None:
    endpoint = service(always(completion())).endpoint
    frame = pd.DataFrame({"segments": [wav]})

    for _ in range(2):
        frame = frame.asr.transcribe("segments", endpoint=endpoint, progress=False)

    assert frame["segments"].tolist() == [wav]


def test_a_duplicated_column_is_refused_as_context_and_as_language(
    service: Start, wav: bytes
) -> None:
    frame = pd.DataFrame([[wav, "a", "b"]], columns=["audio", "names", "names"])

    for option in ("context_from", "language_from"):
        with pytest.raises(asr_pandas.ColumnError, match="'names' names 2 columns"):
            transcribe(frame, service(always(completion())), **{option: "names"})


def test_half_a_character_in_a_context_is_refused_before_anything_is_sent(
    service: Start, wav: bytes
) -> None:
    stand_in = service(always(completion()))
    frame = pd.DataFrame({"audio": [wav, wav], "names": pd.Series(["ok", "\udc80"], dtype=object)})

    with pytest.raises(asr_pandas.OptionError, match="context: holds half of a character"):
        transcribe(frame, stand_in, context="\udc80")
    with pytest.raises(asr_pandas.OptionError, match="context_from, row 1"):
        transcribe(frame, stand_in, context_from="names")
    assert stand_in.asked == []


def test_labels_that_cannot_be_columns_are_columns_that_are_not_there() -> None:
    frame = pd.DataFrame({"audio": ["a.wav"]})

    with pytest.raises(asr_pandas.ColumnError):
        frame.asr.transcribe(["audio"])
    with pytest.raises(asr_pandas.ColumnError):
        frame.asr.transcribe("audio", context_from=["audio"])


def test_the_row_of_a_failure_is_named_once(service: Start, wav: bytes) -> None:
    index = pd.MultiIndex.from_tuples([(1, "a")])
    too_long = always(refusal("The audio is too long"), status=400)

    for cell in (wav, b"no audio"):
        with pytest.raises(asr_pandas.RowFailed) as failed:
            transcribe(
                pd.DataFrame({"audio": [cell]}, index=index), service(too_long), errors="raise"
            )
        assert str(failed.value).count("df['audio'][(1, 'a')]") == 1


def test_counts_that_no_column_holds_are_missing(service: Start, wav: bytes) -> None:
    absurd = completion(usage={"prompt_tokens": 2**70, "total_tokens": 7})

    row = transcribe(pd.DataFrame({"audio": [wav]}), service(always(absurd))).iloc[0]

    assert pd.isna(row["prompt_tokens"])
    assert row["total_tokens"] == 7
