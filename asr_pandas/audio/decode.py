"""Encoded audio goes in, whatever its container; 16 kHz mono samples come out."""

from __future__ import annotations

import io
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from asr_pandas.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import AudioFrame
    from av.container import InputContainer
    from numpy.typing import NDArray

SAMPLE_RATE: Final = 16_000
"""Samples per second that Whisper hears (https://github.com/openai/whisper, `audio.py`)."""

# A playlist's bytes could otherwise make FFmpeg open other files or addresses on our behalf.
_OPEN_NOTHING_ELSE: Final = {"protocol_whitelist": "none"}


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
    source = io.BytesIO(content) if isinstance(content, bytes) else _opened(Path(content))
    with source:
        chunks = list(_chunks(source, limit=limit))
    samples = np.concatenate([np.empty(0, np.float32), *chunks])
    if not samples.size:
        message = "the audio is empty: no sound could be decoded."
        raise AudioError(message)
    return np.clip(samples, -1, 1, out=samples)


def _opened(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        message = f"cannot read {str(path)!r}: {error.strerror}."
        raise AudioError(message) from error


def _chunks(source: io.BufferedIOBase, *, limit: float | None) -> Iterator[NDArray[np.float32]]:
    import av  # noqa: PLC0415 - at first use: `import asr_pandas` stays light

    try:
        with av.open(source, options=_OPEN_NOTHING_ELSE, metadata_errors="ignore") as container:
            frames = _bounded(_frames(container), limit=limit)
            # A resampler keeps one input format; chained files change it midway.
            for _, alike in groupby(frames, key=_form):
                yield from _resampled(alike)
    except av.error.FFmpegError as error:
        message = f"cannot decode the audio: {error.strerror}."
        raise AudioError(message) from error


def _frames(container: InputContainer) -> Iterator[AudioFrame]:
    import av  # noqa: PLC0415

    if not container.streams.audio:
        message = "the file has no audio stream."
        raise AudioError(message)
    for packet in container.demux(container.streams.audio[0]):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue  # a damaged packet; players skip it too


def _bounded(frames: Iterator[AudioFrame], *, limit: float | None) -> Iterator[AudioFrame]:
    # Counted before resampling: a header that claims 1 Hz would grow 16,000-fold.
    duration = 0.0
    for frame in frames:
        duration += frame.samples / frame.sample_rate
        if limit is not None and duration > limit:
            raise TooLong(limit=limit)
        yield frame


def _form(frame: AudioFrame) -> tuple[Any, ...]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _resampled(frames: Iterator[AudioFrame]) -> Iterator[NDArray[np.float32]]:
    from av import AudioResampler  # noqa: PLC0415

    # The layout is kept: FFmpeg's own downmix sums channels and overshoots 1.
    resampler = AudioResampler(format="fltp", rate=SAMPLE_RATE)
    for frame in frames:
        frame.pts = None
        yield from map(_mono, resampler.resample(frame))
    yield from map(_mono, resampler.resample(None))


def _mono(frame: AudioFrame) -> NDArray[np.float32]:
    return frame.to_ndarray().mean(axis=0, dtype=np.float32)
