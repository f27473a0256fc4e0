"""The embedded recogniser hears what is said, and nothing where nobody speaks."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import jiwer
import numpy as np
import pytest
from numpy.typing import NDArray

from asr_pandas.audio.decode import SAMPLE_RATE
from asr_pandas.errors import OptionError, RecogniserMissing
from asr_pandas.files.samples import samples as samples_frame
from asr_pandas.languages import CODES
from asr_pandas.local.whisper import Decoding, WhisperRecogniser

if TYPE_CHECKING:
    from asr_pandas.local.recogniser import Recogniser

Samples = NDArray[np.float32]

PATIENCE = 120  # seconds, for machines that are busy


def text(recogniser: Recogniser, samples: Samples, **options: str) -> str:
    heard = recogniser.listen(samples, **options)
    return "".join(segment.text for segment in heard.segments)


def words(sentence: str) -> str:
    return " ".join(re.findall(r"\w+", sentence.casefold()))


@pytest.fixture(scope="module")
def long(speech: Samples) -> Samples:
    """The same speech over and over, with pauses: more than two windows of 30 s."""
    pause = np.zeros(SAMPLE_RATE, np.float32)
    return np.concatenate([part for _ in range(12) for part in (speech, pause)])


def test_the_bundled_speech_is_read_and_its_language_detected(
    recogniser: WhisperRecogniser, speech: Samples
) -> None:
    frame = samples_frame()
    reference = frame.loc[frame["audio"].str.endswith("library_8k.wav"), "reference"].item()

    heard = recogniser.listen(speech)

    read = "".join(segment.text for segment in heard.segments)
    assert jiwer.wer(words(reference), words(read)) <= 0.1
    assert heard.language == "en"


def test_segments_follow_each_other_within_the_clip_and_join_to_the_transcript(
    recogniser: WhisperRecogniser, speech: Samples
) -> None:
    segments = list(recogniser.listen(speech).segments)

    moments = [moment for segment in segments for moment in (segment.start, segment.end)]
    transcript = "".join(segment.text for segment in segments)
    assert moments == sorted(moments)
    assert 0 <= moments[0] < moments[-1] <= len(speech) / SAMPLE_RATE + 1
    assert transcript == transcript.strip()
    assert all(0 < segment.tokens <= len(segment.text) for segment in segments)


@pytest.mark.parametrize("seconds", [0, 0.01, 1, 40])
@pytest.mark.parametrize("context", [None, "Ilse Brandt, Kvarnholm"])
def test_silence_has_no_text_and_no_language(
    recogniser: WhisperRecogniser, seconds: float, context: str | None
) -> None:
    silence = np.zeros(int(seconds * SAMPLE_RATE), np.float32)

    heard = recogniser.listen(silence, context=context)

    assert (heard.language, list(heard.segments)) == (None, [])


@pytest.mark.parametrize("level", [1e-3, 0.03, 0.3])
def test_noise_has_no_text(recogniser: WhisperRecogniser, level: float) -> None:
    noise = np.random.default_rng(0).standard_normal(5 * SAMPLE_RATE).astype(np.float32) * level

    assert text(recogniser, noise, context="Ilse Brandt, Kvarnholm") == ""


@pytest.mark.parametrize("gain", [0.1, 0.01])
def test_quiet_speech_is_heard_like_loud_speech(
    recogniser: WhisperRecogniser, speech: Samples, gain: float
) -> None:
    quiet = speech * np.float32(gain)

    assert text(recogniser, quiet).casefold() == text(recogniser, speech).casefold()


def test_a_word_in_much_silence_is_heard(recogniser: WhisperRecogniser, speech: Samples) -> None:
    silence = np.zeros(12 * SAMPLE_RATE, np.float32)

    assert "library" in text(recogniser, np.concatenate([silence, speech, silence]))


@pytest.mark.parametrize("language", ["en", "fil", "no", "yue"])
def test_a_given_language_is_reported_as_given(
    recogniser: WhisperRecogniser, speech: Samples, language: str
) -> None:
    heard = recogniser.listen(speech, language=language)

    assert heard.language == language


@pytest.mark.parametrize("language", CODES)
def test_whisper_has_a_token_for_each_of_the_services_languages(
    recogniser: WhisperRecogniser, language: str
) -> None:
    assert recogniser.knows(language)


def test_a_given_language_is_taken_and_not_detected(
    recogniser: WhisperRecogniser, speech: Samples
) -> None:
    # What Whisper then writes of English speech differs from one processor to the next.
    assert recogniser.listen(speech, language="ja").language == "ja"
    assert recogniser.listen(speech).language == "en"


def test_a_context_of_any_length_is_accepted(
    recogniser: WhisperRecogniser, speech: Samples
) -> None:
    assert "library" in text(recogniser, speech, context="We talk about a library. " * 400)


def test_the_same_audio_gives_the_same_text_whatever_was_heard_between(
    recogniser: WhisperRecogniser, speech: Samples, long: Samples
) -> None:
    first = text(recogniser, speech)
    text(recogniser, long[: 20 * SAMPLE_RATE], language="de")

    assert text(recogniser, speech) == first


def test_speech_after_the_first_30_seconds_is_heard(
    recogniser: WhisperRecogniser, long: Samples
) -> None:
    segments = list(recogniser.listen(long).segments)

    read = "".join(segment.text for segment in segments)
    assert segments[-1].end > 60
    assert read.count("library") == 12


def test_an_abandoned_clip_stops_no_other(
    recogniser: WhisperRecogniser, speech: Samples, long: Samples
) -> None:
    abandoned = recogniser.listen(long)
    next(abandoned.segments)

    with ThreadPoolExecutor() as pool:
        read = pool.submit(text, recogniser, speech).result(PATIENCE)

    assert "library" in read
    assert next(abandoned.segments).text


def test_threads_that_share_a_recogniser_read_what_they_would_read_alone(
    recogniser: WhisperRecogniser, speech: Samples, long: Samples
) -> None:
    clips = [speech, long[: 40 * SAMPLE_RATE], speech[: 2 * SAMPLE_RATE]]
    alone = [text(recogniser, clip) for clip in clips]

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda clip: text(recogniser, clip), clips, timeout=PATIENCE))

    assert together == alone


def test_other_decoding_options_are_another_identity(recogniser: WhisperRecogniser) -> None:
    other = WhisperRecogniser(decoding=Decoding(beam_size=1))

    assert other.name == recogniser.name == "whisper-base"
    assert other.identity != recogniser.identity


def test_without_faster_whisper_the_error_names_both_cures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)

    with pytest.raises(RecogniserMissing) as caught:
        WhisperRecogniser()

    assert 'pip install "asr-pandas[local]"' in str(caught.value)
    assert "DASHSCOPE_API_KEY" in str(caught.value)


def test_an_unknown_device_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(OptionError, match="auto, cpu, cuda"):
        WhisperRecogniser(device="tpu")


def test_a_gpu_that_is_not_there_is_an_error() -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    if ctranslate2.get_cuda_device_count():
        pytest.skip("there is one")

    with pytest.raises(OptionError, match="no usable GPU"):
        WhisperRecogniser(device="cuda")
