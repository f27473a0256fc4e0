"""What the samples promise: clips that come with the package, and prompts that are found."""

from __future__ import annotations

import gzip
import os
import shutil
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_pandas.errors import AsrError, OptionError, SamplesMissing
from asr_pandas.files.prompts import SPEAKERS, parse_texts, prompts, prompts_root
from asr_pandas.files.samples import BUNDLED, demo_prompts, samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_AUDIO = "corrupt.wav"
FILES = sorted(Path(path).name for path in samples()["audio"])
FAKE_APT = """#!/bin/sh
echo "$@" >> "$FAKE/calls"
case "$*" in
  *"{refused}"*) echo "Reading lists" >&2; echo "E: Unable to locate package" >&2; exit 100;;
  *download*) touch speech.deb;;
esac
"""
FAKE_DPKG = """#!/bin/sh
[ "$1" = -x ] && mkdir -p "$3" && cp -R "$FAKE/debian/." "$3"
"""

needs_sh = pytest.mark.skipif(os.name == "nt", reason="the commands played here are shell scripts")


def decoded(file: str) -> NDArray[np.float32]:
    """Return all samples of a bundled clip, shape (channels, samples)."""
    with av.open(str(BUNDLED / file)) as container:
        resampler = av.AudioResampler(format="fltp")
        frames = [
            piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)
        ]
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1)


def unpack_prompts(root: Path) -> Path:
    """Lay out what the Debian packages would: two recordings of 4 s per language, one a beep."""
    for language, speaker in SPEAKERS.items():
        speech = root / "usr/share/asterisk/sounds" / speaker
        texts = root / "usr/share/doc" / f"asterisk-core-sounds-{language}"
        speech.mkdir(parents=True)
        texts.mkdir(parents=True)
        for name in ("hello", "beep"):
            write_wave(speech / f"{name}.wav", 4.0)
        lines = f"; {language}\nhello: words in {language}\nbeep: [beep]\nnever-recorded: words\n"
        (texts / f"core-sounds-{language}.txt.gz").write_bytes(gzip.compress(lines.encode()))
    return root


def write_wave(path: Path, duration: float) -> None:
    """Write silence of some seconds."""
    with wave.open(str(path), "wb") as clip:
        clip.setparams((1, 2, 8000, 0, "NONE", ""))
        clip.writeframes(bytes(int(duration * 16_000)))


def play_debian(folder: Path, monkeypatch: pytest.MonkeyPatch, *, refused: str = "nothing") -> Path:
    """Put an apt-get and a dpkg-deb first on the PATH, which have the prompts in stock."""
    unpack_prompts(folder / "debian")
    commands = folder / "commands"
    commands.mkdir()
    for name, script in (("apt-get", FAKE_APT.format(refused=refused)), ("dpkg-deb", FAKE_DPKG)):
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=os.pathsep)
    monkeypatch.setenv("FAKE", str(folder))
    return folder / "calls"


@pytest.fixture
def recorded() -> pd.DataFrame:
    """Return the prompts of this machine; where they must be, in CI, their absence is a failure."""
    try:
        prompts_root(fetch=False)
    except SamplesMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing).partition("\n")[0])
    return samples("prompts")


def test_the_samples_are_files_of_this_package_with_absolute_paths() -> None:
    frame = samples()

    assert frame.columns.tolist() == ["audio", "reference", "spoken"]
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in frame["audio"])


def test_every_file_beside_the_samples_is_listed() -> None:
    listed = {*FILES, "samples.csv"}

    assert {path.name for path in BUNDLED.iterdir()} == listed


def test_the_samples_weigh_less_than_a_megabyte() -> None:
    weight = sum(path.stat().st_size for path in BUNDLED.iterdir())

    assert weight < 1_000_000


@pytest.mark.parametrize("file", [file for file in FILES if file != NO_AUDIO])
def test_every_sample_but_the_corrupt_one_is_decoded_and_a_few_seconds_long(file: str) -> None:
    with av.open(str(BUNDLED / file)) as container:
        duration = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))

    assert 2 <= duration <= 9


def test_the_corrupt_sample_is_no_audio() -> None:
    with pytest.raises(av.error.FFmpegError):
        decoded(NO_AUDIO)


def test_the_silent_sample_is_silent() -> None:
    clip = decoded("silent_8k.wav")

    assert np.abs(clip).max() == 0


