"""Encoded audio goes in, whatever its container; 16 kHz mono samples come out."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from asr_pandas.audio.probe import open_audio
from asr_pandas.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import AudioFrame, AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

SAMPLE_RATE: Final = 16_000
"""Samples per second that Whisper hears (https://github.com/openai/whisper, `audio.py`)."""


class TooLong(AudioError):
    """The audio is longer than the limit; decoding stopped there."""

    def __init__(self, *, limit: float) -> None:
        super().__init__(f"the audio is longer than {limit:g} s.", kind="too_long")
        self.limit = limit


def decode(content: bytes | str | Path, *, limit: float | None = None) -> NDArray[np.float32]:
    """Decode encoded audio to mono samples at 16 kHz.

    Parameters
    ----------
    content : bytes, str or Path
        The encoded file, or its path. Any container and codec that PyAV reads.
    limit : float, optional
        Seconds after which decoding stops, so that a small file cannot fill the memory.

    Returns
    -------
    numpy.ndarray of float32, shape (n,)
        Samples in [-1, 1] at `SAMPLE_RATE`; channels are averaged, as the service does.

    Raises
    ------
    AudioError
        The content cannot be read, is no audio, or holds no sound.
    TooLong
        The audio lasts longer than `limit`.

    Examples
    --------
    >>> import wave, io
    >>> file = io.BytesIO()
    >>> with wave.open(file, "wb") as wav:
    ...     wav.setparams((2, 2, 8_000, 0, "NONE", ""))
    ...     wav.writeframes(bytes(8_000 * 4))
    >>> decode(file.getvalue()).shape
    (16000,)
    """
    import av  # at first use: `import asr_pandas` stays light

    with io.BytesIO(content) if isinstance(content, bytes) else _opened(Path(content)) as source:
        size = source.seek(0, io.SEEK_END)
        source.seek(0)
        try:
            chunks = list(_chunks(source, limit=limit))
        except av.error.FFmpegError as error:
            raise _undecodable(size, why=error.strerror or "unknown error") from error
    if not sum(map(len, chunks)):
        raise _undecodable(size, why="no sound in it")
    samples = np.concatenate(chunks)
    return np.clip(samples, -1, 1, out=samples)


def _opened(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        message = f"cannot read {str(path)!r}: {error.strerror}."
        raise AudioError(message) from error


def _undecodable(size: int, *, why: str) -> AudioError:
    return AudioError(
        f"cannot decode {size:,} bytes as audio: {why}.\n\nHint: the file may be cut off; "
        "WAV, FLAC, MP3, Ogg, Opus, M4A, AMR, AIFF and what else FFmpeg knows are read."
    )


def _chunks(source: BinaryIO, *, limit: float | None) -> Iterator[NDArray[np.float32]]:
    with open_audio(source) as container:
        for stream in container.streams.audio[:1]:
            frames = _bounded(_frames(container, stream), limit=limit)
            # A resampler keeps one input format; chained files change it midway.
            for _, alike in groupby(frames, key=_form):
                yield from _resampled(alike)


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    import av

    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue  # a damaged packet; players skip it too


def _bounded(frames: Iterator[AudioFrame], *, limit: float | None) -> Iterator[AudioFrame]:
    # Counted before resampling: a header that claims 1 Hz would grow 16,000-fold.
    duration = Fraction()
    for frame in frames:
        duration += Fraction(frame.samples, frame.sample_rate)
        if limit is not None and duration > limit:
            raise TooLong(limit=limit)
        yield frame


def _form(frame: AudioFrame) -> tuple[Any, ...]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _resampled(frames: Iterator[AudioFrame]) -> Iterator[NDArray[np.float32]]:
    from av import AudioResampler

    # The layout is kept: FFmpeg's own downmix sums channels and overshoots 1.
    resampler = AudioResampler(format="fltp", rate=SAMPLE_RATE)
    for frame in frames:
        frame.pts = None
        yield from map(_mono, resampler.resample(frame))
    yield from map(_mono, resampler.resample(None))


def _mono(frame: AudioFrame) -> NDArray[np.float32]:
    channels: NDArray[Any] = frame.to_ndarray()
    return np.asarray(channels.mean(axis=0), np.float32)
