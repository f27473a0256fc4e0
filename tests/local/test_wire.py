"""What a request's body may say, and what is refused in the service's words."""

from __future__ import annotations

import base64
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.languages import CODES
from asr_pandas.local.refusals import Refusal
from asr_pandas.local.wire import MAX_ITEM_BYTES, Ask, read

AUDIO = b"RIFF and so on"
DATA_URL = "data:audio/wav;base64," + base64.b64encode(AUDIO).decode()
MODELS = ("qwen3-asr-flash", "whisper-base")


def user(*parts: object) -> dict[str, object]:
    return {"role": "user", "content": list(parts)}


def audio(source: object = DATA_URL, **more: object) -> dict[str, object]:
    return {"type": "input_audio", "input_audio": {"data": source, **more}}


def body(**members: object) -> bytes:
    return orjson.dumps({"model": "qwen3-asr-flash", "messages": [user(audio())], **members})


def system(content: object) -> list[object]:
    return [{"role": "system", "content": content}, user(audio())]


def test_the_least_request_asks_for_a_whole_reply_in_a_detected_language() -> None:
    ask = read(body(), models=MODELS)

    assert ask == Ask(content=AUDIO)


def test_every_option_of_the_service_is_read() -> None:
    options = {"language": "de", "enable_itn": True}
    streaming = {"stream": True, "stream_options": {"include_usage": True}}

    ask = read(body(asr_options=options, messages=system("Kvarnholm"), **streaming), models=MODELS)

    assert ask == Ask(
        content=AUDIO,
        language="de",
        itn=True,
        context="Kvarnholm",
        stream=True,
        include_usage=True,
    )


@pytest.mark.parametrize(
    "content",
    ["a\nb", [{"text": "a"}, {"text": "b"}], [{"type": "text", "text": "a"}, {"text": "b"}]],
    ids=["string", "bare parts", "typed parts"],
)
def test_the_context_is_read_from_each_form_of_a_system_message(content: object) -> None:
    ask = read(body(messages=system(content)), models=MODELS)

    assert ask.context == "a\nb"


@pytest.mark.parametrize("content", [None, "", [], [{"text": ""}]])
def test_an_empty_system_message_is_no_context(content: object) -> None:
    ask = read(body(messages=system(content)), models=MODELS)

    assert ask.context is None


@pytest.mark.parametrize("url", ["http://example.org/a.mp3", "HTTPS://example.org:8443/a?b=c%20d"])
def test_an_address_is_kept_as_it_is(url: str) -> None:
    ask = read(body(messages=[user(audio(url))]), models=MODELS)

    assert (ask.url, ask.content) == (url, None)


@pytest.mark.parametrize(
    "prefix",
    ["data:;base64,", "DATA:audio/x-wav;Base64,", "data:audio/ogg;codecs=opus;base64,"],
)
def test_any_label_of_a_data_url_will_do(prefix: str) -> None:
    source = prefix + base64.b64encode(AUDIO).decode()

    ask = read(body(messages=[user(audio(source))]), models=MODELS)

    assert ask.content == AUDIO


def test_members_that_the_service_ignores_are_ignored() -> None:
    messages = [user(audio(format="wav", detail=1))]
    options = {"enable_lid": True, "language": None, "enable_itn": None}

    ask = read(body(messages=messages, asr_options=options, temperature=0, n=2), models=MODELS)

    assert ask == Ask(content=AUDIO)


def test_nulls_stand_for_members_that_are_not_there() -> None:
    ask = read(body(stream=None, stream_options=None, asr_options=None), models=MODELS)

    assert ask == Ask(content=AUDIO)


