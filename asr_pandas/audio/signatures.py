"""An address in, the same address without what says who asks out: fit to be kept and shown. Pure.

A signed address differs each time it is made, opens the file to whoever reads it, and names the
same recording all along. Signatures that are part of a path cannot be told from the path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import unquote, unquote_plus

_ADDRESS: Final = re.compile(
    r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.ASCII | re.IGNORECASE | re.DOTALL
)
_AUTHORITY: Final = re.compile(r"(\[[^\]@]*\]|[^\[\]:@]+)(?::(\d*))?", re.ASCII)
_PORTS: Final = {"http": "80", "https": "443"}
_LONGEST_NAME: Final = 200  # characters
_TURNS: Final = 4  # how often an address inside an address is unquoted to see what it holds

_DIGEST: Final = re.compile(r"sha256-[0-9a-f]{32}")

# All of S3, Google, OSS, TOS, OBS, COS and Hugging Face's store that begins so says who asks…
_PREFIXES: Final = ("x-amz-", "x-goog-", "x-oss-", "x-tos-", "x-obs-", "x-cos-", "x-xet-")
_PROCESSING: Final = "-process"  # …but x-oss-process and its kin change what is sent.


@dataclass(frozen=True, slots=True)
class _Scheme:
    """One way to sign: its names are common words, and a signature only side by side."""

    mark: str
    beside: frozenset[str]
    """At least one of them stands beside the mark."""
    more: frozenset[str] = frozenset()

    def names(self, present: set[str]) -> frozenset[str]:
        signed = self.mark in present and self.beside & present
        return frozenset({self.mark}) | self.beside | self.more if signed else frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SCHEMES: Final = (
    _Scheme(  # S3's second version, Google's, OSS's and OBS's first; CloudFront; Google's CDN
        "signature",
        _words("expires awsaccesskeyid googleaccessid ossaccesskeyid accesskeyid key-pair-id"),
        _words("policy security-token hash-algorithm urlprefix keyname"),
    ),
    _Scheme(  # Azure's shared access signature: of a service, an account, or a user's delegation
        "sig",
        _words("sv se si"),
        _words("sp sr st spr sip ss srt sdd ses saoid suoid scid skoid sktid skt ske sks skv")
        | _words("skdutid sduoid"),
    ),
    _Scheme(  # Tencent's COS
        "q-signature",
        _words("q-ak q-sign-algorithm"),
        _words("q-sign-time q-key-time q-header-list q-url-param-list"),
    ),
    # Qiniu; Bunny with a folder. A token beside `expires` alone may be all that names the file.
    _Scheme("token", _words("e token_path"), _words("expires token_countries")),
    _Scheme("hm", _words("ex"), _words("is")),  # Discord
    _Scheme("x-amz-signature", _words("x-amz-credential"), _words("x-id")),  # S3, from JavaScript
)
# By their names alone: RFC 6750; Alibaba's, Akamai's CDN; SharePoint; Hugging Face's Spaces.
_DROPPED: Final = _words(
    "access_token authorization auth_key hdnts hdnea hdntl __token__ tempauth __sign "
    "password passwd pwd"  # whose digest could be guessed
)
# What ends so may be a secret, or what tells one file from the next: its digest is both.
_VEILED: Final = (
    *("token", "key", "auth", "sig", "sign", "signature", "secret", "hmac", "jwt", "session"),
    *("sid", "credential", "credentials", "code", "password", "policy"),
)


def unsigned(url: str) -> str:
    """Strip an address of signature, user, password and fragment.

    Parameters
    ----------
    url : str
        http or https.

    Returns
    -------
    str
        The rest, in order and byte for byte, with the host in lower case and no default port.
        A value that may be a secret or may name the file is replaced by its digest; an address
        that cannot be taken apart is a digest altogether.

    Examples
    --------
    >>> unsigned("https://me:secret@Example.org:443/a.wav?versionId=3&X-Amz-Signature=0f#t=1")
    'https://example.org/a.wav?versionId=3'
    >>> unsigned("https://example.org/get?token=73f1")
    'https://example.org/get?token=sha256-d830a9bef7393a81d058608c6b036e8a'
    """
    url = url.strip()
    parts = _ADDRESS.fullmatch(url)
    where = _AUTHORITY.fullmatch(parts[2].rpartition("@")[2]) if parts else None
    if parts is None or where is None:
        return _digest(url)
    scheme = parts[1].lower()
    port = f":{where[2]}" if where[2] and where[2] != _PORTS[scheme] else ""
    query = _kept(parts[4] or "")
    path = f"/{_veiled(parts[3].removeprefix('/'))}"
    return f"{scheme}://{where[1].lower()}{port}{path}{'?' if query else ''}{query}".strip()


def named(url: str) -> str:
    """Name an address in a message; `repr` keeps what is in it from acting there."""
    name = repr(unsigned(url))
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


def _kept(query: str) -> str:
    pieces = query.split("&")
    present = {_name(piece) for piece in pieces}
    signing = _DROPPED.union(*(scheme.names(present) for scheme in _SCHEMES))
    return "&".join(_shown(piece) for piece in pieces if not _signs(_name(piece), signing))


def _name(piece: str) -> str:
    """Return a parameter's name; addresses taken from web pages may still say `&amp;`."""
    return unquote_plus(piece.partition("=")[0]).lower().removeprefix("amp;")


def _signs(name: str, signing: frozenset[str]) -> bool:
    return name in signing or (name.startswith(_PREFIXES) and not name.endswith(_PROCESSING))


def _shown(piece: str) -> str:
    name, equals, value = piece.partition("=")
    if value and _name(piece).endswith(_VEILED):
        return f"{name}{equals}{_digest(value)}"
    return f"{name}{equals}{_veiled(value)}" if equals else _veiled(piece)


def _veiled(text: str) -> str:
    """Hide an address inside an address that has a query or a user of its own."""
    seen = text
    for _ in range(_TURNS):
        seen = unquote(seen)
    inner = seen.partition("://")[2]
    return _digest(text) if "?" in inner or "@" in inner else text


def _digest(text: str) -> str:
    if _DIGEST.fullmatch(text):
        return text
    return f"sha256-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
