"""An encoded file in; how long its sound is, and how loud at most, out."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from asr_pandas.audio.decode import SAMPLE_RATE, decode
from asr_pandas.audio.fit import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

SILENCE: Final = 1e-3
"""-60 dB of full scale; recorded rooms are louder. What never exceeds it is probably silent."""
_BLOCK: Final = 65_536  # samples


class Sounding(NamedTuple):
    """What a clip's samples tell."""

    duration: float
    """Seconds, counted."""
    peak: float
    """How far the channels' mean gets from its own mean, of full scale."""

    @property
    def is_silent(self) -> bool:
        """Whether nothing is loud enough to be speech."""
        return self.peak < SILENCE


def listened(content: bytes, *, counted: bool) -> Sounding:
    """Listen to a clip.

    Parameters
    ----------
    content : bytes
        The encoded file.
    counted : bool
        Whether libsndfile reads it, and counts its samples; it is many times faster than FFmpeg.

    Raises
    ------
    AudioError
        It cannot be decoded.
    TooLong
        It lasts longer than the service takes.
    """
    found = _with_libsndfile(content) if counted else None
    if found is not None:
        return found
    samples = decode(content, limit=LONGEST)
    return measured([samples], SAMPLE_RATE)


def measured(blocks: Iterable[NDArray[np.float32]], sample_rate: int) -> Sounding:
    """Measure a clip's samples, block by block.

    Parameters
    ----------
    blocks : iterable of numpy.ndarray of float32, shape (n,)
        In [-1, 1]; at least one sample in all.
    sample_rate : int
        Hz.

    Examples
    --------
    >>> measured([np.full(16_000, 0.1, np.float32)], 16_000).is_silent  # an offset is no sound
    True
    >>> measured([np.float32([0, 0.1]), np.float32([0, -0.1])], 4)
    Sounding(duration=1.0, peak=0.1...)
    """
    count, total, low, high = 0, 0.0, np.inf, -np.inf
    for block in filter(len, blocks):  # a file that is cut off ends with nothing
        count += len(block)
        total += float(block.sum(dtype=np.float64))
        low, high = min(low, float(block.min())), max(high, float(block.max()))
    mean = total / count
    return Sounding(count / sample_rate, max(high - mean, mean - low))


def _with_libsndfile(content: bytes) -> Sounding | None:
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as opened:
            return measured(_mono(opened), opened.samplerate)
    except (soundfile.LibsndfileError, ZeroDivisionError):  # the latter: there was no sample
        return None


def _mono(opened: Any) -> Iterable[NDArray[np.float32]]:  # noqa: ANN401 - soundfile is untyped
    for block in opened.blocks(_BLOCK, dtype="float32", always_2d=True):
        yield block.mean(axis=1) if block.shape[1] > 1 else block[:, 0]
