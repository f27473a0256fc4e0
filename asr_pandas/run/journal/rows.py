"""An outcome ↔ what the journal keeps of it: columns to ask by, and the rest as JSON. Pure.

Only what differs from a field's default is written. Texts may be any that Python can hold, lone
surrogates and NUL characters too: file names and services are not ours.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from asr_pandas.model import Failure, Outcome, Transcription, Usage

Text = str | bytes | None
"""A text as SQLite takes it: one that UTF-8 cannot hold is bytes."""

_COLUMNS: Final = {"status", "endpoint", "model", "cost"}
_NESTED: Final = {"transcription", "failure", "usage"}


class Row(NamedTuple):
    """What an outcome is in the table `outcomes`, but for its keys."""

    at: float | None
    """Seconds since 1970, to find by age; the exact time is in `rest`."""
    status: str
    endpoint: Text
    model: Text
    seconds: float | None
    """Billed, else measured."""
    cost: float | None
    rest: bytes
    """JSON."""


def encode(outcome: Outcome) -> Row:
    """Take an outcome apart."""
    reply, failure, time = outcome.transcription, outcome.failure, outcome.transcribed_at
    rest = _telling(outcome, _OUTCOME)
    if time is not None:
        rest["transcribed_at"] = time.isoformat()
    if reply is not None:
        rest["transcription"] = _telling(reply, _TRANSCRIPTION)
        if usage := _telling(reply.usage, _USAGE):
            rest["transcription"]["usage"] = usage
    if failure is not None:
        rest["failure"] = _telling(failure, _FAILURE)
    billed = reply.usage.seconds if reply is not None else None
    return Row(
        at=None if time is None else time.timestamp(),
        status=outcome.status,
        endpoint=stored(outcome.endpoint),
        model=stored(outcome.model),
        seconds=outcome.duration if billed is None else billed,
        cost=outcome.cost,
        rest=_dumped(rest),
    )


def decode(
    status: Any,  # noqa: ANN401 - SQLite does not know our words
    endpoint: Text,
    model: Text,
    cost: float | None,
    rest: bytes,
) -> Outcome | None:
    """Put an outcome together again.

    Parameters
    ----------
    status, endpoint, model, cost, rest
        As `encode` returned them.

    Returns
    -------
    Outcome or None
        Equal to the one that was encoded; None where that cannot be read any more, or not yet:
        it is no answer then.
    """
    try:
        return _decoded(status, endpoint, model, cost, rest)
    except (AttributeError, TypeError, ValueError):
        return None


def _decoded(
    status: Any,  # noqa: ANN401
    endpoint: Text,
    model: Text,
    cost: float | None,
    rest: bytes,
) -> Outcome:
    told: dict[str, Any] = _loaded(rest)
    if time := told.get("transcribed_at"):
        told["transcribed_at"] = datetime.fromisoformat(time)
    if (reply := told.get("transcription")) is not None:
        if usage := reply.get("usage"):
            reply["usage"] = Usage(**usage)
        told["transcription"] = Transcription(**reply)
    if (failure := told.get("failure")) is not None:
        told["failure"] = Failure(**failure)
    return Outcome(status=status, endpoint=text(endpoint), model=text(model), cost=cost, **told)


def stored(value: str | None) -> Text:
    r"""Return a text as SQLite can hold it.

    Examples
    --------
    >>> stored("a.wav"), stored("bad\udcff.wav")
    ('a.wav', b'bad\xed\xb3\xbf.wav')
    """
    if value is None or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="surrogatepass")
    return value


def text(value: Text) -> str | None:
    """Return a text as it was before it was `stored`."""
    return value.decode(errors="surrogatepass") if isinstance(value, bytes) else value


def _told_by_name(kind: Any) -> tuple[tuple[str, object], ...]:  # noqa: ANN401 - a dataclass
    kept = (one for one in fields(kind) if one.name not in _NESTED)
    return tuple((one.name, one.default) for one in kept if one.default is not MISSING)


_OUTCOME: Final = tuple(
    (name, default)
    for name, default in _told_by_name(Outcome)
    if name not in _COLUMNS | {"transcribed_at"}
)
_TRANSCRIPTION: Final = (("text", MISSING), *_told_by_name(Transcription))
_FAILURE: Final = (("kind", MISSING), ("message", MISSING), *_told_by_name(Failure))
_USAGE: Final = _told_by_name(Usage)


def _telling(value: object, known: tuple[tuple[str, object], ...]) -> dict[str, Any]:
    return {name: told for name, default in known if (told := getattr(value, name)) != default}


def _dumped(rest: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(rest)
    except TypeError:
        # Lone surrogates, which JSON can escape.
        return json.dumps(rest).encode()


def _loaded(rest: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return orjson.loads(rest)
    except orjson.JSONDecodeError:
        return json.loads(rest)
