"""The proxy is the one that the openai SDK's own client would take."""

from __future__ import annotations

import ssl
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.endpoint.proxies import proxy_for
from asr_pandas.errors import OptionError

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
HOSTS = ["asr.example", "deep.asr.example", "example", "notexample", "10.1.2.3", "[fd00::1]"]
EXCEPTED = [
    "", "*", "example", ".example", "*.example", "asr.example", "asr.example:8443", "10.0.0.0/8",
    "10.1.2.3", "192.168.0.0/16", "fd00::1", "[fd00::1]", "fd00::/8", "https://asr.example",
    "http://asr.example", "all://example", "ASR.Example",
]  # fmt: skip
PROXIES = st.none() | st.sampled_from(["http://proxy.lan:3128", "https://proxy.lan", "proxy.lan:1"])


@given(
    host=st.sampled_from(HOSTS),
    scheme=st.sampled_from(["http", "https"]),
    port=st.sampled_from(["", ":8443"]),
    proxies=st.fixed_dictionaries(
        {"HTTP_PROXY": PROXIES, "HTTPS_PROXY": PROXIES, "ALL_PROXY": PROXIES}
    ),
    excepted=st.lists(st.sampled_from(EXCEPTED), max_size=3),
)
def test_as_the_sdks_client_would(
    host: str, scheme: str, port: str, proxies: dict[str, str | None], excepted: list[str]
) -> None:
    url = f"{scheme}://{host}{port}/v1"
    named = {name: proxy for name, proxy in proxies.items() if proxy}
    with pytest.MonkeyPatch.context() as environment:
        for name in (*proxies, *(name.lower() for name in proxies), "no_proxy"):
            environment.delenv(name, raising=False)
        for name, proxy in named.items():
            environment.setenv(name, proxy)
        environment.setenv("NO_PROXY", ", ".join(excepted))
        theirs = _choice_of_the_sdk(url)

    settings = {name.lower().removesuffix("_proxy"): proxy for name, proxy in named.items()}
    ours = proxy_for(url, {**settings, "no": ", ".join(excepted)})

    assert (httpx2.URL(ours) if ours else None) == theirs


def _choice_of_the_sdk(url: str) -> httpx2.URL | None:
    client = openai.DefaultAioHttpClient(verify=NO_CERTIFICATES)
    # There is no public way to ask it; where this breaks, the rules may have changed too.
    transport: Any = client._transport_for_url(httpx2.URL(url))  # noqa: SLF001
    return transport.proxy.url if transport.proxy else None


def test_a_proxy_of_another_kind_is_an_error_that_names_the_way_out() -> None:
    with pytest.raises(OptionError, match=r"HTTPS_PROXY to one, or NO_PROXY=asr\.example"):
        proxy_for("https://asr.example/v1", {"all": "socks5h://ann:pw@proxy.lan"})


def test_a_port_that_is_the_usual_one_may_be_named() -> None:
    settings = {"https": "http://proxy.lan", "no": "asr.example:443"}

    assert proxy_for("https://asr.example/v1", settings) is None
    assert proxy_for("https://asr.example:8443/v1", settings) == "http://proxy.lan"
