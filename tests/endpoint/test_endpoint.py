"""`Endpoint` is a plain value that cannot be wrong, and keeps its key to itself."""

from __future__ import annotations

import copy
import pickle

import pytest

from asr_pandas.endpoint import Endpoint
from asr_pandas.errors import OptionError


@pytest.mark.parametrize(
    "url",
    ["localhost:8000/v1", "", "ftp://x/v1", "http://", "http://x:99999/v1", "http://[x/v1",
     "http://" + "a" * 64 + ".org/v1"],
)  # fmt: skip
def test_an_address_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(OptionError, match="http"):
        Endpoint(url)


def test_a_slash_at_the_end_does_not_matter() -> None:
    assert Endpoint("http://localhost:8000/v1/") == Endpoint("http://localhost:8000/v1")


def test_another_dialect_is_not_there_yet() -> None:
    with pytest.raises(NotImplementedError, match="transcriptions"):
        Endpoint("http://localhost/v1", dialect="transcriptions")  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-“quoted”", "sk-\x00"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(OptionError, match="characters that no key has") as refused:
        Endpoint("http://localhost/v1", api_key=key)

    assert "sk-" not in str(refused.value)


def test_white_space_around_a_key_is_no_part_of_it() -> None:
    assert Endpoint("http://localhost/v1", api_key=" sk-abc\n").key() == "sk-abc"


def test_a_key_stays_in_copies_but_never_gets_into_a_pickle() -> None:
    endpoint = Endpoint("http://localhost/v1", api_key="sk-abc", rpm=7)

    pickled = pickle.dumps(endpoint)

    assert b"sk-abc" not in pickled
    assert pickle.loads(pickled) == Endpoint("http://localhost/v1", rpm=7)  # noqa: S301
    assert copy.copy(endpoint).key() == copy.deepcopy(endpoint).key() == "sk-abc"
    assert "sk-abc" not in repr(endpoint)


@pytest.mark.parametrize(
    ("host", "dashscope"),
    [
        ("dashscope.aliyuncs.com", True), ("dashscope-intl.aliyuncs.com", True),
        ("dashscope-us.aliyuncs.com", True), ("ws-1.cn-beijing.maas.aliyuncs.com", True),
        ("mine.oss-cn-beijing.aliyuncs.com", False), ("dashscope.aliyuncs.com.example", False),
        ("xdashscope.aliyuncs.com", False), ("example.org", False),
    ],
)  # fmt: skip
def test_the_key_in_the_environment_is_for_dashscope_s_own_hosts(
    host: str,
    dashscope: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-abc")

    key = Endpoint(f"https://{host}/compatible-mode/v1").key()

    assert key == ("sk-abc" if dashscope else None)
