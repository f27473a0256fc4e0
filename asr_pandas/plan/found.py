"""What is known of a row's audio before it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from asr_pandas.errors import ErrorKind

Source = Literal["none", "file", "cell", "http", "store"]
"""Where the audio is: nowhere, on a disk, in the frame, where the service fetches it, or in a store
(`s3://…`)."""

Sound = Literal["audible", "silent", "undecodable"]
"""What was heard, where it was decoded."""

SIZE: Final = "size"
_CONTENT: Final = "sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a row's audio looks like."""

    source: Source
    same: str | None = None
    """Equal for rows that hold the same audio, as far as that is known; None where there is
    none."""
    identity: str | None = None
    """What the journal knows it by; None where that is not known."""
    asked: bool = False
    """Whether everything was done to find the identity."""
    container: str | None = None
    duration: float | None = None
    """Seconds."""
    exact: bool = False
    """Whether the duration is counted in samples."""
    size: int | None = None
    """Bytes that are sent, before Base64."""
    sound: Sound | None = None
    error: ErrorKind | None = None
    """Why it cannot be sent."""
    message: str | None = None
    """What should be known about it."""


def facts(identity: str) -> dict[str, str]:
    """Tell what an address is known by, from the identity that `audio.remote` writes.

    Examples
    --------
    >>> facts('https://example.org/a.wav|etag="5d41"|size=160044')
    {'etag': '"5d41"', 'size': '160044'}
    """
    told = (part.partition("=") for part in identity.split("|")[1:])
    return {name: value for name, _, value in told}


def identified_by(found: Found) -> str | None:
    """Say in a word or two what the journal knows a row's audio by; None where there is none.

    Examples
    --------
    >>> identified_by(Found(source="http", same="x", identity='https://a.org/x|etag="5"|size=9'))
    'etag, size'
    >>> identified_by(Found(source="file", same="a.wav"))
    'not yet read'
    """
    if found.same is None:
        return None
    if found.identity is not None:
        return (
            "content" if found.identity.startswith(_CONTENT) else ", ".join(facts(found.identity))
        )
    if found.source in {"http", "store"}:
        return "nothing" if found.asked else "not asked"
    return "not yet read"
