"""Options are checked before anything is sent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from asr_pandas.errors import OptionError
from asr_pandas.languages import CODES, normalise
from asr_pandas.options import Settings, TranscribeOptions, check

CONTRACT_DEFAULTS: dict[str, Any] = {
    "language": None, "language_from": None, "itn": False, "context": None, "context_from": None,
    "stream": False, "channels": "mix", "skip_silence": False, "shrink": False, "fetch": False,
    "upload": None, "endpoint": None, "concurrency": None, "rpm": None, "budget": None,
    "journal": True, "reuse": True, "errors": "coerce", "on_interrupt": "raise",
    "overwrite": False, "progress": None, "watch": None, "columns": "basic", "prefix": "",
}  # fmt: skip


def test_every_parameter_of_the_contract_is_accepted_with_its_default() -> None:
    # Beside the contract's: how long a service that is down is waited for has to be settable.
    assert set(TranscribeOptions.__annotations__) == {*CONTRACT_DEFAULTS, "patience"}
    assert check(**CONTRACT_DEFAULTS) == check() == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", "each"), ("channels", 0), ("skip_silence", True), ("shrink", True),
        ("upload", "sign"), ("watch", object()),
    ],
)  # fmt: skip
def test_what_is_not_there_yet_says_what_to_do_instead(name: str, value: Any) -> None:
    with pytest.raises(NotImplementedError, match=rf"{name}=.*not there yet[^|]*Hint: "):
        check(**{name: value})


@pytest.mark.parametrize(
    "options",
    [
        {"errors": "ignore"}, {"on_interrupt": "stop"}, {"columns": "all"}, {"concurrency": 0},
        {"concurrency": 1.5}, {"rpm": 0}, {"rpm": -1}, {"rpm": float("nan")}, {"rpm": True},
        {"language": "xx"}, {"language": "de", "language_from": "locale"},
        {"context": "a", "context_from": "names"}, {"journal": 1}, {"reuse": "a month"},
        {"reuse": 30}, {"patience": "-1s"}, {"patience": True}, {"fetch": "yes"},
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        check(**options)


def test_an_option_that_does_not_exist_is_a_type_error() -> None:
    mistyped: Any = {"langauge": "de"}

    with pytest.raises(TypeError, match="no option 'langauge'"):
        check(**mistyped)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    four: Any = np.int64(4)

    assert check(concurrency=four).concurrency == 4


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("de_de", "de"), ("pt-BR", "pt"), ("cmn_hans_cn", "zh"), ("German", "de"), (" EN ", "en"),
        ("yue_hant_hk", "yue"), ("zh-yue", "yue"), ("zh-Hant-TW", "zh"), ("fil_ph", "fil"),
        ("tl", "fil"), ("nb_no", "no"), ("nn", "no"), ("deu", "de"), ("Cantonese", "yue"),
    ],
)  # fmt: skip
def test_tags_and_names_become_the_service_s_codes(tag: str, code: str) -> None:
    assert normalise(tag) == code


@given(code=st.sampled_from(CODES))
def test_a_code_of_the_service_stays_as_it_is(code: str) -> None:
    assert normalise(code) == normalise(code.upper()) == code


@given(tag=st.text())
def test_any_other_tag_is_refused_with_the_codes(tag: str) -> None:
    assume(tag.strip().lower() not in CODES)

    with pytest.raises(OptionError, match="yue"):
        normalise(f"x{tag}")