def test_the_call_has_a_speaker_per_side_and_they_take_turns() -> None:
    clip = decoded("two_speakers.mp3")

    loud = np.abs(clip[:, : clip.shape[1] // 1024 * 1024]).reshape(2, -1, 1024).max(axis=2) > 0.02
    assert loud.any(axis=1).all()
    assert not loud.all(axis=0).any()


def test_speech_has_words_and_a_language_and_the_rest_has_neither() -> None:
    frame = samples()

    speechless = frame["audio"].str.contains("silent|corrupt").astype(bool)
    assert frame["reference"].isna().equals(speechless)
    assert frame["spoken"].isna().equals(speechless)
    assert set(frame["spoken"].dropna()) == {"en"}


def test_the_columns_are_text_as_this_pandas_has_it() -> None:
    frame = samples()

    expected = pd.Series(["a"], dtype="str" if pd.__version__ >= "3" else "string").dtype
    assert (frame.dtypes == expected).all()


def test_another_kind_of_samples_is_an_error_that_names_the_kinds() -> None:
    with pytest.raises(OptionError, match=r'samples\("bundled"\) or samples\("prompts"\)'):
        samples("birds")  # type: ignore[arg-type]


names = st.from_regex(r"[a-z]{1,8}(/[a-z0-9]{1,4})?", fullmatch=True)
words = st.text("abcéñçÀ019',;:!?-", min_size=1, max_size=8)
sentences = st.lists(words, min_size=1, max_size=6).map(" ".join)


@given(spoken=st.dictionaries(names, sentences))
def test_words_are_read_as_they_are_written_and_in_that_order(spoken: dict[str, str]) -> None:
    text = "; a comment: not read\n\n" + "\n".join(
        f"{name}: {said}" for name, said in spoken.items()
    )

    read = parse_texts(text)

    assert list(read.items()) == list(spoken.items())


@given(text=st.text())
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    read = parse_texts(text)

    assert all(said == " ".join(said.split()) != "" for said in read.values())


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("beep: [ tono de error ]", {}),
        ("join: <beep ascending>", {}),
        ("silence/1: (1 second of silence)", {}),
        ("dir-welcome:", {}),
        ("letters/at: at [@]", {"letters/at": "at"}),
        ("intro: Hang up.  Thanks. (simple tone)", {"intro": "Hang up. Thanks."}),
        (
            "greet: Sus saludos [temporales] estan en uso",
            {"greet": "Sus saludos [temporales] estan en uso"},
        ),
        ("options: Vous avez ces options: une", {"options": "Vous avez ces options: une"}),
        ("digits/0: cero\ndigits/0: diez", {"digits/0": "cero"}),
        ("a: sur dièse.vm-review: Pour", {"a": "sur dièse.", "vm-review": "Pour"}),
        ("a: one\r\nb: two\r\n", {"a": "one", "b": "two"}),
    ],
)
def test_what_is_not_spoken_is_left_out(line: str, read: dict[str, str]) -> None:
    assert parse_texts(line) == read


def test_prompts_are_the_recordings_with_words_language_by_language(tmp_path: Path) -> None:
    root = unpack_prompts(tmp_path)

    found = [(audio.name, words, language) for audio, words, language in prompts(root)]

    assert found == [("hello.wav", f"words in {code}", code) for code in ("en", "es", "fr")]


def test_installed_prompts_are_used_where_they_are(tmp_path: Path) -> None:
    installed = unpack_prompts(tmp_path / "system")

    root = prompts_root(installed=installed, cached=tmp_path / "cache")

    assert root == installed
    assert not (tmp_path / "cache").exists()


@needs_sh
def test_prompts_without_their_texts_do_not_count_as_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_debian(tmp_path, monkeypatch)
    slim_image = unpack_prompts(tmp_path / "system")
    shutil.rmtree(slim_image / "usr/share/doc")

    root = prompts_root(installed=slim_image, cached=tmp_path / "cache")

    assert root == tmp_path / "cache"


@needs_sh
def test_prompts_are_fetched_once_and_nothing_else_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = play_debian(tmp_path, monkeypatch)
    cached = tmp_path / "cache" / "prompts"

    roots = [prompts_root(installed=tmp_path / "nowhere", cached=cached) for _ in range(2)]

    assert roots == [cached, cached]
    assert len(prompts(cached)) == len(SPEAKERS)
    assert len(calls.read_text().splitlines()) == 1
    assert list(cached.parent.iterdir()) == [cached]


@needs_sh
def test_prompts_are_fetched_with_own_package_lists_where_the_machines_are_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = play_debian(tmp_path, monkeypatch, refused="root download")

    root = prompts_root(installed=tmp_path / "nowhere", cached=tmp_path / "cache")

    _, update, download = calls.read_text().splitlines()
    assert root == tmp_path / "cache"
    assert update.endswith("update")
    assert "Dir::State::Lists" in update
    assert "Dir::State::Lists" in download


