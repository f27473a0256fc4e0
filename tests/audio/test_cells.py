"""What a cell may hold, and what is said about one that cannot be read."""

from __future__ import annotations

import base64
import io
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.audio.cells import is_missing, read, total_duration
from asr_pandas.audio.convert import converted
from asr_pandas.audio.fit import LARGEST, MEDIA_TYPES, encoded_size, fit
from asr_pandas.audio.probe import probe
from asr_pandas.errors import AudioError
from asr_pandas.model import Clip
from tests.conftest import BUNDLED

if TYPE_CHECKING:
    from pathlib import Path

ORDER = BUNDLED / "order_8k.wav"


@pytest.mark.parametrize(
    "cell", [None, np.nan, pd.NA, pd.NaT, "", "  ", {"bytes": None, "path": None}, {}]
)
def test_a_cell_without_audio_is_missing(cell: Any) -> None:
    assert is_missing(cell)


def test_every_form_of_one_file_gives_the_same_clip(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = ORDER.read_bytes()
    (tmp_path / "a b.wav").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    cells: list[Any] = [
        str(ORDER),
        ORDER,
        "a b.wav",
        "~/a b.wav",
        (tmp_path / "a b.wav").as_uri(),
        content,
        bytearray(content),
        memoryview(content),
        "data:audio/wav;base64," + base64.b64encode(content).decode(),
        {"bytes": content, "path": None},
        {"bytes": content, "path": "elsewhere.wav"},
        {"bytes": None, "path": str(ORDER)},
    ]

    clips = [read(cell) for cell in cells]

    assert {clip.content for clip in clips} == {content}
    assert {(clip.container, clip.duration) for clip in clips} == {("wav", clips[0].duration)}


def test_a_data_url_without_base64_is_read_too() -> None:
    content = ORDER.read_bytes()
    url = "data:audio/wav," + "".join(f"%{byte:02x}" for byte in content)

    assert read(url).content == content


@pytest.mark.parametrize("url", ["https://example.org/a.mp3?sig=x", "HTTP://example.org/a"])
def test_an_address_is_passed_on_and_not_fetched(url: str) -> None:
    clip = read(url)

    assert (clip.url, clip.content, clip.duration) == (url, None, None)
    assert fit(clip).url == url


@pytest.mark.parametrize(
    ("cell", "cause"),
    [
        ("nowhere.wav", "No such file"),
        ("no\0where.wav", "null"),
        ("/", "it is a folder"),
        (os.devnull, "not a regular file"),
        (b"", "is empty"),
        (b"this is no audio", "cannot decode 16 bytes as audio: no known container header"),
        ("data:audio/wav;base64,UklGR", "cannot be read"),
        ("data:audio/wav;base64", "comma"),
        (42, "a int"),
        (object(), "a object"),
        ({"bytes": "text", "path": None}, "a dict"),
        (["a.wav"], "a list"),
        ("file:///nowhere.wav", "No such file"),
        ("no\nsuch\x1b[2J.wav", "No such file"),
        ("\udc80.wav", "No such file"),
        ("a" * 5000, "too long"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the causes are told in POSIX's words")
def test_what_cannot_be_read_is_named_with_cause_and_way_out(cell: Any, cause: str) -> None:
    with pytest.raises(AudioError) as caught:
        read(cell)

    message = str(caught.value)
    assert caught.value.kind == "unreadable"
    assert cause in message
    assert "Hint: " in message
    assert len(message) < 700
    assert message.isprintable()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named_with_its_cause(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"x")
    secret.chmod(0)

    with pytest.raises(AudioError, match="Permission denied"):
        read(secret)


@given(content=st.binary(max_size=2000))
def test_no_bytes_do_harm(content: bytes) -> None:
    try:
        clip = read(content)
    except AudioError:
        return
    assert clip.content == content


@pytest.mark.parametrize(
    ("form", "subtype", "container"),
    [
        ("WAV", "PCM_16", "wav"), ("WAV", "FLOAT", "wav"), ("FLAC", "PCM_16", "flac"),
        ("OGG", "VORBIS", "ogg"), ("OGG", "OPUS", "ogg"), ("MP3", "MPEG_LAYER_III", "mp3"),
        ("AIFF", "PCM_16", "aiff"), ("RF64", "PCM_16", "wav"),
    ],
)  # fmt: skip
def test_headers_tell_container_channels_rate_and_duration(
    form: str, subtype: str, container: str
) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((48_000, 2)), 48_000, format=form, subtype=subtype)

    header = probe(file.getvalue())

    assert (header.container, header.channels, header.sample_rate) == (container, 2, 48_000)
    assert header.duration == pytest.approx(1.0, abs=0.06)
    assert container in MEDIA_TYPES


def test_what_libsndfile_does_not_read_is_probed_with_ffmpeg(tmp_path: Path) -> None:
    path = encoded(tmp_path / "tone.m4a", codec="aac")

    header = probe(path)

    assert (header.container, header.sample_rate, header.channels) == ("m4a", 16_000, 1)
    assert header.duration == pytest.approx(1.0, abs=0.1)


def test_a_container_that_only_ffmpeg_tells_the_duration_of(tmp_path: Path) -> None:
    path = encoded(tmp_path / "tone.mkv", codec="aac")

    header = probe(path)

    assert header.container == "webm"
    assert header.duration == pytest.approx(1.0, abs=0.1)


def test_a_video_without_sound_says_so(tmp_path: Path) -> None:
    import av

    path = tmp_path / "silent.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 16
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))

    with pytest.raises(AudioError, match="no sound in it"):
        read(path)


def encoded(path: Path, *, codec: str, **tags: str) -> Path:
    """Write a second of silence through FFmpeg."""
    import av

    with av.open(str(path), "w") as container:
        container.metadata.update(tags)
        stream: Any = container.add_stream(codec, rate=16_000, layout="mono")
        for start in range(0, 16_000, 1_000):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1_000), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_what_fits_is_passed_on_bit_for_bit() -> None:
    clip = read(ORDER)

    payload = fit(clip)

    assert payload.content == ORDER.read_bytes()
    assert payload.media_type == "audio/wav"


