"""Whisper, by faster-whisper: the embedded recogniser."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from asr_pandas.errors import OptionError, RecogniserMissing
from asr_pandas.local.gate import contains_speech
from asr_pandas.local.recogniser import Heard, Segment
from asr_pandas.local.weights import DEFAULT_MODEL, locate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

# The figures behind these: tests/benchmarks/recogniser.py.
BEAM_SIZE: Final = 5
NO_SPEECH_PROBABILITY: Final = 0.6
"""Above it Whisper itself doubts that there is speech (faster-whisper's own threshold)."""
LOOP_COMPRESSION: Final = 2.4
"""Text that compresses better than this repeats itself (faster-whisper's own threshold)."""

# The service's code → Whisper's token, where they differ; Whisper also knows Nynorsk apart.
_WHISPER_CODE: Final = {"fil": "tl"}
_SERVICE_CODE: Final = {"tl": "fil", "nn": "no"}
# Whisper has a token for Cantonese since large-v3; before, Chinese covered both.
_NEAREST: Final = {"yue": "zh"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How text is searched for; every option changes the answer."""

    beam_size: int = BEAM_SIZE
    temperatures: tuple[float, ...] = (0.0,)
    """Tried in turn until the text is plausible. Above 0 words are drawn at random, and the same
    audio no longer gives the same text."""
    condition_on_previous_text: bool = False
    """Whether a window of 30 s continues the text of the one before it."""


class WhisperRecogniser:
    """Whisper, by faster-whisper: int8 on the CPU, float16 on a GPU.

    Threads may share one: at any moment one of them recognises, for one step. Between two steps of
    a clip another clip may have its turn, so that a slow reader of `Heard.segments` stops nobody.

    Parameters
    ----------
    model : str or Path, optional
        A size or a folder; see `asr_pandas.local.weights.locate`.
    device : {"auto", "cpu", "cuda"}, optional
        `auto` takes a CUDA GPU where there is one.
    decoding : Decoding, optional
        How text is searched for.

    Raises
    ------
    RecogniserMissing
        faster-whisper is not installed.
    WeightsError, OptionError
        From `locate`; also when the device is not there.
    """

    name: str
    identity: str

    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        *,
        device: str = "auto",
        decoding: Decoding | None = None,
    ) -> None:
        engine = _engine()
        weights = locate(model)
        self.name = weights.name
        self._decoding = decoding or Decoding()
        precision = _precision(device)
        self.identity = f"{weights.digest}:{precision}:{self._decoding}"
        self._model = engine.WhisperModel(
            str(weights.folder),
            device="cuda" if precision == "float16" else "cpu",
            compute_type=precision,
            cpu_threads=cores(),
        )
        self._model.encode = _EncodeOnce(self._model.encode)
        self._end_of_text: int = self._model.hf_tokenizer.token_to_id("<|endoftext|>")
        self._lock = threading.Lock()

    def listen(
        self,
        samples: NDArray[np.float32],
        *,
        language: str | None = None,
        context: str | None = None,
    ) -> Heard:
        """Recognise the speech in a clip of any length.

        Parameters
        ----------
        samples : numpy.ndarray of float32, shape (n,)
            16 kHz mono, in [-1, 1].
        language : str, optional
            The service's code. Detected from the first 30 s when left out.
        context : str, optional
            Names and terms to expect; about the first 220 tokens of it are used. Right names help,
            wrong ones harm: WER 10.8 → 8.6 and 12.2 on 15 shared clips of en, es and pt.

        Returns
        -------
        Heard
            The first segment is recognised already, the others follow as they are asked for.
            The same samples and options give the same text.
        """
        if not contains_speech(samples):
            return Heard(language=None, segments=iter(()))
        with self._lock:
            spoken = self._spoken(samples, language=language)
            steps, _ = self._model.transcribe(samples, **self._options(spoken, context=context))
        segments = self._segments(steps)
        first = next(segments, None)
        if first is None:
            return Heard(language=None, segments=segments)
        found = language or _SERVICE_CODE.get(spoken, spoken)
        return Heard(language=found, segments=chain([first], segments))

    def _spoken(self, samples: NDArray[np.float32], *, language: str | None) -> str:
        if not self._model.model.is_multilingual:
            return "en"
        if language is not None:
            return self._whisper_code(language)
        # Without the last frame it is the very window that recognition begins with.
        features = self._model.feature_extractor(samples)[..., :-1]
        detected: str = self._model.detect_language(features=features)[0]
        return detected

    def knows(self, language: str) -> bool:
        """Tell whether the model can write a language, given by the service's code."""
        return self._has_token(self._whisper_code(language))

    def _whisper_code(self, language: str) -> str:
        code = _WHISPER_CODE.get(language, language)
        return code if self._has_token(code) else _NEAREST.get(code, code)

    def _has_token(self, code: str) -> bool:
        return self._model.hf_tokenizer.token_to_id(f"<|{code}|>") is not None

    def _options(self, spoken: str, *, context: str | None) -> dict[str, Any]:
        return {
            "language": spoken,
            "beam_size": self._decoding.beam_size,
            "temperature": self._decoding.temperatures,
            "condition_on_previous_text": self._decoding.condition_on_previous_text,
            # An initial prompt would reach the first 30 s only. Whisper takes either for what was
            # said before: without a full stop it reads on in the middle of a sentence, and has
            # skipped the first words of a clip.
            "hotwords": f"{context.rstrip(' .')}." if context else None,
        }

    def _segments(self, steps: Iterator[Any]) -> Iterator[Segment]:
        begun = False
        while step := self._next(steps):
            if not _is_invented(step):
                yield self._segment(step, begun=begun)
                begun = True

    def _next(self, steps: Iterator[Any]) -> Any:  # noqa: ANN401 - faster-whisper has no types
        with self._lock:
            return next(steps, None)

    def _segment(self, step: Any, *, begun: bool) -> Segment:  # noqa: ANN401
        return Segment(
            start=step.start,
            end=step.end,
            text=step.text if begun else step.text.lstrip(),
            tokens=sum(token < self._end_of_text for token in step.tokens),
        )


class _EncodeOnce:
    """Whisper's encoder, with a memory of one window.

    Detecting the language and recognising encode the same window, which is half of the work for a
    short clip.
    """

    def __init__(self, encode: Callable[[NDArray[np.float32]], Any]) -> None:
        self._encode = encode
        self._features = np.empty(0, np.float32)
        self._encoded: Any = None

    def __call__(self, features: NDArray[np.float32]) -> Any:  # noqa: ANN401
        if not np.array_equal(features, self._features):
            self._encoded = self._encode(features)
            self._features = features
        return self._encoded


def _is_invented(step: Any) -> bool:  # noqa: ANN401
    looping: bool = step.compression_ratio > LOOP_COMPRESSION
    return looping and step.no_speech_prob > NO_SPEECH_PROBABILITY


def _engine() -> Any:  # noqa: ANN401
    # The voice detector's runtime would report this machine to its maker, once it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import faster_whisper
    except ImportError as error:
        message = (
            "there is no embedded recogniser: faster-whisper is not installed.\n\n"
            'Hint: pip install "asr-pandas[local]" to transcribe on this machine, '
            "or set DASHSCOPE_API_KEY to use the hosted service."
        )
        raise RecogniserMissing(message) from error
    return faster_whisper


def _precision(device: str) -> str:
    from ctranslate2 import get_cuda_device_count

    if device not in {"auto", "cpu", "cuda"}:
        message = f"device {device!r} is none of auto, cpu, cuda."
        raise OptionError(message)
    found = device != "cpu" and get_cuda_device_count() > 0
    if device == "cuda" and not found:
        message = "device 'cuda': there is no usable GPU here.\n\nHint: leave it out, or use 'cpu'."
        raise OptionError(message)
    return "float16" if found else "int8"


def cores() -> int:
    """Count the cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
