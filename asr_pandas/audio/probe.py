"""Read headers only: an encoded file in, its container and duration out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from asr_pandas.errors import AudioError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from av.container import InputContainer

# Where libsndfile counts samples; in an MP3 without an index it can only estimate.
_COUNTED: Final = {"aiff", "flac", "ogg", "wav"}

_MICROSECONDS: Final = 1_000_000  # per second; the unit of a container's own duration in FFmpeg

# A playlist's bytes could otherwise make FFmpeg open other files or addresses on our behalf.
_OPEN_NOTHING_ELSE: Final = {"protocol_whitelist": "none"}

# What libsndfile and FFmpeg call a container → what we call it.
_CONTAINERS: Final[dict[str, str]] = {
    "WAV": "wav",
    "WAVEX": "wav",
    "RF64": "wav",
    "OGG": "ogg",
    "MPEG": "mp3",
    "matroska,webm": "webm",
    "mov,mp4,m4a,3gp,3g2,mj2": "m4a",
    "asf": "wma",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file's header tells."""

    container: str
    """`wav`, `flac`, `mp3`, `ogg`…"""
    duration: float
    """Seconds."""
    channels: int
    sample_rate: int
    """Hz."""
    exact: bool = False
    """Whether the duration is counted in samples, and not estimated from a bit rate."""


def probe(source: bytes | Path) -> Header:
    """Read a file's header.

    libsndfile reads WAV, FLAC, MP3, Ogg, AIFF and their kin many times faster than FFmpeg, which
    reads the rest.

    Parameters
    ----------
    source : bytes or Path
        The encoded file.

    Raises
    ------
    AudioError
        No container that is known, or no sound in it.
    OSError
        The path cannot be opened.
    """
    return _probe_with_libsndfile(source) or _probe_with_ffmpeg(source)


def _probe_with_libsndfile(source: bytes | Path) -> Header | None:
    import soundfile

    try:
        found = soundfile.info(io.BytesIO(source) if isinstance(source, bytes) else str(source))
    except soundfile.LibsndfileError:
        return None
    if not found.samplerate or not found.frames:
        return None
    container = _CONTAINERS.get(found.format, found.format.lower())
    return Header(
        container=container,
        duration=found.frames / found.samplerate,
        channels=found.channels,
        sample_rate=found.samplerate,
        exact=container in _COUNTED,
    )


def _probe_with_ffmpeg(source: bytes | Path) -> Header:
    import av

    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        with file, open_audio(file) as opened:
            return _header(opened)
    except av.FFmpegError as error:
        message = "no known container header"
        raise AudioError(message) from error


def open_audio(file: BinaryIO) -> InputContainer:
    """Open an encoded file with FFmpeg, and nothing else that it may name.

    Raises
    ------
    av.FFmpegError
        It is no container that FFmpeg knows.
    """
    import av

    # The title may be in any old code page; it is not read.
    return av.open(file, "r", options=_OPEN_NOTHING_ELSE, metadata_errors="ignore")


def _header(opened: InputContainer) -> Header:
    if not opened.streams.audio:
        message = "there is no sound in it"
        raise AudioError(message)
    stream = opened.streams.audio[0]
    if stream.codec_context is None:
        message = "its sound is in a coding that is not known"
        raise AudioError(message)
    if stream.duration is not None and stream.time_base is not None:
        duration = float(stream.duration * stream.time_base)
    else:
        duration = (opened.duration or 0) / _MICROSECONDS
    name = opened.format.name
    return Header(
        container=_CONTAINERS.get(name, name),
        duration=duration,
        channels=stream.channels,
        sample_rate=stream.sample_rate,
    )