def test_a_container_that_the_service_does_not_list_is_converted(tmp_path: Path) -> None:
    clip = read(encoded(tmp_path / "note.m4a", codec="aac"))

    payload = fit(converted(clip))

    assert payload.media_type == "audio/flac"
    assert probe(payload.content or b"").duration == pytest.approx(clip.duration or 0, abs=0.1)


def test_a_clip_that_cannot_be_converted_is_named_with_cause_and_way_out() -> None:
    broken = Clip(name="'note.m4a'", content=b"no sound", container="m4a", duration=1.0)
    long = Clip(name="'note.m4a'", content=b"no sound", container="m4a", duration=301.0)

    with pytest.raises(AudioError, match=r"^'note.m4a': cannot decode 8 bytes.* Hint: ") as caught:
        converted(broken)
    with pytest.raises(AudioError, match=r"^'note.m4a': lasts 301.0 s.* Hint: ") as refused:
        converted(long)

    assert caught.value.kind == "unreadable"
    assert refused.value.kind == "too_long"


def test_a_container_that_the_service_lists_is_not_touched() -> None:
    clip = read(ORDER)

    assert converted(clip) is clip
    assert converted(read("https://example.org/a.m4a")).url == "https://example.org/a.m4a"


def test_old_code_pages_in_a_title_do_not_matter(tmp_path: Path) -> None:
    path = encoded(tmp_path / "tone.mkv", codec="aac", title="Mxxller")
    content = path.read_bytes()
    assert b"Mxxller" in content

    clip = read(content.replace(b"Mxxller", b"M\xfcxller"))

    assert clip.container == "webm"


def test_a_coding_that_is_not_known_is_told() -> None:
    content = bytearray(ORDER.read_bytes())
    content[20:22] = b"\x34\x12"  # the format tag of WAV

    with pytest.raises(AudioError, match="coding that is not known"):
        read(bytes(content))


def test_a_playlist_opens_nothing_else() -> None:
    playlist = f"ffconcat version 1.0\nfile {ORDER.as_posix()}\n".encode()

    with pytest.raises(AudioError):
        read(playlist)


class Hostile(os.PathLike[str]):
    def __fspath__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "cell",
    [Hostile(), "~nosuchuser/x.wav", "http://x/\udc80.mp3", "s3://bucket/a.wav",
     {"bytes": None, "path": 7}],
    ids=["hostile", "no such user", "half a character", "object store", "path that is none"],
)  # fmt: skip
def test_whatever_a_cell_does_it_is_that_cell_s_error(cell: Any) -> None:
    with pytest.raises(AudioError, match="Hint: "):
        read(cell)
    assert total_duration([cell]) == 0.0


def test_more_than_five_minutes_are_too_long() -> None:
    clip = Clip(name="'call.flac'", content=b"fLaC", container="flac", duration=300.5)

    with pytest.raises(AudioError, match=r"300.5 s") as caught:
        fit(clip)

    assert caught.value.kind == "too_long"


def test_a_file_that_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.wav"
    with path.open("wb") as file:
        file.truncate(2**40)

    with pytest.raises(AudioError, match="service's limit") as caught:
        read(path)

    assert caught.value.kind == "too_large"


@given(size=st.integers(0, 20_000_000))
def test_the_size_is_counted_as_it_travels(size: int) -> None:
    counted = encoded_size(size, "audio/wav")

    assert counted == len("data:audio/wav;base64,") + 4 * math.ceil(size / 3)


def test_the_largest_payload_is_the_largest_that_fits() -> None:
    fitting = Clip(name="x", content=bytes(7_864_302), container="wav", duration=1.0)
    more = Clip(name="x", content=bytes(7_864_305), container="wav", duration=1.0)

    assert encoded_size(len(fitting.content or b""), "audio/wav") <= LARGEST
    assert fit(fitting).content == fitting.content
    with pytest.raises(AudioError):
        fit(more)


def test_durations_add_up_and_what_cannot_be_read_counts_nothing() -> None:
    cells = [ORDER, ORDER.read_bytes(), None, "nowhere.wav", "https://example.org/a.mp3", 42]

    total = total_duration(cells)

    assert total == pytest.approx(2 * soundfile.info(ORDER).duration)


def test_adding_up_stops_when_it_is_enough() -> None:
    def cells() -> Any:
        yield from [ORDER, ORDER]
        pytest.fail("a third header was read")

    assert total_duration(cells(), enough=5.0) > 5.0
