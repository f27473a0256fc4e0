"""Does a clip fit the service? A clip in; a payload, or the reason why not, out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asr_pandas.errors import AudioError
from asr_pandas.model import Payload

if TYPE_CHECKING:
    from asr_pandas.model import Clip

LONGEST: Final = 300.0  # seconds: vendor's docs
LARGEST: Final = 10 * 1024 * 1024  # bytes of one data URL, its prefix included: vendor's docs

# The containers that the service lists (vendor's docs), and their media types.
MEDIA_TYPES: Final[dict[str, str]] = {
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "amr": "audio/amr",
    "avi": "video/x-msvideo",
    "flac": "audio/flac",
    "flv": "video/x-flv",
    "mp3": "audio/mpeg",
    "mpeg": "video/mpeg",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
    "webm": "audio/webm",
    "wma": "audio/x-ms-wma",
}


def encoded_size(size: int, media_type: str) -> int:
    """Count the bytes of a data URL, as the service counts them.

    Examples
    --------
    >>> encoded_size(7_864_300, "audio/wav") <= LARGEST
    True
    """
    return len(f"data:{media_type};base64,") + (size + 2) // 3 * 4


def fit(clip: Clip) -> Payload:
    """Turn a clip into what travels, bit for bit.

    Parameters
    ----------
    clip : Clip
        In one of the containers of `MEDIA_TYPES`.

    Raises
    ------
    AudioError
        The clip is longer or larger than the service takes.
    """
    if clip.url is not None:
        return Payload(url=clip.url)
    refuse_too_long(clip)
    media_type = MEDIA_TYPES[clip.container or ""]
    refuse_too_large(clip.name, clip.size, media_type=media_type)
    file = clip.file if clip.content is None else None
    return Payload(content=clip.content, file=file, media_type=media_type)


def refuse_too_long(clip: Clip) -> None:
    """Raise if a clip lasts longer than the service takes.

    Raises
    ------
    AudioError
        Of kind `too_long`.
    """
    if clip.duration is not None and clip.duration > LONGEST:
        message = (
            f"{clip.name}: lasts {clip.duration:,.1f} s, and the service takes {LONGEST:.0f} s. "
            "Hint: cut it into pieces first."
        )
        raise AudioError(message, kind="too_long")


def refuse_too_large(name: str, size: int, *, media_type: str = "audio/wav") -> None:
    """Raise if so many bytes do not fit a request.

    Raises
    ------
    AudioError
        Of kind `too_large`.
    """
    if encoded_size(size, media_type) > LARGEST:
        message = (
            f"{name}: {size:,} bytes are more than {LARGEST:,} after Base64, which is the "
            "service's limit. Hint: save it as FLAC, MP3 or Opus, or cut it into pieces."
        )
        raise AudioError(message, kind="too_large")