@needs_sh
def test_a_damaged_cache_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play_debian(tmp_path, monkeypatch)
    cached = unpack_prompts(tmp_path / "cache")
    shutil.rmtree(cached / "usr/share/asterisk/sounds" / SPEAKERS["fr"])

    prompts_root(installed=tmp_path / "nowhere", cached=cached)

    assert len(prompts(cached)) == len(SPEAKERS)


@needs_sh
def test_of_two_that_fetch_at_once_both_get_the_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_debian(tmp_path, monkeypatch)
    cached = tmp_path / "cache"
    other = f'cp -R "$FAKE/debian/." {cached}; touch {cached}/by-the-other\n'
    (tmp_path / "commands/dpkg-deb").write_text(f"{FAKE_DPKG}mkdir -p {cached}; {other}")

    root = prompts_root(installed=tmp_path / "nowhere", cached=cached)

    assert (root / "by-the-other").exists()


@needs_sh
def test_when_the_fetch_fails_the_error_says_what_apt_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_debian(tmp_path, monkeypatch, refused="-o")

    with pytest.raises(SamplesMissing, match="with 100 and said: E: Unable to locate package"):
        prompts_root(installed=tmp_path / "nowhere", cached=tmp_path / "cache")

    assert not (tmp_path / "cache").exists()


@needs_sh
def test_a_fetch_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play_debian(tmp_path, monkeypatch)
    (tmp_path / "commands/apt-get").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr("asr_pandas.files.prompts.FETCH_TIMEOUT", 0.05)

    with pytest.raises(SamplesMissing, match="apt-get did not end within"):
        prompts_root(installed=tmp_path / "nowhere", cached=tmp_path / "cache")


@needs_sh
def test_packages_without_speech_are_an_error_and_not_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_debian(tmp_path, monkeypatch)
    shutil.rmtree(tmp_path / "debian/usr/share/asterisk")

    with pytest.raises(SamplesMissing, match="do not hold them"):
        prompts_root(installed=tmp_path / "nowhere", cached=tmp_path / "cache")

    assert not (tmp_path / "cache").exists()


@needs_sh
def test_a_cache_that_cannot_be_written_is_the_same_kind_of_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_debian(tmp_path, monkeypatch)
    (tmp_path / "file").write_text("where a folder should be")

    with pytest.raises(SamplesMissing, match=r"cache folder .* cannot be made"):
        prompts_root(installed=tmp_path / "nowhere", cached=tmp_path / "file" / "prompts")


def test_where_prompts_cannot_be_had_one_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(FileNotFoundError, match="sudo apt-get install asterisk-core-") as caught:
        prompts_root(installed=tmp_path / "nowhere", cached=tmp_path / "cache")

    assert isinstance(caught.value, AsrError)
    assert not (tmp_path / "cache").exists()


def test_nothing_is_downloaded_when_fetching_is_not_wanted(tmp_path: Path) -> None:
    with pytest.raises(SamplesMissing, match="fetch=False"):
        prompts_root(installed=tmp_path / "nowhere", cached=tmp_path / "cache", fetch=False)


def test_the_demo_shows_prompts_of_three_to_eight_seconds_spread_evenly(tmp_path: Path) -> None:
    durations = [2.9, *(3 + 0.5 * step for step in range(9)), 8.1]
    paths = [tmp_path / f"{position}.wav" for position in range(len(durations))]
    for path, duration in zip(paths, durations, strict=True):
        write_wave(path, duration)
    frame = pd.DataFrame({"audio": [str(path) for path in paths], "spoken": "en"})

    shown = demo_prompts(frame, per_language=3)

    assert [Path(path).stem for path in shown["audio"]] == ["2", "5", "8"]


@given(per_language=st.integers(0, 20))
def test_the_demo_shows_each_prompt_at_most_once_and_as_many_as_there_are(
    per_language: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = unpack_prompts(tmp_path_factory.mktemp("prompts"))
    frame = pd.DataFrame(prompts(root), columns=["audio", "reference", "spoken"])
    frame["audio"] = frame["audio"].map(str)

    shown = demo_prompts(frame, per_language=per_language)

    assert shown["spoken"].tolist() == ["en", "es", "fr"][: 3 * min(per_language, 1)]


def test_people_read_the_prompts_in_three_languages(recorded: pd.DataFrame) -> None:
    counts = recorded["spoken"].value_counts()

    assert (counts[["en", "es", "fr"]] >= 450).all()
    assert recorded.notna().all(axis=None)
    assert recorded["audio"].map(os.path.isfile).all()


def test_the_demo_shows_eight_prompts_of_each_language(recorded: pd.DataFrame) -> None:
    shown = demo_prompts(recorded)

    assert shown["spoken"].tolist() == ["en"] * 8 + ["es"] * 8 + ["fr"] * 8
    assert shown["audio"].is_unique
    assert shown.equals(demo_prompts(recorded))
