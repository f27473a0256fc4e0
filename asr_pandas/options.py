"""What a person may ask of a run: declared once, checked once, shared by every door."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, Unpack, cast, get_args

from asr_pandas.ages import seconds_of
from asr_pandas.columns import Level
from asr_pandas.endpoint import Endpoint
from asr_pandas.errors import OptionError
from asr_pandas.languages import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    import pandas as pd

Errors = Literal["coerce", "raise"]
OnInterrupt = Literal["raise", "return"]


class TranscribeOptions(TypedDict, total=False):
    """The options of `transcribe`; `DataFrame.asr.transcribe` describes each."""

    # the request
    language: str | None
    language_from: Hashable | pd.Series[Any] | None
    itn: bool
    context: str | None
    context_from: Hashable | pd.Series[Any] | None
    stream: bool
    # the audio
    channels: int | Literal["mix", "each"]
    skip_silence: bool
    shrink: bool
    fetch: bool
    upload: str | Callable[..., str] | None
    # where, how fast, how much
    endpoint: Endpoint | str | None
    concurrency: int | None
    rpm: float | None
    budget: float | str | None
    patience: float | str | None
    # what is kept, what failure means
    journal: bool | str | Path
    reuse: bool | str
    errors: Errors
    on_interrupt: OnInterrupt
    overwrite: bool
    # what is shown
    progress: bool | None
    watch: object
    columns: Level
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options after the check, with their defaults."""

    language: str | None = None
    language_from: Hashable | pd.Series[Any] | None = None
    itn: bool = False
    context: str | None = None
    context_from: Hashable | pd.Series[Any] | None = None
    stream: bool = False
    endpoint: Endpoint | str | None = None
    concurrency: int | None = None
    rpm: float | None = None
    budget: float | str | None = None
    patience: float | str | None = None
    fetch: bool = False
    journal: bool | str | Path = True
    reuse: bool | str = True
    errors: Errors = "coerce"
    on_interrupt: OnInterrupt = "raise"
    overwrite: bool = False
    progress: bool | None = None
    columns: Level = "basic"
    prefix: str = ""


# Each with the values that are true today, and what to do instead of the others.
_NOT_YET: Final[dict[str, tuple[tuple[object, ...], str]]] = {
    "channels": (
        ("mix",),
        "split the channels first (ffmpeg -i call.wav -filter_complex channelsplit l.wav r.wav)",
    ),
    "skip_silence": ((False,), "leave silent rows out of the frame; they come back `empty`"),
    "shrink": ((False,), "re-encode large files first (ffmpeg -i in.wav -c:a flac out.flac)"),
    "upload": ((None,), "give paths, which are sent inside the request, or public addresses"),
    "watch": ((None,), "show the frame when the run has finished"),
}

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "language": (str, NoneType),
    "context": (str, NoneType),
    "itn": (bool,),
    "fetch": (bool,),
    "journal": (bool, str, PathLike),
    "reuse": (bool, str),
    "stream": (bool,),
    "overwrite": (bool,),
    "progress": (bool, NoneType),
    "prefix": (str,),
    "endpoint": (str, Endpoint, NoneType),
    "rpm": (Real, NoneType),
    "concurrency": (Integral, NoneType),
}

_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "errors": get_args(Errors),
    "on_interrupt": get_args(OnInterrupt),
    "columns": get_args(Level),
}


def check(**options: Unpack[TranscribeOptions]) -> Settings:
    """Check options and fill in their defaults.

    Returns
    -------
    Settings
        The options in the service's terms (language codes).

    Raises
    ------
    OptionError
        A value that cannot be used, with those that can.
    NotImplementedError
        A value that a later version will take, with what to do instead.
    TypeError
        An option that does not exist.

    Examples
    --------
    >>> check(language="German", itn=True).language
    'de'
    """
    given = cast("dict[str, Any]", dict(options))
    unknown = given.keys() - TranscribeOptions.__annotations__.keys()
    if unknown:
        message = f"transcribe() has no option {', '.join(map(repr, sorted(unknown)))}"
        raise TypeError(message)
    for name, value in given.items():
        _refuse_what_is_not_there_yet(name, value)
        _refuse_unknown_words(name, value)
        _refuse_other_types(name, value)
    _refuse_two_sources(given)
    _refuse_numbers_below(given)
    _refuse_unreadable_ages(given)
    language = given.get("language")
    if language is not None:
        given["language"] = normalise(language)
    return Settings(**{name: value for name, value in given.items() if name not in _NOT_YET})


def _refuse_what_is_not_there_yet(name: str, value: object) -> None:
    if name not in _NOT_YET:
        return
    true_today, instead = _NOT_YET[name]
    # The type counts too: `0 == False`, but channels=0 and journal=0 ask for something else.
    if not any(type(value) is type(known) and value == known for known in true_today):
        message = f"{name}={value!r} is not there yet.\n\nHint: {instead}."
        raise NotImplementedError(message)


def _refuse_unknown_words(name: str, value: object) -> None:
    if name in _WORDS and value not in _WORDS[name]:
        message = f"{name}={value!r}: one of {', '.join(map(repr, _WORDS[name]))} is expected"
        raise OptionError(message)


def _refuse_other_types(name: str, value: object) -> None:
    if name in _TYPES and not isinstance(value, _TYPES[name]):
        words = " or ".join(kind.__name__.removesuffix("Type") for kind in _TYPES[name])
        message = f"{name}={value!r}: {words} is expected"
        raise OptionError(message)


def _refuse_two_sources(given: dict[str, Any]) -> None:
    for name in ("language", "context"):
        if given.get(name) is not None and given.get(f"{name}_from") is not None:
            message = f"{name}= is one for all rows, {name}_from= one per row: give one of the two"
            raise OptionError(message)


def _refuse_unreadable_ages(given: dict[str, Any]) -> None:
    if given.get("patience") is not None:
        seconds_of(given["patience"])
    if isinstance(given.get("reuse"), str):
        seconds_of(given["reuse"])


def _refuse_numbers_below(given: dict[str, Any]) -> None:
    concurrency, rpm = given.get("concurrency"), given.get("rpm")
    if concurrency is not None and concurrency < 1:
        message = f"concurrency={concurrency!r}: a whole number of 1 or more is expected"
        raise OptionError(message)
    if rpm is not None and (isinstance(rpm, bool) or not rpm > 0):
        message = f"rpm={rpm!r}: more than 0 requests per minute are expected"
        raise OptionError(message)
