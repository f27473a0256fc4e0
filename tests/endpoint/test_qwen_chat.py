"""The vendor's wire form: request bodies, whole replies, replies in chunks."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.endpoint import qwen_chat
from asr_pandas.model import Failure, Payload, Request, Transcription, Usage
from tests.conftest import completion, refusal

WELCOME = "https://dashscope.oss-cn-beijing.aliyuncs.com/audios/welcome.mp3"


def body_of(request: Request, audio: bytes) -> Any:
    before, after = qwen_chat.encode(request)
    return orjson.loads(before + audio + after)


def test_the_body_for_an_address_equals_the_vendor_s_example() -> None:
    request = Request(payload=Payload(url=WELCOME), model="qwen3-asr-flash")

    body = body_of(request, WELCOME.encode())

    assert body == {
        "model": "qwen3-asr-flash",
        "messages": [
            {
                "content": [{"type": "input_audio", "input_audio": {"data": WELCOME}}],
                "role": "user",
            }
        ],
        "stream": False,
        "asr_options": {"enable_itn": False},
    }


def test_the_body_holds_language_itn_context_and_stream() -> None:
    request = Request(
        payload=Payload(content=b"RIFF", media_type="audio/wav"),
        model="m",
        language="zh",
        itn=True,
        context="Names: Ilse Brandt, Kvarnholm",
        stream=True,
    )

    body = body_of(request, b"data:audio/wav;base64,UklGRg==")

    assert body["messages"][0] == {
        "role": "system",
        "content": [{"type": "text", "text": "Names: Ilse Brandt, Kvarnholm"}],
    }
    assert body["messages"][1]["content"][0]["input_audio"]["data"].endswith("UklGRg==")
    assert body["asr_options"] == {"language": "zh", "enable_itn": True}
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(context=TEXT | st.just("\x00audio\x00"), language=st.sampled_from([None, "de"]))
def test_no_context_can_change_the_rest_of_the_body(context: str, language: str | None) -> None:
    request = Request(
        payload=Payload(url="u"), model="m", context=context or None, language=language
    )

    body = body_of(request, b"HERE")

    assert body["messages"][-1]["content"][0]["input_audio"]["data"] == "HERE"
    assert [m["content"][0]["text"] for m in body["messages"][:-1]] == (
        [context] if context else []
    )


def test_a_whole_reply_is_read_with_every_field_of_the_vendor() -> None:
    reply = qwen_chat.decode(orjson.dumps(completion("Welcome to Qwen Cloud.")))

    assert reply == Transcription(
        text="Welcome to Qwen Cloud.",
        language="en",
        emotion="neutral",
        usage=Usage(
            seconds=1.0, prompt_tokens=42, audio_tokens=42, completion_tokens=12, total_tokens=54
        ),
        finish_reason="stop",
        request_id="chatcmpl-487abe5f",
        model="qwen3-asr-flash",
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "a"}, "a"),
        ({"content": None}, ""),
        ({}, ""),
        ({"content": []}, ""),
        ({"content": [{"text": "a"}, {"text": "b"}]}, "ab"),
        ({"content": "a", "annotations": None}, "a"),
        ({"content": "a", "annotations": []}, "a"),
        ({"content": "a", "annotations": [{}]}, "a"),
    ],
)
def test_replies_that_lack_something_are_tolerated(message: dict[str, Any], text: str) -> None:
    reply = qwen_chat.decode(orjson.dumps({"choices": [{"message": message}], "usage": None}))

    assert reply == Transcription(text=text)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b'"text"', b"{}", b'{"choices":[]}', b'{"choices":[1]}',
     b'{"choices":[{"message":{"content":[1]}}]}', b'{"choices":[{"message":{"annotations":[1]}}]}',
     b'{"choices":[{"message":{"content":7}}]}', b'{"choices":[{"message":{}}],"usage":7}'],
)  # fmt: skip
def test_a_reply_of_another_form_is_a_bad_reply_that_is_asked_for_again(body: bytes) -> None:
    reply = qwen_chat.decode(body)

    assert isinstance(reply, Failure)
    assert (reply.kind, reply.retry) == ("bad_reply", "again")


@given(body=st.binary())
def test_no_bytes_break_the_reader(body: bytes) -> None:
    assert isinstance(qwen_chat.decode(body), Failure | Transcription)


def test_an_error_under_status_200_keeps_its_kind() -> None:
    reply = qwen_chat.decode(orjson.dumps(refusal("The audio is too long")))

    assert isinstance(reply, Failure)
    assert reply.kind == "too_long"


def test_an_error_inside_a_stream_keeps_its_kind() -> None:
    chunks = qwen_chat.Chunks()

    failure = chunks.add(orjson.dumps(refusal("Internal error.", code="InternalError")))

    assert failure is not None
    assert (failure.kind, failure.retry) == ("server", "again")


@given(
    texts=st.lists(TEXT, max_size=8),
    annotated=st.sampled_from(["every", "first", "last", "none"]),
)
def test_a_stream_gives_the_same_text_however_it_is_cut(texts: list[str], annotated: str) -> None:
    wanted = {"every": set(range(99)), "first": {0}, "last": {len(texts) - 1}, "none": set()}
    events: list[dict[str, Any]] = [
        {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
    ]
    for position, text in enumerate(texts):
        delta: dict[str, Any] = {"content": text, "role": None}
        if position in wanted[annotated]:
            delta["annotations"] = [{"language": "fr", "emotion": "sad"}]
        events.append({"choices": [{"delta": delta, "finish_reason": None}], "usage": None})
    events.append({"choices": [{"delta": {"role": None}, "finish_reason": "stop"}]})
    events.append({"choices": [], "usage": {"seconds": 3}})
    chunks = qwen_chat.Chunks()

    failures = [chunks.add(orjson.dumps(event)) for event in events]
    reply = chunks.transcription(streamed=True)

    assert failures == [None] * len(events)
    assert reply == Transcription(
        text="".join(texts),
        language="fr" if texts and annotated != "none" else None,
        emotion="sad" if texts and annotated != "none" else None,
        usage=Usage(seconds=3.0),
        finish_reason="stop",
    )


def test_a_stream_that_ends_early_is_a_bad_reply() -> None:
    chunks = qwen_chat.Chunks()
    chunks.add(b'{"choices":[{"delta":{"content":"half a"},"finish_reason":null}]}')

    reply = chunks.transcription(streamed=True)

    assert chunks.text == "half a"
    assert isinstance(reply, Failure)
    assert reply.kind == "bad_reply"
