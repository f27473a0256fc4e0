"""Encoded audio becomes 16 kHz mono samples."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import asr_pandas
from asr_pandas.audio.decode import SAMPLE_RATE, TooLong, decode
from asr_pandas.errors import AudioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUNDLED = Path(asr_pandas.__file__).parent / "files" / "bundled"


def encoded(
    samples: NDArray[np.float32], *, rate: int = SAMPLE_RATE, container: str = "WAV"
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container)
    return file.getvalue()


def tone(seconds: float, *, rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    moments = np.arange(int(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * 440 * moments)).astype(np.float32)


@given(
    pcm=st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=5_000),
    container=st.sampled_from(["WAV", "FLAC", "AIFF"]),
)
def test_lossless_audio_at_16_khz_comes_out_as_soundfile_reads_it(
    pcm: list[int], container: str
) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.array(pcm, np.int16), SAMPLE_RATE, format=container)

    samples = decode(file.getvalue())

    file.seek(0)
    expected, _ = soundfile.read(file, dtype="float32")
    np.testing.assert_allclose(samples, expected, atol=1e-6)


@given(left=st.floats(-1, 1, width=32), right=st.floats(-1, 1, width=32))
def test_the_channels_are_averaged(left: float, right: float) -> None:
    stereo = np.tile(np.array([left, right], np.float32), (800, 1))

    samples = decode(encoded(stereo))

    np.testing.assert_allclose(samples, (left + right) / 2, atol=1e-4)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "MP3", "OGG"])
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_another_rate_and_container_keep_the_duration_and_the_tone(
    container: str, rate: int
) -> None:
    content = encoded(tone(1.5, rate=rate), rate=rate, container=container)

    samples = decode(content)

    loudest = np.abs(np.fft.rfft(samples)).argmax() * SAMPLE_RATE / len(samples)
    assert len(samples) == pytest.approx(1.5 * SAMPLE_RATE, rel=0.05)
    assert loudest == pytest.approx(440, abs=2)
    assert samples.dtype == np.float32


@pytest.mark.parametrize("file", ["support.flac", "voice_note.ogg", "weather.opus", "order_8k.wav"])
def test_the_bundled_clips_last_as_long_as_soundfile_says(file: str) -> None:
    expected = soundfile.info(BUNDLED / file).duration

    samples = decode(BUNDLED / file)

    assert len(samples) / SAMPLE_RATE == pytest.approx(expected, abs=0.01)


def test_the_sound_of_an_mp4_file_is_read() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(1)[None], format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode())

    samples = decode(file.getvalue())

    assert len(samples) / SAMPLE_RATE == pytest.approx(1, abs=0.1)


def test_a_path_and_its_bytes_give_the_same_samples() -> None:
    path = BUNDLED / "two_speakers.mp3"

    from_path = decode(str(path))

    np.testing.assert_array_equal(from_path, decode(path.read_bytes()))


def test_loud_audio_stays_within_full_scale() -> None:
    square = np.sign(tone(0.5, rate=44_100))

    samples = decode(encoded(square, rate=44_100))

    assert np.abs(samples).max() == 1


def test_an_mp3_file_that_changes_its_channels_midway_is_read_to_the_end() -> None:
    mono = encoded(tone(1, rate=48_000), rate=48_000, container="MP3")
    stereo = encoded(np.stack([tone(1, rate=48_000)] * 2, axis=1), rate=48_000, container="MP3")

    samples = decode(mono + stereo)

    assert len(samples) / SAMPLE_RATE == pytest.approx(2, abs=0.1)


def test_audio_beyond_the_limit_is_not_decoded() -> None:
    bomb = encoded(np.zeros(SAMPLE_RATE * 600, np.float32), container="FLAC")

    with pytest.raises(TooLong, match="longer than 300 s") as caught:
        decode(bomb, limit=300)

    assert (caught.value.limit, caught.value.kind) == (300, "too_long")


def test_a_header_that_claims_one_sample_per_second_is_stopped_before_it_grows() -> None:
    slow = encoded(np.zeros(10_000, np.float32), rate=1)

    with pytest.raises(TooLong):
        decode(slow, limit=300)


def test_audio_of_exactly_the_limit_is_decoded() -> None:
    samples = decode(encoded(tone(2)), limit=2)

    assert len(samples) == 2 * SAMPLE_RATE


@pytest.mark.parametrize(
    "content",
    [b"", b"hello, world", b"RIFF\x00\x00\x00\x00WAVEfmt ", bytes(10_000)],
    ids=["empty", "text", "cut header", "zeros"],
)
def test_bytes_that_are_no_audio_are_an_error_that_says_how_many(content: bytes) -> None:
    with pytest.raises(AudioError, match=f"cannot decode {len(content):,} bytes as audio"):
        decode(content)


def test_the_corrupt_sample_is_an_audio_error() -> None:
    with pytest.raises(AudioError):
        decode(BUNDLED / "corrupt.wav")


def test_a_header_without_samples_is_an_error() -> None:
    with pytest.raises(AudioError, match="no sound in it"):
        decode(encoded(np.zeros(0, np.float32)))


def test_a_film_without_sound_is_an_error() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode())

    with pytest.raises(AudioError, match="no sound in it"):
        decode(file.getvalue())


@pytest.mark.parametrize("path", ["nowhere.wav", "."], ids=["missing file", "folder"])
def test_a_path_that_cannot_be_read_is_named(path: str, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="cannot read"):
        decode(tmp_path / path)


def test_a_damaged_packet_costs_its_own_sound_only() -> None:
    content = bytearray(encoded(tone(4), container="MP3"))
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)

    samples = decode(bytes(content))

    assert len(samples) / SAMPLE_RATE == pytest.approx(4, abs=0.5)


def test_a_playlist_does_not_open_the_files_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "private.wav").write_bytes(encoded(tone(1)))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(AudioError):
        decode(b"ffconcat version 1.0\nfile private.wav\n")
