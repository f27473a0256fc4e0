"""What an answer is found by: nothing that may change it is left out, and nothing else is in it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.run.keys import key, question

# Half a character too: what a file name may hold has to be something.
Characters = st.characters(exclude_categories=[])
Texts = st.text(Characters, max_size=8)
Languages = st.none() | st.sampled_from(["de", "en"])
Contexts = st.none() | st.text(Characters, min_size=1, max_size=8)
Asked = st.fixed_dictionaries(
    {"audio": Texts, "language": Languages, "itn": st.booleans(), "context": Contexts}
)
Service = st.fixed_dictionaries({"service": Texts, "model": Texts})


def key_of(asked: dict[str, Any], service: dict[str, Any]) -> bytes:
    return key(**{**asked, **service})


@given(one=Asked, other=Asked, here=Service, there=Service)
def test_two_answers_share_a_key_only_if_nothing_that_determines_them_differs(
    one: dict[str, Any], other: dict[str, Any], here: dict[str, Any], there: dict[str, Any]
) -> None:
    assert (key_of(one, here) == key_of(other, there)) == ((one, here) == (other, there))


@given(one=Asked, other=Asked)
def test_a_question_is_the_same_whoever_is_asked(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (question(**one) == question(**other)) == (one == other)


@given(asked=Asked, service=Service)
def test_texts_cannot_change_places(asked: dict[str, Any], service: dict[str, Any]) -> None:
    swapped = {"service": service["model"], "model": service["service"]}

    assert (key_of(asked, service) == key_of(asked, swapped)) == (swapped == service)


@given(asked=Asked, service=Service)
def test_no_context_is_an_empty_one(asked: dict[str, Any], service: dict[str, Any]) -> None:
    nothing, empty = {**asked, "context": None}, {**asked, "context": ""}

    assert key_of(nothing, service) == key_of(empty, service)
    assert question(**nothing) == question(**empty)


def test_a_key_stays_what_it_was_for_journals_outlive_versions() -> None:
    asked: dict[str, Any] = {
        "audio": "sha256:00",
        "language": "de",
        "itn": True,
        "context": "K",
    }

    made = key(**asked, service="qwen_chat host/v1", model="qwen3-asr-flash"), question(**asked)

    assert [each.hex()[:32] for each in made] == [
        "46a0c7174eb41761793b1069e1385938",
        "7face59d853e61f3245fe7651b40813b",
    ]
    assert [len(each) for each in made] == [32, 32]
