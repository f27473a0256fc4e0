"""Before a row is sent: is its answer recorded, and if not, what is sent? Runs in threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asr_pandas.audio.cells import is_missing, read
from asr_pandas.audio.convert import converted
from asr_pandas.audio.fit import MEDIA_TYPES, fit
from asr_pandas.errors import AudioError
from asr_pandas.model import MISSING, Failure, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from asr_pandas.audio.cells import Reading
    from asr_pandas.model import Clip, Request
    from asr_pandas.run.question import Asked, Identities, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A row whose answer can be looked for."""

    row: Row
    identity: str
    key: bytes
    clip: Clip | None
    """None for an address: it is not downloaded before one knows that its answer is lacking."""

    @property
    def is_quick(self) -> bool:
        """Whether it fits as it is, so that no thread is needed for it."""
        return self.clip is not None and self.clip.container in MEDIA_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendable:
    """What is sent for a row."""

    clip: Clip
    request: Request


def glance(
    rows: Sequence[Row], *, asked: Asked, identities: Identities, since: datetime | None
) -> list[Row | Outcome]:
    """Find what is recorded of many rows at once, without reading their audio.

    Returns
    -------
    list
        For each row its outcome, or itself where none is seen.
    """
    keys = [
        asked.key(row, identity) if identity is not None else None
        for row, identity in zip(rows, identities.at_a_glance(rows), strict=True)
    ]
    found = identities.journal.find([key for key in keys if key is not None], since=since)
    return [_seen(row, key, found) for row, key in zip(rows, keys, strict=True)]


def _seen(row: Row, key: bytes | None, found: dict[bytes, Outcome]) -> Row | Outcome:
    if is_missing(row.cell):
        return MISSING
    if key is not None and key in found:
        return found[key].as_reused()
    return row


def identify(
    rows: Sequence[Row], *, asked: Asked, identities: Identities, reading: Reading
) -> list[Ready | Outcome]:
    """Read the audio of some rows, so that their answers can be looked for.

    Returns
    -------
    list
        For each row what it is known by, or why it cannot be read.
    """
    return [_identified(row, asked, identities, reading) for row in rows]


def _identified(
    row: Row, asked: Asked, identities: Identities, reading: Reading
) -> Ready | Outcome:
    clip = None
    try:
        identity = None if reading.fetch else identities.of_address(row.cell)
        if identity is None:
            clip = read(row.cell, reading)
            identity = identities.of(clip)
            identities.remember(clip)
    except AudioError as error:
        return _unsendable(error)
    return Ready(row=row, identity=identity, key=asked.key(row, identity), clip=clip)


def fitted(ready: Ready, *, asked: Asked, reading: Reading) -> Sendable | Outcome:
    """Make a row's audio fit the service.

    Returns
    -------
    Sendable or Outcome
        What is sent, or why the row cannot be sent.
    """
    try:
        clip = converted(ready.clip or read(ready.row.cell, reading))
        return Sendable(clip=clip, request=asked.request(ready.row, fit(clip)))
    except AudioError as error:
        return _unsendable(error)


def _unsendable(error: AudioError) -> Outcome:
    return Outcome(status="failed", failure=Failure(kind=error.kind, message=str(error)))