@given(language=st.sampled_from(CODES))
def test_each_of_the_27_codes_is_understood(language: str) -> None:
    ask = read(body(asr_options={"language": language}), models=MODELS)

    assert ask.language == language


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"messages": [user(audio("UklGRg=="))]}, "The provided URL does not appear to be valid"),
        ({"messages": [user(audio("file:///a.wav"))]}, "The provided URL does not appear"),
        ({"messages": [user(audio("http://"))]}, "The provided URL does not appear to be valid"),
        ({"messages": [user(audio("http://a:99999/"))]}, "The provided URL does not appear"),
        ({"messages": [user(audio("http://[::1/"))]}, "The provided URL does not appear"),
        ({"messages": [user(audio("data:audio/wav;base64,*"))]}, "The provided URL does not"),
        ({"messages": [user(audio("data:audio/wav;base64,ä"))]}, "The provided URL does not"),
        ({"messages": [user(audio("data:audio/wav,abc"))]}, "The provided URL does not appear"),
        ({"messages": [user(audio(None))]}, "input_audio.data must be a URL"),
        ({"messages": [user({"type": "input_audio", "input_audio": "x"})]}, "input_audio must be"),
        ({"messages": [user(audio(), {"type": "text", "text": "Hi"})]}, "exactly one part"),
        ({"messages": [user(audio(), audio())]}, "exactly one part"),
        ({"messages": [user()]}, "exactly one part"),
        ({"messages": [user({"type": "text", "text": "Hi"})]}, "of type input_audio"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, "content must be a list"),
        ({"messages": [user("Hi")]}, "must be an object"),
        ({"messages": [user(audio()), user(audio())]}, "one user message"),
        ({"messages": [*system("a"), {"role": "assistant", "content": "b"}]}, "one user message"),
        ({"messages": list(reversed(system("a")))}, "one user message"),
        ({"messages": []}, "one user message"),
        ({"messages": {}}, "messages must be a list"),
        ({"messages": None}, "messages must be a list"),
        ({"messages": ["Hi"]}, "must be an object"),
        ({"messages": system([{"type": "input_audio", "text": "a"}])}, "text only"),
        ({"messages": system([{"text": 1}])}, "text only"),
        ({"messages": system(1)}, "system content must be a list"),
        ({"model": None}, "model must be a string"),
        ({"stream": "yes"}, "stream must be true or false"),
        ({"stream_options": {"include_usage": True}}, "stream_options can be set only when"),
        ({"stream": False, "stream_options": {}}, "stream_options can be set only when"),
        ({"stream": True, "stream_options": []}, "stream_options must be an object"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "include_usage must be"),
        ({"asr_options": {"language": "klingon"}}, "language must be one of zh, yue, en"),
        ({"asr_options": {"language": "EN"}}, "language must be one of"),
        ({"asr_options": {"language": ""}}, "language must be one of"),
        ({"asr_options": {"language": ["en"]}}, "language must be one of"),
        ({"asr_options": {"enable_itn": "true"}}, "enable_itn must be true or false"),
        ({"asr_options": ["en"]}, "asr_options must be an object"),
    ],
)
def test_a_request_that_is_not_of_the_form_is_refused_in_words(
    members: dict[str, Any], said: str
) -> None:
    with pytest.raises(Refusal) as refused:
        read(body(**members), models=MODELS)

    assert said in str(refused.value)
    assert (refused.value.status, refused.value.code) == (400, "invalid_parameter_error")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'{"a": "\\ud800"}', b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(Refusal, match="not valid JSON") as refused:
        read(text, models=MODELS)

    assert refused.value.status == 400


@pytest.mark.parametrize("model", ["gpt-4o-audio", "qwen3-asr-flash-filetrans", "Whisper-Base"])
def test_a_model_that_is_not_served_is_not_found(model: str) -> None:
    with pytest.raises(Refusal, match=model) as refused:
        read(body(model=model), models=MODELS)

    assert (refused.value.status, refused.value.code) == (404, "model_not_found")


def test_a_data_url_may_have_10_mb_and_not_a_byte_more() -> None:
    prefix = "data:audio/wav;base64,"
    groups = (MAX_ITEM_BYTES - len(prefix)) // 4
    largest = prefix + "AAAA" * groups
    beyond = largest + "AAAA"

    ask = read(body(messages=[user(audio(largest))]), models=MODELS)
    with pytest.raises(Refusal, match="max bytes per data-uri item : 10485760"):
        read(body(messages=[user(audio(beyond))]), models=MODELS)

    assert ask.content == bytes(groups * 3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


def one_of_or_json(*values: object) -> st.SearchStrategy[object]:
    return st.sampled_from(values) | JSON


PARTS = st.fixed_dictionaries(
    {
        "type": one_of_or_json("input_audio", "text"),
        "input_audio": one_of_or_json({"data": DATA_URL}) | st.fixed_dictionaries({"data": JSON}),
    }
)
MESSAGES = st.fixed_dictionaries(
    {"role": one_of_or_json("user", "system"), "content": st.lists(PARTS, max_size=2) | JSON}
)
BODIES = JSON | st.fixed_dictionaries(
    {"model": one_of_or_json("qwen3-asr-flash"), "messages": st.lists(MESSAGES, max_size=3) | JSON},
    optional={
        "stream": st.just(value=True) | JSON,
        "stream_options": one_of_or_json({"include_usage": True}),
        "asr_options": one_of_or_json({"language": "en"})
        | st.fixed_dictionaries({"language": JSON, "enable_itn": JSON}),
    },
)


@given(content=BODIES.map(json.dumps).map(str.encode))
def test_whatever_json_is_sent_is_understood_or_refused(content: bytes) -> None:
    understood, status = True, None

    try:
        ask = read(content, models=MODELS)
        understood = (ask.content is None) != (ask.url is None)
    except Refusal as refused:
        status = refused.status

    assert understood
    assert status in {None, 400, 404}


@given(content=st.binary(max_size=300))
def test_whatever_bytes_are_sent_are_refused(content: bytes) -> None:
    with pytest.raises(Refusal):
        read(content, models=MODELS)
